//! `chaski vhost`.

use clap::Subcommand;
use server::admin::{Request, Response};

use crate::context::Context;
use crate::output;
use crate::status::{ask, change, unexpected};

/// Virtual hosts.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A new virtual host is empty and nobody may use it yet:
  chaski vhost add shop
  chaski permission set anna --vhost shop")]
pub(crate) enum VhostCommand {
    /// Make a virtual host
    Add {
        /// Its name
        name: String,
    },
    /// Delete a virtual host with all its exchanges, queues and messages
    Delete {
        /// Its name
        name: String,
    },
    /// List the virtual hosts
    List,
}

/// Carries out a command on virtual hosts.
pub(crate) fn run(command: VhostCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        VhostCommand::Add { name } => change(context, &Request::VhostAdd { name }),
        VhostCommand::Delete { name } => change(context, &Request::VhostDelete { name }),
        VhostCommand::List => list(context),
    }
}

fn list(context: &Context) -> anyhow::Result<()> {
    let Response::Vhosts(rows) = ask(context, &Request::VhostList)? else {
        return Err(unexpected());
    };
    if context.json {
        return output::json(&rows);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| vec![row.name]).collect();
    output::table(&["NAME"], &rows)?;
    Ok(())
}
