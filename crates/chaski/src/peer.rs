//! `chaski peer`: shares folders and takes what others bring, until it is interrupted.

pub(crate) mod addresses;
mod audience;
mod classroom;
mod environment;
mod receiving;
mod show;
mod state;

#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use client::peer::announce::{Announcing, Me, State};
use client::peer::catalog::{self, Audience, Catalog};
use client::peer::identity::Identity;
use client::peer::receive::Inbox;
use client::peer::relay::{Relay, Standing};
use client::peer::serving::{self, Doors, Gate, Terms};
use client::peer::share::{Plan, ShareEvent, Sharing};
use client::peer::throttle::Throttle;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use self::classroom::{ClassroomArgs, Room};
use self::environment::Environment;
use self::receiving::{ReceiveArgs, Receiving};
use self::show::Show;
use self::state::lock;
pub(crate) use self::state::state;
use crate::exit::{CommandError, Exit};
use crate::files::rate;
use crate::number::{self, parse_size};
use crate::remote::{RemoteArgs, api};

/// The port of a peer that is told no other.
const PORT: u16 = 5001;
/// Events that wait to be shown; then sharing waits, too.
const EVENTS_MAX: usize = 1_024;
/// Callers through the server who wait to be answered.
pub(crate) const TUNNELS_MAX: usize = 16;
/// How long those who are served may take to notice the end.
const END: Duration = Duration::from_secs(1);
/// The bytes of a name that the server takes.
const NAME_BYTES_MAX: usize = 255;

/// Share folders with other peers, and take what they bring.
#[derive(Debug, Args)]
#[command(after_help = "\
Hashes what is in the folders, tells the server, and serves other peers, until it is interrupted;
what is unchanged is not hashed again at the next start. Hidden files and symbolic links are not
shared. Each folder can also be fetched as a whole.

With --receive it takes what others bring with `chaski put`, into that folder: that of contacts and
of one's own account by itself, that of others after a question on the terminal or as --accept says.
Nothing is overwritten, and nothing of it is shared unless the folder is, too.

Others need to reach this machine: --address says where, if not at its own addresses. Who cannot,
does so through the server, which sees nothing of what passes.

With --classroom, clients and peers of an older system that speak the gRPC service PServer do so on
the same port, without TLS. Only callers on this machine are let in, or all with --classroom=anyone.
Whoever logs in as this peer's account has it fetch and send files by their names: what is fetched
goes to the folder of --receive, what is shared with everyone is sent.

Without flags, these are taken from the environment, or from .env in the working directory:
  SERVER_URL        the server, as http://HOST, http://HOST:PORT or HOST
  SERVER_PORT       its port, where SERVER_URL names none
  PSERVER_URL       where other peers reach this one, as HOST, HOST:PORT or http://HOST
  PSERVER_LOCAL_URL the address to listen on, as ADDR or ADDR:PORT
  PSERVER_PORT      the port to listen on, and where PSERVER_URL names none
With --classroom the server may be the one that `chaski login` logged in to, at the host of
SERVER_URL; SERVER_PORT is then that of the list of older peers.

Examples:
  chaski peer --share ~/Music
  chaski peer --share ~/Work --share ~/Plans --to anna --to ben
  chaski peer --share photos --to room:family --address home.example:5001
  chaski peer --share ~/Drafts --to link      then chaski link make NAME
  chaski peer --receive ~/Incoming --contact anna --contact ben
  chaski peer --receive ~/Incoming --accept everyone --quota 10000000000
  chaski peer --share files --receive fetched --classroom")]
pub(crate) struct PeerArgs {
    /// A folder to share; may be repeated
    #[arg(long, value_name = "DIR", required_unless_present = "receive")]
    share: Vec<PathBuf>,

    /// Who may find and fetch what is shared: everyone, room:NAME, LOGIN, or link (only who has a link of `chaski link make`); rooms or logins may be repeated [default: everyone]
    #[arg(long, value_name = "WHO")]
    to: Vec<String>,

    /// Where to listen; port 0 takes a free one [default: 0.0.0.0:5001]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,

    /// Where other peers reach this one; may be repeated [default: this machine's addresses]
    #[arg(long, value_name = "HOST:PORT")]
    address: Vec<String>,

    /// Do not listen: others reach this peer through the server alone
    #[arg(long, conflicts_with_all = ["listen", "address", "no_relay", "classroom"])]
    no_listen: bool,

    /// Do not let others reach this peer through the server
    #[arg(long)]
    no_relay: bool,

    /// What others see this peer called [default: the host's name]
    #[arg(long)]
    name: Option<String>,

    /// At most so many bytes a second are sent, to all together, such as 500KiB or 2MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    limit_rate: Option<usize>,

    /// Downloads that are served at the same time; others come again
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = number::within(1..=1_000_usize))]
    slots: usize,

    /// Those of one account
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = number::within(1..=1_000_usize))]
    slots_per_account: usize,

    /// Where its key and what it knows of the files is kept [default: ~/.local/state/chaski; environment: CHASKI_STATE]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    #[command(flatten)]
    receive: ReceiveArgs,

    #[command(flatten)]
    classroom: ClassroomArgs,

    #[command(flatten)]
    remote: RemoteArgs,
}

/// Shares, until it is interrupted.
pub(crate) fn run(mut args: PeerArgs, is_json: bool) -> anyhow::Result<ExitCode> {
    let environment = Environment::of_process();
    args.classroom.name_server(&environment, &mut args.remote)?;
    let audience =
        audience::parse(&args.to).map_err(|message| CommandError::new(Exit::Usage, message))?;
    let folders = folders(&args.share, &audience)?;
    let state = state(args.state.as_deref())?;
    let _lock = lock(&state)?;
    let identity = Identity::open(&state).context("cannot use the peer's key")?;
    let catalog = Arc::new(Catalog::open(&state.join(catalog::FILE))?);

    let listener = match args.no_listen {
        false => Some(listen(args.listen, &environment)?),
        true => None,
    };
    let listen = listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let door = args.remote.door()?;
    let me = args.me(&identity, listen, &environment, &door.url);
    let show = Show::new(is_json, door.url.clone(), &audience);
    let connect = || api(&door.url, door.credentials.clone(), door.ca.as_ref());
    let (api, asking) = (connect()?, connect()?);
    let index = args.classroom.index(&environment, &door.url)?;

    let runtime = runtime()?;
    let gate = Arc::new(Gate::with_terms(identity.fingerprint(), args.terms()));
    let (stop, stopping) = watch::channel(false);
    let receiving = Receiving::new(&args.receive, Relay::of(&api))?;
    receiving.learn_account(&runtime, asking);
    let (tunnels, calls) = mpsc::channel(TUNNELS_MAX);
    let room = Room::new(
        &args.classroom,
        (index, receiving.folder(), receiving.throttle()),
        connect()?,
        &identity,
        (&catalog, &gate),
    );
    let doors = (listener, room.doors(calls), receiving.inbox());
    let serving = serve(&runtime, doors, identity, &catalog, &gate, stopping)?;
    show.listening(listen, &me);
    room.tell_terms(&show);

    let (sender, events) = mpsc::channel(EVENTS_MAX);
    let plan = Plan { folders, state };
    let tell = move |event| {
        // It fails when nobody looks any more, at the end.
        let _ = sender.blocking_send(event);
    };
    let sharing = Sharing::start(Arc::clone(&catalog), &plan, tell).map_err(usage)?;
    let relay = me.relay.then(|| (Relay::of(&api), me.peer.clone()));
    let announcing = Announcing::start(api, catalog, me)?;
    let ended = runtime.block_on(async {
        let state = announcing.state();
        let standing =
            relay.map(|(relay, peer)| Standing::start(relay, peer, state.clone(), tunnels));
        let is_open = standing.as_ref().map(Standing::is_open);
        let comes = (events, receiving, room);
        attend(comes, (state, is_open), &gate, serving, show).await
    });
    // Whoever asks now is told that this peer is gone, before it is.
    drop(announcing);
    drop(sharing);
    let _ = stop.send(true);
    runtime.shutdown_timeout(END);
    ended.map(|()| Exit::Done.into())
}

/// Listens where the flags or the environment say.
fn listen(named: Option<SocketAddr>, environment: &Environment) -> anyhow::Result<TcpListener> {
    let listen = match named {
        Some(listen) => listen,
        None => environment.listen(PORT).map_err(usage)?,
    };
    TcpListener::bind(listen)
        .with_context(|| format!("cannot listen on {listen}; --listen names another address"))
}

impl PeerArgs {
    /// How much it gives.
    fn terms(&self) -> Terms {
        Terms {
            throttle: Arc::new(Throttle::new(rate(self.limit_rate))),
            streams: self.slots,
            streams_per_account: self.slots_per_account,
        }
    }

    /// Who the peer is, for others.
    fn me(
        &self,
        identity: &Identity,
        listen: Option<SocketAddr>,
        environment: &Environment,
        server: &str,
    ) -> Me {
        let addresses =
            listen.map(
                |listen| match (&*self.address, environment.address(listen.port())) {
                    ([], Some(address)) => vec![address],
                    ([], None) => addresses::of(listen, server),
                    (named, _) => named.to_vec(),
                },
            );
        Me {
            peer: identity.id(),
            name: self.name.clone().unwrap_or_else(host_name),
            addresses: addresses.unwrap_or_default(),
            port: listen.map(|listen| listen.port()),
            relay: !self.no_relay,
            takes: self.receive.takes(),
            key: *identity.fingerprint().as_bytes(),
        }
    }
}

/// Names the server that the environment names, or `.env`, for the other commands about files.
pub(crate) fn name_server(remote: &mut RemoteArgs) -> anyhow::Result<()> {
    Environment::of_process().name_server(remote)
}

/// Starts to serve other peers: what the catalog has, to those whom the gate lets in; and to take what they bring, if there is an inbox.
fn serve(
    runtime: &Runtime,
    (listener, doors, inbox): (Option<TcpListener>, Doors, Option<Arc<Inbox>>),
    identity: Identity,
    catalog: &Arc<Catalog>,
    gate: &Arc<Gate>,
    stopping: watch::Receiver<bool>,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    if let Some(listener) = &listener {
        listener.set_nonblocking(true)?;
    }
    let (catalog, gate) = (Arc::clone(catalog), Arc::clone(gate));
    Ok(runtime.spawn(async move {
        let listener = listener.map(tokio::net::TcpListener::from_std);
        let listener = listener.transpose()?;
        let doors = Doors { listener, ..doors };
        serving::serve_and_receive(doors, &identity, catalog, gate, inbox, stopping).await?;
        Ok(())
    }))
}

/// Shows what happens, until it is interrupted.
async fn attend(
    (mut events, mut receiving, mut room): (mpsc::Receiver<ShareEvent>, Receiving, Room),
    (mut state, mut relay): (watch::Receiver<State>, Option<watch::Receiver<bool>>),
    gate: &Gate,
    mut serving: JoinHandle<anyhow::Result<()>>,
    mut show: Show,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            Some(event) = events.recv() => show.share(&event),
            Some(event) = receiving.next() => show.receive(&event),
            Some(event) = room.next() => show.classroom(&event),
            Ok(()) = state.changed() => {
                let state = state.borrow_and_update().clone();
                gate.set_keys(state.ticket_keys.clone());
                room.set_addresses(&state.addresses);
                show.state(state);
            }
            is_open = changed(&mut relay) => show.relay(is_open),
            served = &mut serving => {
                served.context("serving ended")??;
                return Err(CommandError::new(Exit::Failed, "serving ended").into());
            }
        }
    }
}

/// Waits until others can call this peer through the server, or cannot any more.
async fn changed(relay: &mut Option<watch::Receiver<bool>>) -> bool {
    if let Some(is_open) = relay
        && is_open.changed().await.is_ok()
    {
        return *is_open.borrow_and_update();
    }
    std::future::pending().await
}

pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the system refuses threads")
}

fn usage(error: impl std::fmt::Display) -> CommandError {
    CommandError::new(Exit::Usage, error.to_string())
}

/// The folders as they really are, so that the same one is known by one name.
fn folders(
    named: &[PathBuf],
    audience: &Audience,
) -> Result<Vec<(PathBuf, Audience)>, CommandError> {
    let folder = |named: &PathBuf| {
        let cannot = |why: &dyn std::fmt::Display| {
            usage(format_args!("cannot share {}: {why}", named.display()))
        };
        let folder = named.canonicalize().map_err(|error| cannot(&error))?;
        if !folder.is_dir() {
            return Err(cannot(&"it is no folder"));
        }
        Ok((folder, audience.clone()))
    };
    named.iter().map(folder).collect()
}

pub(crate) fn host_name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    let end = name.floor_char_boundary(NAME_BYTES_MAX);
    match &name[..end] {
        "" => "peer".to_owned(),
        name => name.to_owned(),
    }
}
