//! The ranges of the settings and the relations between them.

use super::{Config, ConfigError, SHARDS_MAX};

/// The smallest frame of AMQP 0-9-1 (`frame-min-size`).
const FRAME_MIN_BYTES: u32 = 4096;

/// The greatest frame that is worth its buffers.
const FRAME_MAX_BYTES: u32 = 1 << 20;

/// A journal below this would turn over with every batch.
const JOURNAL_MIN_BYTES: u64 = 1 << 20;

/// The greatest message: lengths on disk are 32 bits wide, with room for the properties.
const MESSAGE_MAX_BYTES: u64 = 2 << 30;

/// Refuses the first setting outside its range, saying what would be right.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let limits = &config.limits;
    within("shards", config.shards, 0, SHARDS_MAX)?;
    within(
        "limits.frame_max",
        limits.frame_max,
        FRAME_MIN_BYTES,
        FRAME_MAX_BYTES,
    )?;
    within("limits.channel_max", limits.channel_max, 1, u16::MAX)?;
    within(
        "limits.max_message_bytes",
        limits.max_message_bytes,
        1,
        MESSAGE_MAX_BYTES,
    )?;
    within("limits.max_connections", limits.max_connections, 1, 1 << 24)?;
    within("limits.max_queues", limits.max_queues, 1, 1 << 24)?;
    within("limits.max_bindings", limits.max_bindings, 1, 1 << 26)?;
    within(
        "limits.max_consumers_per_channel",
        limits.max_consumers_per_channel,
        1,
        1 << 20,
    )?;
    within(
        "limits.max_unacked_per_connection",
        limits.max_unacked_per_connection,
        1,
        1 << 28,
    )?;
    within(
        "limits.handshake_timeout_ms",
        limits.handshake_timeout_ms,
        100,
        600_000,
    )?;
    within(
        "limits.shutdown_timeout_ms",
        limits.shutdown_timeout_ms,
        0,
        600_000,
    )?;
    within(
        "store.journal_bytes",
        config.store.journal_bytes,
        JOURNAL_MIN_BYTES,
        4 << 30,
    )?;
    within(
        "store.segment_bytes",
        config.store.segment_bytes,
        JOURNAL_MIN_BYTES,
        4 << 30,
    )?;
    check_hysteresis(config)?;
    check_chat(config)?;
    check_files(config)?;
    check_classroom(config)?;
    check_traces(config)?;
    check_texts(config)
}

/// A pause that ends where it begins would flap with every message.
fn check_hysteresis(config: &Config) -> Result<(), ConfigError> {
    let limits = &config.limits;
    if limits.memory_resume() >= limits.memory_high() {
        return Err(rule(
            "limits.memory_resume_bytes",
            format!(
                "must be below limits.memory_high_bytes ({})",
                limits.memory_high()
            ),
        ));
    }
    if limits.disk_free_resume_bytes <= limits.disk_free_low_bytes {
        return Err(rule(
            "limits.disk_free_resume_bytes",
            format!(
                "must be above limits.disk_free_low_bytes ({})",
                limits.disk_free_low_bytes
            ),
        ));
    }
    Ok(())
}

fn check_chat(config: &Config) -> Result<(), ConfigError> {
    let chat = &config.chat;
    if let Err(error) = chat::RoomName::parse(&chat.default_room) {
        return Err(rule(
            "chat.default_room",
            format!("cannot be this: {error}"),
        ));
    }
    if chat::Language::of(&chat.language).is_none() {
        let message = "must be en or es".to_owned();
        return Err(rule("chat.language", message));
    }
    within("chat.grace_ms", chat.grace_ms, 0, 24 * 60 * 60 * 1_000)?;
    within("chat.max_rooms", chat.max_rooms, 1, 1 << 20)?;
    within("chat.messages_burst", chat.messages_burst, 1, 1 << 20)?;
    within(
        "chat.edit_minutes",
        chat.edit_minutes,
        0,
        100 * 366 * 24 * 60,
    )?;
    within("chat.history_days", chat.history_days, 0, 100 * 366)?;
    within("chat.idle_s", chat.idle_s, 1, 24 * 60 * 60)?;
    within(
        "chat.login_timeout_ms",
        chat.login_timeout_ms,
        1_000,
        3_600_000,
    )
}

/// The least that the relay passes in a second when it is bounded.
const RELAY_BYTES_PER_S_MIN: u64 = 256 << 10;

fn check_files(config: &Config) -> Result<(), ConfigError> {
    let files = &config.files;
    within("files.heartbeat_s", files.heartbeat_s, 1, 3_600)?;
    within("files.silence_s", files.silence_s, 2, 24 * 3_600)?;
    within(
        "files.max_peers_per_account",
        files.max_peers_per_account,
        1,
        1 << 16,
    )?;
    within(
        "files.max_files_per_peer",
        files.max_files_per_peer,
        1,
        1 << 26,
    )?;
    // As long as peers take one at all.
    within("files.ticket_s", files.ticket_s, 10, 3_600)?;
    within("files.relay_max_calls", files.relay_max_calls, 1, 1 << 16)?;
    within(
        "files.relay_max_calls_per_account",
        files.relay_max_calls_per_account,
        1,
        1 << 16,
    )?;
    // With less, peers take each other for lost before it is their turn.
    if files.relay_bytes_per_s != 0 {
        within(
            "files.relay_bytes_per_s",
            files.relay_bytes_per_s,
            RELAY_BYTES_PER_S_MIN,
            1 << 40,
        )?;
    }
    if files.silence_s <= files.heartbeat_s {
        let message = format!("must be above files.heartbeat_s ({})", files.heartbeat_s);
        return Err(rule("files.silence_s", message));
    }
    Ok(())
}

fn check_classroom(config: &Config) -> Result<(), ConfigError> {
    let classroom = &config.classroom;
    if !classroom.room.is_empty()
        && let Err(error) = chat::RoomName::parse(&classroom.room)
    {
        return Err(rule("classroom.room", format!("cannot be this: {error}")));
    }
    within("classroom.silence_s", classroom.silence_s, 1, 24 * 3_600)?;
    within("classroom.max_users", classroom.max_users, 1, 1 << 16)?;
    within("classroom.max_accounts", classroom.max_accounts, 1, 1 << 24)
}

fn check_traces(config: &Config) -> Result<(), ConfigError> {
    let traces = &config.traces;
    // A comparison with NaN is false.
    within("traces.sample", traces.sample, 0.0, 1.0)?;
    if let Some(endpoint) = &traces.endpoint
        && let Some(wrong) = flaw_of_collector(endpoint)
    {
        let message = format!("{wrong}; write it as in http://127.0.0.1:4317");
        return Err(rule("traces.endpoint", message));
    }
    match &traces.headers {
        None => Ok(()),
        // What stands there may be secret: it is not repeated.
        Some(headers) => match crate::traces::parse_headers(headers.expose()) {
            Some(_) => Ok(()),
            None => Err(rule(
                "traces.headers",
                "must be NAME=VALUE, several separated by commas, in visible ASCII".to_owned(),
            )),
        },
    }
}

/// Says what is wrong with a collector's URL, without repeating a password in it.
fn flaw_of_collector(endpoint: &str) -> Option<&'static str> {
    let Ok(url) = url::Url::parse(endpoint) else {
        return Some("is no URL");
    };
    if !["http", "https"].contains(&url.scheme()) {
        return Some("is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("has an account in it: credentials belong in traces.headers");
    }
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    (!is_bare).then_some("has more than a host and a port: OTLP over gRPC has no path")
}

fn check_texts(config: &Config) -> Result<(), ConfigError> {
    if config.data.as_os_str().is_empty() {
        return Err(rule("data", "must name a directory".to_owned()));
    }
    match (&config.tls.certificate, &config.tls.key) {
        (Some(_), None) => {
            let message = "missing: tls.certificate needs its private key".to_owned();
            return Err(rule("tls.key", message));
        }
        (None, Some(_)) => {
            let message = "missing: tls.key needs its certificate".to_owned();
            return Err(rule("tls.certificate", message));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    directory::account::check_login_name(&config.accounts.administrator)
        .map_err(|error| rule("accounts.administrator", error.to_string()))?;
    check_log_level(&config.log.level)
}

/// The filter takes any single word for a part of the program: a mistyped level would log everything of a part that is not there.
fn check_log_level(directives: &str) -> Result<(), ConfigError> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |text: &str| levels.contains(&text.trim().to_ascii_lowercase().as_str());
    let wrong = directives
        .split(',')
        .find(|directive| !is_level(directive.rsplit('=').next().unwrap_or_default()));
    let message = match wrong {
        Some(wrong) => format!("`{wrong}` is no level"),
        None => match tracing_subscriber::EnvFilter::try_new(directives) {
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        },
    };
    Err(rule(
        "log.level",
        format!(
            "{message}; give error, warn, info, debug or trace, by part as in info,session=debug"
        ),
    ))
}

fn within<T: PartialOrd + std::fmt::Display>(
    key: &'static str,
    value: T,
    least: T,
    greatest: T,
) -> Result<(), ConfigError> {
    if value >= least && value <= greatest {
        return Ok(());
    }
    Err(rule(
        key,
        format!("{value} is outside its range, {least} to {greatest}"),
    ))
}

fn rule(key: &'static str, message: String) -> ConfigError {
    ConfigError::Rule { key, message }
}
