//! What talks to a server: AMQP client and load generator.
