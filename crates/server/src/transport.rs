//! A socket as a connection uses it: plain or TLS, never blocking.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Pieces that one vectored write takes.
const PIECES_MAX: usize = 64;

/// One connected socket.
pub(crate) enum Transport {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Reads up to `bytes` more into `buffer`, which gets memory only when there is something to read. Zero is the end.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut BytesMut,
        bytes: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => {
                ready!(stream.poll_read_ready(context))?;
                buffer.reserve(bytes);
                // A read that leaves room has drained the socket; unlike `try_read_buf`, this then does not ask it again.
                let read = std::pin::pin!(stream.read_buf(buffer));
                read.poll(context)
            }
            Self::Tls(stream) => {
                let before = buffer.len();
                buffer.resize(before + bytes, 0);
                let space = buffer.get_mut(before..).unwrap_or_default();
                let mut space = ReadBuf::new(space);
                let polled = Pin::new(&mut **stream).poll_read(context, &mut space);
                let filled = space.filled().len();
                buffer.truncate(before + filled);
                polled.map_ok(|()| filled)
            }
        }
    }

    /// Writes as much as the socket takes.
    pub(crate) fn poll_write<'a>(
        &mut self,
        context: &mut Context<'_>,
        chunks: impl Iterator<Item = &'a [u8]>,
    ) -> Poll<io::Result<usize>> {
        let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
        let mut count = 0;
        for (piece, chunk) in pieces.iter_mut().zip(chunks) {
            *piece = IoSlice::new(chunk);
            count += 1;
        }
        let pieces = pieces.get(..count).unwrap_or_default();
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(context, pieces),
        }
    }

    /// Sends what the transport itself still holds back.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    /// Ends the sending side, so that the peer reads to the end before it sees the close.
    pub(crate) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        }
    }
}
