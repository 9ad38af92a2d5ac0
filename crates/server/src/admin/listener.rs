//! The server's side of the socket.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::request::Request;
use super::response::{ErrorCode, Response};

/// The greatest request, in bytes with its line feed.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Connections at one time; more wait in the system's backlog.
const CONNECTIONS_MAX: usize = 32;

/// How long a connection may stay without a request.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// What answers the requests.
pub trait Backend {
    /// Answers one request.
    ///
    /// *Concurrency*: called on the thread that drives [`serve`]; several at a time, one per
    /// connection. The future may be dropped when the server stops.
    fn handle(&self, request: Request) -> Pin<Box<dyn Future<Output = Response>>>;
}

/// Serves requests until dropped.
///
/// *Concurrency*: on a current-thread runtime that can spawn local tasks (`LocalSet` or
/// `LocalRuntime`). Dropping the future ends all connections.
pub async fn serve(listener: UnixListener, backend: Rc<dyn Backend>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let backend = Rc::clone(&backend);
                connections.spawn_local(async move {
                    if let Err(error) = converse(stream, backend.as_ref()).await {
                        tracing::debug!(%error, "an admin connection ended");
                    }
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: accepting at once again would only spin.
                tracing::warn!(%error, "cannot accept on the admin socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Answers the requests of one connection in order.
async fn converse(stream: UnixStream, backend: &dyn Backend) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(LINE_BYTES_MAX as u64);
        let read = timeout(IDLE_MAX, bounded.read_until(b'\n', &mut line));
        let Ok(read) = read.await else {
            return Ok(());
        };
        if read? == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n");
        let response = if whole {
            answer(&line, backend).await
        } else {
            Response::error(
                ErrorCode::Invalid,
                format!("a request is one line of at most {LINE_BYTES_MAX} bytes"),
            )
        };
        let mut text = serde_json::to_vec(&response)?;
        text.push(b'\n');
        writer.write_all(&text).await?;
        if !whole {
            return Ok(());
        }
    }
}

async fn answer(line: &[u8], backend: &dyn Backend) -> Response {
    match serde_json::from_slice(line) {
        Ok(request) => backend.handle(request).await,
        Err(error) => Response::error(
            ErrorCode::Invalid,
            format!("the request cannot be understood: {error}"),
        ),
    }
}
