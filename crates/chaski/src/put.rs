//! `chaski put`: brings files and folders to other peers.

mod show;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use client::api::{Api, ApiError};
use client::peer::announce::{Me, Passing, PassingError};
use client::peer::identity::Identity;
use client::peer::put::{
    Depot, Offers, Outcome, PackError, Packing, Parcel, Parcels, Picks, Receiver, ReceiversError,
    To, Told,
};
use client::peer::relay::{Relay, Standing, Tunnel};
use client::peer::serving::{self, Doors, Gate, Terms};
use client::peer::throttle::Throttle;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use self::show::{Counts, Show};
use crate::exit::{CommandError, Exit};
use crate::files::rate;
use crate::number::parse_size;
use crate::peer::{self, TUNNELS_MAX, addresses, host_name, runtime};
use crate::remote::{RemoteArgs, api};

/// Receivers that fetch at the same time: as many as a peer serves.
const OFFERS_AT_ONCE: usize = 16;
/// What receivers tell that waits to be shown; then they wait, too.
const TOLD_MAX: usize = 256;
/// How long those who are served may take to notice the end.
const END: Duration = Duration::from_secs(1);

/// Bring files or folders to other peers.
#[derive(Debug, Args)]
#[command(after_help = "\
Whoever gets it runs `chaski peer --receive DIR` and decides whether it is taken. It is fetched from
here, so this command lasts until everybody has it. What was interrupted goes on where it was: run
the same command again. Hidden files and symbolic links in a folder are left out.

Without --to and --room the server picks one live peer of somebody else, and another one if that
does not take it.

Exit codes: 0 all have it now, 3 somebody was lost before it had all, 4 somebody does not take it,
5 nobody is there, 6 all had it before.

Examples:
  chaski put report.pdf --to anna
  chaski put Pictures --to anna/laptop
  chaski put notes.txt plan.txt --room family
  chaski put backup.tar --json")]
pub(crate) struct PutArgs {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// A peer's id, an account with all its peers, or one of them by its name [default: the server picks a peer]
    #[arg(
        long,
        value_name = "PEER|ACCOUNT|ACCOUNT/NAME",
        conflicts_with = "room"
    )]
    to: Option<String>,

    /// The peers of those who are in this room
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,

    /// Where to listen for those who fetch; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:0")]
    listen: SocketAddr,

    /// At most so many bytes a second are sent, to all together, such as 500KiB or 2MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    limit_rate: Option<usize>,
    /// Where other peers reach this command; may be repeated [default: this machine's addresses]
    #[arg(long, value_name = "HOST:PORT")]
    address: Vec<String>,

    #[command(flatten)]
    remote: RemoteArgs,
}

/// Brings what is named, one after the other.
pub(crate) fn run(mut args: PutArgs, is_json: bool) -> anyhow::Result<ExitCode> {
    peer::name_server(&mut args.remote)?;
    let door = args.remote.door()?;
    let connect = || api(&door.url, door.credentials.clone(), door.ca.as_ref());
    let api = Arc::new(connect()?);
    let to = to(&api, &args)?;
    let mut show = Show::new(is_json);
    let (parcels, packed) = pack(&args.paths, &mut show)?;

    let listener = TcpListener::bind(args.listen).with_context(|| {
        format!(
            "cannot listen on {}; --listen names another address",
            args.listen
        )
    })?;
    let listen = listener.local_addr()?;
    // A key of its own, even where there is one in the state directory: what is announced with that one is findable, and not served here.
    let identity = Identity::passing().context("cannot make a key")?;
    let me = Me {
        peer: identity.id(),
        name: host_name(),
        addresses: match &*args.address {
            [] => addresses::of(listen, &door.url),
            named => named.to_vec(),
        },
        port: Some(listen.port()),
        relay: true,
        takes: false,
        key: *identity.fingerprint().as_bytes(),
    };
    let runtime = runtime()?;
    let terms = Terms {
        throttle: Arc::new(Throttle::new(rate(args.limit_rate))),
        ..Terms::default()
    };
    let gate = Arc::new(Gate::with_terms(identity.fingerprint(), terms));
    let (stop, stopping) = watch::channel(false);
    listener.set_nonblocking(true)?;
    let key = identity.fingerprint();
    let (tunnels, calls) = mpsc::channel(TUNNELS_MAX);
    serve(
        &runtime,
        (listener, calls),
        identity,
        parcels,
        &gate,
        stopping,
    );
    let announced = Passing::start(connect()?, me.clone()).map_err(not_announced)?;
    let relay = Relay::of(&api);
    let depot = Depot {
        addresses: announced.addresses().to_vec(),
        key,
    };
    let (own, state) = (me.peer.clone(), announced.state());
    let putter = Putter(Offers {
        api,
        peer: me.peer,
        depot,
        gate,
    });
    let ended = runtime.block_on(async {
        // For those who cannot reach this machine.
        let _standing = Standing::start(relay, own, state, tunnels);
        tokio::select! {
            ended = put_all(&putter, &packed, &to, &mut show) => ended,
            _ = tokio::signal::ctrl_c() => {
                let text = "interrupted; what they have is kept there: run the same command to go on";
                Err(CommandError::new(Exit::Failed, text).into())
            }
        }
    });
    let _ = stop.send(true);
    drop(announced);
    runtime.shutdown_timeout(END);
    ended
}

/// Serves those who fetch, until it is stopped.
fn serve(
    runtime: &Runtime,
    (listener, tunnels): (TcpListener, mpsc::Receiver<Tunnel>),
    identity: Identity,
    parcels: Parcels,
    gate: &Arc<Gate>,
    stopping: watch::Receiver<bool>,
) {
    let gate = Arc::clone(gate);
    runtime.spawn(async move {
        let doors = Doors {
            listener: Some(tokio::net::TcpListener::from_std(listener)?),
            tunnels: Some(tunnels),
            plain: None,
        };
        serving::serve(doors, &identity, Arc::new(parcels), gate, stopping).await?;
        anyhow::Ok(())
    });
}

fn not_announced(error: PassingError) -> anyhow::Error {
    match error {
        PassingError::Api(error) => error.into(),
        PassingError::Answer | PassingError::Thread(_) => error.into(),
    }
}

/// Hashes what is named.
fn pack(paths: &[PathBuf], show: &mut Show) -> anyhow::Result<(Parcels, Vec<Parcel>)> {
    let mut parcels = Parcels::default();
    let mut packed = Vec::new();
    for path in paths {
        show.packing(path);
        let parcel = parcels.pack(path, |what| match what {
            Packing::Hashed(bytes) => show.hashed(bytes),
            Packing::LeftOut(what, reason) => show.left_out(&what, &reason),
        });
        packed.push(parcel.map_err(not_packed)?);
    }
    show.packed();
    Ok((parcels, packed))
}

fn not_packed(error: PackError) -> anyhow::Error {
    let exit = match &error {
        PackError::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Exit::NotFound
        }
        PackError::Name(_) | PackError::Special(_) | PackError::TooLarge { .. } => Exit::Usage,
        PackError::Unreadable { .. }
        | PackError::Changed(_)
        | PackError::Collection(_)
        | PackError::Outline(_) => Exit::Failed,
    };
    CommandError::new(exit, error.to_string()).into()
}

/// Reads to whom it goes; a peer's name is looked up.
fn to(api: &Api, args: &PutArgs) -> anyhow::Result<To> {
    if let Some(room) = &args.room {
        return Ok(To::Room(room.clone()));
    }
    let Some(to) = &args.to else {
        return Ok(To::Any);
    };
    if to.len() == 32 && to.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(To::Peer(to.to_ascii_lowercase()));
    }
    let Some((account, name)) = to.split_once('/') else {
        return Ok(To::Account(to.clone()));
    };
    let peers = live(api)?;
    let is_it = |peer: &&Value| {
        let is = |field: &str, wanted: &str| peer[field].as_str() == Some(wanted);
        let login = peer["account"].as_str().unwrap_or_default();
        login.eq_ignore_ascii_case(account) && is("name", name)
    };
    let ids = peers
        .iter()
        .filter(is_it)
        .filter_map(|peer| peer["peer"].as_str());
    match &*ids.collect::<Vec<_>>() {
        [] => {
            let text = format!("no peer {to} is there; chaski peers lists those that are");
            Err(CommandError::new(Exit::NotFound, text).into())
        }
        [only] => Ok(To::Peer((*only).to_owned())),
        several => {
            let text = format!(
                "several peers are called {to}; take one by its id: {}",
                several.join(" ")
            );
            Err(CommandError::new(Exit::Usage, text).into())
        }
    }
}

/// All peers that are there.
fn live(api: &Api) -> Result<Vec<Value>, ApiError> {
    let mut peers = Vec::new();
    let mut path = "/v1/peers".to_owned();
    loop {
        let page = api.get(&path)?;
        peers.extend(page["items"].as_array().into_iter().flatten().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/peers?cursor={cursor}"),
            None => return Ok(peers),
        }
    }
}

/// Makes offers, and shows what becomes of them.
struct Putter(Offers);

async fn put_all(
    putter: &Putter,
    parcels: &[Parcel],
    to: &To,
    show: &mut Show,
) -> anyhow::Result<ExitCode> {
    let mut counts = Counts::default();
    for parcel in parcels {
        if *to == To::Any {
            putter.put_to_any(parcel, show, &mut counts).await?;
        } else {
            let receivers = putter.0.receivers(parcel, to).await;
            let receivers = receivers.map_err(no_receivers)?;
            for outcome in putter.put(parcel, receivers, show).await? {
                counts.add(&outcome);
            }
        }
    }
    show.ended(&counts);
    Ok(counts.exit().into())
}

fn no_receivers(error: ReceiversError) -> anyhow::Error {
    match error {
        ReceiversError::Api(error) => error.into(),
        ReceiversError::Answer | ReceiversError::Ended => error.into(),
    }
}

impl Putter {
    /// Offers to those whom the server picks, one after the other, until one has it.
    async fn put_to_any(
        &self,
        parcel: &Parcel,
        show: &mut Show,
        counts: &mut Counts,
    ) -> anyhow::Result<()> {
        let mut picks = Picks::default();
        let mut last = None;
        while let Some(receiver) = picks.next(&self.0, parcel).await.map_err(no_receivers)? {
            let outcomes = self.put(parcel, vec![receiver], show).await?;
            last = outcomes.into_iter().next();
            match last {
                Some(Outcome::Took | Outcome::Already) => break,
                Some(Outcome::Closed | Outcome::Refused(_) | Outcome::Lost(_)) | None => {}
            }
        }
        if let Some(outcome) = last {
            counts.add(&outcome);
        }
        Ok(())
    }

    /// Offers to several, and waits until all of them have ended.
    async fn put(
        &self,
        parcel: &Parcel,
        receivers: Vec<Receiver>,
        show: &mut Show,
    ) -> anyhow::Result<Vec<Outcome>> {
        show.offering(parcel, &receivers);
        let places = Arc::new(Semaphore::new(OFFERS_AT_ONCE));
        let (tell, mut told) = mpsc::channel::<(usize, Told)>(TOLD_MAX);
        // Dropped when this is interrupted: then what was offered is taken back.
        let mut running = JoinSet::new();
        for (index, receiver) in receivers.into_iter().enumerate() {
            let (offers, parcel, places) = (self.0.clone(), parcel.clone(), places.clone());
            let tell = tell.clone();
            running.spawn(async move {
                let _place = places.acquire_owned().await;
                let tell = |told| {
                    // What is not shown is followed by more.
                    let _ = tell.try_send((index, told));
                };
                (index, offers.offer(&parcel, receiver, tell).await)
            });
        }
        drop(tell);
        let mut outcomes = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some((index, told)) = told.recv() => show.told(parcel, index, told),
                ended = running.join_next() => {
                    let Some(ended) = ended else {
                        return Ok(outcomes);
                    };
                    let (index, outcome) = ended.context("an offer was given up")?;
                    show.outcome(parcel, index, &outcome);
                    outcomes.push(outcome);
                }
            }
        }
    }
}
