//! Options of `chaski bench amqp` and `chaski bench nats`, and what they mean to the generator.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use client::amqp::{AmqpUrl, ConnectOptions, Trust};
use client::load::{AckMode, LoadOptions, QueueArgument, Routing, RunLength, SizeRange, Target};
use client::nats::NatsUrl;

use super::values::{parse_argument, parse_duration, parse_size_range};

/// Options of `chaski bench amqp`.
#[derive(Debug, Args)]
#[command(after_help = AMQP_EXAMPLES)]
pub(crate) struct AmqpArgs {
    /// Where the broker is: amqp(s)://user:password@host:port/vhost
    #[arg(
        long,
        env = "CHASKI_URL",
        default_value = "amqp://guest:guest@127.0.0.1:5672",
        hide_env_values = true
    )]
    url: AmqpUrl,
    /// Measure a floor in place of a broker: a relay process is started for the run
    #[arg(long, value_enum)]
    via: Option<Via>,
    /// A relay that runs already, at HOST:PORT
    #[arg(long, value_name = "ADDR", conflicts_with = "via")]
    relay: Option<String>,
    /// PEM file of the authorities to trust, or of the server's own certificate
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Accept any certificate
    #[arg(long)]
    insecure: bool,

    #[command(flatten)]
    load: LoadArgs,

    /// How messages reach queues; with fanout every queue gets every message
    #[arg(long, value_enum, default_value_t = RoutingArg::Queue, help_heading = "Load")]
    routing: RoutingArg,
    /// One ack for N deliveries
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        requires = "prefetch",
        help_heading = "Guarantees"
    )]
    ack_every: u16,
    /// Publish with the mandatory flag
    #[arg(long, help_heading = "Guarantees")]
    mandatory: bool,
    /// Argument of the queues: x-queue-type=quorum
    #[arg(long = "queue-arg", value_name = "KEY=VALUE", value_parser = parse_argument, help_heading = "Guarantees")]
    queue_arguments: Vec<(String, QueueArgument)>,
}

/// Options of `chaski bench nats`.
#[derive(Debug, Args)]
#[command(after_help = NATS_EXAMPLES)]
pub(crate) struct NatsArgs {
    /// Where the server is: nats://user:password@host:port
    #[arg(long, default_value = "nats://127.0.0.1:4222", hide_env_values = true)]
    url: NatsUrl,
    #[command(flatten)]
    load: LoadArgs,

    /// How messages reach queues; with fanout every consumer gets every message
    #[arg(long, value_enum, default_value_t = NatsRoutingArg::Queue, help_heading = "Load")]
    routing: NatsRoutingArg,
}

/// Options of every load.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Connections that publish
    #[arg(short, long, default_value_t = 1, help_heading = "Load")]
    producers: usize,
    /// Connections that consume
    #[arg(short, long, default_value_t = 1, help_heading = "Load")]
    consumers: usize,
    /// Queues
    #[arg(short, long, default_value_t = 1, help_heading = "Load")]
    queues: usize,
    /// Body length in bytes, or a range: 16, 1KiB, 100..4KiB
    #[arg(short, long, default_value = "16", value_parser = parse_size_range, help_heading = "Load")]
    size: SizeRange,
    /// Messages per second over all producers (default: as fast as it goes)
    #[arg(short, long, value_name = "PER_SECOND", help_heading = "Load")]
    rate: Option<f64>,
    /// Let producers wait while so many messages are undelivered; 0 is unlimited (default without --rate: 100000 messages or 64 MiB, with NATS 32 MiB)
    #[arg(long, value_name = "N", help_heading = "Load")]
    backlog_max: Option<u64>,

    /// Durable queues and persistent messages; with NATS, streams in files
    #[arg(short, long, help_heading = "Guarantees")]
    durable: bool,
    /// Publisher confirms, with at most N messages of a producer unconfirmed
    #[arg(long, value_name = "N", help_heading = "Guarantees")]
    confirms: Option<usize>,
    /// Acknowledge deliveries, with at most N unacknowledged at a consumer; 0 is unlimited (default: automatic acks)
    #[arg(long, value_name = "N", help_heading = "Guarantees")]
    prefetch: Option<u16>,

    /// How long to measure
    #[arg(long, default_value = "10s", value_parser = parse_duration, help_heading = "Length")]
    duration: Duration,
    /// Time before figures count
    #[arg(long, default_value = "1s", value_parser = parse_duration, help_heading = "Length")]
    warm_up: Duration,
    /// Send N messages in place of a duration
    #[arg(short, long, value_name = "N", conflicts_with_all = ["backlog", "idle"], help_heading = "Length")]
    messages: Option<u64>,
    /// Publish N messages first, then consume them, and report both
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "idle",
        help_heading = "Length"
    )]
    backlog: Option<u64>,
    /// Open N connections with a channel each and hold them for the duration, without messages
    #[arg(long, value_name = "N", help_heading = "Length")]
    idle: Option<usize>,
    /// Time for the last messages to arrive
    #[arg(long, default_value = "30s", value_parser = parse_duration, help_heading = "Length")]
    drain_timeout: Duration,

    /// Threads of the generator
    #[arg(long, default_value_t = 1, help_heading = "Generator")]
    threads: usize,
    /// Report the processor time and memory of this process and its children
    #[arg(long, value_name = "PID", help_heading = "Generator")]
    server_pid: Option<u32>,
    /// Beginning of the names of queues and exchange
    #[arg(long, help_heading = "Generator")]
    prefix: Option<String>,
    /// Leave queues and exchange behind
    #[arg(long, help_heading = "Generator")]
    keep: bool,
}

const AMQP_EXAMPLES: &str = "\
Examples:
  chaski bench amqp                                       as fast as it goes, 16 bytes, one pair
  chaski bench amqp --size 1KiB --rate 10000              latency at a fixed rate
  chaski bench amqp -d --size 1KiB --confirms 1000 --prefetch 1000
                                                          durable, confirmed and acknowledged
  chaski bench amqp -q 100 -c 100 --routing fanout        every message to 100 queues
  chaski bench amqp --backlog 1000000 -d --confirms 1000  fill a queue, then empty it
  chaski bench amqp --idle 5000                           open connections and hold them
  chaski bench amqp --via relay                           what the machine itself allows";

const NATS_EXAMPLES: &str = "\
NATS hardly slows a publisher down: it cuts off a subscriber that it owes 64 MiB, and the run fails. So an unpaced run
holds at most 100000 messages or 32 MiB undelivered (--backlog-max), which keeps it free of losses.

Examples:
  chaski bench nats                                       as fast as it goes, 16 bytes, one pair
  chaski bench nats --size 1KiB --rate 10000              latency at a fixed rate
  chaski bench nats -c 100 -q 100 --routing fanout        every message to 100 subscribers
  chaski bench nats -d --size 1KiB --confirms 1000 --prefetch 1000
                                                          JetStream, confirmed and acknowledged
  chaski bench nats --backlog 1000000 -d --confirms 1000 --prefetch 1000
                                                          fill a stream, then empty it";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Via {
    /// A bare relay of bytes over TCP
    Relay,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoutingArg {
    /// The default exchange, by queue name
    Queue,
    /// A direct exchange
    Direct,
    /// A topic exchange
    Topic,
    /// A fanout exchange
    Fanout,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NatsRoutingArg {
    /// One subject for each queue
    Queue,
    /// One subject for all
    Fanout,
}

impl AmqpArgs {
    /// Says what the generator is to do.
    pub(super) fn options(&self) -> LoadOptions {
        let target = match &self.relay {
            Some(address) => Target::Relay(address.clone()),
            None => Target::Amqp {
                url: self.url.clone(),
                connect: ConnectOptions {
                    trust: Trust {
                        ca: self.ca.clone(),
                        insecure: self.insecure,
                    },
                    name: "chaski bench".to_owned(),
                    ..ConnectOptions::default()
                },
            },
        };
        let routing = match self.routing {
            RoutingArg::Queue => Routing::Queue,
            RoutingArg::Direct => Routing::Direct,
            RoutingArg::Topic => Routing::Topic,
            RoutingArg::Fanout => Routing::Fanout,
        };
        LoadOptions {
            mandatory: self.mandatory,
            queue_arguments: self.queue_arguments.clone(),
            ..self.load.options(target, routing, self.ack_every)
        }
    }

    /// Whether a floor is to be measured in place of a broker.
    pub(super) fn via(&self) -> Option<Via> {
        self.via
    }
}

impl NatsArgs {
    /// Says what the generator is to do.
    pub(super) fn options(&self) -> LoadOptions {
        let routing = match self.routing {
            NatsRoutingArg::Queue => Routing::Queue,
            NatsRoutingArg::Fanout => Routing::Fanout,
        };
        self.load
            .options(Target::Nats(self.url.clone()), routing, 1)
    }
}

impl LoadArgs {
    fn options(&self, target: Target, routing: Routing, ack_every: u16) -> LoadOptions {
        let length = match (self.messages, self.backlog, self.idle) {
            (Some(messages), _, _) => RunLength::Messages(messages),
            (None, Some(messages), _) => RunLength::Backlog(messages),
            (None, None, Some(connections)) => RunLength::Idle {
                connections,
                hold: self.duration,
            },
            (None, None, None) => RunLength::Time(self.duration),
        };
        let acks = self
            .prefetch
            .map_or(AckMode::Auto, |prefetch| AckMode::Manual {
                prefetch,
                every: ack_every,
            });
        let defaults = LoadOptions::new(target);
        let mut options = LoadOptions {
            producers: self.producers,
            consumers: self.consumers,
            queues: self.queues,
            size: self.size,
            routing,
            durable: self.durable,
            persistent: self.durable,
            confirms: self.confirms,
            acks,
            rate: self.rate,
            length,
            warm_up: self.warm_up,
            threads: self.threads,
            prefix: self
                .prefix
                .clone()
                .unwrap_or_else(|| defaults.prefix.clone()),
            keep: self.keep,
            drain_timeout: self.drain_timeout,
            server_pid: self.server_pid,
            ..defaults
        };
        options.backlog_max = match self.backlog_max {
            Some(0) => None,
            Some(limit) => Some(limit),
            None => options.sensible_backlog(),
        };
        options
    }
}
