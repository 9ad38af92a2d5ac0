//! AMQP 0-9-1 frames, methods and values, and the chat's lines: bytes to values and back.
//!
//! Pure and on the broker's hot path: no I/O, no clock, no thread, and no allocation while
//! decoding into borrowed types. Every length is checked against the bytes at hand before it is
//! believed, so a decoder's memory and work are bounded by the size of its input.
//!
//! Start reading at [`amqp::frame`], then [`amqp::method`] and [`amqp::content`]; for the chat at [`line`].
#![deny(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod amqp;
pub mod line;
