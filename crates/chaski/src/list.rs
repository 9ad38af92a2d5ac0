//! `chaski queue list`, `exchange list`, `binding list`, `consumer list` and `connection`.

use clap::{Args, Subcommand};
use serde::Serialize;
use server::admin::{
    BindingRow, ConnectionRow, ConnectionTarget, ConsumerRow, ExchangeRow, PAGE_SIZE_MAX, Page,
    PageRequest, QueueRow, Request, Response,
};

use crate::context::Context;
use crate::number;
use crate::output;
use crate::queue;
use crate::status::{ask, unexpected};

/// A thing that can only be listed here; clients make and delete it.
#[derive(Debug, Subcommand)]
pub(crate) enum ListCommand {
    /// List them
    List(ListArgs),
}

/// Queues.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
list asks the server of the data directory; the others speak AMQP, to any broker.

Examples:
  chaski queue list --filter orders
  chaski queue declare orders -a x-queue-type=quorum
  chaski queue declare audit --bind logs --exchange-type topic -k 'app.#'
  chaski queue peek orders -n 3 --json")]
pub(crate) enum QueueCommand {
    /// List queues with their messages and consumers
    List(ListArgs),
    /// What goes over AMQP, as any client would do it.
    #[command(flatten)]
    Other(Box<queue::QueueCommand>),
}

/// Open connections.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  chaski connection list --filter shop          those of accounts with shop in their name
  chaski connection close 7 --reason 'maintenance at noon'
  chaski connection close --all")]
pub(crate) enum ConnectionCommand {
    /// List open connections
    List(PageArgs),
    /// Close connections; their clients are told with reply code 320
    Close {
        /// The number of the connection in the list
        #[arg(
            value_name = "ID",
            required_unless_present = "all",
            conflicts_with = "all",
            value_parser = number::from_zero
        )]
        id: Option<u64>,
        /// Close every connection
        #[arg(long)]
        all: bool,
        /// What the clients are told
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// Which rows of a list to show.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only in this virtual host
    #[arg(long)]
    vhost: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

/// Which part of a list to show.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// The page
    #[arg(long, default_value_t = 1, value_parser = number::within(1..=u32::MAX))]
    page: u32,
    /// Rows per page, 1 to 1000
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = number::within(1..=PAGE_SIZE_MAX)
    )]
    page_size: u32,
    /// Only those whose name contains this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

impl From<PageArgs> for PageRequest {
    fn from(args: PageArgs) -> Self {
        Self {
            page: args.page,
            page_size: args.page_size,
            filter: args.filter,
        }
    }
}

/// Lists queues.
pub(crate) fn queue(args: ListArgs, context: &Context) -> anyhow::Result<()> {
    let ListArgs { vhost, page } = args;
    let page = page.into();
    let Response::Queues(page) = ask(context, &Request::QueueList { vhost, page })? else {
        return Err(unexpected());
    };
    show(&page, &QUEUE_HEADING, queue_row, context)
}

/// Lists exchanges.
pub(crate) fn exchange(command: ListCommand, context: &Context) -> anyhow::Result<()> {
    let ListCommand::List(ListArgs { vhost, page }) = command;
    let page = page.into();
    let Response::Exchanges(page) = ask(context, &Request::ExchangeList { vhost, page })? else {
        return Err(unexpected());
    };
    show(&page, &EXCHANGE_HEADING, exchange_row, context)
}

/// Lists bindings.
pub(crate) fn binding(command: ListCommand, context: &Context) -> anyhow::Result<()> {
    let ListCommand::List(ListArgs { vhost, page }) = command;
    let page = page.into();
    let Response::Bindings(page) = ask(context, &Request::BindingList { vhost, page })? else {
        return Err(unexpected());
    };
    show(&page, &BINDING_HEADING, binding_row, context)
}

/// Lists consumers.
pub(crate) fn consumer(command: ListCommand, context: &Context) -> anyhow::Result<()> {
    let ListCommand::List(ListArgs { vhost, page }) = command;
    let page = page.into();
    let Response::Consumers(page) = ask(context, &Request::ConsumerList { vhost, page })? else {
        return Err(unexpected());
    };
    show(&page, &CONSUMER_HEADING, consumer_row, context)
}

/// Lists or closes connections.
pub(crate) fn connection(command: ConnectionCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        ConnectionCommand::List(page) => {
            let page = page.into();
            let Response::Connections(page) = ask(context, &Request::ConnectionList { page })?
            else {
                return Err(unexpected());
            };
            show(&page, &CONNECTION_HEADING, connection_row, context)
        }
        ConnectionCommand::Close { id, reason, .. } => {
            let target = id.map_or(ConnectionTarget::All, ConnectionTarget::Id);
            let request = Request::ConnectionClose { target, reason };
            let Response::Closed { connections } = ask(context, &request)? else {
                return Err(unexpected());
            };
            match connections {
                _ if context.json => output::json(&serde_json::json!({ "closed": connections })),
                1 => Ok(output::line("1 connection closed")?),
                _ => Ok(output::line(&format!("{connections} connections closed"))?),
            }
        }
    }
}

/// Prints the rows of a page, and says where the others are.
fn show<T: Serialize>(
    page: &Page<T>,
    heading: &[&str],
    row: impl Fn(&T) -> Vec<String>,
    context: &Context,
) -> anyhow::Result<()> {
    if context.json {
        output::json(&page.rows)?;
    } else {
        let rows: Vec<Vec<String>> = page.rows.iter().map(row).collect();
        output::table(heading, &rows)?;
    }
    let before = u64::from(page.page - 1) * u64::from(page.page_size);
    let shown = page.rows.len() as u64;
    if shown == 0 && page.total > 0 {
        output::note(&format!(
            "there is no page {}; {} in all",
            page.page, page.total
        ));
    } else if page.total > before + shown {
        output::note(&format!(
            "{} to {} of {}; --page {} shows more",
            before + 1,
            before + shown,
            page.total,
            page.page + 1
        ));
    }
    Ok(())
}

const QUEUE_HEADING: [&str; 8] = [
    "VHOST",
    "NAME",
    "KIND",
    "READY",
    "UNACKED",
    "CONSUMERS",
    "STATE",
    "FEATURES",
];

fn queue_row(row: &QueueRow) -> Vec<String> {
    let features = [
        ("durable", row.durable),
        ("auto-delete", row.auto_delete),
        ("exclusive", row.exclusive),
    ];
    vec![
        row.vhost.clone(),
        row.name.clone(),
        row.kind.clone(),
        row.messages_ready.to_string(),
        row.messages_unacked.to_string(),
        row.consumers.to_string(),
        row.state.clone(),
        join(&features),
    ]
}

const EXCHANGE_HEADING: [&str; 4] = ["VHOST", "NAME", "KIND", "FEATURES"];

fn exchange_row(row: &ExchangeRow) -> Vec<String> {
    let features = [
        ("durable", row.durable),
        ("auto-delete", row.auto_delete),
        ("internal", row.internal),
    ];
    let name = if row.name.is_empty() {
        "(default)"
    } else {
        &row.name
    };
    vec![
        row.vhost.clone(),
        name.to_owned(),
        row.kind.clone(),
        join(&features),
    ]
}

const BINDING_HEADING: [&str; 5] = ["VHOST", "SOURCE", "DESTINATION", "TO", "ROUTING KEY"];

fn binding_row(row: &BindingRow) -> Vec<String> {
    vec![
        row.vhost.clone(),
        row.source.clone(),
        row.destination.clone(),
        row.destination_kind.clone(),
        row.routing_key.clone(),
    ]
}

const CONSUMER_HEADING: [&str; 8] = [
    "VHOST",
    "QUEUE",
    "TAG",
    "CONNECTION",
    "CHANNEL",
    "PREFETCH",
    "ACTIVE",
    "FEATURES",
];

fn consumer_row(row: &ConsumerRow) -> Vec<String> {
    let features = [
        ("auto-ack", !row.ack_required),
        ("exclusive", row.exclusive),
    ];
    vec![
        row.vhost.clone(),
        row.queue.clone(),
        row.tag.clone(),
        row.connection.to_string(),
        row.channel.to_string(),
        row.prefetch.to_string(),
        if row.active { "yes" } else { "no" }.to_owned(),
        join(&features),
    ]
}

const CONNECTION_HEADING: [&str; 9] = [
    "ID", "PEER", "LISTENER", "LOGIN", "VHOST", "CHANNELS", "STATE", "NAME", "CLIENT",
];

fn connection_row(row: &ConnectionRow) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        row.id.to_string(),
        row.peer.clone(),
        row.listener.clone(),
        or_dash(&row.login),
        or_dash(&row.vhost),
        row.channels.to_string(),
        row.state.clone(),
        or_dash(&row.name),
        or_dash(&row.client),
    ]
}

fn join(features: &[(&str, bool)]) -> String {
    let present: Vec<&str> = features
        .iter()
        .filter(|(_, is_present)| *is_present)
        .map(|(name, _)| *name)
        .collect();
    present.join(" ")
}
