//! `chaski audit`: who did what, over the REST interface.

use clap::Subcommand;
use client::api::escape;
use serde_json::Value;

use crate::context::Context;
use crate::output;
use crate::remote::{RemoteArgs, text_of};

/// The audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Print the newest entries
    List {
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Only what this account did
        #[arg(long)]
        actor: Option<String>,
        /// Only this action, such as login or queue.delete
        #[arg(long)]
        action: Option<String>,
    },
    /// Print entries as they come
    Tail,
}

const AUDIT_COLUMNS: [(&str, &str); 7] = [
    ("ID", "id"),
    ("ACTOR", "actor"),
    ("DOOR", "door"),
    ("ADDRESS", "address"),
    ("ACTION", "action"),
    ("OBJECT", "object"),
    ("OUTCOME", "outcome"),
];

/// Carries out a command on the audit log.
pub(crate) fn run(
    command: AuditCommand,
    remote: &RemoteArgs,
    context: &Context,
) -> anyhow::Result<()> {
    let remote = remote.open(context.json)?;
    match command {
        AuditCommand::List {
            limit,
            actor,
            action,
        } => {
            let filters = [("actor", actor), ("action", action)];
            let filters = filters
                .into_iter()
                .filter_map(|(name, value)| Some(format!("&{name}={}", escape(&value?))));
            let path = format!("/v1/audit?limit={limit}{}", filters.collect::<String>());
            let found = remote.get(&path)?;
            let items = found["items"].as_array().cloned().unwrap_or_default();
            remote.print_list(&items, &AUDIT_COLUMNS)
        }
        AuditCommand::Tail => remote.follow("/v1/audit/events", |event| {
            if remote.is_json() {
                output::line(&event.data)?;
            } else {
                let entry: Value = serde_json::from_str(&event.data)?;
                let cells = AUDIT_COLUMNS.map(|(_, field)| text_of(&entry[field]));
                output::line(&cells.join("  "))?;
            }
            Ok(true)
        }),
    }
}
