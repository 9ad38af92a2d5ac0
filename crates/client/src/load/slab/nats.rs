//! A message as NATS publishes it: one line, then the body.

use super::{Layout, Slot, TAG_DIGITS};

/// Lays out `PUB`.
pub(crate) struct NatsLayout {
    /// Beginning of the subject that confirms come to, the message's number following it; none without confirms.
    pub(crate) inbox: Option<String>,
}

impl Layout for NatsLayout {
    fn lay_out(&self, bytes: &mut Vec<u8>, key: &str, size: usize) -> Slot {
        bytes.extend(b"PUB ");
        let key_at = bytes.len();
        bytes.extend(key.as_bytes());
        let tag = self.inbox.as_ref().map(|inbox| {
            bytes.push(b' ');
            bytes.extend(inbox.as_bytes());
            let tag = bytes.len();
            bytes.extend([b'0'; TAG_DIGITS]);
            tag
        });
        bytes.extend(format!(" {size}\r\n").as_bytes());
        let body = bytes.len();
        bytes.resize(body + size, b'x');
        let body_end = bytes.len();
        bytes.extend(b"\r\n");
        Slot {
            key: key_at,
            tag,
            body,
            body_end,
            end: bytes.len(),
        }
    }
}
