//! What can go wrong between a client and a server.

use std::io;
use std::path::PathBuf;

use codec::amqp::DecodeError;
use codec::amqp::frame::FrameError;
use codec::amqp::method::MethodError;
use thiserror::Error;

use super::url::UrlError;

/// Says why a request to a server failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The connection URL cannot be read.
    #[error("cannot read the connection URL")]
    Url(#[from] UrlError),
    /// Nothing listens there.
    #[error("connection to {address} refused: is the server running? start it with `chaski serve`")]
    Refused {
        /// Host and port.
        address: String,
    },
    /// The connection could not be opened for another reason.
    #[error("cannot connect to {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The server did not finish the handshake in time.
    #[error("{address} did not answer within {seconds} s")]
    Timeout {
        /// Host and port.
        address: String,
        /// The limit.
        seconds: u64,
    },
    /// The file of trusted certificates cannot be used.
    #[error("cannot use the certificate file {path}: {reason}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The host name cannot stand in a certificate.
    #[error("'{0}' is not a name that TLS can verify")]
    ServerName(String),
    /// The server said goodbye with its own protocol header: it does not speak AMQP 0-9-1.
    #[error("the server does not speak AMQP 0-9-1")]
    NotAmqp,
    /// The account or its password is wrong, or may not use this door.
    #[error("login refused: {0}")]
    Login(String),
    /// The server closed the channel.
    #[error("the server closed the channel: {code} {text}")]
    ChannelClosed {
        /// Reply code of AMQP 0-9-1.
        code: u16,
        /// The server's words.
        text: String,
    },
    /// The server closed the connection.
    #[error("the server closed the connection: {code} {text}")]
    ConnectionClosed {
        /// Reply code of AMQP 0-9-1.
        code: u16,
        /// The server's words.
        text: String,
    },
    /// The server cut the connection without a word.
    #[error("the server cut the connection")]
    Cut,
    /// The server was silent for two heartbeats.
    #[error("the server sent nothing for {seconds} s")]
    Silent {
        /// How long.
        seconds: u64,
    },
    /// The server cancelled the consumer, for example because the queue was deleted.
    #[error("the server cancelled consumer '{0}'")]
    Cancelled(String),
    /// The server refused publishes.
    #[error("the server refused {0} of the messages")]
    PublishRefused(u64),
    /// No queue takes messages with this routing key.
    #[error("message returned: {code} {text} (exchange '{exchange}', routing key '{routing_key}')")]
    Returned {
        /// Reply code of AMQP 0-9-1.
        code: u16,
        /// The server's words.
        text: String,
        /// Where it was published.
        exchange: String,
        /// With which routing key.
        routing_key: String,
    },
    /// The server sent something out of order.
    #[error("the server sent {got} where {wanted} was due")]
    Unexpected {
        /// What was due.
        wanted: &'static str,
        /// What came.
        got: &'static str,
    },
    /// A message is larger than the client takes.
    #[error("a message of {0} bytes is too large")]
    TooLarge(u64),
    /// The bytes are no frame.
    #[error("the server sent a broken frame")]
    Frame(#[from] FrameError),
    /// A frame's arguments cannot be read.
    #[error("the server sent a broken method")]
    Method(#[from] MethodError),
    /// A message's properties cannot be read.
    #[error("the server sent broken properties")]
    Properties(#[from] DecodeError),
    /// Reading or writing failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
}

/// Sorts errors by what a caller can do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The arguments are wrong: the URL, the certificates.
    Usage,
    /// The server cannot be reached, or the connection broke.
    Unreachable,
    /// The server said no.
    Refused,
    /// What was named does not exist.
    NotFound,
    /// The server broke the protocol.
    Broken,
}

impl ClientError {
    /// Sorts the error.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Url(_) | Self::Certificates { .. } | Self::ServerName(_) => Failure::Usage,
            Self::Refused { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Cut
            | Self::Silent { .. }
            | Self::Io(_) => Failure::Unreachable,
            Self::ChannelClosed { code: 404, .. } | Self::Returned { .. } => Failure::NotFound,
            Self::Login(_)
            | Self::ChannelClosed { .. }
            | Self::ConnectionClosed { .. }
            | Self::Cancelled(_)
            | Self::PublishRefused(_) => Failure::Refused,
            Self::NotAmqp
            | Self::Unexpected { .. }
            | Self::TooLarge(_)
            | Self::Frame(_)
            | Self::Method(_)
            | Self::Properties(_) => Failure::Broken,
        }
    }

    /// Puts a failure to connect into words.
    pub(crate) fn connect(address: String, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::ConnectionRefused {
            Self::Refused { address }
        } else {
            Self::Connect { address, source }
        }
    }

    /// The reply code with which the server closed the channel or connection, if it did.
    pub fn reply_code(&self) -> Option<u16> {
        if let Self::ChannelClosed { code, .. } | Self::ConnectionClosed { code, .. } = self {
            Some(*code)
        } else {
            None
        }
    }
}
