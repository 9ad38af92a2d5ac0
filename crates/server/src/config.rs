//! The server's settings: one typed struct, loaded once at start.
//!
//! A value comes from the first source that has it: a flag, the environment (`CHASKI_...`, also
//! from a `.env` file in the working directory), a TOML file (`--config FILE`, else
//! `DATA/chaski.toml`), the default. A name that means nothing is refused with the nearest one
//! that does, because a setting with a typing error would otherwise be ignored in silence.
//!
//! Never changes the process environment and creates no file. The doc comments of the fields
//! are the comments of the default file, so they address the operator.
//!
//! Start reading at [`Config::load`].

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

mod address;
mod chat;
mod effective;
mod error;
mod files;
mod machine;
mod nearest;
mod schema;
mod secret;
mod sources;
mod validate;

pub use address::{ListenAddress, ListenAddressError};
pub use chat::{Chat, KeepRooms};
pub use error::ConfigError;
pub use files::Files;
pub(crate) use nearest::nearest;
pub use secret::Secret;
pub use sources::Sources;

use serde::Deserialize;

/// The name of the configuration file inside the data directory.
pub const FILE_NAME: &str = "chaski.toml";

/// The greatest number of shards.
pub const SHARDS_MAX: u16 = 64;

/// Chaski's settings.
///
/// A value is taken from the first place that has it: a flag of the command line
/// (`--set KEY=VALUE` reaches every key), the environment (also from a file `.env` in the
/// working directory), this file, the default shown here.
/// Print this file with `chaski config`, and the values in effect with `chaski config --effective`.
#[derive(Clone, Debug, confique::Config)]
pub struct Config {
    /// The data directory: messages, accounts, certificates. Made at first start, for its
    /// owner's eyes only. A file inside the data directory cannot set it.
    #[config(default = "./data", env = "CHASKI_DATA")]
    pub data: PathBuf,

    /// Threads that own queues and connections. 0 = one less than the machine has cores, at
    /// least 1. At most 64.
    #[config(default = 0, env = "CHASKI_SHARDS")]
    pub shards: u16,

    /// Where the server listens. An address is `ADDR:PORT`, or `PORT` alone (then at `bind`);
    /// port 0 takes a free one; `off` closes the listener.
    #[config(nested)]
    pub listeners: Listeners,

    /// Certificates of the TLS listeners.
    #[config(nested)]
    pub tls: Tls,

    /// Bounds that keep one client from harming the others.
    #[config(nested)]
    pub limits: Limits,

    /// The message log on disk.
    #[config(nested)]
    pub store: Store,

    /// Accounts that the server makes by itself.
    #[config(nested)]
    pub accounts: Accounts,

    /// Rooms and private messages between people.
    #[config(nested)]
    pub chat: Chat,

    /// What peers share, and who is there; the files themselves never come here.
    #[config(nested)]
    pub files: Files,

    /// Who may read metrics.
    #[config(nested)]
    pub metrics: Metrics,

    /// Messages that the server posts to URLs by itself.
    #[config(nested)]
    pub webhooks: Webhooks,

    /// Traces that follow messages from publish to acknowledgement, for a collector of
    /// OpenTelemetry. Never bodies of messages, never secrets.
    #[config(nested)]
    pub traces: Traces,

    /// What is written to standard error. Never bodies of messages, never secrets.
    #[config(nested)]
    pub log: Log,
}

/// The addresses that the server listens on.
#[derive(Clone, Debug, confique::Config)]
pub struct Listeners {
    /// The IP address of every listener that names only a port. 127.0.0.1 = this machine
    /// only; 0.0.0.0 = every IPv4 network; :: = every network.
    #[config(default = "127.0.0.1", env = "CHASKI_BIND")]
    pub bind: IpAddr,

    /// AMQP 0-9-1 without encryption.
    #[config(default = "5672", env = "CHASKI_AMQP")]
    pub amqp: ListenAddress,

    /// AMQP 0-9-1 over TLS.
    #[config(default = "5671", env = "CHASKI_AMQPS")]
    pub amqps: ListenAddress,

    /// HTTP without encryption: REST under /v1, its description under /docs.
    #[config(default = "8080", env = "CHASKI_HTTP")]
    pub http: ListenAddress,

    /// HTTP over TLS.
    #[config(default = "8443", env = "CHASKI_HTTPS")]
    pub https: ListenAddress,

    /// RabbitMQ's management interface (under /api, without encryption), for rabbitmqadmin and its like.
    #[config(default = "15672", env = "CHASKI_MANAGEMENT")]
    pub management: ListenAddress,

    /// The chat's line protocol without encryption: `nc` and telnet are clients.
    #[config(default = "1543", env = "CHASKI_LINE")]
    pub line: ListenAddress,

    /// The chat's line protocol over TLS.
    #[config(default = "1544", env = "CHASKI_LINE_TLS")]
    pub line_tls: ListenAddress,
}

/// The certificates of the TLS listeners.
#[derive(Clone, Debug, confique::Config)]
pub struct Tls {
    /// The certificate chain (PEM). Absent = the server makes a certificate of its own in
    /// DATA/tls.
    #[config(env = "CHASKI_TLS_CERTIFICATE")]
    pub certificate: Option<PathBuf>,

    /// The private key (PEM) of `certificate`; both or neither.
    #[config(env = "CHASKI_TLS_KEY")]
    pub key: Option<PathBuf>,

    /// A directory of certificates chosen by the name that the client asks for (SNI):
    /// NAME.crt with NAME.key beside it.
    #[config(env = "CHASKI_TLS_DIRECTORY")]
    pub directory: Option<PathBuf>,
}

/// The bounds that keep one client from harming the others.
#[derive(Clone, Debug, confique::Config)]
pub struct Limits {
    /// The greatest body of one message, in bytes.
    #[config(default = 16_777_216, env = "CHASKI_MAX_MESSAGE_BYTES")]
    pub max_message_bytes: u64,

    /// The greatest frame that the server offers, in bytes. 4096 to 1048576.
    #[config(default = 131_072, env = "CHASKI_FRAME_MAX")]
    pub frame_max: u32,

    /// The greatest number of channels per connection.
    #[config(default = 2047, env = "CHASKI_CHANNEL_MAX")]
    pub channel_max: u16,

    /// The heartbeat that the server offers, in seconds. 0 = none.
    #[config(default = 60, env = "CHASKI_HEARTBEAT_S")]
    pub heartbeat_s: u16,

    /// Connections at one time.
    #[config(default = 65_536, env = "CHASKI_MAX_CONNECTIONS")]
    pub max_connections: u32,

    /// Queues in the whole server.
    #[config(default = 200_000, env = "CHASKI_MAX_QUEUES")]
    pub max_queues: u32,

    /// Bindings in the whole server.
    #[config(default = 1_000_000, env = "CHASKI_MAX_BINDINGS")]
    pub max_bindings: u32,

    /// Consumers of one channel.
    #[config(default = 10_000, env = "CHASKI_MAX_CONSUMERS_PER_CHANNEL")]
    pub max_consumers_per_channel: u32,

    /// Messages that one connection may have unacknowledged. With as many, its consumers wait as if their
    /// prefetch were used up.
    #[config(default = 1_000_000, env = "CHASKI_MAX_UNACKED_PER_CONNECTION")]
    pub max_unacked_per_connection: u32,

    /// Time from accepting a connection to its `connection.open`, in milliseconds. A peer that
    /// needs longer is closed.
    #[config(default = 10_000, env = "CHASKI_HANDSHAKE_TIMEOUT_MS")]
    pub handshake_timeout_ms: u64,

    /// Time that clients get to say goodbye when the server stops, in milliseconds.
    #[config(default = 4000, env = "CHASKI_SHUTDOWN_TIMEOUT_MS")]
    pub shutdown_timeout_ms: u64,

    /// Memory of the process above which publishers are paused, in bytes. Consumers go on.
    /// 0 = 60 % of what the machine, or the control group, has.
    #[config(default = 0, env = "CHASKI_MEMORY_HIGH_BYTES")]
    pub memory_high_bytes: u64,

    /// Memory below which publishers go on, in bytes. 0 = 90 % of `memory_high_bytes`.
    #[config(default = 0, env = "CHASKI_MEMORY_RESUME_BYTES")]
    pub memory_resume_bytes: u64,

    /// Free disk space below which publishers are paused, in bytes.
    #[config(default = 268_435_456, env = "CHASKI_DISK_FREE_LOW_BYTES")]
    pub disk_free_low_bytes: u64,

    /// Free disk space above which publishers go on, in bytes.
    #[config(default = 402_653_184, env = "CHASKI_DISK_FREE_RESUME_BYTES")]
    pub disk_free_resume_bytes: u64,
}

/// The message log on disk.
#[derive(Clone, Debug, confique::Config)]
pub struct Store {
    /// Size of one journal file, in bytes. Messages that outlive it move to their queue's
    /// segments.
    #[config(default = 33_554_432, env = "CHASKI_JOURNAL_BYTES")]
    pub journal_bytes: u64,

    /// Size of one segment of a queue, in bytes.
    #[config(default = 16_777_216, env = "CHASKI_SEGMENT_BYTES")]
    pub segment_bytes: u64,
}

/// The accounts: those that the server makes by itself, who may make others, and what each may use.
#[derive(Clone, Debug, confique::Config)]
pub struct Accounts {
    /// Whether guest, with the password guest, may log in, from this machine only.
    #[config(default = true, env = "CHASKI_GUEST")]
    pub guest: bool,

    /// The name of the administrator that the first start makes.
    #[config(default = "admin", env = "CHASKI_ADMINISTRATOR")]
    pub administrator: String,

    /// The password of that administrator, used at first start only. Absent = one is generated
    /// and shown once.
    #[config(env = "CHASKI_ADMINISTRATOR_PASSWORD")]
    pub administrator_password: Option<Secret>,

    /// Who may make an account: open = anybody who reaches a door, invitation = whoever has an
    /// administrator's code, closed = administrators alone.
    #[config(default = "open", env = "CHASKI_REGISTRATION")]
    pub registration: Registration,

    /// When whoever makes an account of their own tells the rest of it, which is first names, last
    /// names, age and gender: later = when they like, at_once = with it.
    #[config(default = "later", env = "CHASKI_PROFILE")]
    pub profile: ProfileTime,

    /// Queues that one account may own, unless its own quota says otherwise. 0 = no bound, here
    /// and in the three below.
    #[config(default = 0, env = "CHASKI_ACCOUNT_MAX_QUEUES")]
    pub max_queues: u64,

    /// Bytes of the messages that wait in the queues of one account. With more, what it publishes
    /// waits or is refused.
    #[config(default = 0, env = "CHASKI_ACCOUNT_MAX_BYTES")]
    pub max_bytes: u64,

    /// Connections of one account at one time.
    #[config(default = 0, env = "CHASKI_ACCOUNT_MAX_CONNECTIONS")]
    pub max_connections: u64,

    /// Messages that one account may publish per second. Faster AMQP connections are slowed down;
    /// requests are refused, with the time after which to come again.
    #[config(default = 0, env = "CHASKI_ACCOUNT_PUBLISH_RATE")]
    pub publish_rate: u64,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Anybody.
    Open,
    /// Whoever was invited.
    Invitation,
    /// Administrators alone.
    Closed,
}

impl Registration {
    /// The word that names it in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invitation => "invitation",
            Self::Closed => "closed",
        }
    }
}

/// When the fields of an account beside login and password are to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileTime {
    /// When its owner likes.
    Later,
    /// When it is made.
    AtOnce,
}

impl ProfileTime {
    /// The word that names it in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Later => "later",
            Self::AtOnce => "at_once",
        }
    }
}

/// Who may read metrics.
#[derive(Clone, Debug, confique::Config)]
pub struct Metrics {
    /// Whether everybody who reaches HTTP may read totals at /metrics, for scrapers in closed
    /// networks. Otherwise administrators and accounts with the tag monitoring; the numbers of
    /// single queues always.
    #[config(default = false, env = "CHASKI_METRICS_OPEN")]
    pub open: bool,
}

/// The webhooks.
#[derive(Clone, Debug, confique::Config)]
pub struct Webhooks {
    /// Whether webhooks can be made and send anything.
    #[config(default = true, env = "CHASKI_WEBHOOKS")]
    pub enabled: bool,

    /// Whether they may reach addresses that are not public: this machine, its networks, the
    /// metadata of clouds. Whoever can read a queue can then have requests sent there.
    #[config(default = false, env = "CHASKI_WEBHOOKS_ALLOW_PRIVATE")]
    pub allow_private: bool,
}

/// The traces.
#[derive(Clone, Debug, confique::Config)]
pub struct Traces {
    /// Where spans go, by OTLP over gRPC, as in http://127.0.0.1:4317; https is checked against
    /// the certificates that the machine trusts. Absent = nothing is traced.
    #[config(env = "CHASKI_TRACES_ENDPOINT")]
    pub endpoint: Option<String>,

    /// The share of messages over HTTP and gRPC that begin a trace here, of those whose
    /// publisher sends no `traceparent`. 0 = none, 1 = all. What a publisher traces is always
    /// followed, what it decided not to trace never.
    #[config(default = 0.01, env = "CHASKI_TRACES_SAMPLE")]
    pub sample: f64,

    /// Headers for the collector, as for its token: NAME=VALUE, several separated by commas.
    #[config(env = "CHASKI_TRACES_HEADERS")]
    pub headers: Option<Secret>,
}

/// What is logged and how.
#[derive(Clone, Debug, confique::Config)]
pub struct Log {
    /// error, warn, info, debug or trace; also by part, as in `info,session=debug`.
    #[config(default = "info", env = "CHASKI_LOG_LEVEL")]
    pub level: String,

    /// text for people, json (one object a line) for programs.
    #[config(default = "text", env = "CHASKI_LOG_FORMAT")]
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Config {
    /// Loads the settings from all sources and checks them.
    ///
    /// *Errors*: names the source, the key and what would be right; the first problem found.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let config: Self = sources.resolve()?;
        validate::check(&config)?;
        Ok(config)
    }

    /// Renders the default file: every key with its meaning, all values commented out.
    #[must_use]
    pub fn default_file() -> String {
        confique::toml::template::<Self>(confique::toml::FormatOptions::default())
    }

    /// Collects the values in effect by section, secrets redacted.
    #[must_use]
    pub fn effective(&self) -> toml::Table {
        effective::table(self)
    }

    /// Renders the values in effect as TOML, secrets redacted.
    #[must_use]
    pub fn effective_toml(&self) -> String {
        self.effective().to_string()
    }

    /// Computes the number of shards in effect: 1 to [`SHARDS_MAX`].
    #[must_use]
    pub fn shard_count(&self) -> u16 {
        let wanted = if self.shards == 0 {
            machine::cores().saturating_sub(1)
        } else {
            self.shards
        };
        wanted.clamp(1, SHARDS_MAX)
    }

    /// Names the database of accounts and topology.
    #[must_use]
    pub fn directory_path(&self) -> PathBuf {
        paths::directory(&self.data)
    }

    /// Names the socket of the command line.
    #[must_use]
    pub fn admin_socket_path(&self) -> PathBuf {
        paths::admin_socket(&self.data)
    }

    /// Names the file whose lock says that a server owns the data directory.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        paths::lock(&self.data)
    }

    /// Names the directory of the certificate that the server makes itself.
    #[must_use]
    pub fn tls_dir(&self) -> PathBuf {
        self.data.join("tls")
    }
}

impl Default for Config {
    fn default() -> Self {
        Sources::default()
            .resolve()
            .expect("every required key has a default that deserializes")
    }
}

impl Listeners {
    /// Resolves where AMQP listens; `None` = nowhere.
    #[must_use]
    pub fn amqp_address(&self) -> Option<SocketAddr> {
        self.amqp.resolve(self.bind)
    }

    /// Resolves where AMQP over TLS listens; `None` = nowhere.
    #[must_use]
    pub fn amqps_address(&self) -> Option<SocketAddr> {
        self.amqps.resolve(self.bind)
    }

    /// Resolves where HTTP listens; `None` = nowhere.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.resolve(self.bind)
    }

    /// Resolves where HTTP over TLS listens; `None` = nowhere.
    #[must_use]
    pub fn https_address(&self) -> Option<SocketAddr> {
        self.https.resolve(self.bind)
    }

    /// Resolves where the line protocol listens; `None` = nowhere.
    #[must_use]
    pub fn line_address(&self) -> Option<SocketAddr> {
        self.line.resolve(self.bind)
    }

    /// Resolves where the line protocol over TLS listens; `None` = nowhere.
    #[must_use]
    pub fn line_tls_address(&self) -> Option<SocketAddr> {
        self.line_tls.resolve(self.bind)
    }

    /// Resolves where the management interface listens; `None` = nowhere.
    #[must_use]
    pub fn management_address(&self) -> Option<SocketAddr> {
        self.management.resolve(self.bind)
    }
}

impl Limits {
    /// Computes the memory above which publishers are paused.
    ///
    /// *Units*: bytes; automatic (0) resolved to 60 % of the machine's or control group's
    /// memory.
    #[must_use]
    pub fn memory_high(&self) -> u64 {
        if self.memory_high_bytes == 0 {
            machine::memory_bytes() / 10 * 6
        } else {
            self.memory_high_bytes
        }
    }

    /// Computes the memory below which publishers go on.
    ///
    /// *Units*: bytes; automatic (0) resolved to 90 % of [`Limits::memory_high`].
    #[must_use]
    pub fn memory_resume(&self) -> u64 {
        if self.memory_resume_bytes == 0 {
            self.memory_high() / 10 * 9
        } else {
            self.memory_resume_bytes
        }
    }
}

/// Where things lie inside a data directory.
pub(crate) mod paths {
    use super::{Path, PathBuf};

    /// The database of accounts and topology.
    pub(crate) fn directory(data: &Path) -> PathBuf {
        data.join("directory.sqlite")
    }

    /// The database of the chat.
    pub(crate) fn chat(data: &Path) -> PathBuf {
        data.join("chat.sqlite")
    }

    /// The database of the file index.
    pub(crate) fn files(data: &Path) -> PathBuf {
        data.join("files.sqlite")
    }

    /// The key that tickets are signed with.
    pub(crate) fn files_key(data: &Path) -> PathBuf {
        data.join("files.key")
    }

    /// The socket of the command line.
    pub(crate) fn admin_socket(data: &Path) -> PathBuf {
        data.join("admin.sock")
    }

    /// The file whose lock says that a server owns the data directory.
    pub(crate) fn lock(data: &Path) -> PathBuf {
        data.join("LOCK")
    }
}

#[cfg(test)]
mod tests;
