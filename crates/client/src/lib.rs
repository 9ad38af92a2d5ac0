//! What talks to a server: an AMQP client, a load generator, and the floors that figures are held against.
//!
//! It never links the server. [`amqp`] is the client of the command line; [`load`] drives any AMQP broker to its
//! limits and measures, and with [`nats`] a NATS server beside it; [`chat`] is the chat of terminals and scripts; [`peer`] shares files and fetches them; [`relay`] and [`disk`] tell what the machine itself allows.

pub mod amqp;
pub mod api;
mod aside;
mod backoff;
pub mod chat;
pub mod descriptors;
pub mod disk;
pub mod load;
pub mod nats;
pub mod peer;
pub mod relay;
