//! Chaski's WebSocket: an upgrade, then one JSON object a frame.
//!
//! ```text
//! upgrading -> entering -> ready
//! ```

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::{Finder, find};

use super::super::super::error::LoadError;
use super::super::script::{DEFAULT_ROOM, Script};
use super::{Dialect, Ears, put};

const OPCODE_TEXT: u8 = 1;
const OPCODE_CLOSE: u8 = 8;
const OPCODE_PING: u8 = 9;
const OPCODE_PONG: u8 = 10;
/// The last frame of its message.
const FIN: u8 = 0x80;
/// What a client says is masked.
const MASKED: u8 = 0x80;

pub(super) struct WebSocket {
    script: Rc<Script>,
    member: usize,
    state: State,
    /// `{"type":"joined","room":"x"` and what begins each thing to say.
    joined: String,
    say: String,
    text: Finder<'static>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Upgrading,
    Entering,
    Ready,
}

impl WebSocket {
    pub(super) fn new(script: &Rc<Script>, member: usize) -> Self {
        let room = script.room_name(member);
        let room = room.as_deref().unwrap_or(DEFAULT_ROOM);
        Self {
            script: Rc::clone(script),
            member,
            state: State::Upgrading,
            joined: format!(r#""room":"{room}""#),
            say: format!(r#"{{"type":"say","room":"{room}","text":""#),
            text: Finder::new(br#""text":""#),
        }
    }

    /// Reads the answer to the upgrade, and enters the room; gives how many bytes that took.
    fn upgrade(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, LoadError> {
        let Some(end) = find(bytes, b"\r\n\r\n") else {
            return Ok(0);
        };
        if !bytes.starts_with(b"HTTP/1.1 101 ") {
            return Err(LoadError::chat("opening a WebSocket", bytes));
        }
        if let Some(room) = self.script.room_name(self.member) {
            let (kind, only) = if self.script.makes_room(self.member) {
                ("create", "")
            } else {
                ("join", r#","only":true"#)
            };
            let enter = format!(r#"{{"type":"{kind}","room":"{room}"{only}}}"#);
            frame(out, OPCODE_TEXT, &[enter.as_bytes()]);
        }
        self.state = State::Entering;
        Ok(end + 4)
    }

    /// Looks whether an object tells that the member has arrived, or why not.
    fn handle(&mut self, object: &[u8]) -> Result<(), LoadError> {
        let says = |text: &str| find(object, text.as_bytes()).is_some();
        if says(r#""type":"joined""#) && says(&self.joined) {
            self.state = State::Ready;
        } else if says(r#""type":"error""#) || says(r#""type":"bye""#) {
            return Err(LoadError::chat("entering a room", object));
        }
        Ok(())
    }

    fn take(
        &mut self,
        frame_of: &Frame<'_>,
        out: &mut Vec<u8>,
        ears: &mut Ears<'_>,
    ) -> Result<(), LoadError> {
        match frame_of.opcode {
            OPCODE_TEXT => {
                if let Some(at) = self.text.find(frame_of.payload) {
                    ears.hear(&frame_of.payload[at + self.text.needle().len()..]);
                }
                if self.state != State::Ready {
                    self.handle(frame_of.payload)?;
                }
                Ok(())
            }
            OPCODE_PING => {
                frame(out, OPCODE_PONG, &[frame_of.payload]);
                Ok(())
            }
            OPCODE_CLOSE => Err(closed(frame_of.payload)),
            _ => Ok(()),
        }
    }
}

impl Dialect for WebSocket {
    fn begin(&mut self, out: &mut Vec<u8>) {
        let shown = match self.script.token(self.member) {
            Some(token) => format!("Bearer {token}"),
            None => {
                let login = self.script.login(self.member);
                let pair = format!("{login}:{}", self.script.password);
                format!("Basic {}", STANDARD.encode(pair))
            }
        };
        let request = format!(
            "GET /v1/chat HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\
             Authorization: {shown}\r\n\r\n",
            self.script.host
        );
        out.extend_from_slice(request.as_bytes());
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        ears: &mut Ears<'_>,
    ) -> Result<usize, LoadError> {
        let mut taken = 0;
        if self.state == State::Upgrading {
            taken = self.upgrade(bytes, out)?;
            if taken == 0 {
                return Ok(0);
            }
        }
        while let Some(frame) = Frame::read(&bytes[taken..]) {
            taken += frame.length;
            self.take(&frame, out, ears)?;
        }
        Ok(taken)
    }

    fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    fn say(&self, text: &[u8], out: &mut Vec<u8>) {
        frame(out, OPCODE_TEXT, &[self.say.as_bytes(), text, b"\"}"]);
    }
}

/// A frame from the server: unmasked.
struct Frame<'a> {
    opcode: u8,
    payload: &'a [u8],
    /// Of header and payload.
    length: usize,
}

impl<'a> Frame<'a> {
    /// Reads a frame, if it is whole.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (size, rest) = match second & !MASKED {
            126 => {
                let (size, rest) = rest.split_first_chunk()?;
                (u64::from(u16::from_be_bytes(*size)), rest)
            }
            127 => {
                let (size, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*size), rest)
            }
            size => (size.into(), rest),
        };
        let payload = rest.get(..usize::try_from(size).ok()?)?;
        Some(Self {
            opcode: first & 0x0f,
            payload,
            length: bytes.len() - rest.len() + payload.len(),
        })
    }
}

/// The server closed the connection, with a code and a reason.
fn closed(payload: &[u8]) -> LoadError {
    let (code, reason) = payload.split_first_chunk().unwrap_or((&[0; 2], payload));
    let mut said = format!("closed with {} ", u16::from_be_bytes(*code)).into_bytes();
    said.extend_from_slice(reason);
    LoadError::chat("talking by WebSocket", &said)
}

/// Writes a frame of less than 64 KiB; its mask is all zero, as there is no proxy to protect.
fn frame(out: &mut Vec<u8>, opcode: u8, parts: &[&[u8]]) {
    let size: usize = parts.iter().map(|part| part.len()).sum();
    out.push(FIN | opcode);
    match u8::try_from(size) {
        Ok(size) if size < 126 => out.push(MASKED | size),
        _ => {
            out.push(MASKED | 126);
            let size = u16::try_from(size).unwrap_or(u16::MAX);
            out.extend_from_slice(&size.to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    put(out, parts);
}
