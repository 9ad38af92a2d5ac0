//! `chaski request`: a question to whoever works on a queue.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use client::api::escape;

use crate::remote::RemoteArgs;
use crate::topic::body_of;

/// Send a request and print the reply.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// The queue that workers consume from
    queue: String,
    /// The request [default: standard input]
    body: Option<String>,
    /// What the body is
    #[arg(long, default_value = "text/plain; charset=utf-8")]
    content_type: String,
    /// How many milliseconds to wait for the reply
    #[arg(long, default_value_t = 30_000)]
    wait_ms: u64,
    /// Refuse at once if no worker consumes from the queue
    #[arg(long)]
    fail_without_worker: bool,
}

/// Sends a request and prints the reply.
pub(crate) fn run(args: RequestArgs, remote: &RemoteArgs) -> anyhow::Result<()> {
    let remote = remote.open(false)?;
    let path = format!(
        "/v1/requests/{}?wait_ms={}&fail_without_worker={}",
        escape(&args.queue),
        args.wait_ms,
        args.fail_without_worker
    );
    let answer = remote.send_bytes(&path, &args.content_type, &body_of(args.body)?)?;
    let mut out = io::stdout().lock();
    out.write_all(&answer.bytes)?;
    if out.is_terminal() && !answer.bytes.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}
