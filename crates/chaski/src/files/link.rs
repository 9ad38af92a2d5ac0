//! `chaski link`: links to files, by which whoever has one fetches what nobody else finds.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use client::api::{ApiError, escape};
use client::peer::finder::{self, Query};
use indicatif::HumanDuration;
use serde_json::{Value, json};

use super::get::not_found;
use crate::exit::{CommandError, Exit};
use crate::number::parse_time;
use crate::remote::{Remote, RemoteArgs, text_of};
use crate::{output, peer};

/// What is done with links.
#[derive(Debug, Subcommand)]
pub(crate) enum LinkCommand {
    /// Make a link to a file or a folder that one of your peers shares
    #[command(after_help = "\
Whoever has the link and an account fetches this one content with `chaski get`, or by a click where
the link is said in a conversation on the page; from your peers, and from those who share it with
everyone. The link is shown this once; what is shared needs no change for it.

Examples:
  chaski peer --share ~/Plans --to link &
  chaski link make plan.pdf                   good until it is deleted
  chaski link make Plans --expires 7d         the whole folder, for a week
  chaski get \"$(chaski link make plan.pdf)\"   quoted: shells take the ? for a pattern")]
    Make(MakeArgs),
    /// List your links; what is secret in them is not shown again
    #[command(after_help = "\
NAME is there while a peer is that has the content.

Examples:
  chaski link list
  chaski link list --json")]
    List {
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Delete links: nobody begins to fetch by them any more
    #[command(after_help = "\
What was allowed before goes on for some minutes, files.ticket_s on the server.

Example:
  chaski link delete 3f1c…")]
    Delete {
        /// Their ids, as `chaski link list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

/// Which link to make.
#[derive(Debug, Args)]
pub(crate) struct MakeArgs {
    /// The name of something that a live peer of yours shares, or the hash (64 hexadecimal digits)
    #[arg(value_name = "NAME|HASH")]
    what: String,
    /// How long it holds: a number with s, min, h or d, such as 7d [default: until it is deleted]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    expires: Option<u64>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Carries out a command on links.
pub(crate) fn link(command: LinkCommand, is_json: bool) -> anyhow::Result<()> {
    match command {
        LinkCommand::Make(args) => make(args, is_json),
        LinkCommand::List { remote } => list(&open(remote, is_json)?),
        LinkCommand::Delete { ids, remote } => delete(&ids, &open(remote, is_json)?),
    }
}

fn open(mut remote: RemoteArgs, is_json: bool) -> anyhow::Result<Remote> {
    peer::name_server(&mut remote)?;
    remote.open(is_json)
}

fn make(args: MakeArgs, is_json: bool) -> anyhow::Result<()> {
    let remote = open(args.remote, is_json)?;
    let query = Query::parse(&args.what).map_err(not_found)?;
    let root = finder::own(remote.api(), &query).map_err(not_found)?;
    let mut wish = json!({ "root": root.to_string() });
    if let Some(holds_ms) = args.expires {
        wish["expires_ms"] = now_ms()?.saturating_add(holds_ms).into();
    }
    let made = remote.send("POST", "/v1/links", &wish).map_err(|error| {
        match error.downcast_ref() {
            Some(ApiError::Refused { status: 404, .. }) => {
                let text = format!(
                    "none of your peers shares {root}; `chaski peer --share DIR` shares a folder"
                );
                CommandError::new(Exit::NotFound, text).into()
            }
            Some(_) | None => error,
        }
    })?;
    if remote.is_json() {
        return output::json(&made);
    }
    output::line(&text_of(&made["link"]))?;
    let until = match args.expires {
        Some(holds_ms) => format!("ends in {}", HumanDuration(Duration::from_millis(holds_ms))),
        None => "holds until it is deleted".to_owned(),
    };
    let id = text_of(&made["id"]);
    output::note(&format!("It {until}; `chaski link delete {id}` ends it."));
    Ok(())
}

fn list(remote: &Remote) -> anyhow::Result<()> {
    let mut links = remote.list("/v1/links")?;
    // One content may have several.
    let mut names: BTreeMap<String, Value> = BTreeMap::new();
    for link in &mut links {
        let root = text_of(&link["root"]);
        let name = match names.get(&root) {
            Some(name) => name.clone(),
            None => {
                let name = name_of(remote, &root)?;
                names.insert(root, name.clone());
                name
            }
        };
        link["name"] = name;
    }
    if remote.is_json() {
        return output::json(&links);
    }
    let now_ms = now_ms()?;
    let row = |link: &Value| {
        vec![
            text_of(&link["id"]),
            text_of(&link["name"]),
            left(link["expires_ms"].as_u64(), now_ms),
            text_of(&link["root"]),
        ]
    };
    let rows: Vec<_> = links.iter().map(row).collect();
    Ok(output::table(&["ID", "NAME", "ENDS", "HASH"], &rows)?)
}

fn delete(ids: &[String], remote: &Remote) -> anyhow::Result<()> {
    for id in ids {
        let path = format!("/v1/links/{}", escape(id));
        remote
            .call("DELETE", &path)
            .map_err(|error| match error.downcast_ref() {
                Some(ApiError::Refused { status: 404, .. }) => {
                    let text =
                        format!("you have no link {id}; `chaski link list` lists those there are");
                    CommandError::new(Exit::NotFound, text).into()
                }
                Some(_) | None => error,
            })?;
    }
    remote.print_done()
}

/// What a content is called; nothing while nobody is there who has it.
fn name_of(remote: &Remote, root: &str) -> anyhow::Result<Value> {
    match remote.get(&format!("/v1/files/{}", escape(root))) {
        Ok(file) => Ok(file["name"].clone()),
        Err(error) => match error.downcast_ref() {
            Some(ApiError::Refused { status: 404, .. }) => Ok(Value::Null),
            Some(_) | None => Err(error),
        },
    }
}

/// How long a link holds, as people say it.
fn left(expires_ms: Option<u64>, now_ms: u64) -> String {
    match expires_ms.map(|end_ms| end_ms.checked_sub(now_ms)) {
        None => "never".to_owned(),
        Some(None) => "has ended".to_owned(),
        Some(Some(left_ms)) => format!("in {}", HumanDuration(Duration::from_millis(left_ms))),
    }
}

/// The time, as the server counts it.
pub(super) fn now_ms() -> anyhow::Result<u64> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("this machine's clock is before 1970")?;
    Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn how_long_a_link_holds_is_said_in_words() {
        assert_eq!(left(None, 5), "never");
        assert_eq!(left(Some(4), 5), "has ended");
        assert_eq!(left(Some(7 * 86_400_000 + 5), 5), "in 7 days");
        assert_eq!(left(Some(45_005), 5), "in 45 seconds");
    }
}
