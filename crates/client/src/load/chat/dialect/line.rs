//! Chaski's line protocol: login, a room, and lines.
//!
//! Whether the member is in its room is asked in machine mode, whose words are always the same; then it goes on as a person does.
//!
//! ```text
//! entering -> arrived -> ready
//! ```

use std::rc::Rc;

use memchr::memmem::find;

use super::super::super::error::LoadError;
use super::super::script::{DEFAULT_ROOM, Script};
use super::{Dialect, Ears, lines, put};

/// What begins the server's own lines.
const NOTICE: &[u8] = b"-- ";

pub(super) struct Line {
    script: Rc<Script>,
    member: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Entering,
    /// The member is in its room, and in machine mode.
    Arrived,
    Ready,
}

impl Line {
    pub(super) fn new(script: &Rc<Script>, member: usize) -> Self {
        Self {
            script: Rc::clone(script),
            member,
            state: State::Entering,
        }
    }

    /// Looks whether a line tells that the member has arrived, or why not.
    fn handle(&mut self, line: &[u8]) -> Result<(), LoadError> {
        let says = |text: &str| find(line, text.as_bytes()).is_some();
        match self.state {
            State::Entering if line.starts_with(b"{") => {
                if says(r#""type":"joined""#) {
                    self.state = State::Arrived;
                } else if says(r#""type":"error""#) || says(r#""type":"bye""#) {
                    return Err(LoadError::chat("entering a room", line));
                }
            }
            // Back from machine mode.
            State::Arrived if line.starts_with(NOTICE) => self.state = State::Ready,
            State::Entering | State::Arrived | State::Ready => {}
        }
        Ok(())
    }
}

impl Dialect for Line {
    fn begin(&mut self, out: &mut Vec<u8>) {
        match self.script.token(self.member) {
            Some(token) => put(out, &[b"token ", token.as_bytes(), b"\n"]),
            None => {
                let login = self.script.login(self.member);
                let password = self.script.password.as_bytes();
                put(out, &[login.as_bytes(), b"\n", password, b"\n"]);
            }
        }
        let room = self.script.room_name(self.member);
        let is_own = room.is_some() && self.script.makes_room(self.member);
        let room = room.as_deref().unwrap_or(DEFAULT_ROOM).as_bytes();
        if is_own {
            put(out, &[b"#cR ", room, b"\n"]);
        }
        let join: &[u8] = br#"{"type":"join","only":true,"room":""#;
        put(out, &[b"#mode json\n", join, room, b"\"}\n#mode text\n"]);
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        _out: &mut Vec<u8>,
        ears: &mut Ears<'_>,
    ) -> Result<usize, LoadError> {
        lines(bytes, |line| {
            // "name: text"
            let text = memchr::memchr(b' ', line).map_or(line.len(), |at| at + 1);
            ears.hear(&line[text..]);
            if self.state == State::Ready {
                return Ok(());
            }
            self.handle(line)
        })
    }

    fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    fn say(&self, text: &[u8], out: &mut Vec<u8>) {
        put(out, &[text, b"\n"]);
    }
}
