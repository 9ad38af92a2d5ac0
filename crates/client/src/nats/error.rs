//! What can go wrong between this client and a NATS server.

use std::io;

use thiserror::Error;

/// Says why a request to a NATS server failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NatsError {
    /// The connection could not be opened.
    #[error("cannot connect to {address}: is nats-server running there?")]
    Connect {
        /// Host and port.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Reading or writing failed.
    #[error("talking to the server failed")]
    Io(#[source] io::Error),
    /// The server cut the connection.
    #[error(
        "the server cut the connection, as NATS does to a subscriber that falls too far behind"
    )]
    Cut,
    /// The server answered with `-ERR`.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The server sent what the protocol forbids, or more than this client takes.
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    /// The server wants TLS.
    #[error("the server asks for TLS, which this client does not speak")]
    Tls,
    /// Nobody answers questions about streams.
    #[error("the server runs without JetStream: start it with -js")]
    NoJetStream,
    /// JetStream refused a request.
    #[error("JetStream refused {request}: {description} ({code})")]
    JetStream {
        /// The subject of the request.
        request: String,
        /// JetStream's own error number.
        code: u64,
        /// Its words.
        description: String,
    },
    /// An answer is no JSON, or lacks a field.
    #[error("the server's answer to {0} cannot be read")]
    Answer(String),
}
