//! Frames: how a connection's byte stream is cut.
//!
//! # Shape
//!
//! ```text
//! 0      1         3             7                  size+7   size+8
//! | type | channel | size (u32)  | payload ...      | 0xCE   |
//! ```
//!
//! Start at [`parse`].

use thiserror::Error;

use super::reply::ReplyCode;

#[cfg(test)]
mod tests;

/// Type octet of a method frame.
pub const FRAME_METHOD: u8 = 1;
/// Type octet of a content header frame.
pub const FRAME_HEADER: u8 = 2;
/// Type octet of a content body frame.
pub const FRAME_BODY: u8 = 3;
/// Type octet of a heartbeat frame.
pub const FRAME_HEARTBEAT: u8 = 8;
/// The octet every frame ends with.
pub const FRAME_END: u8 = 0xCE;
/// Bytes of a frame that are not payload: a header of 7 and the end octet.
pub const FRAME_OVERHEAD: usize = 8;
/// The smallest frame size limit two peers may agree on, and the limit until they did.
pub const FRAME_MIN_SIZE: u32 = 4096;
/// The largest frame, overhead included, accepted where no limit was agreed on: 128 MiB.
pub const FRAME_MAX_HARD: u32 = 128 * 1024 * 1024;
/// What a client sends first, and a server sends back to refuse another protocol.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\0\0\x09\x01";

/// Bytes before the payload.
const HEADER_SIZE: usize = 7;
/// Class id and method id.
const METHOD_PAYLOAD_MIN: u32 = 4;
/// Class id, weight, body size and property flags.
const HEADER_PAYLOAD_MIN: u32 = 14;

/// Names what a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A method, see [`super::method`].
    Method,
    /// The header of a content, see [`super::content`].
    Header,
    /// A piece of the body of a content.
    Body,
    /// A sign of life.
    Heartbeat,
}

/// A frame found in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the payload is.
    pub kind: FrameKind,
    /// The channel the frame belongs to; 0 is the connection itself.
    pub channel: u16,
    /// The bytes between the header and the end octet.
    pub payload: &'a [u8],
}

/// Tells why bytes are not a frame. The connection is closed with `FRAME_ERROR` (501).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The type octet is none of the four that exist.
    #[error("unknown frame type {octet}")]
    UnknownType {
        /// The octet as received.
        octet: u8,
    },
    /// The frame announces more than the limit.
    #[error("frame of {size} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Size of the whole frame, overhead included.
        size: u64,
        /// The limit in force, overhead included.
        limit: u32,
    },
    /// The payload is shorter than any of its kind can be.
    #[error("payload of {size} bytes is too short for its frame type")]
    TooShort {
        /// Size of the payload.
        size: u32,
    },
    /// A heartbeat has a payload.
    #[error("heartbeat frame with a payload of {size} bytes")]
    HeartbeatPayload {
        /// Size of the payload.
        size: u32,
    },
    /// The octet after the payload is not [`FRAME_END`].
    #[error("frame ends with {octet:#04x} instead of 0xce")]
    MissingEnd {
        /// The octet as received.
        octet: u8,
    },
}

impl FrameError {
    /// Returns the reply code the connection is closed with: always `FRAME_ERROR`.
    pub const fn reply_code(self) -> ReplyCode {
        ReplyCode::FrameError
    }
}

/// Finds the frame at the start of `buffer`.
///
/// Returns the frame and the bytes it takes, or `None` when more bytes are needed.
///
/// # Units
///
/// `frame_max` counts whole frames, overhead included; 0 means [`FRAME_MAX_HARD`], which also
/// caps any larger value.
///
/// # Errors
///
/// Everything the 7-byte header tells is refused as soon as it is there, before the payload.
///
/// # Spec
///
/// AMQP 0-9-1, section 4.2.3.
#[inline]
pub fn parse(buffer: &[u8], frame_max: u32) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some((&[octet, c1, c0, s3, s2, s1, s0], rest)) = buffer.split_first_chunk::<HEADER_SIZE>()
    else {
        return Ok(None);
    };
    let size = u32::from_be_bytes([s3, s2, s1, s0]);
    let kind = check_header(octet, size, frame_max)?;
    let payload_len = size as usize;
    let Some((payload, [end, ..])) = rest.split_at_checked(payload_len) else {
        return Ok(None);
    };
    if *end != FRAME_END {
        return Err(FrameError::MissingEnd { octet: *end });
    }
    let channel = u16::from_be_bytes([c1, c0]);
    Ok(Some((
        Frame {
            kind,
            channel,
            payload,
        },
        payload_len + FRAME_OVERHEAD,
    )))
}

#[inline]
fn check_header(octet: u8, size: u32, frame_max: u32) -> Result<FrameKind, FrameError> {
    let limit = if frame_max == 0 {
        FRAME_MAX_HARD
    } else {
        frame_max.min(FRAME_MAX_HARD)
    };
    let (kind, size_min) = match octet {
        FRAME_METHOD => (FrameKind::Method, METHOD_PAYLOAD_MIN),
        FRAME_HEADER => (FrameKind::Header, HEADER_PAYLOAD_MIN),
        FRAME_BODY => (FrameKind::Body, 0),
        FRAME_HEARTBEAT => (FrameKind::Heartbeat, 0),
        _ => return Err(FrameError::UnknownType { octet }),
    };
    let whole = u64::from(size) + FRAME_OVERHEAD as u64;
    if whole > u64::from(limit) {
        return Err(FrameError::TooLarge { size: whole, limit });
    }
    if size < size_min {
        return Err(FrameError::TooShort { size });
    }
    if kind == FrameKind::Heartbeat && size != 0 {
        return Err(FrameError::HeartbeatPayload { size });
    }
    Ok(kind)
}
