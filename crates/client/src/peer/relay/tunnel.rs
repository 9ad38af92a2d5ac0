//! A WebSocket as a stream of bytes.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink as _, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::chat::link::socket::Socket;
use crate::peer::limits::TUNNEL_BYTES_MAX;

/// One end of a call through the server.
pub struct Tunnel {
    socket: Socket,
    /// What has come and was not read yet.
    rest: Bytes,
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tunnel")
    }
}

impl Tunnel {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            rest: Bytes::new(),
        }
    }

    /// Waits for the first byte that comes, and leaves it to be read; none when the other end is gone.
    ///
    /// # Concurrency
    /// Cancel safe.
    pub(in crate::peer) async fn first(&mut self) -> io::Result<Option<u8>> {
        while self.rest.is_empty() {
            match poll_fn(|context| self.poll_message(context)).await? {
                Some(bytes) => self.rest = bytes,
                None => return Ok(None),
            }
        }
        Ok(self.rest.first().copied())
    }

    /// Reads the next message; none when the other end is gone.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            let message = ready!(Pin::new(&mut self.socket).poll_next(context));
            match message.transpose().map_err(broken) {
                Ok(Some(Message::Binary(bytes))) => return Poll::Ready(Ok(Some(bytes))),
                Ok(None | Some(Message::Close(_))) => return Poll::Ready(Ok(None)),
                Ok(Some(Message::Ping(_) | Message::Pong(_))) => {}
                Ok(Some(Message::Text(_) | Message::Frame(_))) => {
                    let text = "a relay passes bytes, not text";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

fn broken(error: Error) -> io::Error {
    if let Error::Io(error) = error {
        return error;
    }
    io::Error::new(io::ErrorKind::ConnectionReset, error.to_string())
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.poll_message(context))? {
                Some(bytes) => self.rest = bytes,
                None => return Poll::Ready(Ok(())),
            }
        }
        let part = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(part));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(context)).map_err(broken)?;
        let mut message = Vec::new();
        for piece in pieces {
            let room = TUNNEL_BYTES_MAX - message.len();
            let (part, _) = piece.split_at(room.min(piece.len()));
            message.extend_from_slice(part);
        }
        let written = message.len();
        let message = Message::Binary(message.into());
        let sent = Pin::new(&mut self.socket).start_send(message);
        sent.map_err(broken)?;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(context);
        flushed.map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.socket).poll_close(context);
        closed.map_err(broken)
    }
}
