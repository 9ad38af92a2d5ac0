//! The bounds of a peer, in one place.

use std::time::Duration;

/// How long one address of a peer may take to answer.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a peer may take to say that it has what is asked for, and the first time, to send anything of many small files. One that stands still longer
/// is asked again later, and given twice the time there.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest of these times.
pub(super) const ANSWER_TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// How long the handshake with a caller may take.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Callers whose handshakes are under way.
pub(super) const HANDSHAKES_MAX: usize = 64;
/// How long to wait before the next caller is taken when none could be: descriptors are short, most likely.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that may be open beside one for each slot.
pub(super) const CONNECTIONS_BESIDE_SLOTS: usize = 224;
/// The same from one address: fewer than handshakes, so that others have theirs.
pub(super) const CONNECTIONS_BESIDE_SLOTS_PER_ADDRESS: usize = 16;
/// How long a connection may be open before the first call of somebody who may make it.
pub(super) const CONNECTION_IDLE: Duration = Duration::from_secs(45);
/// The same after one: what is on its way to a slow caller is a few MiB.
pub(super) const SERVED_IDLE: Duration = Duration::from_secs(10 * 60);
/// Streams that are served at the same time; others are told to come again.
pub(super) const STREAMS_MAX: usize = 32;
/// The same of one account.
pub(super) const STREAMS_PER_ACCOUNT: usize = 8;
/// When a caller that came too many is to come again.
pub(super) const BUSY_RETRY: Duration = Duration::from_millis(500);
/// How long a stream may ask for nothing that it may have. It has no slot until then; whoever keeps a low rate reads other answers meanwhile.
pub(super) const FIRST_ASK: Duration = Duration::from_secs(30);
/// How long a stream that is served may have nothing open: whoever keeps a low rate reads for minutes what was sent.
pub(super) const STREAM_IDLE: Duration = Duration::from_secs(5 * 60);
/// How long what a caller still asks is read when its stream has ended, so that it hears how.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// Contents that one stream may have open.
pub(super) const OPEN_MAX: usize = 1_024;
/// Requests of one stream that wait to be served.
pub(super) const WAITING_MAX: usize = 8_192;
/// Requests and answers on their way between a stream and its thread.
pub(super) const CHANNEL: usize = 16;
/// How often a receiver says again how an offer stands, as long as nothing else is to be said.
pub(super) const OFFER_BEAT: Duration = Duration::from_secs(10);
/// How long a receiver may say nothing: longer than somebody who is asked may take, as older ones do not say it again.
pub(super) const OFFER_SILENCE: Duration = Duration::from_secs(180);
/// How long a download goes on while no source gives anything: one that was restarted has come back by then.
pub(super) const SOURCES_TIMEOUT: Duration = Duration::from_secs(60);
/// What HTTP/2 lets a stream have under way, in bytes: enough for a fast disk and a slow reader to meet.
pub(super) const STREAM_WINDOW_BYTES: u32 = 8 << 20;
/// The same for a connection.
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// The most that a frame of HTTP/2 carries to whoever fetches: with its head it is four records of TLS, which go with one system call.
pub(super) const FRAME_BYTES: u32 = (64 << 10) - 9;
/// What is read ahead of TLS at once, which by itself asks the system for a few KiB at a time.
pub(super) const READ_AHEAD_BYTES: usize = 64 << 10;
/// The greatest request: names and tickets.
pub(super) const REQUEST_BYTES_MAX: usize = 64 << 10;
/// The greatest answer: the values of all segments of the largest content are 512 KiB, a group half of that.
pub(super) const ANSWER_BYTES_MAX: usize = 1 << 20;
/// What the bytes in memory, their place and their number have to be a multiple of to be written past the page cache: the largest block of
/// disks that are sold.
pub(super) const DISK_ALIGNMENT: usize = 4_096;
/// How often a silent connection is asked whether it is still there.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long it may take to say so.
pub(super) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same through the relay, where bytes of others go before.
pub(super) const RELAY_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(40);
/// How long the addresses of a peer are tried before it is called through the server as well.
pub(super) const HEAD_START: Duration = Duration::from_secs(1);
/// How often those addresses are tried again while it is spoken to through the server.
pub(super) const DIRECT_RETRY: Duration = Duration::from_secs(3);
/// The greatest message that the relay takes.
pub(super) const TUNNEL_BYTES_MAX: usize = 64 << 10;
/// Calls through the server that are being taken.
pub(super) const TAKES_MAX: usize = 16;
/// How long the server may be silent on a standing line; it asks every 20 seconds whether this peer is there.
pub(super) const LINE_SILENCE: Duration = Duration::from_secs(50);
/// Callers without TLS that are answered at the same time.
pub(super) const PLAIN_CALLERS_MAX: usize = 64;
/// The same from one address.
pub(super) const PLAIN_CALLERS_PER_ADDRESS_MAX: usize = 32;
/// Calls that one of them may have under way.
pub(super) const PLAIN_STREAMS_MAX: u32 = 8;
/// How long one of them may ask nothing.
pub(super) const PLAIN_IDLE: Duration = Duration::from_secs(60);
/// Calls of all of them that are answered at the same time, and those that move a file.
pub(super) const PLAIN_CALLS_MAX: usize = 32;
pub(super) const PLAIN_TRANSFERS_MAX: usize = 4;
/// How long a call may take.
pub(super) const PLAIN_CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the server may take to answer one request that a call makes. What waits for it keeps its place among the calls.
pub(super) const PLAIN_ASK_TIMEOUT: Duration = Duration::from_secs(30);
/// The same as for a call when it moves a file: what is there by then is kept, and the same call goes on with it.
pub(super) const PLAIN_TRANSFER_TIMEOUT: Duration = Duration::from_secs(3_600);
/// How long a call waits for another one that fetches the same file, and may just have been given up; and how often it looks.
pub(super) const PLAIN_LET_GO: Duration = Duration::from_secs(5);
pub(super) const PLAIN_LOOK: Duration = Duration::from_millis(100);
/// How long a login holds without a call that needs it.
pub(super) const PLAIN_LOGIN_IDLE: Duration = Duration::from_secs(30 * 60);
/// Addresses that are logged in; the one that was first is forgotten for another.
pub(super) const PLAIN_LOGINS_MAX: usize = 64;
/// Names that were announced and are remembered.
pub(super) const PLAIN_NAMES_MAX: usize = 1_000;
/// Peers of the older system that are asked for one file.
pub(super) const OLDER_PEERS_MAX: usize = 4;

const _: () = assert!(
    files::limits::GROUP_BYTES < ANSWER_BYTES_MAX as u64,
    "a group fits into an answer"
);
const _: () = assert!(
    FIRST_ASK.as_secs() < CONNECTION_IDLE.as_secs(),
    "who asks for nothing is told so"
);
const _: () = assert!(
    OFFER_BEAT.as_secs() * 3 < OFFER_SILENCE.as_secs(),
    "a receiver that is there is not lost"
);
const _: () = assert!(
    STREAMS_MAX + CONNECTIONS_BESIDE_SLOTS_PER_ADDRESS < HANDSHAKES_MAX,
    "nobody has all handshakes"
);
