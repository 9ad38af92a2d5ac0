//! A connection's socket as the generator uses it: never blocking, plain or encrypted.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use socket2::{Domain, Protocol, Socket, Type};

/// Prepared TLS: what is trusted, and the name that the server must prove.
pub(crate) type Tls = Option<(Arc<ClientConfig>, ServerName<'static>)>;

/// A socket, perhaps inside TLS.
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Transport {
    /// Begins to connect; the socket becomes writable when that is decided.
    pub(crate) fn begin_connect(address: SocketAddr, tls: &Tls) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&address.into()) {
            Ok(()) => {}
            // What POSIX calls EINPROGRESS.
            Err(error)
                if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        let tcp = TcpStream::from(socket);
        let Some((config, name)) = tls else {
            return Ok(Self::Plain(tcp));
        };
        let connection = ClientConnection::new(Arc::clone(config), name.clone())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, tcp))))
    }

    /// Says whether connecting failed, once the socket is writable.
    pub(crate) fn finish_connect(&self) -> io::Result<()> {
        self.tcp().take_error()?.map_or(Ok(()), Err)
    }

    /// Reads what is there.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    /// Writes what the socket takes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    /// Pushes on what TLS has encrypted and not written; false when the socket is full.
    pub(crate) fn push(&mut self) -> io::Result<bool> {
        let Self::Tls(stream) = self else {
            return Ok(true);
        };
        let stream = stream.as_mut();
        while stream.conn.wants_write() {
            match stream.conn.write_tls(&mut stream.sock) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether decrypted bytes may remain after a read, which the socket itself does not announce.
    pub(crate) fn read_until_blocked(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp().as_fd()
    }
}
