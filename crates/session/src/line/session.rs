//! The states of a connection.
//!
//! ```text
//! Login ── login ──> Password ── password ──> Checking ── accepted ──> Open ── #exit ──> Closed
//!   ^  \── new ────> Registering ── all asked ──/ | ^ token            (also from all others, when time is up)
//!   └───────────────────── refused ───────────────┘
//! ```

use std::collections::VecDeque;

use chat::catalogue::{self, Answer, Entry, Farewell, Sentence};
use chat::{Event, Language, MessageView, Refusal, Reply};
use codec::line::{Heard, LINE_BYTES_MAX, LineDecoder, Shown, Verb, sanitise, telnet};

use super::action::{LineAction, LogInRefused, LoggedIn, Unreadable};
use super::dialogue::Dialogue;
use super::open::Open;
use super::render::Rendering;
use crate::limits::{LINE_ACTIONS_MAX, LINE_LOGIN_BYTES_MAX, LINE_OUTPUT_BYTES_MAX, LINE_SAYS_MAX};

/// What begins every line that is the server's own: no login has a space, so nobody's message begins like it.
const NOTICE: &[u8] = b"-- ";

/// Who may make an account by the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Everyone.
    Open,
    /// Who has the code of an invitation.
    Invitation,
    /// Nobody.
    Closed,
}

/// What a connection is greeted with, and the rules until it is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting<'a> {
    /// The server's name.
    pub server: &'a str,
    /// Its version.
    pub version: &'a str,
    /// In which language to speak until the account has chosen one.
    pub language: Language,
    /// Who may make an account.
    pub registration: Registration,
    /// The server's time.
    ///
    /// *Units*: milliseconds since 1970.
    pub time_ms: u64,
    /// How long a client may send nothing at all before it is closed; `None` is as long as the login may take.
    pub first_byte_ms: Option<u32>,
    /// How long the login may take from the connection's beginning.
    pub login_ms: u32,
}

/// The state machine of one connection.
pub struct LineSession {
    decoder: LineDecoder,
    output: Vec<u8>,
    actions: VecDeque<LineAction>,
    pub(super) state: State,
    connected_ms: u64,
    first_byte_ms: Option<u32>,
    login_ms: u32,
    pub(super) registration: Registration,
    pub(super) language: Language,
    shown: Shown,
    /// The client speaks telnet.
    is_telnet: bool,
    /// It was told to show nothing of what is typed.
    is_hidden: bool,
    /// It has sent something.
    is_heard: bool,
    /// It is sent its own messages.
    pub(super) is_echoing: bool,
    /// Wrong passwords.
    pub(super) failures: u8,
}

/// Where the connection is.
pub(super) enum State {
    /// It is asked for a login.
    Login,
    /// It is asked for the password of a login.
    Password(Box<str>),
    /// It is asked for what an account needs.
    Registering(Box<Dialogue>),
    /// Its login is being checked, or its account made.
    Checking(Option<Box<Dialogue>>),
    /// It is logged in.
    Open(Open),
    /// It is over.
    Closed,
}

impl LineSession {
    /// Greets a connection; `now_ms` is from any fixed point, as everywhere here.
    #[must_use]
    pub fn new(greeting: &Greeting<'_>, now_ms: u64) -> Self {
        let mut session = Self {
            decoder: LineDecoder::new(LINE_LOGIN_BYTES_MAX),
            output: Vec::new(),
            actions: VecDeque::new(),
            state: State::Login,
            connected_ms: now_ms,
            first_byte_ms: greeting.first_byte_ms,
            login_ms: greeting.login_ms,
            registration: greeting.registration,
            language: greeting.language,
            shown: Shown::Text,
            is_telnet: false,
            is_hidden: false,
            is_heard: false,
            is_echoing: true,
            failures: 0,
        };
        session.notice(Entry::Welcome {
            server: greeting.server,
            version: greeting.version,
            time_ms: greeting.time_ms,
        });
        session.notice(Entry::TelnetHint {
            telnet: Verb::Telnet.word(),
        });
        session.ask_login();
        session
    }

    /// Takes what the client sent, and says how much of it: less than all while an answer is outstanding or too much waits to be taken.
    pub fn handle_input(&mut self, bytes: &[u8]) -> usize {
        self.is_heard |= !bytes.is_empty();
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            if matches!(self.state, State::Closed) {
                return bytes.len();
            }
            if self.is_waiting() {
                break;
            }
            let (taken, heard) = self.decoder.decode(rest);
            used += taken;
            match heard {
                Some(Heard::Line(line)) => self.line(&line),
                Some(Heard::TooLong) => self.unreadable(Unreadable::TooLong),
                Some(Heard::NotText) => self.unreadable(Unreadable::NotText),
                Some(Heard::Telnet(answer)) => {
                    self.is_telnet = true;
                    self.output.extend(answer.into_iter().flatten());
                }
                None => {}
            }
        }
        used
    }

    /// Takes the next wish.
    pub fn poll_action(&mut self) -> Option<LineAction> {
        let action = self.actions.pop_front();
        if self.actions.is_empty() {
            // An idle connection holds nothing.
            self.actions = VecDeque::new();
        }
        action
    }

    /// Says what became of a login or a registration; whether somebody is logged in by that, and not gone meanwhile.
    pub fn logged_in(&mut self, result: Result<LoggedIn, LogInRefused>) -> bool {
        let State::Checking(dialogue) = &mut self.state else {
            return false;
        };
        let dialogue = dialogue.take();
        match result {
            Ok(account) => {
                self.open(account);
                true
            }
            Err(refused) => {
                self.refused(&refused, dialogue);
                false
            }
        }
    }

    /// Says what became of a command that was no [`chat::Command::Say`].
    pub fn answered(&mut self, result: Result<&Reply, &Refusal>) {
        self.handle_answer(result);
    }

    /// Says what became of a [`chat::Command::Say`].
    pub fn said(&mut self, result: Result<&Reply, &Refusal>) {
        self.handle_said(result);
    }

    /// Says what time it is: when the server heard and when it answers, in microseconds since 1970.
    pub fn timed(&mut self, t1_us: Option<i64>, t2_us: i64, t3_us: i64) {
        self.notice(Answer::Time {
            t1_us,
            t2_us,
            t3_us,
        });
    }

    /// Shows what happened in the chat, unless the client is in machine mode.
    pub fn handle_event(&mut self, event: &Event) {
        self.show(event);
    }

    /// Says what is on the way to the client, and lets the caller append what it has written for many: what
    /// [`super::render_message`] makes for [`Self::rendering`], if [`Self::wants`] it.
    pub const fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Takes what is to be written; an idle session holds no buffer.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// How the client is shown the messages of rooms: those for whom this is equal are sent the same bytes.
    #[must_use]
    pub const fn rendering(&self) -> Rendering {
        Rendering {
            language: self.language,
        }
    }

    /// Whether the client is sent a message as text.
    #[must_use]
    pub fn wants(&self, message: &MessageView) -> bool {
        let is_own = || self.login().is_some_and(|login| login == message.from);
        self.shown == Shown::Text && (self.is_echoing || !is_own())
    }

    /// Whether somebody is logged in and has been told where they are.
    #[must_use]
    pub const fn has_entered(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.has_entered)
    }

    /// How the client is shown the chat.
    #[must_use]
    pub const fn mode(&self) -> Shown {
        self.shown
    }

    /// In which language it is spoken to.
    #[must_use]
    pub const fn language(&self) -> Language {
        self.language
    }

    /// Who is logged in.
    #[must_use]
    pub const fn login(&self) -> Option<&str> {
        match &self.state {
            State::Open(open) => Some(&open.login),
            State::Login
            | State::Password(_)
            | State::Registering(_)
            | State::Checking(_)
            | State::Closed => None,
        }
    }

    /// When [`Self::handle_timeout`] has something to do: until the login only.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        match &self.state {
            State::Open(_) | State::Closed => None,
            State::Login | State::Password(_) | State::Registering(_) | State::Checking(_) => {
                let silent_ms = self.first_byte_ms.filter(|_| !self.is_heard);
                let after_ms = silent_ms.map_or(self.login_ms, |ms| ms.min(self.login_ms));
                Some(self.connected_ms + u64::from(after_ms))
            }
        }
    }

    /// Closes the connection if its login has taken too long.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        if self
            .next_deadline()
            .is_some_and(|deadline| deadline <= now_ms)
        {
            self.notice(Entry::LoginTimeout);
            self.close();
        }
    }

    /// Says why the connection ends, and ends it: the server stops, the account is gone, the client reads nothing.
    pub fn end(&mut self, why: Farewell) {
        if self.shown == Shown::Text {
            self.notice(why);
        }
        self.close();
    }

    /// Whether no line is taken at the moment.
    fn is_waiting(&self) -> bool {
        let is_full = self.actions.len() >= LINE_ACTIONS_MAX;
        let is_full = is_full || self.output.len() >= LINE_OUTPUT_BYTES_MAX;
        is_full
            || match &self.state {
                State::Checking(_) => true,
                State::Open(open) => {
                    let is_asking = open.asked.is_some() || open.is_leaving;
                    is_asking || !open.has_entered || open.saying >= LINE_SAYS_MAX
                }
                State::Login | State::Password(_) | State::Registering(_) | State::Closed => false,
            }
    }

    fn line(&mut self, line: &str) {
        match &self.state {
            State::Login => self.login_line(line),
            State::Password(_) => self.password_line(line),
            State::Registering(_) => self.registering_line(line),
            State::Open(_) if self.shown == Shown::Json => self.json_line(line),
            State::Open(_) => self.open_line(line),
            State::Checking(_) | State::Closed => {}
        }
    }

    fn unreadable(&mut self, why: Unreadable) {
        if self.shown == Shown::Json {
            return self.act(LineAction::NoJson(why));
        }
        let bytes_max = match self.login() {
            Some(_) => LINE_BYTES_MAX,
            None => usize::from(LINE_LOGIN_BYTES_MAX),
        };
        self.notice(match why {
            Unreadable::TooLong => Answer::LineTooLong { bytes_max },
            Unreadable::NotText => Answer::NotText,
        });
    }

    pub(super) fn act(&mut self, action: LineAction) {
        self.actions.push_back(action);
    }

    pub(super) fn close(&mut self) {
        self.hide(false);
        self.state = State::Closed;
        self.act(LineAction::Close);
    }

    pub(super) const fn set_shown(&mut self, shown: Shown) {
        self.shown = shown;
        self.decoder.set_verbatim(matches!(shown, Shown::Json));
    }

    pub(super) const fn set_telnet(&mut self) {
        self.is_telnet = true;
    }

    /// From the login on lines may be as long as messages are.
    pub(super) fn take_long_lines(&mut self) {
        self.decoder.set_bytes_max(LINE_BYTES_MAX as u16);
    }

    /// Tells a telnet client to show nothing of what is typed, or to show it again.
    pub(super) fn hide(&mut self, is_hidden: bool) {
        if !self.is_telnet || self.is_hidden == is_hidden {
            return;
        }
        self.is_hidden = is_hidden;
        if is_hidden {
            self.output.extend(telnet::ECHO_OFF);
        } else {
            self.output.extend(telnet::ECHO_ON);
            // The line's end that was typed was not shown either.
            self.output.push(b'\n');
        }
    }

    /// Writes a line of the server's own.
    pub(super) fn notice<'a>(&mut self, sentence: impl Into<Sentence<'a>>) {
        let text = catalogue::say(self.language, sentence);
        self.notice_text(&text);
    }

    pub(super) fn notice_text(&mut self, text: &str) {
        self.output.extend_from_slice(NOTICE);
        sanitise(text, &mut self.output);
        self.output.push(b'\n');
    }
}
