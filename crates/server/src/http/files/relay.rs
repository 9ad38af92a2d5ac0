//! The relay's sockets: a peer's standing line, and the two ends of a call with what passes between them.
//!
//! A call holds one message of each direction at a time: the next one is read when that one is written, so whoever reads slowly makes the
//! other wait, and costs no memory.
//!
//! Start reading at [`stand`], then [`call`].

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{Notify, oneshot};
use tokio::time::{interval, timeout};

use super::Sharer;
use super::forms::check_peer_id;
use crate::files::{Call, FilesError, Line, Relay};
use crate::http::Web;
use crate::http::body::InPath;
use crate::http::chat::{Over, READ_PATIENCE, over_of};
use crate::http::problem::Problem;
use crate::http::websocket::{await_close, check_origin};

/// The greatest message that passes: some of the peers' TLS records.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// The greatest message on a standing line, which says nothing.
const WORD_BYTES_MAX: usize = 1 << 10;
/// What is read from a socket at once.
const READ_BUFFER_BYTES: usize = 32 << 10;
/// How often a peer on its line is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How often it may leave that unanswered.
const PINGS_MAX: u32 = 2;
/// How long an end may take to read that it is over.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);
/// How long a call may be silent: peers that are there ask each other every few seconds whether they are.
const SILENCE: Duration = Duration::from_secs(60);

/// The called peer's end of a call.
pub(crate) struct Callee {
    socket: WebSocket,
    over: Over,
}

/// Keep a peer's standing line
///
/// As long as this WebSocket is open, others can call the peer through the server. It is told of each call by a text
/// `{"call":"<id>"}`, and has a few seconds to take it by `/v1/peers/{peer}/relay/{call}`. It says nothing itself. The peer is live; another
/// line of the same peer ends this one.
#[utoipa::path(get, path = "/v1/peers/{peer}/relay", tag = "files",
    params(("peer" = String, Path, description = "The peer's id")),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = "4XX", description = "You have no such peer that is live", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn stand(
    State(web): State<Web>,
    sharer: Sharer,
    InPath(peer): InPath<String>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let (relay, upgrade) = enter(&web, &peer, &headers, upgrade)?;
    check_own(&web, &sharer, &peer).await?;
    let line = relay.stand(&peer);
    let over = over_of(&web, &sharer.caller);
    let upgrade = upgrade
        .max_message_size(WORD_BYTES_MAX)
        .max_frame_size(WORD_BYTES_MAX)
        .read_buffer_size(WORD_BYTES_MAX)
        .write_buffer_size(0)
        .max_write_buffer_size(MESSAGE_BYTES_MAX);
    Ok(upgrade
        .on_upgrade(|socket| attend(socket, line, over))
        .into_response())
}

/// Take a call
///
/// By the peer that was told of it on its standing line. What the caller sends comes as binary messages, and the other way round, until one
/// of both closes the WebSocket.
#[utoipa::path(get, path = "/v1/peers/{peer}/relay/{call}", tag = "files",
    params(
        ("peer" = String, Path, description = "The peer's id"),
        ("call" = String, Path, description = "The call's id"),
    ),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = "4XX", description = "There is no such call, or not any more", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn take(
    State(web): State<Web>,
    sharer: Sharer,
    InPath((peer, id)): InPath<(String, String)>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let (relay, upgrade) = enter(&web, &peer, &headers, upgrade)?;
    check_own(&web, &sharer, &peer).await?;
    let caller: oneshot::Sender<Callee> = relay.take(&peer, &id)?;
    let over = over_of(&web, &sharer.caller);
    Ok(upgrade
        .on_upgrade(async |socket| {
            // A caller who has given up meanwhile: the socket closes.
            let _ = caller.send(Callee { socket, over });
        })
        .into_response())
}

/// Call a peer
///
/// One that can be reached through the server (`relay`). When the peer has taken the call, what is sent as binary messages of at most
/// 64 KiB goes to it, and the other way round, until one of both closes the WebSocket. The peer speaks TLS in it, as over TCP: the server cannot read
/// what passes.
#[utoipa::path(get, path = "/v1/peers/{peer}/call", tag = "files",
    params(("peer" = String, Path, description = "The peer's id")),
    responses(
        (status = 101, description = "The peer has taken the call, and the WebSocket is open"),
        (status = "4XX", description = "It cannot be called, or you have too many calls", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "It does not take the call, or there are too many", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn call(
    State(web): State<Web>,
    sharer: Sharer,
    InPath(peer): InPath<String>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let (relay, upgrade) = enter(&web, &peer, &headers, upgrade)?;
    let over = over_of(&web, &sharer.caller);
    let calling = relay.call(&peer, &sharer.account().name)?;
    let (callee, call) = calling.taken().await?;
    Ok(upgrade
        .on_upgrade(|socket| join(socket, over, callee, call))
        .into_response())
}

/// What all of them need: a WebSocket that passes bytes, of no other site's page, and a relay.
fn enter<'a>(
    web: &'a Web,
    peer: &str,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<(&'a Relay<Callee>, WebSocketUpgrade), Problem> {
    let upgrade = upgrade.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    check_origin(headers)?;
    check_peer_id(peer)?;
    let upgrade = upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        // A message and its head, and what pongs there are.
        .max_write_buffer_size(MESSAGE_BYTES_MAX * 2);
    Ok((web.files().relay()?, upgrade))
}

async fn check_own(web: &Web, sharer: &Sharer, peer: &str) -> Result<(), FilesError> {
    let (peer, owner) = (peer.to_owned(), sharer.account());
    let checked = web
        .files()
        .ask(move |index, _| index.check_own(&peer, &owner));
    checked.await
}

/// Why a socket is closed: the code, and a word on it.
type Farewell = (u16, &'static str);

const GONE: Farewell = (close_code::NORMAL, "the other end is gone");
const OVER: Farewell = (
    close_code::AWAY,
    "the session was ended, or the server stops",
);
const OTHER_LINE: Farewell = (close_code::POLICY, "the peer has another line");
const MISUSED: Farewell = (close_code::UNSUPPORTED, "this is not what passes here");
const SILENT: Farewell = (close_code::POLICY, "nothing has passed for long");

/// Tells a peer of its calls, as long as it is there.
async fn attend(mut socket: WebSocket, mut line: Line<Callee>, mut over: Over) {
    let mut ping = interval(PING_INTERVAL);
    let mut unanswered = 0;
    let farewell = loop {
        let said = tokio::select! {
            id = line.ring() => match id {
                Some(id) => Message::Text(format!(r#"{{"call":"{id}"}}"#).into()),
                None => break OTHER_LINE,
            },
            heard = socket.recv() => match heard {
                None | Some(Err(_)) => return,
                Some(Ok(Message::Close(_))) => break GONE,
                // A pong to its ping goes out with the next word.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    unanswered = 0;
                    continue;
                }
                Some(Ok(Message::Text(_) | Message::Binary(_))) => break MISUSED,
            },
            _ = &mut over => break OVER,
            _ = ping.tick() => {
                unanswered += 1;
                if unanswered > PINGS_MAX {
                    return;
                }
                Message::Ping(Vec::new().into())
            }
        };
        if !matches!(timeout(READ_PATIENCE, socket.send(said)).await, Ok(Ok(()))) {
            return;
        }
    };
    // Who calls from now on is told at once that nobody hears it.
    drop(line);
    close(socket, farewell).await;
}

/// Lets pass what the two ends of a call send to each other, until one of them has enough.
async fn join(caller: WebSocket, mut over: Over, callee: Callee, call: Call<Callee>) {
    let Callee {
        socket,
        over: mut callee_over,
    } = callee;
    let (mut to_caller, mut from_caller) = caller.split();
    let (mut to_callee, mut from_callee) = socket.split();
    let moved = Notify::new();
    let farewell = tokio::select! {
        end = pump(&mut from_caller, &mut to_callee, &call, &moved) => end,
        end = pump(&mut from_callee, &mut to_caller, &call, &moved) => end,
        () = silence(&moved) => SILENT,
        _ = &mut over => OVER,
        _ = &mut callee_over => OVER,
    };
    // They are halves of the same.
    if let (Ok(caller), Ok(callee)) = (
        from_caller.reunite(to_caller),
        from_callee.reunite(to_callee),
    ) {
        tokio::join!(close(caller, farewell), close(callee, farewell));
    }
    // Until then they take room.
    drop(call);
}

/// Passes on what comes one way.
async fn pump(
    from: &mut SplitStream<WebSocket>,
    to: &mut SplitSink<WebSocket, Message>,
    call: &Call<Callee>,
    moved: &Notify,
) -> Farewell {
    loop {
        let bytes = match from.next().await {
            None | Some(Err(_)) | Some(Ok(Message::Close(_))) => return GONE,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Text(_))) => return MISUSED,
            Some(Ok(Message::Binary(bytes))) => bytes,
        };
        call.pass(bytes.len()).await;
        if to.send(Message::Binary(bytes)).await.is_err() {
            return GONE;
        }
        moved.notify_one();
    }
}

/// Returns when nothing has passed for long.
async fn silence(moved: &Notify) {
    while timeout(SILENCE, moved.notified()).await.is_ok() {}
}

async fn close(mut socket: WebSocket, (code, reason): Farewell) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    let sending = socket.send(Message::Close(Some(frame)));
    // It may be gone already, or may never read it.
    if let Ok(Ok(())) = timeout(CLOSE_PATIENCE, sending).await {
        await_close(socket).await;
    }
}
