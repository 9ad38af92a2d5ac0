//! `chaski get`, `find` and `peers`: files that other peers have.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use client::api::escape;
use client::peer::download::{Download, DownloadError, SourcePeer, Status, Wanted};
use client::peer::finder::{self, FindError, Found, Query};
use client::peer::folder::{self, FolderError};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::exit::{CommandError, Exit};
use crate::remote::{RemoteArgs, api};
use crate::{number, output};

/// Sources that may wait to be tried.
const SOURCES: usize = 64;

/// Fetch a file or a folder from the peers that have it.
#[derive(Debug, Args)]
#[command(after_help = "\
Every group of 256 KiB is checked against the content's hash as it comes, from as many peers as have
it. What was interrupted goes on where it was: run the same command again. Nothing that is there is
overwritten unless --overwrite says so.

Examples:
  chaski get report.pdf
  chaski get chaski:5f0c…?key=8Jq… --output ~/Downloads/report.pdf
  chaski get 5f0c1e…9a --json")]
pub(crate) struct GetArgs {
    /// The name, the hash (64 hexadecimal digits) or the link
    #[arg(value_name = "NAME|HASH|LINK")]
    what: String,
    /// Where it goes: a file's name, or a folder that is there [default: its own name, here]
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

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
pub(crate) fn peers(args: &PeersArgs, is_json: bool) -> anyhow::Result<()> {
    let remote = args.remote.open(is_json)?;
    let mut items = remote.list(&format!("/v1/peers?all={}", args.all))?;
    if !is_json {
        for item in &mut items {
            let addresses = item["addresses"].as_array().into_iter().flatten();
            let addresses: Vec<_> = addresses.filter_map(Value::as_str).collect();
            item["addresses"] = addresses.join(" ").into();
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
pub(crate) fn find(args: &FindArgs, is_json: bool) -> anyhow::Result<ExitCode> {
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

/// Fetches.
pub(crate) fn get(args: &GetArgs, is_json: bool) -> anyhow::Result<ExitCode> {
    let door = args.remote.door()?;
    let api = Arc::new(api(&door.url, door.credentials, door.ca.as_ref())?);
    let query = Query::parse(&args.what);
    let found = finder::find(&api, &query).map_err(not_found)?;
    let target = target(args.output.as_ref(), &found)?;
    let wanted = Wanted {
        root: found.root,
        size: found.size,
        collection: None,
        target: target.clone(),
        overwrite: args.overwrite,
    };
    let link = match query {
        Query::Content(_, link) => link,
        Query::Name(_) => None,
    };
    let seed = u64::from_ne_bytes(random()?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the system refuses threads")?;
    let fetched = runtime.block_on(async {
        let (sender, sources) = mpsc::channel::<SourcePeer>(SOURCES);
        for source in found.sources.iter().take(SOURCES) {
            // There is room for so many.
            let _ = sender.try_send(source.clone());
        }
        tokio::spawn(finder::keep_finding(api, found.root, link, sender));
        let (status, shown) = watch::channel(Status::default());
        let shower = tokio::spawn(show(found.clone(), shown, is_json));
        let fetched = tokio::select! {
            fetched = fetch(wanted, sources, status, found.is_folder, seed) => fetched,
            _ = tokio::signal::ctrl_c() => {
                let text = "interrupted; what is there is kept: run the same command to go on";
                Err(CommandError::new(Exit::Failed, text).into())
            }
        };
        // It ends with the sender of the status.
        let _ = shower.await;
        fetched
    })?;
    if is_json {
        let mut fetched = fetched;
        fetched["event"] = "done".into();
        fetched["path"] = target.to_string_lossy().into();
        output::raw(&format!("{fetched}\n"))?;
    } else {
        let seconds = fetched["ms"].as_u64().unwrap_or_default() as f64 / 1e3;
        let bytes = HumanBytes(fetched["bytes"].as_u64().unwrap_or_default());
        output::line(&format!("{}: {bytes} in {seconds:.2} s", target.display()))?;
    }
    Ok(Exit::Done.into())
}

async fn fetch(
    wanted: Wanted,
    sources: mpsc::Receiver<SourcePeer>,
    status: watch::Sender<Status>,
    is_folder: bool,
    seed: u64,
) -> anyhow::Result<Value> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    if is_folder {
        let fetched = folder::fetch(wanted, sources, status, seed).await;
        let fetched = fetched.map_err(|error| match error {
            FolderError::Download(error) => not_fetched(error),
            FolderError::Collection(_)
            | FolderError::TooLarge { .. }
            | FolderError::Disk { .. } => error.into(),
        })?;
        return Ok(json!({"files": fetched.files, "bytes": fetched.bytes,
            "recovered": fetched.recovered, "ms": millis(fetched.time)}));
    }
    let bytes = wanted.size;
    let download = Download {
        wanted,
        sources,
        status,
        seed,
    };
    let fetched = download.run().await.map_err(not_fetched)?;
    Ok(
        json!({"files": 1, "bytes": bytes, "recovered": fetched.recovered,
        "ms": millis(fetched.time), "liars": fetched.liars.len()}),
    )
}

/// Shows how far it is, until the download ends.
async fn show(found: Found, mut status: watch::Receiver<Status>, is_json: bool) {
    let bar = if is_json {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(found.size)
    };
    let style = if found.is_folder {
        "{spinner} {bytes} {bytes_per_sec} {msg}"
    } else {
        "{bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    let mut lost = 0;
    while status.changed().await.is_ok() {
        let status = status.borrow_and_update().clone();
        bar.set_position(status.bytes);
        bar.set_message(format!("from {}", status.sources.len()));
        // The last ones are told; those before them were told when they were.
        for (name, why) in status.lost.iter().skip(lost) {
            bar.suspend(|| output::note(&format!("{name}: {why}")));
        }
        lost = status.lost.len();
        if is_json {
            let sources: Vec<_> = status
                .sources
                .iter()
                .map(|(name, rate)| json!({"name": name, "rate": rate}))
                .collect();
            let event = json!({"event": "progress", "bytes": status.bytes, "rate": status.rate,
                "remaining_ms": status.remaining_ms, "sources": sources});
            // Whoever reads has gone; the download goes on.
            let _ = output::raw(&format!("{event}\n"));
        }
    }
    bar.finish_and_clear();
}

/// Finds where it goes; a name from elsewhere never leads out of the folder.
fn target(output: Option<&PathBuf>, found: &Found) -> anyhow::Result<PathBuf> {
    let name = || {
        client::peer::safe_name(&found.name).map_err(|refused| {
            let text = format!("{refused}; choose a name with --output");
            CommandError::new(Exit::Usage, text)
        })
    };
    Ok(match output {
        Some(path) if path.is_dir() => path.join(name()?),
        Some(path) => path.clone(),
        None => env::current_dir()
            .context("there is no current folder")?
            .join(name()?),
    })
}

fn random() -> anyhow::Result<[u8; 8]> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(bytes)
}

fn not_found(error: FindError) -> anyhow::Error {
    match error {
        FindError::Api(error) => error.into(),
        FindError::Nobody(_) => CommandError::new(Exit::NotFound, error.to_string()).into(),
        FindError::Several { ref list, .. } => {
            list.iter().for_each(|content| output::note(content));
            CommandError::new(Exit::Usage, error.to_string()).into()
        }
        FindError::Answer(_) => error.into(),
    }
}

fn not_fetched(error: DownloadError) -> anyhow::Error {
    use client::peer::SinkError;

    let exit = match &error {
        DownloadError::Sink(SinkError::Exists(_)) => Exit::Exists,
        DownloadError::NoSource(_) => Exit::Unreachable,
        DownloadError::Sink(SinkError::Busy(_) | SinkError::Disk { .. })
        | DownloadError::Size(_) => Exit::Failed,
    };
    CommandError::new(exit, error.to_string()).into()
}
