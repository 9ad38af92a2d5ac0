//! A socket of the line protocol: plain or TLS, never blocking.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};
use socket2::{SockRef, TcpKeepalive};

/// After how long a silent peer is asked whether it is there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// How long it has to answer, before it is asked again.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is asked.
const KEEPALIVE_RETRIES: u32 = 3;
/// Plain bytes that TLS holds until the socket takes them.
const TLS_BUFFER_BYTES: usize = 32 << 10;

/// One connected socket.
pub(super) struct Socket {
    pub(super) stream: TcpStream,
    tls: Option<Box<ServerConnection>>,
}

impl Socket {
    /// Takes a socket that was accepted.
    ///
    /// # Errors
    /// The operating system refuses an option, or TLS cannot begin.
    pub(super) fn new(stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_RETRIES);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let tls = tls.map(ServerConnection::new).transpose();
        let mut tls = tls.map_err(io::Error::other)?;
        if let Some(tls) = &mut tls {
            tls.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        }
        Ok(Self {
            stream,
            tls: tls.map(Box::new),
        })
    }

    /// Whether TLS has not begun yet.
    pub(super) fn is_shaking_hands(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Reads what there is; zero is the end.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing; the connection failed.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.read(buffer);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A peer that closes without a word of goodbye has closed all the same.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            if let Err(error) = tls.process_new_packets() {
                // The peer is told what was wrong, if it still listens.
                let _ = tls.write_tls(&mut self.stream);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            if tls.wants_write() {
                drain(tls, &mut self.stream)?;
            }
        }
    }

    /// Writes as much as the socket takes.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing; the connection failed.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.write(bytes);
        };
        drain(tls, &mut self.stream)?;
        if tls.wants_write() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = tls.writer().write(bytes)?;
        drain(tls, &mut self.stream)?;
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(taken)
    }

    /// Sends what TLS still holds; true when nothing is left.
    ///
    /// # Errors
    /// The connection failed.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else {
            return Ok(true);
        };
        drain(tls, &mut self.stream)?;
        Ok(!tls.wants_write())
    }

    /// Ends the sending side, so that the peer reads to the end before it sees the close.
    pub(super) fn shut_down(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // The peer may be gone already.
            let _ = drain(tls, &mut self.stream);
        }
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }
}

/// Sends what TLS has ready, as far as the socket takes it.
fn drain(tls: &mut ServerConnection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
