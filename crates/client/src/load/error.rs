//! Why a load run fails.

use std::io;

use thiserror::Error;

use crate::amqp::ClientError;
use crate::api::ApiError;
use crate::nats::NatsError;

/// So much of a server's words is repeated.
const SAID_BYTES_MAX: usize = 200;

/// Says why a load run ended early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The options contradict themselves.
    #[error("{0}")]
    Options(String),
    /// Connecting, declaring or clearing up failed, or the server closed a connection.
    #[error("{doing}")]
    Client {
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: ClientError,
    },
    /// The same with a NATS server.
    #[error("{doing}")]
    Nats {
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: NatsError,
    },
    /// The same over HTTP.
    #[error("{doing}")]
    Api {
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: ApiError,
    },
    /// The same over gRPC.
    #[error("{doing}: {detail}")]
    Grpc {
        /// What was being done.
        doing: &'static str,
        /// The status, and what the server said.
        detail: String,
    },
    /// The same of a member of a chat.
    #[error("{doing}: {detail}")]
    Chat {
        /// What was being done.
        doing: &'static str,
        /// What the server said, or what it should have.
        detail: String,
    },
    /// The server sent what its protocol forbids.
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    /// The operating system refused something.
    #[error("{doing}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// Connections did not all open in time.
    #[error("only {ready} of {wanted} connections opened within {seconds} s")]
    Setup {
        /// Connections that were ready.
        ready: usize,
        /// Connections that the run needs.
        wanted: usize,
        /// The limit.
        seconds: u64,
    },
    /// No message moved for too long.
    #[error("nothing moved for {seconds} s: {delivered} of {expected} messages arrived")]
    Stalled {
        /// How long.
        seconds: u64,
        /// Messages that arrived.
        delivered: u64,
        /// Messages that should have.
        expected: u64,
    },
    /// The display asked to stop before anything was measured.
    #[error("stopped")]
    Stopped,
    /// A thread of the generator panicked.
    #[error("a thread of the generator failed")]
    Thread,
}

impl LoadError {
    /// Names what failed in a system call.
    pub(crate) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }

    /// Names what failed in the client.
    pub(crate) fn client(doing: &'static str) -> impl FnOnce(ClientError) -> Self {
        move |source| Self::Client { doing, source }
    }

    /// Names what failed over HTTP.
    pub(crate) fn api(doing: &'static str) -> impl FnOnce(ApiError) -> Self {
        move |source| Self::Api { doing, source }
    }

    /// Names what a chat's server refused, in its words.
    pub(crate) fn chat(doing: &'static str, said: &[u8]) -> Self {
        let detail = String::from_utf8_lossy(&said[..said.len().min(SAID_BYTES_MAX)])
            .trim()
            .escape_debug()
            .to_string();
        Self::Chat { doing, detail }
    }

    /// Names what failed in the NATS client.
    pub(crate) fn nats(doing: &'static str) -> impl FnOnce(NatsError) -> Self {
        move |source| Self::Nats { doing, source }
    }
}
