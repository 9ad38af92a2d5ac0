//! A message as the store keeps it: the bytes of one record's payload.
//!
//! # Shape
//! Little-endian: version u8, flags u8 (bit 0 persistent, bit 1 delayed, bit 2 with an id), priority u8, exchange length u8, key length u8, properties
//! length u32, expires at u64 (ms since 1970, all ones is never), received at u64, expiration u64 (ms, all ones is none), if delayed
//! deliver at u64 (ms since 1970), with an id its 16 bytes, then exchange, key, properties and body. The version is 1, and 2 if a flag above bit 0 is set: who
//! does not know these passes the record over.

use std::sync::Arc;

use broker::log::Stored;
use broker::{Body, DedupId, Message, Name};
use bytes::Bytes;

const VERSION: u8 = 1;
/// The version of a record that has optional fields.
const VERSION_EXTENDED: u8 = 2;
const HEADER_BYTES: usize = 33;
/// The header with all optional fields.
const HEADER_BYTES_MAX: usize = HEADER_BYTES + DELAY_BYTES + ID_BYTES;
const DELAY_BYTES: usize = 8;
const ID_BYTES: usize = 16;
const PERSISTENT: u8 = 1;
const DELAYED: u8 = 1 << 1;
const WITH_ID: u8 = 1 << 2;
const FLAGS: u8 = PERSISTENT | DELAYED | WITH_ID;
const NONE: u64 = u64::MAX;
/// Bodies from this size on share the bytes that were read; smaller ones are copied out of the chunk.
const SHARE_BYTES_MIN: usize = 4096;

/// The fixed part of a record.
pub(crate) struct Header {
    bytes: [u8; HEADER_BYTES_MAX],
    length: usize,
}

impl Header {
    pub(crate) fn new(message: &Message, expires_at_ms: u64, received_ms: u64) -> Self {
        let mut bytes = [0; HEADER_BYTES_MAX];
        let lengths = [
            short(message.exchange().len()),
            short(message.routing_key_length()),
        ];
        let properties = u32::try_from(message.properties().len()).unwrap_or(u32::MAX);
        let head = [
            VERSION,
            u8::from(message.persistent) * PERSISTENT,
            message.priority,
            lengths[0],
            lengths[1],
        ];
        bytes[..5].copy_from_slice(&head);
        bytes[5..9].copy_from_slice(&properties.to_le_bytes());
        bytes[9..17].copy_from_slice(&expires_at_ms.to_le_bytes());
        bytes[17..25].copy_from_slice(&received_ms.to_le_bytes());
        bytes[25..33].copy_from_slice(&message.expiration_ms.unwrap_or(NONE).to_le_bytes());
        let mut header = Self {
            bytes,
            length: HEADER_BYTES,
        };
        if let Some(at_ms) = message.deliver_at_ms {
            header.extend(DELAYED, &at_ms.to_le_bytes());
        }
        if let Some(id) = message.dedup_id.as_deref() {
            header.extend(WITH_ID, &id.0);
        }
        header
    }

    /// Adds an optional field.
    #[cold]
    fn extend(&mut self, flag: u8, field: &[u8]) {
        self.bytes[0] = VERSION_EXTENDED;
        self.bytes[1] |= flag;
        self.bytes[self.length..self.length + field.len()].copy_from_slice(field);
        self.length += field.len();
    }

    /// The parts of the record, in order.
    pub(crate) fn parts<'a>(&'a self, message: &'a Message) -> [&'a [u8]; 5] {
        let address = [message.exchange().as_bytes(), message.routing_key_bytes()];
        [
            &self.bytes[..self.length],
            address[0],
            address[1],
            message.properties(),
            message.body(),
        ]
    }
}

/// A record read back.
pub(crate) struct Decoded {
    pub(crate) message: Arc<Message>,
    pub(crate) expires_at_ms: u64,
    pub(crate) received_ms: u64,
}

/// Reads a record; `exchange` is the name of the one before, shared again when it is the same. `None` for bytes of another form.
pub(crate) fn decode(payload: &Bytes, exchange: &mut Name) -> Option<Decoded> {
    let header: &[u8; HEADER_BYTES] = payload.first_chunk()?;
    let flags = header[1];
    let header_bytes = match header[0] {
        VERSION => HEADER_BYTES,
        VERSION_EXTENDED if flags & !FLAGS == 0 => HEADER_BYTES + optional_bytes(flags),
        _ => return None,
    };
    let number = |at: usize| {
        header
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_le_bytes)
    };
    let properties_length = u32::from_le_bytes(header.get(5..9)?.try_into().ok()?) as usize;
    let key_start = header_bytes + usize::from(header[3]);
    let properties_start = key_start + usize::from(header[4]);
    let body_start = properties_start.checked_add(properties_length)?;
    let name = std::str::from_utf8(payload.get(header_bytes..key_start)?).ok()?;
    if **exchange != *name {
        *exchange = name.into();
    }
    let key = std::str::from_utf8(payload.get(key_start..properties_start)?).ok()?;
    let properties = payload.get(properties_start..body_start)?;
    let body = payload.get(body_start..)?;
    let body = if body.len() < SHARE_BYTES_MIN {
        Body::Copy(body)
    } else {
        Body::Share(payload.slice(body_start..))
    };
    let mut message = Message::new(exchange.clone(), key, properties, body);
    message.persistent = flags & PERSISTENT != 0;
    message.priority = header[2];
    message.expiration_ms = Some(number(25)?).filter(|expiration| *expiration != NONE);
    if header_bytes > HEADER_BYTES {
        read_optional(
            payload.get(HEADER_BYTES..header_bytes)?,
            flags,
            &mut message,
        )?;
    }
    Some(Decoded {
        message: Arc::new(message),
        expires_at_ms: number(9)?,
        received_ms: number(17)?,
    })
}

/// The length of the optional fields that flags announce.
const fn optional_bytes(flags: u8) -> usize {
    let delay = if flags & DELAYED != 0 { DELAY_BYTES } else { 0 };
    let id = if flags & WITH_ID != 0 { ID_BYTES } else { 0 };
    delay + id
}

/// Reads the optional fields.
#[cold]
fn read_optional(mut fields: &[u8], flags: u8, message: &mut Message) -> Option<()> {
    if flags & DELAYED != 0 {
        let (delay, rest) = fields.split_first_chunk()?;
        message.deliver_at_ms = Some(u64::from_le_bytes(*delay));
        fields = rest;
    }
    if flags & WITH_ID != 0 {
        let id: [u8; ID_BYTES] = fields.try_into().ok()?;
        message.dedup_id = Some(Box::new(DedupId(id)));
    }
    Some(())
}

/// Reads a record as a queue keeps it. One of another form, as of a newer version, is named and passed over.
pub(crate) fn stored(
    sequence: u64,
    payload: &Bytes,
    delivery_count: u32,
    exchange: &mut Name,
) -> Option<Stored> {
    let Some(decoded) = decode(payload, exchange) else {
        tracing::error!(
            sequence,
            "a message on disk has an unknown form and is passed over"
        );
        return None;
    };
    Some(Stored {
        sequence,
        message: decoded.message,
        expires_at_ms: decoded.expires_at_ms,
        received_ms: decoded.received_ms,
        delivery_count,
    })
}

fn short(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
