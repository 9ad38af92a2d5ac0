//! `chaski policy`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value};
use server::admin::{self, PolicyRow, PolicyTarget, Request, Response};

use crate::context::Context;
use crate::status::{ask, change, unexpected};
use crate::{number, output};

/// Policies.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Of several policies that match a name, the one of the highest priority applies, alone. Arguments of
the declaration win over it; of two numbers the lower one holds. A policy applies at once, to what
exists as well.

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
#[command(after_help = "\
Keys of a definition:
  message-ttl              milliseconds that a message may wait
  expires                  milliseconds that a queue may be unused before it is deleted
  max-length               messages that may be ready
  max-length-bytes         bytes of them
  overflow                 beyond these: drop-head, reject-publish or reject-publish-dlx
  dead-letter-exchange     where expired, rejected and dropped messages go
  dead-letter-routing-key  the key that they get there; without it they keep their own
  delivery-limit           deliveries of a message of a quorum queue; a negative number is no limit
  dedup-window             milliseconds that a publish is known by its id; 0 is not at all
  max-age                  how long a stream keeps messages: a number and one of Y, M, D, h, m, s
  alternate-exchange       where an exchange sends what it cannot route

ha-*, queue-mode, queue-version, queue-leader-locator and others by which RabbitMQ is told where to
store are taken and change nothing. Any other key is refused.

Examples:
  chaski policy set short --pattern '^tmp[.]' --apply-to queues --definition '{\"message-ttl\":60000}'
  chaski policy set dlx --pattern '' --definition '{\"dead-letter-exchange\":\"dead\"}' --priority -1")]
pub(crate) struct SetArgs {
    /// Its name
    name: String,
    /// The virtual host
    #[arg(long, default_value = "/")]
    vhost: String,
    /// Which names it applies to: a regular expression that is found anywhere in them
    #[arg(long)]
    pattern: String,
    /// Which kinds of things it applies to
    #[arg(long, value_enum, default_value = "all")]
    apply_to: Target,
    /// The greatest applies where several match
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true,
        value_parser = number::within(i64::MIN..=i64::MAX)
    )]
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
            change(context, &request)?;
            if let Request::PolicySet { definition, .. } = &request {
                note_hints(definition);
            }
            Ok(())
        }
        PolicyCommand::Clear { name, vhost } => {
            change(context, &Request::PolicyClear { vhost, name })
        }
        PolicyCommand::List { vhost } => list(vhost, context),
    }
}

/// Says which keys were taken without effect, so that nobody relies on them.
fn note_hints(definition: &Map<String, Value>) {
    let hints = admin::policy_hints(definition);
    if !hints.is_empty() {
        output::note(&format!(
            "note: {} changes nothing here: there is one server with one store",
            hints.join(", ")
        ));
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
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(Definition(fields)),
        Ok(_) => Err(r#"not a JSON object, such as {"max-length":1000}"#.to_owned()),
        Err(error) => Err(format!(
            r#"not a JSON object, such as {{"max-length":1000}}: {error}"#
        )),
    }
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
