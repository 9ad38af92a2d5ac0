//! IRC: a nickname, a channel, and `PRIVMSG`.
//!
//! ```text
//! registering -> joining -> ready
//! ```

use std::rc::Rc;

use super::super::super::error::LoadError;
use super::super::script::Script;
use super::{Dialect, Ears, lines, put};

pub(super) struct Irc {
    nick: String,
    /// None if the member only logs in.
    channel: Option<String>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Registering,
    Joining,
    Ready,
}

impl Irc {
    pub(super) fn new(script: &Rc<Script>, member: usize) -> Self {
        let name = || script.room_name(member);
        Self {
            nick: script.nick(member),
            channel: script
                .enters
                .then(|| format!("#{}", name().unwrap_or_default())),
            state: State::Registering,
        }
    }

    /// Acts on what is no message.
    fn handle(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), LoadError> {
        if let Some(token) = line.strip_prefix(b"PING ") {
            put(out, &[b"PONG ", token, b"\r\n"]);
            return Ok(());
        }
        let mut words = line.split(|&byte| byte == b' ');
        let word = words.next().unwrap_or_default();
        let is_error = word == b"ERROR";
        let code = match words.next().unwrap_or_default() {
            &[a, b, c] => std::str::from_utf8(&[a, b, c])
                .ok()
                .and_then(|code| code.parse().ok()),
            _ => None,
        };
        match (code.unwrap_or(0_u16), &self.channel) {
            // The nickname is still that of a connection which the server has not seen the end of.
            (433, _) => put(out, &[b"NICK ", self.nick.as_bytes(), b"\r\n"]),
            // The end of the message of the day, or that there is none.
            (376 | 422, Some(channel)) => {
                put(out, &[b"JOIN ", channel.as_bytes(), b"\r\n"]);
                self.state = State::Joining;
            }
            // The end of the channel's list of names.
            (366, Some(_)) | (376 | 422, None) => self.state = State::Ready,
            (400..600, _) => return Err(LoadError::chat("entering a channel", line)),
            _ if is_error => return Err(LoadError::chat("talking to an IRC server", line)),
            _ => {}
        }
        Ok(())
    }
}

impl Dialect for Irc {
    fn begin(&mut self, out: &mut Vec<u8>) {
        let nick = self.nick.as_bytes();
        put(
            out,
            &[b"NICK ", nick, b"\r\nUSER ", nick, b" 0 * :", nick, b"\r\n"],
        );
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        ears: &mut Ears<'_>,
    ) -> Result<usize, LoadError> {
        lines(bytes, |line| {
            // ":nick!user@host PRIVMSG #channel :text"
            let command = memchr::memchr(b' ', line).map_or(0, |at| at + 1);
            match line[command..].strip_prefix(b"PRIVMSG ") {
                Some(rest) => {
                    let text = memchr::memchr(b':', rest).map_or(rest.len(), |at| at + 1);
                    ears.hear(&rest[text..]);
                    Ok(())
                }
                None => self.handle(line, out),
            }
        })
    }

    fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    fn say(&self, text: &[u8], out: &mut Vec<u8>) {
        let channel = self.channel.as_deref().unwrap_or_default();
        put(
            out,
            &[b"PRIVMSG ", channel.as_bytes(), b" :", text, b"\r\n"],
        );
    }
}
