//! `chaski deadletter`: messages that died, over the REST interface.

use clap::{Args, Subcommand};
use client::api::escape;
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::output;
use crate::remote::{Remote, RemoteArgs, text_of};

/// Dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// Look at the dead letters of a queue; they stay there
    List {
        /// The queue that dead letters go to
        queue: String,
    },
    /// Send dead letters back to the queues that they died in
    Replay(ChosenArgs),
    /// Discard dead letters
    Discard(ChosenArgs),
}

/// Which dead letters.
#[derive(Debug, Args)]
pub(crate) struct ChosenArgs {
    /// The queue that dead letters go to
    queue: String,
    /// Their positions
    #[arg(required_unless_present = "all")]
    positions: Vec<u64>,
    /// All of them
    #[arg(long, conflicts_with = "positions")]
    all: bool,
}

/// Carries out a command on dead letters.
pub(crate) fn run(
    command: DeadLetterCommand,
    remote: &RemoteArgs,
    context: &Context,
) -> anyhow::Result<()> {
    let remote = remote.open(context.json)?;
    let path = |queue: &str| format!("/v1/queues/{}/deadletters", escape(queue));
    match command {
        DeadLetterCommand::List { queue } => {
            let found = remote.get(&format!("{}?limit=1000", path(&queue)))?;
            let items = found["items"].as_array().cloned().unwrap_or_default();
            if remote.is_json() {
                return output::json(&items);
            }
            let row = |item: &Value| {
                let message = &item["message"];
                [
                    &message["position"],
                    &item["died_in"],
                    &item["reason"],
                    &item["count"],
                    &message["body"],
                ]
                .map(text_of)
                .to_vec()
            };
            let rows: Vec<_> = items.iter().map(row).collect();
            let headings = ["POSITION", "DIED IN", "REASON", "COUNT", "BODY"];
            Ok(output::table(&headings, &rows)?)
        }
        DeadLetterCommand::Replay(chosen) => handle("replay", chosen, &remote),
        DeadLetterCommand::Discard(chosen) => handle("discard", chosen, &remote),
    }
}

fn handle(verb: &str, chosen: ChosenArgs, remote: &Remote) -> anyhow::Result<()> {
    let path = format!("/v1/queues/{}/deadletters/{verb}", escape(&chosen.queue));
    let wish = json!({ "positions": chosen.positions, "all": chosen.all });
    let handled = remote.send("POST", &path, &wish)?;
    if remote.is_json() {
        return output::json(&handled);
    }
    output::line(&format!("{verb}: {}", text_of(&handled["done"])))?;
    let failed = handled["failed"].as_array().cloned().unwrap_or_default();
    for one in &failed {
        output::note(&format!(
            "position {}: {}",
            text_of(&one["position"]),
            text_of(&one["detail"])
        ));
    }
    if failed.is_empty() {
        return Ok(());
    }
    let message = format!("{} stay where they are", failed.len());
    Err(CommandError::new(Exit::Failed, message).into())
}
