//! What differs between protocols: how a member logs in and enters its room, says something, and hears others.

mod irc;
mod line;
mod websocket;
mod xmpp;

use std::rc::Rc;

use super::super::error::LoadError;
use super::super::latency::Latencies;
use super::options::ChatProtocol;
use super::room::Room;
use super::script::Script;
use super::speech::Speech;

/// One member's side of its connection.
pub(super) trait Dialect {
    /// Writes the first bytes.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Reads whole lines, frames or stanzas, answers what must be answered, and gives how many bytes were taken.
    ///
    /// # Errors
    ///
    /// The server refuses the member, or says what its protocol forbids.
    fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        ears: &mut Ears<'_>,
    ) -> Result<usize, LoadError>;

    /// Whether the member is where it belongs.
    fn is_ready(&self) -> bool;

    /// Says something in the member's room.
    fn say(&self, text: &[u8], out: &mut Vec<u8>);
}

/// Makes a member's.
pub(super) fn of(script: &Rc<Script>, member: usize) -> Box<dyn Dialect> {
    match script.protocol {
        ChatProtocol::Line => Box::new(line::Line::new(script, member)),
        ChatProtocol::WebSocket => Box::new(websocket::WebSocket::new(script, member)),
        ChatProtocol::Irc => Box::new(irc::Irc::new(script, member)),
        ChatProtocol::Xmpp => Box::new(xmpp::Xmpp::new(script, member)),
    }
}

/// Whether who says something hears it, too.
pub(super) fn echoes(protocol: ChatProtocol) -> bool {
    match protocol {
        ChatProtocol::Line | ChatProtocol::WebSocket | ChatProtocol::Xmpp => true,
        ChatProtocol::Irc => false,
    }
}

/// What all members' deliveries add up to.
#[derive(Default)]
pub(super) struct Books {
    /// Deliveries that count: each message once for each member.
    pub(super) delivered: u64,
    /// Messages that the server refused.
    pub(super) refused: u64,
    /// Latencies of messages that were due in this span count.
    pub(super) from: u64,
    pub(super) until: u64,
    /// Of each delivery.
    pub(super) each: Latencies,
    /// Of each message, until everybody had it.
    pub(super) last: Latencies,
}

/// Where a member's deliveries are noted.
pub(super) struct Ears<'a> {
    pub(super) speech: &'a Speech,
    pub(super) room: &'a mut Room,
    pub(super) books: &'a mut Books,
    pub(super) member: u32,
    /// When the bytes at hand arrived.
    pub(super) now: u64,
}

impl Ears<'_> {
    /// Notes that the server refused what the member said.
    pub(super) fn refuse(&mut self) {
        self.books.refused += 1;
    }

    /// Notes a text that somebody said in the room.
    #[inline]
    pub(super) fn hear(&mut self, text: &[u8]) {
        let Some(spoken) = self.speech.read(text) else {
            return;
        };
        let Some(heard) = self.room.hear(self.member, &spoken) else {
            return;
        };
        self.books.delivered += 1;
        if (self.books.from..self.books.until).contains(&heard.due) {
            let latency = self.now.saturating_sub(heard.due);
            self.books.each.record(latency);
            if heard.is_last {
                self.books.last.record(latency);
            }
        }
    }
}

/// Gives every whole line without its end to `take`, and how many bytes they have.
#[inline]
fn lines(
    bytes: &[u8],
    mut take: impl FnMut(&[u8]) -> Result<(), LoadError>,
) -> Result<usize, LoadError> {
    let mut taken = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        let line = &bytes[taken..end];
        take(line.strip_suffix(b"\r").unwrap_or(line))?;
        taken = end + 1;
    }
    Ok(taken)
}

/// Writes parts one after the other.
fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests;
