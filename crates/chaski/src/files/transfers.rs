//! `chaski transfers`: what is fetched here, in whichever terminal.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use client::peer::catalog::{self, Catalog};
use client::peer::download::discard;
use client::peer::transfers::{Stage, Transfer, TransferError, Transfers, Want};
use indicatif::HumanBytes;

use super::get::{FetchArgs, go_on};
use crate::exit::{CommandError, Exit};
use crate::remote::RemoteArgs;
use crate::{output, peer};

/// List what is fetched here, hold it, go on with it and give it up.
#[derive(Debug, Args)]
#[command(after_help = "\
What `chaski get` fetches in any terminal of yours is listed, with what was interrupted and the last
ones that ended.

Examples:
  chaski transfers
  chaski transfers pause 3
  chaski transfers resume 3
  chaski transfers cancel 3 4")]
pub(crate) struct TransfersArgs {
    #[command(subcommand)]
    command: Option<TransfersCommand>,
    #[command(flatten)]
    fetch: FetchArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum TransfersCommand {
    /// List them (what is done without a command)
    List,
    /// Hold what is running
    Pause(Ids),
    /// Go on with what is held; what was interrupted is gone on with by this command itself
    Resume(Ids),
    /// Give up, and remove what is there of it
    Cancel(Ids),
    /// Forget those that have ended
    Clear,
}

#[derive(Debug, Args)]
struct Ids {
    /// Their numbers
    #[arg(required = true, value_name = "NUMBER")]
    ids: Vec<u32>,
}

/// Does what is asked.
pub(crate) fn transfers(mut args: TransfersArgs, is_json: bool) -> anyhow::Result<ExitCode> {
    let state = peer::state(args.fetch.state.as_deref())?;
    let all = Transfers::open(&state)?;
    match args.command.take().unwrap_or(TransfersCommand::List) {
        TransfersCommand::List => list(&all, is_json)?,
        TransfersCommand::Pause(Ids { ids }) => {
            for id in ids {
                let transfer = find(&all, id)?;
                match transfer.stage {
                    Stage::Running | Stage::Paused => all.want(id, Want::Pause)?,
                    Stage::Interrupted | Stage::Done | Stage::Failed => {
                        return Err(not_running(&transfer).into());
                    }
                }
            }
        }
        TransfersCommand::Resume(Ids { ids }) => {
            for id in ids {
                let transfer = find(&all, id)?;
                match transfer.stage {
                    Stage::Running | Stage::Paused => all.want(id, Want::Run)?,
                    Stage::Interrupted | Stage::Failed => {
                        go_on(transfer.job, &args.fetch, &args.remote, is_json)?;
                    }
                    Stage::Done => return Err(not_running(&transfer).into()),
                }
            }
        }
        TransfersCommand::Cancel(Ids { ids }) => {
            for id in ids {
                let transfer = find(&all, id)?;
                match transfer.stage {
                    Stage::Running | Stage::Paused => all.want(id, Want::Cancel)?,
                    Stage::Interrupted | Stage::Failed => {
                        give_up(&state.join(catalog::FILE), &transfer)?;
                        all.forget(id)?;
                    }
                    Stage::Done => return Err(not_running(&transfer).into()),
                }
            }
        }
        TransfersCommand::Clear => {
            for transfer in all.list()? {
                match transfer.stage {
                    Stage::Done | Stage::Failed => all.forget(transfer.id)?,
                    Stage::Running | Stage::Paused | Stage::Interrupted => {}
                }
            }
        }
    }
    Ok(Exit::Done.into())
}

fn find(all: &Transfers, id: u32) -> Result<Transfer, anyhow::Error> {
    all.find(id).map_err(|error| match error {
        TransferError::Unknown(_) => CommandError::new(Exit::NotFound, error.to_string()).into(),
        TransferError::Running { .. } | TransferError::Disk { .. } => error.into(),
    })
}

fn not_running(transfer: &Transfer) -> CommandError {
    let text = format!("transfer {} is {}", transfer.id, shown(transfer.stage));
    CommandError::new(Exit::Refused, text)
}

/// Removes what an interrupted transfer left.
fn give_up(catalog: &std::path::Path, transfer: &Transfer) -> anyhow::Result<()> {
    let Some(root) = transfer.job.root() else {
        return Ok(());
    };
    discard(&transfer.job.target, root)?;
    if catalog.is_file() {
        Catalog::open(catalog)?.give_up_partial(&root)?;
    }
    Ok(())
}

fn list(all: &Transfers, is_json: bool) -> anyhow::Result<()> {
    let all = all.list()?;
    if is_json {
        return output::json(&all);
    }
    let rows: Vec<_> = all.iter().map(row).collect();
    output::table(&["ID", "STATE", "NAME", "THERE", "RATE", "WHERE"], &rows)?;
    for transfer in &all {
        if let Some(why) = &transfer.why {
            output::note(&format!("{}: {why}", transfer.id));
        }
    }
    Ok(())
}

fn row(transfer: &Transfer) -> Vec<String> {
    let job = &transfer.job;
    let there = match (transfer.stage, job.folder) {
        (Stage::Done, _) | (_, true) => HumanBytes(transfer.bytes).to_string(),
        (_, false) => format!("{} of {}", HumanBytes(transfer.bytes), HumanBytes(job.size)),
    };
    let rate = match transfer.rate {
        0 => String::new(),
        rate => format!("{}/s", HumanBytes(rate)),
    };
    vec![
        transfer.id.to_string(),
        shown(transfer.stage).to_owned(),
        job.name.clone(),
        there,
        rate,
        job.target.display().to_string(),
    ]
}

const fn shown(stage: Stage) -> &'static str {
    match stage {
        Stage::Running => "running",
        Stage::Paused => "paused",
        Stage::Interrupted => "interrupted",
        Stage::Done => "done",
        Stage::Failed => "failed",
    }
}
