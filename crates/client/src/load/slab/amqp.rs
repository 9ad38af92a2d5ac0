//! A message as AMQP publishes it: method, header and body frames.

use super::{Layout, Slot};

/// Bytes of a frame beside its payload.
const FRAME_OVERHEAD: usize = 8;
const FRAME_END: u8 = 0xCE;
const CHANNEL: u16 = 1;

/// Lays out `basic.publish`.
pub(crate) struct AmqpLayout {
    pub(crate) exchange: String,
    pub(crate) mandatory: bool,
    pub(crate) persistent: bool,
    pub(crate) frame_max: usize,
}

impl Layout for AmqpLayout {
    fn lay_out(&self, bytes: &mut Vec<u8>, key: &str, size: usize) -> Slot {
        frame(bytes, 1, |out| {
            out.extend([0, 60, 0, 40, 0, 0]);
            short_string(out, &self.exchange);
            short_string(out, key);
            out.push(u8::from(self.mandatory));
        });
        let key = bytes.len() - 2 - key.len();
        frame(bytes, 2, |out| {
            out.extend([0, 60, 0, 0]);
            out.extend(u64::try_from(size).unwrap_or(u64::MAX).to_be_bytes());
            if self.persistent {
                out.extend([0x10, 0, 2]);
            } else {
                out.extend([0, 0]);
            }
        });
        let body = bytes.len() + 7;
        let mut first_end = body;
        let mut left = size;
        while left > 0 {
            let part = left.min(self.frame_max - FRAME_OVERHEAD);
            frame(bytes, 3, |out| out.resize(out.len() + part, b'x'));
            if left == size {
                first_end = body + part;
            }
            left -= part;
        }
        // The mark lies in the first body frame: a frame_max is at least 4,096.
        let body = body.min(bytes.len());
        Slot {
            key,
            tag: None,
            body,
            body_end: first_end.min(bytes.len()).max(body),
            end: bytes.len(),
        }
    }
}

fn frame(bytes: &mut Vec<u8>, kind: u8, payload: impl FnOnce(&mut Vec<u8>)) {
    bytes.push(kind);
    bytes.extend(CHANNEL.to_be_bytes());
    let length_at = bytes.len();
    bytes.extend([0; 4]);
    payload(bytes);
    let length = u32::try_from(bytes.len() - length_at - 4).unwrap_or(u32::MAX);
    bytes[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    bytes.push(FRAME_END);
}

fn short_string(bytes: &mut Vec<u8>, text: &str) {
    let text = &text.as_bytes()[..text.len().min(255)];
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend(text);
}
