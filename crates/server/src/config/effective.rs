//! The settings in effect, to be shown.

use std::path::Path;

use toml::{Table, Value};

use super::secret::REDACTED;
use super::{Config, LogFormat};

/// Collects the settings so that they could be loaded again, but for redacted secrets.
pub(super) fn table(config: &Config) -> Table {
    let mut root = Table::new();
    root.insert("data".to_owned(), path(&config.data));
    root.insert("shards".to_owned(), Value::Integer(config.shards.into()));
    root.insert("listeners".to_owned(), listeners(config));
    root.insert("tls".to_owned(), tls(config));
    root.insert("limits".to_owned(), limits(config));
    root.insert(
        "store".to_owned(),
        section([
            ("journal_bytes", number(config.store.journal_bytes)),
            ("segment_bytes", number(config.store.segment_bytes)),
        ]),
    );
    root.insert("accounts".to_owned(), accounts(config));
    root.insert(
        "metrics".to_owned(),
        section([("open", Value::Boolean(config.metrics.open))]),
    );
    root.insert("chat".to_owned(), chat(config));
    root.insert("files".to_owned(), files(config));
    root.insert(
        "webhooks".to_owned(),
        section([
            ("enabled", Value::Boolean(config.webhooks.enabled)),
            (
                "allow_private",
                Value::Boolean(config.webhooks.allow_private),
            ),
        ]),
    );
    root.insert("traces".to_owned(), traces(config));
    root.insert("log".to_owned(), log(config));
    root
}

fn listeners(config: &Config) -> Value {
    let listeners = &config.listeners;
    section([
        ("bind", text(&listeners.bind.to_string())),
        ("amqp", text(&listeners.amqp.to_string())),
        ("amqps", text(&listeners.amqps.to_string())),
        ("http", text(&listeners.http.to_string())),
        ("https", text(&listeners.https.to_string())),
        ("management", text(&listeners.management.to_string())),
        ("line", text(&listeners.line.to_string())),
        ("line_tls", text(&listeners.line_tls.to_string())),
    ])
}

fn tls(config: &Config) -> Value {
    let tls = &config.tls;
    let named = [
        ("certificate", &tls.certificate),
        ("key", &tls.key),
        ("directory", &tls.directory),
    ];
    section(
        named
            .into_iter()
            .filter_map(|(name, value)| Some((name, path(value.as_deref()?)))),
    )
}

fn limits(config: &Config) -> Value {
    let limits = &config.limits;
    section([
        ("max_message_bytes", number(limits.max_message_bytes)),
        ("frame_max", number(limits.frame_max.into())),
        ("channel_max", number(limits.channel_max.into())),
        ("heartbeat_s", number(limits.heartbeat_s.into())),
        ("max_connections", number(limits.max_connections.into())),
        ("max_queues", number(limits.max_queues.into())),
        ("max_bindings", number(limits.max_bindings.into())),
        (
            "max_consumers_per_channel",
            number(limits.max_consumers_per_channel.into()),
        ),
        (
            "max_unacked_per_connection",
            number(limits.max_unacked_per_connection.into()),
        ),
        ("handshake_timeout_ms", number(limits.handshake_timeout_ms)),
        ("shutdown_timeout_ms", number(limits.shutdown_timeout_ms)),
        ("memory_high_bytes", number(limits.memory_high())),
        ("memory_resume_bytes", number(limits.memory_resume())),
        ("disk_free_low_bytes", number(limits.disk_free_low_bytes)),
        (
            "disk_free_resume_bytes",
            number(limits.disk_free_resume_bytes),
        ),
    ])
}

fn chat(config: &Config) -> Value {
    let chat = &config.chat;
    section([
        ("default_room", text(&chat.default_room)),
        ("language", text(&chat.language)),
        ("keep_rooms", text(chat.keep_rooms.as_str())),
        ("grace_ms", number(chat.grace_ms)),
        ("max_rooms", number(chat.max_rooms.into())),
        (
            "messages_per_second",
            number(chat.messages_per_second.into()),
        ),
        ("messages_burst", number(chat.messages_burst.into())),
        ("edit_minutes", number(chat.edit_minutes)),
        ("history_days", number(chat.history_days)),
        ("history_messages", number(chat.history_messages)),
        ("idle_s", number(chat.idle_s)),
        ("login_timeout_ms", number(chat.login_timeout_ms)),
    ])
}

fn files(config: &Config) -> Value {
    let files = &config.files;
    section([
        ("enabled", Value::Boolean(files.enabled)),
        ("heartbeat_s", number(files.heartbeat_s.into())),
        ("silence_s", number(files.silence_s.into())),
        (
            "max_peers_per_account",
            number(files.max_peers_per_account.into()),
        ),
        ("max_files_per_peer", number(files.max_files_per_peer)),
        ("ticket_s", number(files.ticket_s.into())),
        ("relay_enabled", Value::Boolean(files.relay_enabled)),
        ("relay_max_calls", number(files.relay_max_calls.into())),
        (
            "relay_max_calls_per_account",
            number(files.relay_max_calls_per_account.into()),
        ),
        ("relay_bytes_per_s", number(files.relay_bytes_per_s)),
    ])
}

fn accounts(config: &Config) -> Value {
    let accounts = &config.accounts;
    let password = accounts
        .administrator_password
        .as_ref()
        .map(|_| ("administrator_password", text(REDACTED)));
    section(
        [
            ("guest", Value::Boolean(accounts.guest)),
            ("administrator", text(&accounts.administrator)),
            ("registration", text(accounts.registration.as_str())),
            ("profile", text(accounts.profile.as_str())),
            ("max_queues", number(accounts.max_queues)),
            ("max_bytes", number(accounts.max_bytes)),
            ("max_connections", number(accounts.max_connections)),
            ("publish_rate", number(accounts.publish_rate)),
        ]
        .into_iter()
        .chain(password),
    )
}

fn traces(config: &Config) -> Value {
    let traces = &config.traces;
    let endpoint = traces.endpoint.as_deref();
    let headers = traces.headers.as_ref();
    section(
        endpoint
            .map(|endpoint| ("endpoint", text(endpoint)))
            .into_iter()
            .chain([("sample", Value::Float(traces.sample))])
            .chain(headers.map(|_| ("headers", text(REDACTED)))),
    )
}

fn log(config: &Config) -> Value {
    let format = match config.log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    section([("level", text(&config.log.level)), ("format", text(format))])
}

fn section(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Table(
        entries
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

fn path(value: &Path) -> Value {
    Value::String(value.display().to_string())
}

/// TOML's integers are signed; a greater limit than that means the same.
fn number(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}
