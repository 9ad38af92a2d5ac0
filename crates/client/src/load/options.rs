//! What a load run does.

use std::time::Duration;

use crate::amqp::{AmqpUrl, ClientError, ConnectOptions};
use crate::api::{ApiError, WebUrl};
use crate::nats::{NatsError, NatsUrl, PAYLOAD_MAX};

use super::error::LoadError;

/// Describes a load run.
///
/// [`LoadOptions::new`] gives one producer, one consumer and one queue for ten seconds, transient and unpaced.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// What the load goes to.
    pub target: Target,
    /// Connections that publish; each publishes to its share of the queues in turn.
    pub producers: usize,
    /// Connections that consume, spread over the queues.
    pub consumers: usize,
    /// Queues.
    pub queues: usize,
    /// Body length.
    pub size: SizeRange,
    /// How messages get to queues.
    pub routing: Routing,
    /// Durable queues and exchange.
    pub durable: bool,
    /// Persistent messages.
    pub persistent: bool,
    /// Publishes are marked mandatory.
    pub mandatory: bool,
    /// Publisher confirms, with the most publishes that one producer keeps in flight.
    pub confirms: Option<usize>,
    /// How consumers acknowledge.
    pub acks: AckMode,
    /// Messages per second over all producers; none sends as fast as it goes.
    ///
    /// A paced run is open-loop: every message has a due time, and its latencies count from that time even when it is sent late.
    pub rate: Option<f64>,
    /// When the run ends.
    pub length: RunLength,
    /// Time before figures count.
    pub warm_up: Duration,
    /// The most messages sent and not yet delivered, over all queues; producers wait beyond it. None is unlimited.
    ///
    /// Without a limit an unpaced run measures how fast a server fills its memory: see [`LoadOptions::sensible_backlog`].
    pub backlog_max: Option<u64>,
    /// Threads of the generator.
    pub threads: usize,
    /// Arguments for every queue's declaration, as `x-queue-type=quorum`.
    pub queue_arguments: Vec<(String, QueueArgument)>,
    /// Begins the names of the exchange and the queues.
    pub prefix: String,
    /// Queues and exchange stay after the run.
    pub keep: bool,
    /// Time for the last messages to arrive after the producers stopped.
    pub drain_timeout: Duration,
    /// Process whose processor time and memory are reported, with its children.
    pub server_pid: Option<u32>,
}

/// What a load run talks to.
#[derive(Clone, Debug)]
pub enum Target {
    /// An AMQP broker.
    Amqp {
        /// Where it is.
        url: AmqpUrl,
        /// How to connect; the heartbeat is always off.
        connect: ConnectOptions,
    },
    /// A relay of bytes (see [`crate::relay`]), at `host:port`.
    Relay(String),
    /// A NATS server.
    ///
    /// A queue is a subject, or with [`LoadOptions::durable`] a stream in files that drops what is acknowledged, with a push
    /// consumer.
    Nats(NatsUrl),
    /// A Chaski server, by a door of its HTTP port.
    Web(WebTarget),
}

/// A door of a Chaski server's HTTP port.
#[derive(Clone, Debug)]
pub struct WebTarget {
    /// Where it is.
    pub url: WebUrl,
    /// Which one.
    pub door: Door,
}

/// What is spoken at an HTTP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// REST: one request after the other on each producer's connection, each with [`LoadOptions::confirms`] messages, confirmed by
    /// its answer. Consumers are readers of server-sent events.
    Http {
        /// With [`Routing::Fanout`], all readers read one stream; otherwise they read a topic, and each has a stream of its own.
        one_stream: bool,
    },
    /// gRPC: a consumer is a stream of deliveries, or with [`Routing::Fanout`] a subscription to a topic.
    Grpc {
        /// Producers call for each batch of [`LoadOptions::confirms`] messages; otherwise they publish by a stream, with so many
        /// unconfirmed.
        unary: bool,
    },
}

/// How messages get to queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// By the default exchange, the routing key being the queue's name.
    Queue,
    /// By a direct exchange of the run, bound with each queue's name.
    Direct,
    /// By a topic exchange of the run, bound with each queue's name.
    Topic,
    /// By a fanout exchange of the run: every message to every queue.
    Fanout,
}

/// How consumers acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckMode {
    /// Not at all: the server settles on sending.
    Auto,
    /// By `basic.ack`.
    Manual {
        /// Most unacknowledged messages on a consumer; zero is unlimited.
        prefetch: u16,
        /// One ack with `multiple` for so many messages; one acks each by itself.
        every: u16,
    },
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunLength {
    /// After a time, the warm-up not counted.
    Time(Duration),
    /// After so many publishes over all producers.
    Messages(u64),
    /// Two stages: so many publishes without consumers, then consumers until the queues are empty.
    Backlog(u64),
    /// No messages: so many connections with a channel each are opened and held for a time.
    Idle {
        /// How many.
        connections: usize,
        /// How long they are held.
        hold: Duration,
    },
}

/// Body lengths in bytes, drawn uniformly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRange {
    /// Shortest.
    pub min: usize,
    /// Longest.
    pub max: usize,
}

/// Value of a queue argument.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueArgument {
    /// A 64-bit number.
    Number(i64),
    /// A text.
    Text(String),
    /// True or false.
    Flag(bool),
}

/// Largest body that a run sends: 64 MiB.
pub const SIZE_MAX: usize = 64 << 20;
/// Most connections of one run.
pub const CONNECTIONS_MAX: usize = 100_000;
const STEADY_BACKLOG_MESSAGES: u64 = 100_000;
const STEADY_BACKLOG_BYTES: u64 = 64 << 20;
/// Half of what a NATS server holds for a subscriber before it cuts the connection.
const STEADY_BACKLOG_BYTES_NATS: u64 = 32 << 20;
/// Most queues of one run.
pub const QUEUES_MAX: usize = 100_000;

impl LoadOptions {
    /// One producer, one consumer and one queue for ten seconds, 16-byte transient messages, unpaced.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            producers: 1,
            consumers: 1,
            queues: 1,
            size: SizeRange { min: 16, max: 16 },
            routing: Routing::Queue,
            durable: false,
            persistent: false,
            mandatory: false,
            confirms: None,
            acks: AckMode::Auto,
            rate: None,
            length: RunLength::Time(Duration::from_secs(10)),
            warm_up: Duration::from_secs(1),
            backlog_max: None,
            threads: 1,
            queue_arguments: Vec::new(),
            prefix: format!("bench-{}", std::process::id()),
            keep: false,
            drain_timeout: Duration::from_secs(30),
            server_pid: None,
        }
    }

    /// The limit on undelivered messages that keeps an unpaced run steady: 100,000 messages or 64 MiB.
    ///
    /// Against NATS it is 32 MiB: a server that owes a subscriber 64 MiB cuts it off, and hardly slows publishers.
    /// None where a limit would change what is measured: a paced run, a backlog, a run without consumers.
    pub fn sensible_backlog(&self) -> Option<u64> {
        let steady = match self.length {
            RunLength::Time(_) | RunLength::Messages(_) => true,
            RunLength::Backlog(_) | RunLength::Idle { .. } => false,
        };
        let bytes = match self.target {
            Target::Amqp { .. } | Target::Relay(_) | Target::Web(_) => STEADY_BACKLOG_BYTES,
            Target::Nats(_) => STEADY_BACKLOG_BYTES_NATS,
        };
        let by_bytes = bytes / self.size.max.max(1) as u64;
        (steady && self.rate.is_none() && self.consumers > 0)
            .then(|| STEADY_BACKLOG_MESSAGES.min(by_bytes).max(1))
    }

    /// Says what contradicts itself, before anything is started.
    ///
    /// # Errors
    ///
    /// Gives one sentence for the person who chose the options.
    pub fn check(&self) -> Result<(), String> {
        let idle = matches!(self.length, RunLength::Idle { .. });
        let connections = match self.length {
            RunLength::Idle { connections, .. } => connections,
            RunLength::Time(_) | RunLength::Messages(_) | RunLength::Backlog(_) => {
                self.producers + self.consumers
            }
        };
        if connections == 0 || connections > CONNECTIONS_MAX {
            return Err(format!("connections must be 1 to {CONNECTIONS_MAX}"));
        }
        if self.threads == 0 || self.threads > 64 {
            return Err("threads must be 1 to 64".to_owned());
        }
        if self.size.min > self.size.max || self.size.max > SIZE_MAX {
            return Err(format!("the size must be a range from 0 to {SIZE_MAX}"));
        }
        if self.confirms == Some(0) {
            return Err("confirms need at least one message in flight".to_owned());
        }
        if self.rate.is_some_and(|rate| !(rate > 0.0 && rate <= 1e9)) {
            return Err("the rate must be above 0 and at most 1e9".to_owned());
        }
        if let AckMode::Manual { prefetch, every } = self.acks
            && (every == 0 || prefetch != 0 && every > prefetch)
        {
            return Err("one ack may cover 1 message up to the prefetch".to_owned());
        }
        if idle {
            return Ok(());
        }
        self.check_queues()
    }

    fn check_queues(&self) -> Result<(), String> {
        if self.queues == 0 || self.queues > QUEUES_MAX {
            return Err(format!("queues must be 1 to {QUEUES_MAX}"));
        }
        if self.prefix.is_empty() || self.prefix.len() > 200 {
            return Err("the prefix must have 1 to 200 bytes".to_owned());
        }
        if matches!(self.length, RunLength::Backlog(_)) {
            if self.producers == 0 || self.consumers == 0 {
                return Err("a backlog needs producers and consumers".to_owned());
            }
            if self.backlog_max.is_some() {
                return Err("a backlog cannot be limited".to_owned());
            }
        }
        if self.backlog_max.is_some() && self.consumers == 0 {
            return Err("a limit on undelivered messages needs consumers".to_owned());
        }
        match self.target {
            Target::Amqp { .. } => Ok(()),
            Target::Relay(_) => self.check_relay(),
            Target::Nats(_) => self.check_nats(),
            Target::Web(ref target) => self.check_web(target.door),
        }
    }

    fn check_relay(&self) -> Result<(), String> {
        let fanout = self.routing == Routing::Fanout && self.producers == 1;
        let pairs = self.routing == Routing::Queue
            && self.producers == self.queues
            && self.consumers == self.queues;
        if self.confirms.is_some() || self.acks != AckMode::Auto {
            return Err("a relay knows neither confirms nor acks".to_owned());
        }
        if matches!(self.length, RunLength::Backlog(_)) || !(pairs || fanout) {
            return Err(
                "through a relay, producers, consumers and queues come in equal numbers, or one producer fans out"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// What NATS cannot do is refused, not left out.
    fn check_nats(&self) -> Result<(), String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let refuse = |text: &str| Err(text.to_owned());
        if !self.prefix.bytes().all(plain) {
            return refuse(
                "the prefix may hold letters, digits, - and _: it becomes a stream's name",
            );
        }
        if self.size.max > PAYLOAD_MAX {
            return Err(format!(
                "with NATS, bodies have at most {PAYLOAD_MAX} bytes"
            ));
        }
        if !matches!(self.routing, Routing::Queue | Routing::Fanout) {
            return refuse("NATS has no exchanges");
        }
        if !self.durable {
            if self.confirms.is_some() || self.acks != AckMode::Auto {
                return refuse("without --durable NATS knows neither confirms nor acks");
            }
            if matches!(self.length, RunLength::Backlog(_)) {
                return refuse(
                    "without --durable NATS keeps no message: a backlog needs --durable",
                );
            }
            return Ok(());
        }
        if self.routing == Routing::Fanout {
            return refuse("a fan-out through streams is not offered: leave --durable out");
        }
        let bounded = matches!(
            self.acks,
            AckMode::Manual {
                prefetch: 1..,
                every: 1
            }
        );
        if self.consumers > 0 && !bounded {
            return refuse(
                "with --durable every message is acknowledged by itself: give a --prefetch above 0",
            );
        }
        Ok(())
    }

    /// What the doors of the HTTP port have no room for is refused, too.
    fn check_web(&self, door: Door) -> Result<(), String> {
        let refuse = |text: &str| Err(text.to_owned());
        let known = ["x-max-length"];
        let is_known = |(name, _): &(String, QueueArgument)| known.contains(&name.as_str());
        if self.size.min != self.size.max || self.rate.is_some() || self.mandatory {
            return refuse("over HTTP and gRPC all messages have one size, and no pace");
        }
        if self.confirms.is_none() {
            return refuse("over HTTP and gRPC every publish is confirmed");
        }
        if !self.queue_arguments.iter().all(is_known) {
            return refuse("over HTTP and gRPC a queue can be given x-max-length alone");
        }
        let is_fanout = match self.routing {
            Routing::Queue => false,
            Routing::Fanout => true,
            Routing::Direct | Routing::Topic => {
                return refuse("over HTTP and gRPC messages go to a queue, or to all readers");
            }
        };
        if self.queues != if is_fanout { self.consumers } else { 1 } {
            return refuse("over HTTP and gRPC there is one queue, or one for each reader");
        }
        match (door, is_fanout) {
            (Door::Http { .. }, false) if self.consumers > 0 => {
                refuse("over HTTP a consumer is a reader of a fan-out")
            }
            (Door::Grpc { .. }, false) if self.consumers > 0 && self.acks == AckMode::Auto => {
                refuse("over gRPC a consumer acknowledges: give a --prefetch")
            }
            (Door::Http { .. } | Door::Grpc { .. }, _) => Ok(()),
        }
    }
}

impl WebTarget {
    /// Whether all readers read one stream.
    pub(crate) fn is_one_stream(&self) -> bool {
        match self.door {
            Door::Http { one_stream } => one_stream,
            Door::Grpc { .. } => false,
        }
    }
}

impl Target {
    /// Puts a failure to connect into words.
    pub(crate) fn unreachable(&self, address: String, source: std::io::Error) -> LoadError {
        let doing = "connecting";
        match self {
            Self::Amqp { .. } | Self::Relay(_) => {
                LoadError::client(doing)(ClientError::connect(address, source))
            }
            Self::Nats(_) => LoadError::nats(doing)(NatsError::Connect { address, source }),
            Self::Web(_) => LoadError::api(doing)(ApiError::Unreachable {
                url: address,
                reason: source.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
