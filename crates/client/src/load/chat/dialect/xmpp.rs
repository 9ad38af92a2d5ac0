//! XMPP as far as a room of XEP-0045 needs it: no TLS, no XML parser, only what servers send to a client that asks for nothing else.
//!
//! ```text
//! greeting -> proving -> binding -> entering -> ready
//! ```

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::{self, find};

use super::super::super::error::LoadError;
use super::super::script::Script;
use super::{Dialect, Ears, put};

pub(super) struct Xmpp {
    host: String,
    login: String,
    password: String,
    nick: String,
    /// A connection of the same name, as one that came back, makes the server end the older one.
    resource: String,
    /// The room's address; none if the member only logs in.
    room: Option<String>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Proving,
    Binding,
    Entering,
    Ready,
}

impl Xmpp {
    pub(super) fn new(script: &Rc<Script>, member: usize) -> Self {
        let name = script.room_name(member).unwrap_or_default();
        Self {
            room: script
                .enters
                .then(|| format!("{name}@conference.{}", script.host)),
            host: script.host.clone(),
            login: script.login(member),
            password: script.password.clone(),
            nick: script.nick(member),
            resource: format!("bench-{:x}", script.run),
            state: State::Greeting,
        }
    }

    fn greet(&self, out: &mut Vec<u8>) {
        let stream = format!(
            "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams'>",
            self.host
        );
        out.extend_from_slice(stream.as_bytes());
    }

    /// Takes the next step when the server's answer is whole; gives how many bytes that took.
    fn step(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, LoadError> {
        for refusal in [
            "<failure",
            "<stream:error",
            "type='error'",
            "type=\"error\"",
        ] {
            if let Some(at) = find(bytes, refusal.as_bytes()) {
                return Err(LoadError::chat("logging in by XMPP", &bytes[at..]));
            }
        }
        let awaited = match self.state {
            State::Greeting | State::Binding => "</stream:features>",
            State::Proving => "<success",
            State::Entering if self.room.is_none() => "</iq>",
            State::Entering | State::Ready => "code='110'",
        };
        let Some(at) = find(bytes, awaited.as_bytes()) else {
            return Ok(0);
        };
        match self.state {
            State::Greeting => {
                let proof = format!("\0{}\0{}", self.login, self.password);
                let auth = format!(
                    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{}</auth>",
                    STANDARD.encode(proof)
                );
                out.extend_from_slice(auth.as_bytes());
                self.state = State::Proving;
            }
            State::Proving => {
                self.greet(out);
                self.state = State::Binding;
            }
            State::Binding => {
                self.bind(out);
                self.state = State::Entering;
            }
            State::Entering | State::Ready => self.state = State::Ready,
        }
        Ok(at + awaited.len())
    }

    /// Binds the resource, becomes available and enters the room, all at once.
    fn bind(&self, out: &mut Vec<u8>) {
        let bind = format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>{}</resource></bind></iq><presence/>",
            self.resource
        );
        out.extend_from_slice(bind.as_bytes());
        if let Some(room) = &self.room {
            let enter = format!(
                "<presence to='{room}/{}'><x xmlns='http://jabber.org/protocol/muc'>\
                 <history maxstanzas='0'/></x></presence>",
                self.nick
            );
            out.extend_from_slice(enter.as_bytes());
        }
    }
}

impl Dialect for Xmpp {
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.greet(out);
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        ears: &mut Ears<'_>,
    ) -> Result<usize, LoadError> {
        let mut taken = 0;
        while !self.is_ready() {
            match self.step(&bytes[taken..], out)? {
                0 => return Ok(taken),
                step => taken += step,
            }
        }
        while let Some(at) = find(&bytes[taken..], b"<body>") {
            let text = &bytes[taken + at + 6..];
            let Some(end) = memchr::memchr(b'<', text) else {
                break;
            };
            // What a server refuses comes back to who said it.
            if find(&bytes[taken..taken + at], b"type='error'").is_some() {
                ears.refuse();
            } else {
                ears.hear(&text[..end]);
            }
            taken += at + 6 + end;
        }
        let rest = &bytes[taken..];
        if let Some(at) = find(rest, b"<stream:error") {
            return Err(LoadError::chat("talking to an XMPP server", &rest[at..]));
        }
        // A message whose text is still to come, or else a tag, may be cut.
        let message = memmem::rfind(rest, b"<message")
            .filter(|&at| find(&rest[at..], b"</message>").is_none());
        let cut = message.or_else(|| memchr::memrchr(b'<', rest));
        Ok(taken + cut.unwrap_or(rest.len()))
    }

    fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    fn say(&self, text: &[u8], out: &mut Vec<u8>) {
        let room = self.room.as_deref().unwrap_or_default();
        put(
            out,
            &[
                b"<message type='groupchat' to='",
                room.as_bytes(),
                b"'><body>",
                text,
                b"</body></message>",
            ],
        );
    }
}
