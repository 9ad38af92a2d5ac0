//! `chaski consume`: messages from a queue to standard output.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use client::amqp::{Connection, Consume, Message, Properties, Table, Value};
use serde_json::{Map, json};

use crate::number;
use crate::publish::ConnectArgs;

/// How long a queue that has run empty is given before the command ends.
const QUIET: Duration = Duration::from_millis(500);

/// Options of `chaski consume`.
#[derive(Debug, Args)]
#[command(after_help = "\
Takes what is in the queue and ends when it is empty; with --follow it waits for more. A message is
acknowledged when it has been written out, so an interrupted command loses none.

Examples:
  chaski consume tasks                what is in the queue, one body per line
  chaski consume tasks --follow       and what comes, until interrupted
  chaski consume tasks -n 1 --json    one message with its properties, as JSON")]
pub(crate) struct ConsumeArgs {
    /// Queue
    queue: String,
    /// End after so many messages
    #[arg(short = 'n', long, value_name = "N", value_parser = number::from_zero)]
    count: Option<u64>,
    /// Let the server settle messages as it sends them: faster, and lost when the command is interrupted
    #[arg(long)]
    no_ack: bool,
    /// Messages that may be under way unacknowledged
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = number::within(0..=u16::MAX))]
    prefetch: u16,
    /// Wait for more messages when the queue is empty
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Consumes and writes bodies as lines, or one JSON object for each message.
pub(crate) fn run(args: &ConsumeArgs, json: bool) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(consume(args, json))?;
    Ok(ExitCode::SUCCESS)
}

async fn consume(args: &ConsumeArgs, json: bool) -> anyhow::Result<()> {
    let mut connection = args.connect.connect("chaski consume").await?;
    let limit = args.count.unwrap_or(u64::MAX);
    if limit == 0 {
        connection.queue_state(&args.queue).await?;
        connection.close().await?;
        return Ok(());
    }
    // The server must not send more than is wanted: with automatic acks the rest would be lost.
    if args.no_ack && args.count.is_some() {
        take_singly(&mut connection, args, limit, json).await?;
    } else {
        connection.set_prefetch(prefetch(args, limit)).await?;
        let consumer = Consume {
            queue: args.queue.clone(),
            no_ack: args.no_ack,
            ..Consume::default()
        };
        connection.consume(&consumer).await?;
        take_pushed(&mut connection, args, limit, json).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Takes messages as the server sends them.
async fn take_pushed(
    connection: &mut Connection,
    args: &ConsumeArgs,
    limit: u64,
    json: bool,
) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for _ in 0..limit {
        let next = connection.next_delivery();
        let message = tokio::select! {
            biased;
            message = next => message?,
            () = tokio::time::sleep(QUIET), if !args.follow => break,
            _ = tokio::signal::ctrl_c() => break,
        };
        write_message(&mut stdout, &message, json)?;
        if !args.no_ack {
            connection.ack(message.delivery_tag, false).await?;
        }
    }
    Ok(())
}

/// Asks for messages one by one.
async fn take_singly(
    connection: &mut Connection,
    args: &ConsumeArgs,
    limit: u64,
    json: bool,
) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let mut taken = 0;
    while taken < limit {
        match connection.get(&args.queue, true).await? {
            Some((message, _)) => {
                write_message(&mut stdout, &message, json)?;
                taken += 1;
            }
            None if args.follow => tokio::time::sleep(QUIET).await,
            None => break,
        }
    }
    Ok(())
}

/// No more than are wanted, so that the rest stays for others.
fn prefetch(args: &ConsumeArgs, limit: u64) -> u16 {
    let wanted = u16::try_from(limit).unwrap_or(u16::MAX);
    if args.prefetch == 0 {
        wanted
    } else {
        args.prefetch.min(wanted)
    }
}

/// Writes one message, and does not return before it is out.
pub(crate) fn write_message(
    out: &mut impl Write,
    message: &Message,
    json: bool,
) -> anyhow::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, &message_json(message))?;
    } else {
        out.write_all(&message.body)?;
    }
    if json || !message.body.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Puts a message into JSON; a body that is no UTF-8 is given as hexadecimal digits.
fn message_json(message: &Message) -> serde_json::Value {
    let mut object = Map::new();
    match str::from_utf8(&message.body) {
        Ok(text) => object.insert("body".to_owned(), text.into()),
        Err(_) => object.insert("body_hex".to_owned(), hex(&message.body).into()),
    };
    object.insert("exchange".to_owned(), message.exchange.as_str().into());
    object.insert(
        "routing_key".to_owned(),
        message.routing_key.as_str().into(),
    );
    object.insert("redelivered".to_owned(), message.redelivered.into());
    object.insert(
        "properties".to_owned(),
        properties_json(&message.properties),
    );
    object.into()
}

fn properties_json(properties: &Properties) -> serde_json::Value {
    let mut object = Map::new();
    let texts = [
        ("content_type", &properties.content_type),
        ("content_encoding", &properties.content_encoding),
        ("correlation_id", &properties.correlation_id),
        ("reply_to", &properties.reply_to),
        ("expiration", &properties.expiration),
        ("message_id", &properties.message_id),
        ("type", &properties.kind),
        ("user_id", &properties.user_id),
        ("app_id", &properties.app_id),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            object.insert(name.to_owned(), text.as_str().into());
        }
    }
    let numbers = [
        ("delivery_mode", properties.delivery_mode.map(u64::from)),
        ("priority", properties.priority.map(u64::from)),
        ("timestamp", properties.timestamp),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            object.insert(name.to_owned(), number.into());
        }
    }
    if let Some(headers) = &properties.headers {
        object.insert("headers".to_owned(), table_json(headers));
    }
    object.into()
}

fn table_json(table: &Table) -> serde_json::Value {
    let fields = table
        .iter()
        .map(|(name, value)| (name.to_owned(), value_json(value)));
    fields.collect::<Map<_, _>>().into()
}

fn value_json(value: &Value) -> serde_json::Value {
    if let Some(number) = value.as_i64() {
        return number.into();
    }
    match value {
        Value::Bool(flag) => (*flag).into(),
        Value::F32(number) => json!(number),
        Value::F64(number) => json!(number),
        Value::Timestamp(seconds) => (*seconds).into(),
        Value::Decimal { scale, value } => json!({ "scale": scale, "value": value }),
        Value::LongString(bytes) | Value::Bytes(bytes) => match str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => hex(bytes).into(),
        },
        Value::Array(items) => items.iter().map(value_json).collect(),
        Value::Table(table) => table_json(table),
        Value::Void
        | Value::I8(_)
        | Value::U8(_)
        | Value::I16(_)
        | Value::U16(_)
        | Value::I32(_)
        | Value::U32(_)
        | Value::I64(_) => serde_json::Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
