//! `chaski policy`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value};
use server::admin::{PolicyRow, PolicyTarget, Request, Response};

use crate::context::Context;
use crate::output;
use crate::status::{ask, change, unexpected};

/// Policies.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Keys of a definition: message-ttl, expires, max-length, max-length-bytes, overflow,
dead-letter-exchange, dead-letter-routing-key, alternate-exchange, delivery-limit and others.
Arguments of the declaration win; of two limits the lower one holds.

Examples:
  chaski policy set short --pattern '^tmp[.]' --apply-to queues --definition '{\"message-ttl\":60000}'
  chaski policy list
  chaski policy clear short")]
pub(crate) enum PolicyCommand {
    /// Set a policy
    Set(SetArgs),
    /// Clear a policy
    Clear {
        /// Its name
        name: String,
        /// The virtual host
        #[arg(long, default_value = "/")]
        vhost: String,
    },
    /// List policies
    List {
        /// Only in this virtual host
        #[arg(long)]
        vhost: Option<String>,
    },
}

/// Set a policy.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Its name
    name: String,
    /// The virtual host
    #[arg(long, default_value = "/")]
    vhost: String,
    /// Which names it applies to, as a regular expression
    #[arg(long)]
    pattern: String,
    /// Which kinds of things it applies to
    #[arg(long, value_enum, default_value = "all")]
    apply_to: Target,
    /// The greatest applies where several match
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i64,
    /// The arguments that it gives, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = parse_definition)]
    definition: Definition,
}

/// The arguments of a policy.
#[derive(Clone, Debug)]
struct Definition(Map<String, Value>);

/// What a policy applies to, by the names that people type.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    /// Queues and exchanges
    All,
    /// Exchanges
    Exchanges,
    /// Queues of every kind
    Queues,
    /// Classic queues
    #[value(name = "classic_queues", alias = "classic-queues")]
    ClassicQueues,
    /// Quorum queues
    #[value(name = "quorum_queues", alias = "quorum-queues")]
    QuorumQueues,
    /// Streams
    Streams,
}

/// Carries out a command on policies.
pub(crate) fn run(command: PolicyCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        PolicyCommand::Set(args) => {
            let request = Request::PolicySet {
                vhost: args.vhost,
                name: args.name,
                pattern: args.pattern,
                apply_to: args.apply_to.into(),
                priority: args.priority,
                definition: args.definition.0,
            };
            change(context, &request)
        }
        PolicyCommand::Clear { name, vhost } => {
            change(context, &Request::PolicyClear { vhost, name })
        }
        PolicyCommand::List { vhost } => list(vhost, context),
    }
}

fn list(vhost: Option<String>, context: &Context) -> anyhow::Result<()> {
    let Response::Policies(rows) = ask(context, &Request::PolicyList { vhost })? else {
        return Err(unexpected());
    };
    if context.json {
        return output::json(&rows);
    }
    let heading = [
        "VHOST",
        "NAME",
        "PATTERN",
        "APPLY TO",
        "PRIORITY",
        "DEFINITION",
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(row).collect();
    output::table(&heading, &rows)?;
    Ok(())
}

fn row(row: PolicyRow) -> Vec<String> {
    vec![
        row.vhost,
        row.name,
        row.pattern,
        row.apply_to.as_str().to_owned(),
        row.priority.to_string(),
        row.definition.to_string(),
    ]
}

fn parse_definition(text: &str) -> Result<Definition, String> {
    serde_json::from_str(text)
        .map(Definition)
        .map_err(|error| format!("not a JSON object such as {{\"max-length\":1000}}: {error}"))
}

impl From<Target> for PolicyTarget {
    fn from(target: Target) -> Self {
        match target {
            Target::All => Self::All,
            Target::Exchanges => Self::Exchanges,
            Target::Queues => Self::Queues,
            Target::ClassicQueues => Self::ClassicQueues,
            Target::QuorumQueues => Self::QuorumQueues,
            Target::Streams => Self::Streams,
        }
    }
}
