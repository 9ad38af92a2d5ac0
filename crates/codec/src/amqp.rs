//! AMQP 0-9-1 with RabbitMQ's extensions.
//!
//! A connection's bytes are a sequence of [`frame`]s. A method frame holds a [`method`]; methods
//! that carry content are followed by a [`content`] header, with its [`properties`], and a body.
//! Methods and properties hold [`field`] tables. [`reply`] names the codes errors are told by.
//!
//! Nothing here knows the order in which frames may come: that is the session's business.

pub mod content;
pub mod field;
pub mod frame;
pub mod method;
#[cfg(test)]
mod oracle;
pub mod properties;
pub mod reply;
mod wire;

pub use wire::DecodeError;
