//! A small AMQP 0-9-1 client: one connection with one channel, driven by its owner.
//!
//! There is no task behind it. Deliveries, confirms and returns that arrive while an answer is awaited are kept and handed over
//! when they are asked for. Start at [`Connection`].

mod connection;
mod error;
mod handshake;
mod incoming;
mod stream;
mod tls;
mod url;

pub use connection::{
    ConnectOptions, Connection, Consume, ExchangeDeclaration, Publish, QueueDeclaration,
};
pub use error::{ClientError, Failure};
pub use handshake::ServerInfo;
pub use incoming::{Message, QueueState};
pub use tls::Trust;
pub use url::{AmqpUrl, UrlError, UrlQuery};

pub(crate) use handshake::{Handshake, Wishes};
pub(crate) use tls::{client_config, server_name};

pub use codec::amqp::field::{Table, Value};
pub use codec::amqp::properties::Properties;
