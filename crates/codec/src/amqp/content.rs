//! Content: the header and body frames that follow a publish, deliver, return or get-ok.
//!
//! The `encode_*` functions append whole frames to a buffer that the connection writes out.

use super::frame::{
    FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_MAX_HARD, FRAME_METHOD,
    FRAME_MIN_SIZE, FRAME_OVERHEAD,
};
use super::wire::{DecodeError, Reader, length, short_bytes, short_string};

#[cfg(test)]
mod tests;

/// Class id of `basic`, the only class with content.
pub const BASIC_CLASS_ID: u16 = 60;

/// A heartbeat frame.
pub const HEARTBEAT_FRAME: [u8; 8] = [FRAME_HEARTBEAT, 0, 0, 0, 0, 0, 0, FRAME_END];

/// Bytes of a header frame's payload before the properties: class id, weight, body size.
const HEADER_FIXED: usize = 12;

/// Describes a body that is about to come.
///
/// # Shape
///
/// `class_id` (2), weight (2, always 0), `body_size` (8), then the property flags and list.
///
/// # Spec
///
/// AMQP 0-9-1, section 4.2.6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHeader<'a> {
    /// The class of the method before it; anything but [`BASIC_CLASS_ID`] is the peer's fault.
    pub class_id: u16,
    /// The size of the whole body in bytes, as announced: not to be allocated unchecked.
    pub body_size: u64,
    /// Property flags and list, for [`PropertiesRef::parse`](super::properties::PropertiesRef::parse).
    pub properties: &'a [u8],
}

impl<'a> ContentHeader<'a> {
    /// Reads the payload of a header frame; the properties are left unread.
    ///
    /// # Errors
    ///
    /// When the payload is cut short or its weight is not 0.
    #[inline]
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let class_id = reader.short()?;
        let weight = reader.short()?;
        let body_size = reader.longlong()?;
        if weight != 0 {
            return Err(DecodeError::InvalidWeight { weight });
        }
        Ok(Self {
            class_id,
            body_size,
            properties: reader.rest(),
        })
    }
}

/// Appends a content header frame; `properties_raw` is flags and list as encoded.
#[inline]
pub fn encode_header_frame(channel: u16, body_size: u64, properties_raw: &[u8], out: &mut Vec<u8>) {
    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = length(HEADER_FIXED + properties_raw.len()).to_be_bytes();
    let [k1, k0] = BASIC_CLASS_ID.to_be_bytes();
    out.extend_from_slice(&[FRAME_HEADER, c1, c0, s3, s2, s1, s0, k1, k0, 0, 0]);
    out.extend_from_slice(&body_size.to_be_bytes());
    out.extend_from_slice(properties_raw);
    out.push(FRAME_END);
}

/// Appends a body in as many frames as `frame_max` calls for; an empty body takes none.
///
/// # Units
///
/// `frame_max` counts whole frames; 0 means no limit agreed on, and less than
/// [`FRAME_MIN_SIZE`] is taken as that.
#[inline]
pub fn encode_body_frames(channel: u16, body: &[u8], frame_max: u32, out: &mut Vec<u8>) {
    let whole = match frame_max {
        0 => FRAME_MAX_HARD,
        limit => limit.clamp(FRAME_MIN_SIZE, FRAME_MAX_HARD),
    };
    let payload_max = whole as usize - FRAME_OVERHEAD;
    out.reserve(body.len() + body.len().div_ceil(payload_max) * FRAME_OVERHEAD);
    let [c1, c0] = channel.to_be_bytes();
    for piece in body.chunks(payload_max) {
        let [s3, s2, s1, s0] = length(piece.len()).to_be_bytes();
        out.extend_from_slice(&[FRAME_BODY, c1, c0, s3, s2, s1, s0]);
        out.extend_from_slice(piece);
        out.push(FRAME_END);
    }
}

/// Appends a `basic.deliver` method frame and the content header frame after it.
///
/// The fastest way to say what [`BasicDeliver`](super::method::BasicDeliver) and
/// [`encode_header_frame`] say together: one reservation, and fixed parts in one piece.
#[inline]
#[expect(
    clippy::too_many_arguments,
    reason = "one argument per field of the two frames"
)]
pub fn encode_deliver(
    channel: u16,
    consumer_tag: &str,
    delivery_tag: u64,
    redelivered: bool,
    exchange: &str,
    routing_key: impl AsRef<[u8]>,
    properties_raw: &[u8],
    body_size: u64,
    out: &mut Vec<u8>,
) {
    const DELIVER_METHOD_ID: u16 = 60;
    // Ids, three string lengths, delivery tag, redelivered.
    const DELIVER_FIXED: usize = 4 + 3 + 8 + 1;

    let (tag_len, tag) = short_string(consumer_tag);
    let (exchange_len, exchange) = short_string(exchange);
    let (key_len, key) = short_bytes(routing_key.as_ref());
    let method_size = DELIVER_FIXED + tag.len() + exchange.len() + key.len();
    let header_size = HEADER_FIXED + properties_raw.len();
    out.reserve(method_size + header_size + 2 * FRAME_OVERHEAD);

    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = length(method_size).to_be_bytes();
    let [k1, k0] = BASIC_CLASS_ID.to_be_bytes();
    let [m1, m0] = DELIVER_METHOD_ID.to_be_bytes();
    out.extend_from_slice(&[
        FRAME_METHOD,
        c1,
        c0,
        s3,
        s2,
        s1,
        s0,
        k1,
        k0,
        m1,
        m0,
        tag_len,
    ]);
    out.extend_from_slice(tag);
    let [d7, d6, d5, d4, d3, d2, d1, d0] = delivery_tag.to_be_bytes();
    let redelivered = u8::from(redelivered);
    out.extend_from_slice(&[d7, d6, d5, d4, d3, d2, d1, d0, redelivered, exchange_len]);
    out.extend_from_slice(exchange);
    out.push(key_len);
    out.extend_from_slice(key);
    out.push(FRAME_END);
    encode_header_frame(channel, body_size, properties_raw, out);
}
