//! `chaski topic`, over the REST interface.

use std::io::{self, Read as _};

use clap::{Args, Subcommand};
use client::api::{Event, escape};
use serde_json::{Value, json};

use crate::context::Context;
use crate::output;
use crate::remote::{Remote, RemoteArgs, text_of};

/// The greatest body that is read from standard input.
const BODY_BYTES_MAX: u64 = 1 << 30;

/// Topics.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  chaski topic create news
  chaski topic tail news --pattern 'sport.*'
  chaski topic publish news sport.football 'one to nil'
  chaski topic bind news archive --pattern '#'")]
pub(crate) enum TopicCommand {
    /// List the topics that you have a right on
    List,
    /// Make a topic
    Create {
        /// Its name
        topic: String,
        /// topic, fanout, direct, headers or consistent-hash
        #[arg(long, default_value = "topic")]
        kind: String,
    },
    /// Delete a topic with its bindings
    Delete {
        /// Its name
        topic: String,
    },
    /// Bind a queue to a topic
    Bind(BindArgs),
    /// Undo a binding
    Unbind(BindArgs),
    /// List a topic's bindings
    Bindings {
        /// The topic
        topic: String,
    },
    /// Publish a message to a topic
    Publish {
        /// The topic
        topic: String,
        /// The routing key
        key: String,
        /// The body [default: standard input]
        body: Option<String>,
    },
    /// Print a topic's messages as they come
    Tail {
        /// The topic
        topic: String,
        /// A pattern over routing keys; may be repeated [default: everything]
        #[arg(long)]
        pattern: Vec<String>,
        /// End after so many messages
        #[arg(long)]
        count: Option<u64>,
    },
}

/// A binding.
#[derive(Debug, Args)]
pub(crate) struct BindArgs {
    /// The topic
    topic: String,
    /// The queue
    queue: String,
    /// The pattern or routing key
    #[arg(long, default_value = "#")]
    pattern: String,
}

/// Carries out a command on topics.
pub(crate) fn run(
    command: TopicCommand,
    remote: &RemoteArgs,
    context: &Context,
) -> anyhow::Result<()> {
    let remote = remote.open(context.json)?;
    let path = |topic: &str| format!("/v1/topics/{}", escape(topic));
    match command {
        TopicCommand::List => {
            let items = remote.list("/v1/topics?limit=1000")?;
            let columns = [("NAME", "name"), ("KIND", "kind"), ("OWNER", "owner")];
            remote.print_list(&items, &columns)
        }
        TopicCommand::Create { topic, kind } => {
            remote.send("PUT", &path(&topic), &json!({ "kind": kind }))?;
            remote.print_done()
        }
        TopicCommand::Delete { topic } => {
            remote.call("DELETE", &path(&topic))?;
            remote.print_done()
        }
        TopicCommand::Bind(args) => bind("POST", &args, &remote),
        TopicCommand::Unbind(args) => bind("DELETE", &args, &remote),
        TopicCommand::Bindings { topic } => {
            let found = remote.get(&format!("{}/bindings", path(&topic)))?;
            let items = found["items"].as_array().cloned().unwrap_or_default();
            let columns = [
                ("PATTERN", "pattern"),
                ("QUEUE", "queue"),
                ("TOPIC", "topic"),
            ];
            remote.print_list(&items, &columns)
        }
        TopicCommand::Publish { topic, key, body } => {
            let path = format!("{}/messages?routing_key={}", path(&topic), escape(&key));
            let kind = "text/plain; charset=utf-8";
            let answer = remote.send_bytes(&path, kind, &body_of(body)?)?;
            let published: Value = serde_json::from_slice(&answer.bytes)?;
            if remote.is_json() {
                return output::json(&published);
            }
            let taken = published["positions"].as_array().map_or(0, Vec::len);
            Ok(output::line(&format!("taken by {taken} queues"))?)
        }
        TopicCommand::Tail {
            topic,
            pattern,
            count,
        } => {
            let patterns = pattern.iter().map(|one| format!("pattern={}", escape(one)));
            let query = patterns.collect::<Vec<_>>().join("&");
            tail(&format!("{}/events?{query}", path(&topic)), count, &remote)
        }
    }
}

fn bind(method: &str, args: &BindArgs, remote: &Remote) -> anyhow::Result<()> {
    let path = format!("/v1/topics/{}/bindings", escape(&args.topic));
    let wish = json!({ "queue": args.queue, "pattern": args.pattern });
    remote.send(method, &path, &wish)?;
    remote.print_done()
}

/// Prints messages as they come, a line each.
pub(crate) fn tail(path: &str, count: Option<u64>, remote: &Remote) -> anyhow::Result<()> {
    let mut left = count.unwrap_or(u64::MAX);
    if left == 0 {
        return Ok(());
    }
    remote.follow(path, |event: &Event| {
        if remote.is_json() {
            output::line(&event.data)?;
        } else {
            let message: Value = serde_json::from_str(&event.data)?;
            output::line(&text_of(&message["body"]))?;
        }
        left -= 1;
        Ok(left > 0)
    })
}

/// The body that was given, or what comes on standard input.
pub(crate) fn body_of(body: Option<String>) -> anyhow::Result<Vec<u8>> {
    if let Some(body) = body {
        return Ok(body.into_bytes());
    }
    let mut bytes = Vec::new();
    io::stdin().take(BODY_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
