//! `chaski get`: fetches a file or a folder from the peers that have it.

mod errand;

use std::env;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use client::peer::catalog::{self, Catalog};
use client::peer::download::{Means, Wanted};
use client::peer::finder::{self, FindError, Found, Query};
use client::peer::throttle::Throttle;
use client::peer::transfers::{Job, TransferError, Transfers};
use indicatif::HumanBytes;

use self::errand::Errand;
use crate::exit::{CommandError, Exit};
use crate::number::parse_size;
use crate::remote::{RemoteArgs, api};
use crate::{output, peer};

/// Fetch a file or a folder from the peers that have it.
#[derive(Debug, Args)]
#[command(after_help = "\
Every group of 256 KiB is checked against the content's hash as it comes, from as many peers as have
it. What was interrupted goes on where it was: run the same command again, or `chaski transfers
resume`. Nothing that is there is overwritten unless --overwrite says so. What is fetched into a
folder that `chaski peer` shares is given to others as it comes.

Examples:
  chaski get report.pdf
  chaski get 'chaski:5f0c…?key=8Jq…' --output ~/Downloads/report.pdf
  chaski get 5f0c1e…9a --limit-rate 2MiB
  chaski get 5f0c1e…9a --json")]
pub(crate) struct GetArgs {
    /// The name, the hash (64 hexadecimal digits) or the link
    #[arg(value_name = "NAME|HASH|LINK")]
    what: String,
    /// Where it goes: a file's name, or a folder that is there [default: its own name, here]
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Replace a file that is there; a folder replaces nothing
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    fetch: FetchArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// How something is fetched.
#[derive(Debug, Args)]
pub(super) struct FetchArgs {
    /// At most so many bytes a second, such as 500KiB or 2MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    limit_rate: Option<usize>,
    /// Where it is noted what is fetched [default: ~/.local/state/chaski; environment: CHASKI_STATE]
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
}

/// Fetches.
pub(crate) fn get(mut args: GetArgs, is_json: bool) -> anyhow::Result<ExitCode> {
    peer::name_server(&mut args.remote)?;
    let door = args.remote.door()?;
    let server = door.url.clone();
    let api = Arc::new(api(&door.url, door.credentials, door.ca.as_ref())?);
    let query = Query::parse(&args.what).map_err(not_found)?;
    let found = finder::find(&api, &query).map_err(not_found)?;
    let link = match query {
        Query::Content(_, link) => link,
        Query::Name(_) => None,
    };
    let job = Job {
        name: found.name.clone(),
        root: found.root.to_string(),
        size: found.size,
        folder: found.is_folder,
        target: target(args.output.as_ref(), &found)?,
        overwrite: args.overwrite,
        link,
        server,
    };
    fetch(api, found, job, &args.fetch, is_json)
}

/// Fetches what an earlier command began, from the server that was asked then unless another one is named.
pub(super) fn go_on(
    job: Job,
    args: &FetchArgs,
    remote: &RemoteArgs,
    is_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut remote = remote.clone();
    if !remote.is_named() {
        remote.name_server(job.server.clone())?;
    }
    let door = remote.door()?;
    let api = Arc::new(api(&door.url, door.credentials, door.ca.as_ref())?);
    let root = job.root().context("what is noted of it is damaged")?;
    let query = Query::Content(root, job.link.clone());
    let found = finder::find(&api, &query).map_err(not_found)?;
    fetch(api, found, job, args, is_json)
}

fn fetch(
    api: Arc<client::api::Api>,
    found: Found,
    job: Job,
    args: &FetchArgs,
    is_json: bool,
) -> anyhow::Result<ExitCode> {
    // A place for notes is not needed to fetch something.
    let state = peer::state(args.state.as_deref());
    let state = state.inspect_err(|error| output::note(&format!("{error:#}")));
    let state = state.ok();
    let target = job.target.clone();
    let errand = Errand {
        wanted: Wanted {
            root: found.root,
            size: found.size,
            collection: None,
            target: target.clone(),
            overwrite: job.overwrite,
        },
        means: Means {
            seed: u64::from_ne_bytes(random()?),
            throttle: Arc::new(Throttle::new(rate(args.limit_rate))),
            catalog: state.as_deref().and_then(catalog),
            liars: None,
        },
        api,
        found,
        link: job.link.clone(),
        is_json,
    };
    let transfer = state.map(|state| Transfers::open(&state).and_then(|all| all.begin(job)));
    let transfer = match transfer.transpose() {
        Ok(transfer) => transfer,
        Err(error @ TransferError::Running { .. }) => {
            return Err(CommandError::new(Exit::Failed, error.to_string()).into());
        }
        Err(error @ (TransferError::Unknown(_) | TransferError::Disk { .. })) => {
            output::note(&error.to_string());
            None
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the system refuses threads")?;
    let mut fetched = runtime.block_on(errand.run(transfer))?;
    if is_json {
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

/// What a size as people write it means as a rate.
pub(crate) fn rate(bytes_per_s: Option<usize>) -> Option<NonZeroU64> {
    NonZeroU64::new(u64::try_from(bytes_per_s?).unwrap_or(u64::MAX))
}

/// Opens what a peer of the same person knows, if there is one: it may give to others what is here.
fn catalog(state: &Path) -> Option<Arc<Catalog>> {
    let path = state.join(catalog::FILE);
    let opened = path.is_file().then(|| Catalog::open(&path))?;
    opened.ok().map(Arc::new)
}

/// Finds where it goes; a name from elsewhere never leads out of the folder.
fn target(output: Option<&PathBuf>, found: &Found) -> anyhow::Result<PathBuf> {
    let name = || {
        client::peer::safe_name(&found.name).map_err(|refused| {
            let text = format!("{refused}; choose a name with --output");
            CommandError::new(Exit::Usage, text)
        })
    };
    let here = env::current_dir().context("there is no current folder")?;
    let target = match output {
        Some(path) if path.is_dir() => path.join(name()?),
        Some(path) => path.clone(),
        None => PathBuf::from(name()?),
    };
    let target = here.join(target);
    // As the folders of a peer are known, without links; one that is not there is told of when it is written to.
    let parent = target
        .parent()
        .and_then(|parent| parent.canonicalize().ok());
    Ok(match (parent, target.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => target,
    })
}

fn random() -> anyhow::Result<[u8; 8]> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(bytes)
}

pub(super) fn not_found(error: FindError) -> anyhow::Error {
    match error {
        FindError::Api(error) => error.into(),
        FindError::Nobody(_) | FindError::NotShared(_) => {
            CommandError::new(Exit::NotFound, error.to_string()).into()
        }
        FindError::Several { ref list, .. } => {
            list.iter().for_each(|content| output::note(content));
            CommandError::new(Exit::Usage, error.to_string()).into()
        }
        FindError::Link(_) => CommandError::new(Exit::Usage, error.to_string()).into(),
        FindError::Answer(_) => error.into(),
    }
}
