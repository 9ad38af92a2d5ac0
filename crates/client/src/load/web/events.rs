//! Server-sent events cut out of the bytes as they come, and the messages in them.

use memchr::memmem::Finder;

use super::super::scan::Delivery;
use super::batch::read_digits;

/// What ends an event.
const END: &[u8] = b"\n\n";
/// What a message's body begins with in its JSON.
const BODY: &[u8] = b"\"body\":\"";

/// Cuts one connection's bytes into events.
pub(super) struct Events {
    end: Finder<'static>,
    body: Finder<'static>,
    /// An event of which the end has not come.
    rest: Vec<u8>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            end: Finder::new(END),
            body: Finder::new(BODY),
            rest: Vec::new(),
        }
    }

    /// Hands over every message whose event ends in `bytes`; the rest waits for more.
    pub(super) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&Delivery)) {
        let mut bytes = bytes;
        if !self.rest.is_empty() {
            let Some(end) = self.end_of_rest(bytes) else {
                self.rest.extend_from_slice(bytes);
                return;
            };
            self.rest.extend_from_slice(&bytes[..end]);
            if let Some(delivery) = self.message(&self.rest) {
                each(&delivery);
            }
            self.rest.clear();
            bytes = &bytes[end..];
        }
        while let Some(at) = self.end.find(bytes) {
            if let Some(delivery) = self.message(&bytes[..at]) {
                each(&delivery);
            }
            bytes = &bytes[at + END.len()..];
        }
        self.rest.extend_from_slice(bytes);
    }

    /// How many of the bytes belong to the event that was cut; none if it does not end in them.
    fn end_of_rest(&self, bytes: &[u8]) -> Option<usize> {
        if self.rest.ends_with(b"\n") && bytes.starts_with(b"\n") {
            return Some(1);
        }
        Some(self.end.find(bytes)? + END.len())
    }

    /// Finds the body of an event's message; comments have none. The bodies of this generator have nothing to escape.
    fn message(&self, event: &[u8]) -> Option<Delivery> {
        let body = &event[self.body.find(event)? + BODY.len()..];
        let size = memchr::memchr(b'"', body)?;
        Some(Delivery {
            size: size as u64,
            head: read_digits(&body[..size]).unwrap_or_default(),
            ..Delivery::default()
        })
    }
}

#[cfg(test)]
mod tests;
