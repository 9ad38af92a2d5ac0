//! `chaski queue declare|delete|purge|peek`: queues through AMQP, on any broker.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use client::amqp::{Connection, ExchangeDeclaration, QueueDeclaration, Table, Value};
use serde_json::json;

use crate::consume::write_message;
use crate::number;
use crate::output;
use crate::publish::{ConnectArgs, typed_value};

/// What can be done to queues through AMQP.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Create a queue, or check that it is there as described
    Declare(DeclareArgs),
    /// Delete a queue with its messages
    Delete(DeleteArgs),
    /// Remove a queue's ready messages
    Purge(NameArgs),
    /// Show the first messages of a queue and leave them there
    ///
    /// The messages are taken and put back, so that they count as redelivered afterwards.
    Peek(PeekArgs),
}

/// Options of `chaski queue declare`.
#[derive(Debug, Args)]
pub(crate) struct DeclareArgs {
    /// Name
    queue: String,
    /// Let the queue end with the server
    #[arg(long)]
    transient: bool,
    /// Remove the queue when its last consumer goes
    #[arg(long)]
    auto_delete: bool,
    /// Argument, as x-max-length=1000 or x-queue-type=quorum
    #[arg(short, long = "argument", value_name = "KEY=VALUE", value_parser = parse_argument)]
    arguments: Vec<(String, Value)>,
    /// Bind the queue to this exchange
    #[arg(short, long, value_name = "EXCHANGE")]
    bind: Option<String>,
    /// Create the exchange with this type first: direct, fanout, topic, headers
    #[arg(long, value_name = "TYPE", requires = "bind")]
    exchange_type: Option<String>,
    /// Routing key of the binding (default: the queue's name)
    #[arg(short = 'k', long, requires = "bind")]
    routing_key: Option<String>,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Options of `chaski queue delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Name
    queue: String,
    /// Only when nobody consumes
    #[arg(long)]
    if_unused: bool,
    /// Only when it holds no messages
    #[arg(long)]
    if_empty: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Options of `chaski queue purge`.
#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Name
    queue: String,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Options of `chaski queue peek`.
#[derive(Debug, Args)]
pub(crate) struct PeekArgs {
    /// Name
    queue: String,
    /// Messages to show
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = number::within(1..=10_000_u32))]
    count: u32,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Does it and says what the server answered.
pub(crate) fn run(command: &QueueCommand, json: bool) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            QueueCommand::Declare(args) => declare(args, json).await,
            QueueCommand::Delete(args) => delete(args, json).await,
            QueueCommand::Purge(args) => purge(args, json).await,
            QueueCommand::Peek(args) => peek(args, json).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn declare(args: &DeclareArgs, json: bool) -> anyhow::Result<()> {
    let mut connection = args.connect.connect("chaski queue declare").await?;
    let mut arguments = Table::new();
    for (name, value) in &args.arguments {
        arguments.insert(name.as_str(), value.clone());
    }
    let declaration = QueueDeclaration {
        name: args.queue.clone(),
        durable: !args.transient,
        auto_delete: args.auto_delete,
        arguments,
        ..QueueDeclaration::default()
    };
    let state = connection.declare_queue(&declaration).await?;
    if let Some(exchange) = &args.bind {
        bind(&mut connection, args, exchange, &state.name).await?;
    }
    connection.close().await?;
    let object = json!({
        "queue": state.name,
        "messages": state.messages,
        "consumers": state.consumers,
    });
    let text = format!(
        "Queue '{}': {} messages, {} consumers",
        state.name, state.messages, state.consumers
    );
    say(&object, &text, json)
}

async fn bind(
    connection: &mut Connection,
    args: &DeclareArgs,
    exchange: &str,
    queue: &str,
) -> anyhow::Result<()> {
    if let Some(kind) = &args.exchange_type {
        let declaration = ExchangeDeclaration {
            name: exchange.to_owned(),
            kind: kind.clone(),
            durable: !args.transient,
            ..ExchangeDeclaration::default()
        };
        connection.declare_exchange(&declaration).await?;
    }
    let key = args.routing_key.as_deref().unwrap_or(queue);
    connection
        .bind_queue(queue, exchange, key, &Table::new())
        .await?;
    Ok(())
}

async fn delete(args: &DeleteArgs, json: bool) -> anyhow::Result<()> {
    let mut connection = args.connect.connect("chaski queue delete").await?;
    // The server takes the deletion of an absent queue for granted; a person who mistypes a name wants to know.
    connection.queue_state(&args.queue).await?;
    let messages = connection
        .delete_queue(&args.queue, args.if_unused, args.if_empty)
        .await?;
    connection.close().await?;
    let object = json!({ "queue": args.queue, "deleted_messages": messages });
    let text = format!("Deleted queue '{}' with {messages} messages", args.queue);
    say(&object, &text, json)
}

async fn purge(args: &NameArgs, json: bool) -> anyhow::Result<()> {
    let mut connection = args.connect.connect("chaski queue purge").await?;
    let messages = connection.purge_queue(&args.queue).await?;
    connection.close().await?;
    let object = json!({ "queue": args.queue, "purged_messages": messages });
    let text = format!("Removed {messages} messages from queue '{}'", args.queue);
    say(&object, &text, json)
}

async fn peek(args: &PeekArgs, json: bool) -> anyhow::Result<()> {
    let mut connection = args.connect.connect("chaski queue peek").await?;
    let mut messages = Vec::new();
    for _ in 0..args.count {
        match connection.get(&args.queue, false).await? {
            Some((message, _)) => messages.push(message),
            None => break,
        }
    }
    if let Some(last) = messages.last() {
        connection.nack(last.delivery_tag, true, true).await?;
    }
    // A broker handles one channel's requests in order: the answer says that the messages are back.
    let state = connection.queue_state(&args.queue).await?;
    connection.close().await?;
    let mut stdout = std::io::stdout().lock();
    for message in &messages {
        write_message(&mut stdout, message, json)?;
    }
    if !json {
        output::note(&format!(
            "{} of {} messages",
            messages.len(),
            state.messages
        ));
    }
    Ok(())
}

fn say(object: &serde_json::Value, text: &str, json: bool) -> anyhow::Result<()> {
    if json {
        output::json(object)
    } else {
        Ok(output::line(text)?)
    }
}

fn parse_argument(text: &str) -> anyhow::Result<(String, Value)> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| anyhow!("'{text}' is no argument: write KEY=VALUE"))?;
    Ok((key.to_owned(), typed_value(value)))
}
