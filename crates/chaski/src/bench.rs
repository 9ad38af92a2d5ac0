//! `chaski bench`: load against any AMQP broker, every door of Chaski's and other chats, and the machine's own floors.

use std::io::{BufRead, BufReader, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use client::disk::DiskOptions;
use client::load::files::{self, FilesOptions};
use client::load::{LoadError, LoadOptions, LoadReport, Phase, Progress, Target};
use client::nats::NatsError;
use client::relay::Relay;
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::{CommandError, Exit};
use crate::{number, output};

mod args;
mod chat;
mod text;
mod values;
mod web;

use crate::number::parse_size;
use args::{AmqpArgs, NatsArgs, Via};
use chat::ChatArgs;
use text::{describe, describe_disk, rate};
use values::parse_duration;
use web::{GrpcArgs, HttpArgs};

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
    /// Put load on a Chaski server's REST interface and its server-sent events
    ///
    /// Publishes requests of many messages (or of one), one after the other on each connection: a confirm is a request's answer. With
    /// --readers every message goes to all readers of server-sent events. Reports what `bench amqp` reports.
    Http(Box<HttpArgs>),
    /// Put load on a Chaski server's gRPC interface
    ///
    /// Publishes by streams, or by calls of many messages each, and consumes and acknowledges by streams. With --readers every message goes
    /// to all subscribers of a topic. Reports what `bench amqp` reports.
    Grpc(Box<GrpcArgs>),
    /// Put the same load on a NATS server, for comparison
    ///
    /// A queue is a subject, and what `bench amqp` does with confirms and acks is done by JetStream: with --durable every queue is a
    /// stream in files that drops what is acknowledged, and has a push consumer. A confirm is JetStream's answer to a publish;
    /// whether it means "on the disk" is a matter of the server's sync_interval.
    Nats(Box<NatsArgs>),
    /// Let members of a chat talk, and report when everybody heard it
    ///
    /// Opens a connection for each member, lets them enter their rooms and talk at the offered rate. Every member is held against what its room
    /// has heard: each message once, and in one order that is the same for all. Speaks the line protocol and WebSocket, and for
    /// comparison IRC and XMPP.
    Chat(Box<ChatArgs>),
    /// Fetch files from peers over loopback, and report rates and what they cost
    ///
    /// Sources and the one that fetches run in this process, with TLS; every byte is checked, written and synced. The figures are of
    /// both ends together.
    Files(FilesArgs),
    /// Run a bare relay of bytes, the floor that `bench amqp --via relay` measures
    Relay(RelayArgs),
    /// Measure a bare write and sync on a disk, the floor for a durable message
    Disk(DiskArgs),
}

/// Options of `chaski bench files`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chaski bench files /var/tmp                                one file of 1 GiB from one source
  chaski bench files /var/tmp --sources 4
  chaski bench files /var/tmp --files 10000 --size 10KiB")]
pub(crate) struct FilesArgs {
    /// Directory on the disk in question
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Files; more than one are fetched as a folder
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::within(1..=1_000_000_u32))]
    files: u32,
    /// Bytes of each
    #[arg(long, default_value = "1024MiB", value_parser = parse_size)]
    size: usize,
    /// Peers that have them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::within(1..=32_usize))]
    sources: usize,
    /// Leave the files in the directory: ext4 makes new ones slowly for minutes after many were deleted
    #[arg(long)]
    keep: bool,
}

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
    /// Ask for each write over a loopback connection, as a client that waits for its confirm: the floor for that
    #[arg(long)]
    loopback: bool,
}

/// Runs a measurement and prints what it found, as text or as one JSON document.
///
/// The exit code is a failure when messages were lost, doubled, disordered or refused.
pub(crate) fn run(command: BenchCommand, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        BenchCommand::Amqp(args) => run_amqp(&args, json),
        BenchCommand::Http(args) => run_load(&args.options(), json),
        BenchCommand::Grpc(args) => run_load(&args.options(), json),
        BenchCommand::Nats(args) => run_load(&args.options(), json),
        BenchCommand::Chat(args) => {
            let options = args.options();
            watched(json, |display| client::load::chat::run(&options, display))
        }
        BenchCommand::Relay(args) => run_relay(&args),
        BenchCommand::Files(args) => run_files(&args, json),
        BenchCommand::Disk(args) => run_disk(&args, json),
    }
}

fn run_amqp(args: &AmqpArgs, json: bool) -> anyhow::Result<ExitCode> {
    let mut options = args.options();
    let _relay = match args.via() {
        Some(Via::Relay) => {
            let relay = RelayProcess::start()?;
            options.target = Target::Relay(relay.address.clone());
            options.server_pid = Some(relay.child.id());
            Some(relay)
        }
        None => None,
    };
    run_load(&options, json)
}

fn run_load(options: &LoadOptions, json: bool) -> anyhow::Result<ExitCode> {
    watched(json, |display| client::load::run(options, display))
}

/// Runs a load before the eyes of who started it, and prints its report.
fn watched(
    json: bool,
    run: impl FnOnce(&mut dyn FnMut(&Progress) -> ControlFlow<()>) -> Result<LoadReport, LoadError>,
) -> anyhow::Result<ExitCode> {
    let interrupted = watch_interrupt()?;
    let bar = progress_bar();
    let report = run(&mut |progress| {
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
        return anyhow::Error::new(source).context(doing);
    }
    if let LoadError::Api { doing, source } = error {
        return anyhow::Error::new(source).context(doing);
    }
    if let LoadError::Nats { doing, source } = error {
        let gone = matches!(source, NatsError::Connect { .. } | NatsError::Cut);
        let exit = if gone {
            Exit::Unreachable
        } else {
            Exit::Failed
        };
        let text = format!("{:#}", anyhow::Error::new(source));
        return anyhow::Error::new(CommandError::new(exit, text)).context(doing);
    }
    error.into()
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

fn run_files(args: &FilesArgs, json: bool) -> anyhow::Result<ExitCode> {
    let report = files::run(&FilesOptions {
        directory: args.directory.clone(),
        files: args.files,
        bytes: args.size,
        sources: args.sources,
        keeps: args.keep,
    })?;
    if json {
        output::json(&report)?;
    } else {
        output::line(&format!(
            "{} files, {} bytes from {} sources in {:.2} s: {:.0} MiB/s, {:.0} files/s, {:.2} CPU s/GiB, {:.0} MiB",
            report.files,
            report.bytes,
            report.sources,
            report.seconds,
            report.mib_per_s,
            report.files_per_s,
            report.cpu_s_per_gib,
            report.peak_mib
        ))?;
    }
    Ok(ExitCode::SUCCESS)
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
        loopback: args.loopback,
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
