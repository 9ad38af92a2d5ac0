//! A small client of the NATS protocol, enough to put load on a server that Chaski is compared with.
//!
//! `parser` cuts incoming bytes and is pure; `connection` asks one question at a time; `jetstream` knows the questions about
//! streams and consumers. The load itself goes over the generator's own connections (module `load::wire::nats`). There is
//! no TLS, no cluster and no reconnecting: this is for measuring a server on the same machine.

mod connection;
mod error;
mod jetstream;
mod parser;
mod url;

pub use error::NatsError;
pub use url::{NatsUrl, NatsUrlError};

pub(crate) use connection::{NatsConnection, greet};
pub(crate) use jetstream::{
    ConsumerShape, create_consumer, create_stream, delete_stream, stream_messages,
};
pub(crate) use parser::{LINE_MAX, Message, Operation, PAYLOAD_MAX, parse};
