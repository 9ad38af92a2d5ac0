//! `chaski serve`.

use std::net::IpAddr;

use clap::Args;
use server::config::ListenAddress;
use server::{PageFile, ServeOptions};

use crate::context::Context;
use crate::memory;
use crate::number;

/// Start the server.
#[derive(Debug, Args)]
#[command(after_help = "\
The first start makes the data directory, an administrator whose password is shown once, and a
certificate. guest, with the password guest, may log in from this machine only.

The server stops on SIGTERM or SIGINT: it tells its clients, makes durable what it confirmed and
ends with exit code 0. SIGHUP loads the TLS certificates again.

Examples:
  chaski serve
  chaski serve --data /srv/chaski --bind 0.0.0.0
  chaski serve --amqp 127.0.0.1:0 --amqps off --http off --https off --management off --line off --line-tls off --ready-json
  chaski serve --set limits.max_message_bytes=16777216")]
pub(crate) struct ServeArgs {
    /// Where AMQP listens: ADDR:PORT, PORT, or off [default: 5672]
    #[arg(long, value_name = "ADDR:PORT")]
    amqp: Option<ListenAddress>,

    /// Where AMQP over TLS listens: ADDR:PORT, PORT, or off [default: 5671]
    #[arg(long, value_name = "ADDR:PORT")]
    amqps: Option<ListenAddress>,

    /// Where HTTP listens: ADDR:PORT, PORT, or off [default: 8080]
    #[arg(long, value_name = "ADDR:PORT")]
    http: Option<ListenAddress>,

    /// Where HTTP over TLS listens: ADDR:PORT, PORT, or off [default: 8443]
    #[arg(long, value_name = "ADDR:PORT")]
    https: Option<ListenAddress>,

    /// Where RabbitMQ's management interface listens: ADDR:PORT, PORT, or off [default: 15672]
    #[arg(long, value_name = "ADDR:PORT")]
    management: Option<ListenAddress>,

    /// Where the chat's line protocol listens: ADDR:PORT, PORT, or off [default: 1543]
    #[arg(long, value_name = "ADDR:PORT")]
    line: Option<ListenAddress>,

    /// Where the chat's line protocol over TLS listens: ADDR:PORT, PORT, or off [default: 1544]
    #[arg(long, value_name = "ADDR:PORT")]
    line_tls: Option<ListenAddress>,

    /// The address of listeners that name only a port; 0.0.0.0 = every network [default: 127.0.0.1]
    #[arg(long, value_name = "IP")]
    bind: Option<IpAddr>,

    /// Threads that own queues and connections; 0 = by the number of cores [default: 0]
    #[arg(long, value_name = "N", value_parser = number::within(0..=u16::MAX))]
    shards: Option<u16>,

    /// What to log: error, warn, info, debug, trace, or by part as in info,session=debug [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,

    /// The form of log lines: text or json [default: text]
    #[arg(long, value_name = "FORM")]
    log_format: Option<String>,

    /// Memory above which publishers are paused, in bytes; 0 = 60 % of what there is [default: 0]
    #[arg(long, value_name = "BYTES", value_parser = number::from_zero)]
    memory_high_bytes: Option<u64>,

    /// Any setting of the configuration file; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_setting)]
    settings: Vec<(String, String)>,

    /// Print one line of JSON with the addresses and links once everything is open, nothing else
    #[arg(long)]
    ready_json: bool,
}

/// Runs the server until it is told to stop.
pub(crate) fn run(args: ServeArgs, context: &Context) -> anyhow::Result<()> {
    let ready_json = args.ready_json;
    let config = context.config(args.into_flags())?;
    server::serve(
        config,
        ServeOptions {
            page: page::FILES.iter().map(page_file).collect(),
            ready_json,
            release_memory: memory::release,
        },
    )?;
    Ok(())
}

const fn page_file(file: &page::File) -> PageFile {
    PageFile {
        name: file.name,
        bytes: file.bytes,
    }
}

impl ServeArgs {
    fn into_flags(self) -> Vec<(String, String)> {
        let named = [
            ("listeners.amqp", self.amqp.map(|value| value.to_string())),
            ("listeners.amqps", self.amqps.map(|value| value.to_string())),
            ("listeners.http", self.http.map(|value| value.to_string())),
            ("listeners.https", self.https.map(|value| value.to_string())),
            (
                "listeners.management",
                self.management.map(|value| value.to_string()),
            ),
            ("listeners.line", self.line.map(|value| value.to_string())),
            (
                "listeners.line_tls",
                self.line_tls.map(|value| value.to_string()),
            ),
            ("listeners.bind", self.bind.map(|value| value.to_string())),
            ("shards", self.shards.map(|value| value.to_string())),
            ("log.level", self.log_level),
            ("log.format", self.log_format),
            (
                "limits.memory_high_bytes",
                self.memory_high_bytes.map(|value| value.to_string()),
            ),
        ];
        let named = named
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)));
        self.settings.into_iter().chain(named).collect()
    }
}

/// Splits `KEY=VALUE`.
pub(crate) fn parse_setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write KEY=VALUE, as in limits.frame_max=65536".to_owned()),
    }
}
