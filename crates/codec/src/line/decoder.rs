//! Bytes to lines.

use std::borrow::Cow;

use super::telnet::{self, Step, Telnet};

const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7F;

/// What a client has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A line without its end and without control characters but tab.
    Line(Cow<'a, str>),
    /// The line that is coming is too long: it is skipped to its end.
    TooLong,
    /// A line was no UTF-8.
    NotText,
    /// The client speaks telnet, and this is the answer to what it wants, if there is one.
    Telnet(Option<[u8; 3]>),
}

/// Takes lines out of what a client sends.
///
/// A line ends at LF, CR LF, CR or CR NUL. Control characters but tab are taken out of it, and backspace and DEL take back the
/// character before them: terminals that edit no lines send them. Everything else of Unicode stays, for it may be somebody's writing;
/// [`super::sanitise`] makes it harmless for others.
///
/// A line that came whole and clean is borrowed. Only of a line that has begun and not ended its bytes are held.
#[derive(Debug, Default)]
pub struct LineDecoder {
    held: Vec<u8>,
    /// The longest line, in bytes.
    bytes_max: u16,
    telnet: Telnet,
    /// The line is too long, which was said.
    is_skipping: bool,
    /// The line before ended with CR: LF or NUL may belong to it.
    is_after_cr: bool,
    /// Lines are taken as they are, as programs write them.
    is_verbatim: bool,
}

impl LineDecoder {
    /// Makes a decoder for lines of at most so many bytes.
    #[must_use]
    pub const fn new(bytes_max: u16) -> Self {
        Self {
            held: Vec::new(),
            bytes_max,
            telnet: Telnet::Outside,
            is_skipping: false,
            is_after_cr: false,
            is_verbatim: false,
        }
    }

    /// Takes lines as they are from now on, as programs write them, or as people type them.
    pub const fn set_verbatim(&mut self, is_verbatim: bool) {
        self.is_verbatim = is_verbatim;
    }

    /// Takes longer lines, or only shorter ones, from now on.
    pub const fn set_bytes_max(&mut self, bytes_max: u16) {
        self.bytes_max = bytes_max;
    }

    /// The bytes that are held of a line that has not ended.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.held.capacity()
    }

    /// Takes what comes next, up to the first thing to tell; says how many bytes that were. Without such all of them were taken.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> (usize, Option<Heard<'a>>) {
        let skipped = usize::from(self.is_after_cr && matches!(input.first(), Some(b'\n' | b'\0')));
        if !input.is_empty() {
            self.is_after_cr = false;
        }
        let rest = input.get(skipped..).unwrap_or_default();
        let is_fresh = self.held.is_empty() && !self.is_skipping && self.telnet == Telnet::Outside;
        let end = rest.iter().position(|&byte| is_special(byte));
        let whole = end.and_then(|end| Some((end, rest.get(..end)?, *rest.get(end)?)));
        if let Some((end, line, ending @ (b'\n' | b'\r'))) = whole
            && is_fresh
            && line.len() <= usize::from(self.bytes_max)
        {
            self.is_after_cr = ending == b'\r';
            return (skipped + end + 1, Some(borrowed(line, self.is_verbatim)));
        }
        let (used, heard) = self.piece_together(rest);
        (skipped + used, heard)
    }

    /// Takes what does not come as one clean piece.
    fn piece_together(&mut self, input: &[u8]) -> (usize, Option<Heard<'static>>) {
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            if self.telnet == Telnet::Outside {
                let plain = rest.iter().position(|&byte| is_special(byte));
                let plain = rest.get(..plain.unwrap_or(rest.len())).unwrap_or_default();
                if !plain.is_empty() {
                    used += plain.len();
                    if self.hold(plain) {
                        return (used, Some(Heard::TooLong));
                    }
                    continue;
                }
            }
            let Some(&byte) = rest.first() else { break };
            used += 1;
            if let Some(heard) = self.special(byte) {
                return (used, Some(heard));
            }
        }
        (used, None)
    }

    /// Takes a byte that is no text, or that belongs to a command of telnet.
    fn special(&mut self, byte: u8) -> Option<Heard<'static>> {
        if self.telnet != Telnet::Outside || byte == telnet::IAC {
            self.is_after_cr = false;
            return match self.telnet.step(byte) {
                Step::Swallowed => None,
                Step::Negotiated(verb, option) => {
                    Some(Heard::Telnet(telnet::refusal(verb, option)))
                }
                Step::Literal => self.hold(&[byte]).then_some(Heard::TooLong),
            };
        }
        let is_after_cr = std::mem::take(&mut self.is_after_cr);
        match byte {
            b'\n' if is_after_cr => None,
            b'\n' | b'\r' => {
                self.is_after_cr = byte == b'\r';
                let line = std::mem::take(&mut self.held);
                if std::mem::take(&mut self.is_skipping) {
                    return None;
                }
                Some(owned(line, self.is_verbatim))
            }
            0 if is_after_cr => None,
            _ if self.is_verbatim => self.hold(&[byte]).then_some(Heard::TooLong),
            BACKSPACE | DELETE => {
                // A character is its first byte and those that go on with it.
                while self.held.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
                None
            }
            _ => None,
        }
    }

    /// Holds a part of a line; whether the line has become too long by that.
    fn hold(&mut self, part: &[u8]) -> bool {
        self.is_after_cr = false;
        if self.is_skipping {
            return false;
        }
        if self.held.len() + part.len() > usize::from(self.bytes_max) {
            self.held = Vec::new();
            self.is_skipping = true;
            return true;
        }
        self.held.extend_from_slice(part);
        false
    }
}

/// Whether a byte is no text by itself.
const fn is_special(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == DELETE || byte == telnet::IAC
}

fn borrowed(line: &[u8], is_verbatim: bool) -> Heard<'_> {
    match str::from_utf8(line) {
        Ok(line) if is_verbatim || line.is_ascii() || !line.contains(is_removed) => {
            Heard::Line(line.into())
        }
        Ok(line) => Heard::Line(line.replace(is_removed, "").into()),
        Err(_) => Heard::NotText,
    }
}

fn owned(line: Vec<u8>, is_verbatim: bool) -> Heard<'static> {
    match String::from_utf8(line) {
        Ok(mut line) => {
            line.retain(|c| is_verbatim || !is_removed(c));
            Heard::Line(line.into())
        }
        Err(_) => Heard::NotText,
    }
}

fn is_removed(character: char) -> bool {
    character.is_control() && character != '\t'
}
