//! `chaski bench`: load against any AMQP broker, and the machine's own floors.

use std::io::{BufRead, BufReader, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use client::amqp::{AmqpUrl, ConnectOptions, Trust};
use client::disk::DiskOptions;
use client::load::{
    AckMode, LoadError, LoadOptions, Phase, Progress, QueueArgument, Routing, RunLength, SizeRange,
    Target,
};
use client::relay::Relay;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

mod text;
mod values;

use text::{describe, describe_disk, rate};
use values::{parse_argument, parse_duration, parse_size, parse_size_range};

/// What `chaski bench` can measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Put load on an AMQP broker and report rates and latencies
    ///
    /// Opens producers and consumers, sends messages, and reports rates, latency percentiles and whether every message arrived once
    /// and in order. Works with any AMQP 0-9-1 broker. Queues are named after the process and removed at the end.
    ///
    /// Without --rate it sends as fast as it can; with it, latencies count from the time a message was due.
    Amqp(Box<AmqpArgs>),
    /// Run a bare relay of bytes, the floor that `bench amqp --via relay` measures
    Relay(RelayArgs),
    /// Measure a bare write and sync on a disk, the floor for a durable message
    Disk(DiskArgs),
}

/// Options of `chaski bench amqp`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
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
    /// How messages reach queues; with fanout every queue gets every message
    #[arg(long, value_enum, default_value_t = RoutingArg::Queue, help_heading = "Load")]
    routing: RoutingArg,
    /// Messages per second over all producers (default: as fast as it goes)
    #[arg(short, long, value_name = "PER_SECOND", help_heading = "Load")]
    rate: Option<f64>,
    /// Let producers wait while so many messages are undelivered; 0 is unlimited (default: 100000 messages or 64 MiB, without --rate)
    #[arg(long, value_name = "N", help_heading = "Load")]
    backlog_max: Option<u64>,

    /// Durable queues and persistent messages
    #[arg(short, long, help_heading = "Guarantees")]
    durable: bool,
    /// Publisher confirms, with at most N messages of a producer unconfirmed
    #[arg(long, value_name = "N", help_heading = "Guarantees")]
    confirms: Option<usize>,
    /// Acknowledge deliveries, with at most N unacknowledged at a consumer; 0 is unlimited (default: automatic acks)
    #[arg(long, value_name = "N", help_heading = "Guarantees")]
    prefetch: Option<u16>,
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

const EXAMPLES: &str = "\
Examples:
  chaski bench amqp                                       as fast as it goes, 16 bytes, one pair
  chaski bench amqp --size 1KiB --rate 10000              latency at a fixed rate
  chaski bench amqp -d --size 1KiB --confirms 1000 --prefetch 1000
                                                          durable, confirmed and acknowledged
  chaski bench amqp -q 100 -c 100 --routing fanout        every message to 100 queues
  chaski bench amqp --backlog 1000000 -d --confirms 1000  fill a queue, then empty it
  chaski bench amqp --idle 5000                           open connections and hold them
  chaski bench amqp --via relay                           what the machine itself allows";

/// Options of `chaski bench relay`.
#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5670")]
    listen: String,
    /// Print one line of JSON with the address when it listens
    #[arg(long)]
    ready_json: bool,
}

/// Options of `chaski bench disk`.
#[derive(Debug, Args)]
pub(crate) struct DiskArgs {
    /// Directory on the disk in question
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Bytes of one write
    #[arg(long, default_value = "4KiB", value_parser = parse_size)]
    bytes: usize,
    /// How long to measure
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    duration: Duration,
    /// Let the file grow with every write
    #[arg(long)]
    append: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Via {
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

/// Runs a measurement and prints what it found, as text or as one JSON document.
///
/// The exit code is a failure when messages were lost, doubled, disordered or refused.
pub(crate) fn run(command: BenchCommand, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        BenchCommand::Amqp(args) => run_amqp(&args, json),
        BenchCommand::Relay(args) => run_relay(&args),
        BenchCommand::Disk(args) => run_disk(&args, json),
    }
}

fn run_amqp(args: &AmqpArgs, json: bool) -> anyhow::Result<ExitCode> {
    let mut options = load_options(args);
    let _relay = match args.via {
        Some(Via::Relay) => {
            let relay = RelayProcess::start()?;
            options.target = Target::Relay(relay.address.clone());
            options.server_pid = Some(relay.child.id());
            Some(relay)
        }
        None => None,
    };
    let interrupted = watch_interrupt()?;
    let bar = progress_bar();
    let report = client::load::run(&options, |progress| {
        show(&bar, progress);
        if interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    bar.finish_and_clear();
    let report = report.map_err(reached)?;
    if json {
        output::json(&report)?;
    } else {
        output::raw(&describe(&report))?;
    }
    Ok(if report.checks.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Brings what the client met to the front, from which the exit code is chosen.
fn reached(error: LoadError) -> anyhow::Error {
    if let LoadError::Client { doing, source } = error {
        anyhow::Error::new(source).context(doing)
    } else {
        error.into()
    }
}

fn load_options(args: &AmqpArgs) -> LoadOptions {
    let target = match &args.relay {
        Some(address) => Target::Relay(address.clone()),
        None => Target::Amqp {
            url: args.url.clone(),
            connect: ConnectOptions {
                trust: Trust {
                    ca: args.ca.clone(),
                    insecure: args.insecure,
                },
                name: "chaski bench".to_owned(),
                ..ConnectOptions::default()
            },
        },
    };
    let length = match (args.messages, args.backlog, args.idle) {
        (Some(messages), _, _) => RunLength::Messages(messages),
        (None, Some(messages), _) => RunLength::Backlog(messages),
        (None, None, Some(connections)) => RunLength::Idle {
            connections,
            hold: args.duration,
        },
        (None, None, None) => RunLength::Time(args.duration),
    };
    let defaults = LoadOptions::new(target);
    let mut options = LoadOptions {
        producers: args.producers,
        consumers: args.consumers,
        queues: args.queues,
        size: args.size,
        routing: match args.routing {
            RoutingArg::Queue => Routing::Queue,
            RoutingArg::Direct => Routing::Direct,
            RoutingArg::Topic => Routing::Topic,
            RoutingArg::Fanout => Routing::Fanout,
        },
        durable: args.durable,
        persistent: args.durable,
        mandatory: args.mandatory,
        confirms: args.confirms,
        acks: args
            .prefetch
            .map_or(AckMode::Auto, |prefetch| AckMode::Manual {
                prefetch,
                every: args.ack_every,
            }),
        rate: args.rate,
        length,
        warm_up: args.warm_up,
        threads: args.threads,
        queue_arguments: args.queue_arguments.clone(),
        prefix: args
            .prefix
            .clone()
            .unwrap_or_else(|| defaults.prefix.clone()),
        keep: args.keep,
        drain_timeout: args.drain_timeout,
        server_pid: args.server_pid,
        ..defaults
    };
    options.backlog_max = match args.backlog_max {
        Some(0) => None,
        Some(limit) => Some(limit),
        None => options.sensible_backlog(),
    };
    options
}

/// A relay in a process of its own, so that its processor time can be told from the generator's.
struct RelayProcess {
    child: Child,
    address: String,
}

impl RelayProcess {
    fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut child = Command::new(program)
            .args(["bench", "relay", "--listen", "127.0.0.1:0", "--ready-json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the relay")?;
        let stdout = child.stdout.take().context("the relay has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = serde_json::from_str::<serde_json::Value>(&line)
            .ok()
            .and_then(|ready| Some(ready.get("relay")?.as_str()?.to_owned()));
        let mut relay = Self {
            child,
            address: String::new(),
        };
        relay.address = address.context("the relay did not start")?;
        Ok(relay)
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        // It holds nothing: a relay that is gone already is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn run_relay(args: &RelayArgs) -> anyhow::Result<ExitCode> {
    let relay = Relay::bind(&args.listen)?;
    let address = relay.address();
    let mut stdout = std::io::stdout();
    if args.ready_json {
        writeln!(stdout, r#"{{"relay":"{address}"}}"#)?;
    } else {
        writeln!(
            stdout,
            "Relaying bytes on {address}; measure with: chaski bench amqp --relay {address}"
        )?;
    }
    stdout.flush()?;
    relay.run();
    Ok(ExitCode::SUCCESS)
}

fn run_disk(args: &DiskArgs, json: bool) -> anyhow::Result<ExitCode> {
    let report = client::disk::run(&DiskOptions {
        directory: args.directory.clone(),
        bytes: args.bytes,
        duration: args.duration,
        append: args.append,
    })?;
    if json {
        output::json(&report)?;
    } else {
        output::raw(&describe_disk(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Notes an interrupt, so that the run can clear up its queues; a second one ends the process.
fn watch_interrupt() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot watch for interrupts")?;
    let flag = Arc::clone(&interrupted);
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if flag.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        });
    });
    Ok(interrupted)
}

/// Makes a bar on standard error, hidden where that is no terminal.
fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(1_000);
    let style = ProgressStyle::with_template("{prefix:<10} [{bar:24}] {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let phase = match progress.phase {
        Phase::Connecting => "connecting",
        Phase::WarmUp => "warm-up",
        Phase::Measuring => progress.stage,
        Phase::Draining => "draining",
    };
    bar.set_prefix(phase);
    // A fraction from 0 to 1.
    bar.set_position((progress.done * 1_000.0) as u64);
    bar.set_message(format!(
        "{} in, {} confirmed, {} out",
        rate(progress.rates.published_per_s),
        rate(progress.rates.confirmed_per_s),
        rate(progress.rates.delivered_per_s)
    ));
}
