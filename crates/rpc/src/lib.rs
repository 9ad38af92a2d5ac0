//! The gRPC services, messages and stubs, generated from the files in `proto/`.
//!
//! It must never hold a line of behaviour: servers implement the traits, clients call the stubs, and both turn the messages here
//! into their own values at the edge. `proto/` is what other people's clients are generated from as well, so nothing in it changes
//! its number, its type or its meaning.
//!
//! Start reading at `proto/chaski/v1/message_service.proto`.

/// Version 1 of everything: package `chaski.v1`.
#[expect(
    unused_qualifications,
    clippy::large_enum_variant,
    reason = "generated: paths are whole, and a message in an event is no larger than it is elsewhere"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/chaski.v1.rs"));
}

/// Worker services as clients of older systems call them: package `message_queue`.
#[expect(unused_qualifications, reason = "generated: paths are whole")]
pub mod message_queue {
    include!(concat!(env!("OUT_DIR"), "/message_queue.rs"));
}

/// Peers of an older system, as they call each other: no package.
#[expect(unused_qualifications, reason = "generated: paths are whole")]
pub mod pserver {
    include!(concat!(env!("OUT_DIR"), "/_.rs"));
}

/// All files of `proto/chaski` as an encoded `google.protobuf.FileDescriptorSet`, with their comments: what a reflection service shows.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[cfg(test)]
mod tests;
