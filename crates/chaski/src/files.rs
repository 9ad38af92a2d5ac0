//! `chaski find` and `peers`: what other peers have; and `get`, `link` and `transfers` in modules of their own.

mod get;
mod link;
mod transfers;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use client::api::escape;
use indicatif::HumanBytes;
use serde_json::Value;

use crate::exit::Exit;
use crate::remote::RemoteArgs;
use crate::{number, output, peer};

pub(crate) use get::{GetArgs, get, rate};
pub(crate) use transfers::{TransfersArgs, transfers};

use link::now_ms;
pub(crate) use link::{LinkCommand, link};
/// What a list of files is sorted by.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sort {
    Name,
    Size,
    Since,
}

/// Find files by the words of their names.
#[derive(Debug, Args)]
#[command(after_help = "\
Shows what peers have that are there now, and that you may have.

Examples:
  chaski find report 2026
  chaski find 'rep*' --type application/pdf --sort since
  chaski find --glob '*.iso' --min-bytes 1000000000 --json")]
pub(crate) struct FindArgs {
    /// Words, all of them; rep* begins one
    words: Vec<String>,
    /// The whole name, with *, ? and [a-z]
    #[arg(long, value_name = "PATTERN")]
    glob: Option<String>,
    /// The type, such as text/plain or image/*
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Of this account
    #[arg(long, value_name = "LOGIN")]
    owner: Option<String>,
    /// Shared with this room
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    /// At least so many bytes
    #[arg(long, value_name = "BYTES", value_parser = number::from_zero)]
    min_bytes: Option<u64>,
    /// At most so many bytes
    #[arg(long, value_name = "BYTES", value_parser = number::from_zero)]
    max_bytes: Option<u64>,
    /// By what the list is sorted
    #[arg(long, default_value = "name")]
    sort: Sort,
    /// The last first
    #[arg(long)]
    reverse: bool,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = number::within(1..=10_000_usize))]
    count: usize,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// List the peers that are there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chaski peers
  chaski peers --all          one's own that are not there, too")]
pub(crate) struct PeersArgs {
    /// One's own that are not there, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Lists peers.
pub(crate) fn peers(mut args: PeersArgs, is_json: bool) -> anyhow::Result<()> {
    peer::name_server(&mut args.remote)?;
    let remote = args.remote.open(is_json)?;
    let mut items = remote.list(&format!("/v1/peers?all={}", args.all))?;
    if !is_json {
        for item in &mut items {
            let addresses = item["addresses"].as_array().into_iter().flatten();
            let addresses: Vec<_> = addresses.filter_map(Value::as_str).collect();
            let is_far = addresses.is_empty() && item["relay"] == true;
            let shown = if is_far {
                "through the server".to_owned()
            } else {
                addresses.join(" ")
            };
            item["addresses"] = shown.into();
        }
    }
    let columns = [
        ("ACCOUNT", "account"),
        ("NAME", "name"),
        ("LIVE", "live"),
        ("ADDRESSES", "addresses"),
        ("PEER", "peer"),
    ];
    remote.print_list(&items, &columns)
}

/// Finds files.
pub(crate) fn find(mut args: FindArgs, is_json: bool) -> anyhow::Result<ExitCode> {
    peer::name_server(&mut args.remote)?;
    let remote = args.remote.open(is_json)?;
    let mut files = Vec::new();
    let mut cursor: Option<String> = None;
    while files.len() < args.count {
        let page = remote.get(&args.path(args.count - files.len(), cursor.as_deref()))?;
        files.extend(page["files"].as_array().into_iter().flatten().cloned());
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if files.is_empty() && !is_json {
        output::note("nothing that is there now has such a name");
        return Ok(Exit::NotFound.into());
    }
    if is_json {
        output::json(&files)?;
        return Ok(Exit::Done.into());
    }
    let rows: Vec<_> = files.iter().map(row).collect();
    output::table(&["NAME", "SIZE", "PEERS", "OWNERS", "HASH"], &rows)?;
    Ok(Exit::Done.into())
}

impl FindArgs {
    fn path(&self, limit: usize, cursor: Option<&str>) -> String {
        let sort = match self.sort {
            Sort::Name => "name",
            Sort::Size => "size",
            Sort::Since => "since",
        };
        let order = if self.reverse { "desc" } else { "asc" };
        let mut path = format!(
            "/v1/files?sort={sort}&order={order}&limit={}",
            limit.min(1_000)
        );
        let words = (!self.words.is_empty()).then(|| self.words.join(" "));
        let texts = [
            ("q", words.as_deref()),
            ("glob", self.glob.as_deref()),
            ("type", self.kind.as_deref()),
            ("owner", self.owner.as_deref()),
            ("room", self.room.as_deref()),
            ("cursor", cursor),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                path.push_str(&format!("&{name}={}", escape(text)));
            }
        }
        for (name, number) in [("min_bytes", self.min_bytes), ("max_bytes", self.max_bytes)] {
            if let Some(number) = number {
                path.push_str(&format!("&{name}={number}"));
            }
        }
        path
    }
}

fn row(file: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let holders = file["holders"].as_array().map_or(&[][..], Vec::as_slice);
    let mut owners: Vec<_> = holders
        .iter()
        .map(|holder| text(&holder["account"]))
        .collect();
    owners.sort_unstable();
    owners.dedup();
    let folder = if file["kind"].as_str() == Some("collection") {
        "/"
    } else {
        ""
    };
    vec![
        format!("{}{folder}", text(&file["name"])),
        HumanBytes(file["size"].as_u64().unwrap_or_default()).to_string(),
        holders.len().to_string(),
        owners.join(" "),
        text(&file["root"]),
    ]
}
