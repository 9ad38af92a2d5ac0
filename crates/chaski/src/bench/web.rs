//! Options of `chaski bench http` and `chaski bench grpc`, and what they mean to the generator.

use std::time::Duration;

use clap::Args;
use client::api::WebUrl;
use client::load::{
    AckMode, Door, LoadOptions, QueueArgument, Routing, RunLength, SizeRange, Target, WebTarget,
};

use super::values::parse_duration;
use crate::number::parse_size;

/// Options of `chaski bench http`.
#[derive(Debug, Args)]
#[command(after_help = HTTP_EXAMPLES)]
pub(crate) struct HttpArgs {
    /// Messages of one request; 1 publishes each by itself
    #[arg(short, long, value_name = "N", default_value_t = 100, value_parser = at_least_one, help_heading = "Load")]
    batch: usize,
    /// All readers read one stream (default: they read a topic, and each has a stream of its own)
    #[arg(long, requires = "readers", help_heading = "Load")]
    one_stream: bool,
    #[command(flatten)]
    web: WebArgs,
}

/// Options of `chaski bench grpc`.
#[derive(Debug, Args)]
#[command(after_help = GRPC_EXAMPLES)]
pub(crate) struct GrpcArgs {
    /// Publish by streams, with at most N messages of a producer unconfirmed
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one, help_heading = "Load")]
    confirms: usize,
    /// Publish by calls, each with N messages, in place of streams
    #[arg(short, long, value_name = "N", conflicts_with = "confirms", value_parser = at_least_one, help_heading = "Load")]
    batch: Option<usize>,
    /// Streams that consume the queue and acknowledge
    #[arg(
        short,
        long,
        default_value_t = 0,
        conflicts_with = "readers",
        help_heading = "Load"
    )]
    consumers: usize,
    /// At most N messages are unacknowledged at a consumer
    #[arg(long, value_name = "N", default_value_t = 1_000, help_heading = "Load")]
    prefetch: u16,
    /// One ack for N deliveries
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Load")]
    ack_every: u16,
    /// Publish N messages first, then consume them, and report both
    #[arg(
        long,
        value_name = "N",
        requires = "consumers",
        conflicts_with = "messages",
        help_heading = "Length"
    )]
    backlog: Option<u64>,
    #[command(flatten)]
    web: WebArgs,
}

/// Options of both.
#[derive(Debug, Args)]
struct WebArgs {
    /// Where the server's HTTP port is: http://login:password@host:port
    #[arg(
        long,
        default_value = "http://guest:guest@127.0.0.1:8080",
        hide_env_values = true
    )]
    url: WebUrl,
    /// Connections that publish
    #[arg(short, long, default_value_t = 1, help_heading = "Load")]
    producers: usize,
    /// Readers of a topic, each of which gets every message
    #[arg(short, long, default_value_t = 0, help_heading = "Load")]
    readers: usize,
    /// Body length in bytes: 100, 1KiB
    #[arg(short, long, default_value = "1KiB", value_parser = parse_size, help_heading = "Load")]
    size: usize,
    /// A durable queue and persistent messages
    #[arg(short, long, help_heading = "Load")]
    durable: bool,
    /// The queue keeps the newest N messages (default: all)
    #[arg(long, value_name = "N", help_heading = "Load")]
    max_length: Option<u32>,
    /// Let producers wait while so many messages are undelivered; 0 is unlimited (default: 100000 messages or 64 MiB)
    #[arg(long, value_name = "N", help_heading = "Load")]
    backlog_max: Option<u64>,

    /// How long to measure
    #[arg(long, default_value = "10s", value_parser = parse_duration, help_heading = "Length")]
    duration: Duration,
    /// Time before figures count
    #[arg(long, default_value = "1s", value_parser = parse_duration, help_heading = "Length")]
    warm_up: Duration,
    /// Send N messages in place of a duration
    #[arg(short, long, value_name = "N", help_heading = "Length")]
    messages: Option<u64>,

    /// Threads of the generator
    #[arg(long, default_value_t = 1, help_heading = "Generator")]
    threads: usize,
    /// Report the processor time and memory of this process and its children
    #[arg(long, value_name = "PID", help_heading = "Generator")]
    server_pid: Option<u32>,
    /// Beginning of the names of the queue or topic
    #[arg(long, help_heading = "Generator")]
    prefix: Option<String>,
}

const HTTP_EXAMPLES: &str = "\
Examples:
  chaski bench http -d -p 8                     requests of 100 durable messages, 8 connections
  chaski bench http -d -p 8 --batch 1           one message a request
  chaski bench http --readers 100 --size 100    every message to 100 readers of server-sent events";

const GRPC_EXAMPLES: &str = "\
Examples:
  chaski bench grpc -d -p 8                     streams with 100 unconfirmed messages each
  chaski bench grpc -d -p 8 --batch 100         calls with 100 messages each
  chaski bench grpc -d -c 1 --confirms 1000     published and consumed, each acknowledged
  chaski bench grpc --readers 100 --size 100    every message to 100 subscribers";

impl HttpArgs {
    /// Says what the generator is to do.
    pub(super) fn options(&self) -> LoadOptions {
        let door = Door::Http {
            one_stream: self.one_stream,
        };
        let mut options = self.web.options(door);
        options.confirms = Some(self.batch);
        self.web.bound(options)
    }
}

impl GrpcArgs {
    /// Says what the generator is to do.
    pub(super) fn options(&self) -> LoadOptions {
        let unary = self.batch.is_some();
        let mut options = self.web.options(Door::Grpc { unary });
        options.confirms = Some(self.batch.unwrap_or(self.confirms));
        if self.consumers > 0 {
            options.consumers = self.consumers;
            options.acks = AckMode::Manual {
                prefetch: self.prefetch,
                every: self.ack_every,
            };
        }
        if let Some(messages) = self.backlog {
            options.length = RunLength::Backlog(messages);
        }
        self.web.bound(options)
    }
}

impl WebArgs {
    fn options(&self, door: Door) -> LoadOptions {
        let target = Target::Web(WebTarget {
            url: self.url.clone(),
            door,
        });
        let defaults = LoadOptions::new(target);
        let is_fanout = self.readers > 0;
        let length = self.max_length.map(|length| {
            let length = QueueArgument::Number(length.into());
            ("x-max-length".to_owned(), length)
        });
        LoadOptions {
            producers: self.producers,
            consumers: self.readers,
            queues: self.readers.max(1),
            size: SizeRange {
                min: self.size,
                max: self.size,
            },
            routing: if is_fanout {
                Routing::Fanout
            } else {
                Routing::Queue
            },
            durable: self.durable,
            persistent: self.durable,
            length: self
                .messages
                .map_or(RunLength::Time(self.duration), RunLength::Messages),
            warm_up: self.warm_up,
            threads: self.threads,
            queue_arguments: length.into_iter().collect(),
            prefix: self
                .prefix
                .clone()
                .unwrap_or_else(|| defaults.prefix.clone()),
            server_pid: self.server_pid,
            ..defaults
        }
    }

    /// Limits what may be undelivered, which depends on all other options.
    fn bound(&self, mut options: LoadOptions) -> LoadOptions {
        options.backlog_max = match self.backlog_max {
            Some(0) => None,
            Some(limit) => Some(limit),
            None => options.sensible_backlog(),
        };
        options
    }
}

/// Reads a number from 1 on.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("give a number from 1 on".to_owned()),
        Ok(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests;
