//! `chaski publish`: messages from the command line, a file or standard input to an exchange.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use client::amqp::{AmqpUrl, ConnectOptions, Connection, Properties, Publish, Table, Trust, Value};

use crate::{number, output};

/// Publishes that may be unconfirmed at the same time.
const IN_FLIGHT_MAX: usize = 1_000;
/// Largest body that is read: what brokers take.
const BODY_BYTES_MAX: u64 = 128 << 20;
const PERSISTENT: u8 = 2;

/// Where a server is and who connects; shared by the commands that speak AMQP.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectArgs {
    /// Where the server is: amqp(s)://user:password@host:port/vhost
    #[arg(
        long,
        env = "CHASKI_URL",
        default_value = "amqp://guest:guest@127.0.0.1:5672",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    url: AmqpUrl,
    /// PEM file of the authorities to trust, or of the server's own certificate
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    ca: Option<PathBuf>,
    /// Accept any certificate
    #[arg(long, help_heading = "Connection")]
    insecure: bool,
}

impl ConnectArgs {
    /// Connects; `name` shows in the server's list of connections.
    pub(crate) async fn connect(&self, name: &str) -> anyhow::Result<Connection> {
        let options = ConnectOptions {
            trust: Trust {
                ca: self.ca.clone(),
                insecure: self.insecure,
            },
            name: name.to_owned(),
            ..ConnectOptions::default()
        };
        Ok(Connection::open(&self.url, &options).await?)
    }
}

/// Options of `chaski publish`.
#[derive(Debug, Args)]
#[command(after_help = "\
The server has confirmed every message when the command ends; one that no queue takes is an error.

Examples:
  chaski publish -k tasks 'wash the dishes'      to the queue tasks, by the default exchange
  echo hello | chaski publish -k tasks           from standard input
  chaski publish -k tasks --lines <list.txt      each line is a message
  chaski publish -e logs -k app.error -H level=high --persistent --file report.json")]
pub(crate) struct PublishArgs {
    /// Body; without it and without --file, standard input is read
    #[arg(conflicts_with = "file")]
    body: Option<String>,
    /// Read the body from a file
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Exchange; the default one takes a queue's name as routing key
    #[arg(short, long, default_value = "", hide_default_value = true)]
    exchange: String,
    /// Routing key
    #[arg(short = 'k', long, default_value = "", hide_default_value = true)]
    routing_key: String,
    /// Store the message on disk where the queue is durable
    #[arg(short, long)]
    persistent: bool,
    /// Header; numbers and true or false are sent as such
    #[arg(short = 'H', long = "header", value_name = "KEY=VALUE", value_parser = parse_header)]
    headers: Vec<(String, Value)>,
    /// Content type, as application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Priority, for queues that have them
    #[arg(long, value_name = "0-255", value_parser = number::within(0..=u8::MAX))]
    priority: Option<u8>,
    /// Time to live in milliseconds
    #[arg(long, value_name = "MS", value_parser = number::from_zero)]
    expiration: Option<u64>,
    /// Publish the message so many times
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = number::from_zero)]
    count: u64,
    /// Publish every line of the input as a message of its own
    #[arg(long, conflicts_with = "count")]
    lines: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Publishes and says how many messages the server took.
pub(crate) fn run(args: &PublishArgs, json: bool) -> anyhow::Result<ExitCode> {
    let body = read_body(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let published = runtime.block_on(publish(args, &body))?;
    if json {
        output::json(&serde_json::json!({ "published": published }))?;
    } else {
        let messages = if published == 1 {
            "message"
        } else {
            "messages"
        };
        output::line(&format!("Published {published} {messages}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn publish(args: &PublishArgs, body: &[u8]) -> anyhow::Result<u64> {
    let mut connection = args.connect.connect("chaski publish").await?;
    connection.select_confirms().await?;
    let properties = properties(args);
    let to = Publish {
        exchange: &args.exchange,
        routing_key: &args.routing_key,
        mandatory: true,
    };
    let mut published = 0;
    if args.lines {
        for line in body.split(|&byte| byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            connection.publish(to, &properties, line).await?;
            connection.wait_confirms(IN_FLIGHT_MAX).await?;
            published += 1;
        }
    } else {
        for _ in 0..args.count {
            connection.publish(to, &properties, body).await?;
            connection.wait_confirms(IN_FLIGHT_MAX).await?;
            published += 1;
        }
    }
    connection.wait_confirms(0).await?;
    connection.close().await?;
    Ok(published)
}

fn properties(args: &PublishArgs) -> Properties {
    let mut headers = Table::new();
    for (name, value) in &args.headers {
        headers.insert(name.as_str(), value.clone());
    }
    Properties {
        content_type: args.content_type.clone(),
        headers: (!headers.is_empty()).then_some(headers),
        delivery_mode: args.persistent.then_some(PERSISTENT),
        priority: args.priority,
        expiration: args.expiration.map(|millis| millis.to_string()),
        ..Properties::default()
    }
}

fn read_body(args: &PublishArgs) -> anyhow::Result<Vec<u8>> {
    if let Some(body) = &args.body {
        return Ok(body.clone().into_bytes());
    }
    let mut body = Vec::new();
    let read = match &args.file {
        Some(path) => std::fs::File::open(path)
            .and_then(|file| file.take(BODY_BYTES_MAX + 1).read_to_end(&mut body))
            .with_context(|| format!("cannot read {}", path.display()))?,
        None => std::io::stdin()
            .take(BODY_BYTES_MAX + 1)
            .read_to_end(&mut body)
            .context("cannot read standard input")?,
    };
    if read as u64 > BODY_BYTES_MAX {
        bail!("the body is larger than {} MiB", BODY_BYTES_MAX >> 20);
    }
    Ok(body)
}

fn parse_header(text: &str) -> anyhow::Result<(String, Value)> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| anyhow!("'{text}' is no header: write KEY=VALUE"))?;
    if key.is_empty() || key.len() > 255 {
        bail!("a header's name has 1 to 255 bytes");
    }
    Ok((key.to_owned(), typed_value(value)))
}

/// Takes numbers and truth values as such, everything else as text.
pub(crate) fn typed_value(text: &str) -> Value {
    match (text.parse::<i64>(), text.parse::<bool>()) {
        (Ok(number), _) => Value::from(number),
        (_, Ok(flag)) => Value::from(flag),
        (Err(_), Err(_)) => Value::from(text),
    }
}
