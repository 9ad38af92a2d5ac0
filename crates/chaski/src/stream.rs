//! `chaski stream`, over the REST interface.

use clap::Subcommand;
use client::api::escape;
use serde_json::{Value, json};

use crate::context::Context;
use crate::output;
use crate::remote::{Remote, RemoteArgs, text_of};
use crate::topic::tail;

/// Messages that are taken at once.
const BATCH_MAX: u64 = 100;
/// How long the server waits for the next message before it is asked again, in milliseconds.
const WAIT_MS: u64 = 20_000;

/// Streams.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  chaski stream create orders --partitions 4 --max-age 7D
  chaski stream tail orders --group billing --from first
  chaski stream groups orders
  chaski stream seek orders billing @1760000000")]
pub(crate) enum StreamCommand {
    /// Make a stream
    Create {
        /// Its name
        stream: String,
        /// How long it keeps messages, as 7D, 12h, 30m or 45s
        #[arg(long)]
        max_age: Option<String>,
        /// At most so many bytes, in each partition
        #[arg(long)]
        max_bytes: Option<u64>,
        /// Into how many partitions it is split; messages with the same partition key keep their order
        #[arg(long)]
        partitions: Option<u32>,
    },
    /// Split a partitioned stream or queue further
    Split {
        /// Its name
        stream: String,
        /// How many partitions it is to have
        partitions: u32,
    },
    /// Print a stream's messages, and those that come
    Tail {
        /// The stream
        stream: String,
        /// Where to begin: first, last, next, an offset, or a time as @SECONDS since 1970; a group that has read goes on where it was
        #[arg(long, default_value = "next")]
        from: String,
        /// Read in this group: its members share the stream, and the server remembers how far they came
        #[arg(long)]
        group: Option<String>,
        /// End after so many messages
        #[arg(long)]
        count: Option<u64>,
    },
    /// List the groups that read a stream, and how far they are behind
    Groups {
        /// The stream
        stream: String,
    },
    /// Set where a group goes on to read; it is made if there is none
    Seek {
        /// The stream
        stream: String,
        /// The group
        group: String,
        /// first, last, next, an offset, or a time as @SECONDS since 1970
        offset: String,
    },
    /// Forget a group
    Forget {
        /// The stream
        stream: String,
        /// The group
        group: String,
    },
}

/// Carries out a command on streams.
pub(crate) fn run(
    command: StreamCommand,
    remote: &RemoteArgs,
    context: &Context,
) -> anyhow::Result<()> {
    let remote = remote.open(context.json)?;
    let path = |stream: &str| format!("/v1/queues/{}", escape(stream));
    let group_path = |stream, group| format!("{}/groups/{}", path(stream), escape(group));
    match command {
        StreamCommand::Create {
            stream,
            max_age,
            max_bytes,
            partitions,
        } => {
            let settings = json!({ "max_age": max_age, "max_length_bytes": max_bytes });
            let wish = json!({ "kind": "stream", "partitions": partitions, "settings": settings });
            remote.send("PUT", &path(&stream), &wish)?;
            remote.print_done()
        }
        StreamCommand::Split { stream, partitions } => {
            let change = json!({ "partitions": partitions });
            remote.send("PATCH", &path(&stream), &change)?;
            remote.print_done()
        }
        StreamCommand::Tail {
            stream,
            from,
            group: None,
            count,
        } => {
            let path = format!("{}/events?offset={}", path(&stream), escape(&from));
            tail(&path, count, &remote)
        }
        StreamCommand::Tail {
            stream,
            from,
            group: Some(group),
            count,
        } => {
            let pull = json!({ "group": group, "offset": from, "wait_ms": WAIT_MS });
            tail_in_group(&format!("{}/pull", path(&stream)), pull, count, &remote)
        }
        StreamCommand::Groups { stream } => groups(&path(&stream), &remote),
        StreamCommand::Seek {
            stream,
            group,
            offset,
        } => {
            let place = json!({ "offset": offset });
            remote.send("PUT", &group_path(&stream, &group), &place)?;
            remote.print_done()
        }
        StreamCommand::Forget { stream, group } => {
            remote.call("DELETE", &group_path(&stream, &group))?;
            remote.print_done()
        }
    }
}

/// Prints messages as they come, a line each, and acknowledges each batch once it is printed.
fn tail_in_group(
    path: &str,
    mut pull: Value,
    count: Option<u64>,
    remote: &Remote,
) -> anyhow::Result<()> {
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        pull["max"] = left.min(BATCH_MAX).into();
        let pulled = remote.send("POST", path, &pull)?;
        let messages = pulled["messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            output::line(&if remote.is_json() {
                message.to_string()
            } else {
                text_of(&message["body"])
            })?;
        }
        left -= messages.len() as u64;
        let leases: Vec<_> = messages.iter().map(|message| &message["lease"]).collect();
        if !leases.is_empty() {
            remote.send("POST", "/v1/leases", &json!({ "ack": leases }))?;
        }
    }
    Ok(())
}

fn groups(path: &str, remote: &Remote) -> anyhow::Result<()> {
    let mut items = remote.list(&format!("{path}/groups?limit=1000"))?;
    if remote.is_json() {
        return output::json(&items);
    }
    for item in &mut items {
        let offsets = item["partitions"].as_array().map_or(String::new(), |all| {
            let each = all.iter().map(|one| {
                let offset = one["next_offset"].as_u64();
                offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string())
            });
            each.collect::<Vec<_>>().join(" ")
        });
        item["next"] = offsets.into();
    }
    let columns = [
        ("GROUP", "name"),
        ("MEMBERS", "members"),
        ("LAG", "lag"),
        ("NEXT OFFSETS", "next"),
    ];
    remote.print_list(&items, &columns)
}
