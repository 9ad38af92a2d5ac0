//! `chaski find` and `peers`: what other peers have; and `get`, `link` and `transfers` in modules of their own.

mod get;
mod link;
mod transfers;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use client::api::escape;
use client::peer::finder::Query;
use indicatif::HumanBytes;
use serde_json::Value;

use crate::exit::{CommandError, Exit};
use crate::number::parse_time;
use crate::remote::RemoteArgs;
use crate::{number, output, peer};

pub(crate) use get::{GetArgs, get, rate};
use link::now_ms;
pub(crate) use link::{LinkCommand, link};
pub(crate) use transfers::{TransfersArgs, transfers};

/// The most files that are shown.
const COUNT_MAX: usize = 10_000;
/// The most that the server gives at once.
const PAGE_MAX: usize = 1_000;

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
Shows what peers have that are there now, and that you may have. Exits with 5 if that is nothing,
with --json, too.

Examples:
  chaski find report 2026
  chaski find 'rep*' --type application/pdf --sort since
  chaski find --newer-than 24h --sort since --reverse
  chaski find --hash 5f0c1e…9a                 who has it
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
    /// The content, by its hash
    #[arg(long, value_name = "HASH", value_parser = hash)]
    hash: Option<String>,
    /// There for less than this long: a number with s, min, h or d
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    newer_than: Option<u64>,
    /// There for longer than this
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    older_than: Option<u64>,
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
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = number::within(1..=COUNT_MAX))]
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
    // The same for all pages, so that they are of one search.
    let now_ms = now_ms()?;
    // One more than is shown says whether that is all.
    while files.len() <= args.count {
        let limit = args.count + 1 - files.len();
        let page = remote.get(&args.path(limit, cursor.as_deref(), now_ms))?;
        files.extend(page["files"].as_array().into_iter().flatten().cloned());
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let is_cut = files.len() > args.count;
    files.truncate(args.count);
    if is_json {
        output::json(&files)?;
    } else if !files.is_empty() {
        let rows: Vec<_> = files.iter().map(row).collect();
        output::table(&["NAME", "SIZE", "PEERS", "OWNERS", "HASH"], &rows)?;
    }
    if files.is_empty() {
        let text = "nothing that is there now, and that you may have, is like that";
        return Err(CommandError::new(Exit::NotFound, text).into());
    }
    if is_cut {
        output::note(&cut(args.count));
    }
    Ok(Exit::Done.into())
}

impl FindArgs {
    fn path(&self, limit: usize, cursor: Option<&str>, now_ms: u64) -> String {
        let sort = match self.sort {
            Sort::Name => "name",
            Sort::Size => "size",
            Sort::Since => "since",
        };
        let order = if self.reverse { "desc" } else { "asc" };
        let mut path = format!(
            "/v1/files?sort={sort}&order={order}&limit={}",
            limit.min(PAGE_MAX)
        );
        let words = (!self.words.is_empty()).then(|| self.words.join(" "));
        let texts = [
            ("q", words.as_deref()),
            ("glob", self.glob.as_deref()),
            ("root", self.hash.as_deref()),
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
        let since = |age_ms: Option<u64>| age_ms.map(|age_ms| now_ms.saturating_sub(age_ms));
        for (name, number) in [
            ("min_bytes", self.min_bytes),
            ("max_bytes", self.max_bytes),
            ("newer_than_ms", since(self.newer_than)),
            ("older_than_ms", since(self.older_than)),
        ] {
            if let Some(number) = number {
                path.push_str(&format!("&{name}={number}"));
            }
        }
        path
    }
}

/// Says that there is more, and how it is shown.
fn cut(count: usize) -> String {
    let files = if count == 1 { "file" } else { "files" };
    let more = match count {
        COUNT_MAX.. => String::new(),
        _ => format!("-n N shows more, up to {COUNT_MAX}; "),
    };
    format!(
        "There are more than these {count} {files}: {more}more words or a flag of --help find less."
    )
}

/// Reads a hash, also as a link has it.
fn hash(text: &str) -> Result<String, String> {
    match Query::parse(text) {
        Ok(Query::Content(root, _)) => Ok(root.to_string()),
        Ok(Query::Name(_)) | Err(_) => Err("a hash has 64 hexadecimal digits".to_owned()),
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
