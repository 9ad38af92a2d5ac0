//! What somebody who is logged in says, and what they ask the chat by it.

use chat::catalogue::Answer;
use chat::{Command, Cursor, Language, PageOf, RoomSettings, Sanction, Target};
use codec::line::{Here, Own, Sanctioned, Shown, Spoken, Verb, parse};

use super::action::LineAction;
use super::session::{LineSession, State};
use crate::limits::LINE_PAGE;

/// Somebody who is logged in.
pub(super) struct Open {
    /// Who.
    pub(super) login: Box<str>,
    /// The room where they are.
    pub(super) room: Option<Box<str>>,
    /// It is the default room.
    pub(super) is_default: bool,
    /// Why they are in another room was said already.
    pub(super) is_told: bool,
    /// The number of their newest message in the room; 0 without one.
    pub(super) last_said: u64,
    /// Messages whose fate is not known.
    pub(super) saying: u8,
    /// What was asked and not answered.
    pub(super) asked: Option<Asked>,
    /// They said goodbye, and go when it is known what became of their messages.
    pub(super) is_leaving: bool,
    /// They have been told where they are: before that nothing that they say has a place.
    pub(super) has_entered: bool,
}

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is shown.
    Shown,
    /// What it says is told by an event, or was said.
    Silent,
}

impl Open {
    pub(super) fn new(login: String) -> Self {
        Self {
            login: login.into(),
            room: None,
            is_default: false,
            is_told: false,
            last_said: 0,
            saying: 0,
            asked: None,
            is_leaving: false,
            has_entered: false,
        }
    }
}

impl LineSession {
    /// Takes a line of somebody who is logged in.
    pub(super) fn open_line(&mut self, line: &str) {
        match parse(line) {
            Spoken::Nothing => {}
            Spoken::Text(text) => {
                if let Some(room) = self.here() {
                    self.ask(say(Target::Room(room), text), Asked::Silent);
                }
            }
            Spoken::Here(here) => {
                if let Some(room) = self.here() {
                    self.about_here(here, room);
                }
            }
            Spoken::Own(own) => self.own(own),
            Spoken::LeaveRoom => self.leave_room(),
            Spoken::Unknown { name, meant } => self.unknown(name, meant),
            Spoken::Misused(verb) => self.misused(verb),
            Spoken::Who(None) => {
                if let Some(room) = self.here() {
                    self.ask(Command::Members { room }, Asked::Shown);
                }
            }
            Spoken::History {
                place,
                count,
                before,
            } => self.history(place, count, before),
            Spoken::Private { login, text } => {
                self.ask(say(Target::User(login.to_owned()), text), Asked::Silent);
            }
            Spoken::CreateRoom { room, keep } => {
                let room = room.to_owned();
                let is_only = true;
                self.ask(
                    Command::Create {
                        room,
                        keep,
                        is_only,
                    },
                    Asked::Silent,
                );
            }
            Spoken::EnterRoom(room) => self.ask(join(room), Asked::Silent),
            Spoken::DeleteRoom(room) => {
                let room = room.to_owned();
                self.ask(Command::DeleteRoom { room }, Asked::Shown);
            }
            Spoken::ListRooms => self.ask(Command::Rooms, Asked::Shown),
            Spoken::ShowUsers => self.ask(Command::Users, Asked::Shown),
            Spoken::Who(Some(room)) => {
                let room = room.to_owned();
                self.ask(Command::Members { room }, Asked::Shown);
            }
            Spoken::Unread => self.ask(Command::Conversations, Asked::Shown),
            Spoken::Search(words) => self.ask(search(words), Asked::Shown),
            Spoken::Block { login, is_on } => {
                let login = login.to_owned();
                self.ask(Command::Block { login, is_on }, Asked::Shown);
            }
            Spoken::Blocked => self.ask(Command::Blocked, Asked::Shown),
            Spoken::Away(note) => self.ask(away(true, note), Asked::Shown),
            Spoken::Back => self.ask(away(false, ""), Asked::Shown),
        }
    }

    /// Takes a line of a program. It has two commands, which are no JSON.
    pub(super) fn json_line(&mut self, line: &str) {
        let spoken = parse(line);
        if spoken == Spoken::Own(Own::Mode(Shown::Text)) {
            self.choose_mode(Shown::Text);
        } else if spoken == Spoken::Own(Own::Exit) {
            self.close();
        } else if spoken != Spoken::Nothing {
            self.act(LineAction::Json(line.to_owned()));
        }
    }

    /// Asks the chat. Nothing waits for what becomes of a message.
    fn ask(&mut self, command: Command, asked: Asked) {
        if let State::Open(open) = &mut self.state {
            if matches!(command, Command::Say { .. }) {
                open.saying = open.saying.saturating_add(1);
            } else {
                open.asked = Some(asked);
            }
        }
        self.act(LineAction::Ask(command));
    }

    /// The room where they are; says so if there is none.
    fn here(&mut self) -> Option<String> {
        let State::Open(open) = &self.state else {
            return None;
        };
        let room = open.room.as_deref().map(str::to_owned);
        if room.is_none() {
            self.notice(Answer::Nowhere {
                enter: Verb::EnterRoom.word(),
            });
        }
        room
    }

    fn about_here(&mut self, here: Here<'_>, room: String) {
        let of = Target::Room;
        match here {
            Here::Action(text) => self.ask(act(of(room), text), Asked::Silent),
            Here::Reply { seq, text } => self.ask(reply(of(room), seq, text), Asked::Silent),
            Here::Topic(None) => self.ask(Command::Room { room }, Asked::Shown),
            Here::Topic(Some(topic)) => self.set(room, |settings| {
                settings.topic = Some(topic.to_owned());
            }),
            Here::Slow(slow_s) => self.set(room, |settings| settings.slow_s = Some(slow_s)),
            Here::Keep(keep) => self.set(room, |settings| settings.keep = Some(keep)),
            Here::Edit { seq, text } => {
                if let Some(seq) = seq.or_else(|| self.last_said()) {
                    let (of, text) = (of(room), text.to_owned());
                    self.ask(Command::Edit { of, seq, text }, Asked::Silent);
                }
            }
            Here::Delete(seq) => {
                if let Some(seq) = seq.or_else(|| self.last_said()) {
                    self.ask(Command::Delete { of: of(room), seq }, Asked::Silent);
                }
            }
            Here::React { seq, emoji, is_on } => {
                let react = Command::React {
                    of: of(room),
                    seq,
                    emoji: emoji.to_owned(),
                    is_on,
                };
                self.ask(react, Asked::Silent);
            }
            Here::Kick { login, reason } => {
                let (login, reason) = (login.to_owned(), reason.to_owned());
                let kick = Command::Kick {
                    room,
                    login,
                    reason,
                };
                self.ask(kick, Asked::Shown);
            }
            Here::Ban { login, sanction } => {
                let sanction = sanction.map(|sanction| sanctioned(login, sanction));
                let login = login.to_owned();
                let ban = Command::Ban {
                    room,
                    login,
                    sanction,
                };
                self.ask(ban, Asked::Shown);
            }
            Here::Mute { login, sanction } => {
                let sanction = sanction.map(|sanction| sanctioned(login, sanction));
                let login = login.to_owned();
                let mute = Command::Mute {
                    room,
                    login,
                    sanction,
                };
                self.ask(mute, Asked::Shown);
            }
        }
    }

    fn set(&mut self, room: String, change: impl FnOnce(&mut RoomSettings)) {
        let mut settings = RoomSettings::default();
        change(&mut settings);
        self.ask(Command::Set { room, settings }, Asked::Silent);
    }

    /// The number of their newest message here; says so if there is none.
    fn last_said(&mut self) -> Option<u64> {
        let State::Open(open) = &self.state else {
            return None;
        };
        let seq = Some(open.last_said).filter(|seq| *seq > 0);
        if seq.is_none() {
            self.notice(Answer::NothingSaid {
                history: Verb::History.word(),
            });
        }
        seq
    }

    fn leave_room(&mut self) {
        let State::Open(open) = &self.state else {
            return;
        };
        match open.room.as_deref().map(str::to_owned) {
            Some(room) if !open.is_default => {
                let to_default = true;
                self.ask(Command::Leave { room, to_default }, Asked::Silent);
            }
            Some(_) | None => self.notice(Answer::InDefaultRoom),
        }
    }

    fn history(&mut self, place: Option<&str>, count: Option<u32>, before: Option<u64>) {
        let of = match place {
            Some(place) => Some(target(place)),
            None => self.here().map(Target::Room),
        };
        let Some(of) = of else { return };
        let page = PageOf {
            cursor: Cursor::Before(before.unwrap_or(u64::MAX)),
            limit: count.unwrap_or(LINE_PAGE),
        };
        self.ask(Command::History { of, page }, Asked::Shown);
    }

    fn own(&mut self, own: Own<'_>) {
        match own {
            Own::Time(t1_us) => self.act(LineAction::Time { t1_us }),
            Own::Language(code) => {
                if let Some(language) = self.choose_language(code) {
                    self.ask(Command::Speak { language }, Asked::Silent);
                }
            }
            Own::Mode(shown) => self.choose_mode(shown),
            Own::Echo(is_on) => {
                self.is_echoing = is_on;
                self.notice(Answer::Echo(is_on));
            }
            Own::Telnet => self.set_telnet(),
            Own::Help(verb) => self.help(verb),
            Own::Exit => self.leave_in_order(),
        }
    }

    /// Says goodbye, behind what became of what was said.
    fn leave_in_order(&mut self) {
        match &mut self.state {
            State::Open(open) if open.saying > 0 => open.is_leaving = true,
            State::Open(_)
            | State::Login
            | State::Password(_)
            | State::Registering(_)
            | State::Checking(_)
            | State::Closed => self.leave(),
        }
    }

    /// Speaks another language from now on; says which ones there are if that is none.
    pub(super) fn choose_language(&mut self, code: &str) -> Option<Language> {
        let language = Language::of(code);
        match language {
            Some(language) => {
                self.language = language;
                self.notice(Answer::LanguageChosen);
            }
            None => self.misused(Verb::Language),
        }
        language
    }

    fn choose_mode(&mut self, shown: Shown) {
        self.set_shown(shown);
        self.act(LineAction::Mode(shown));
        if shown == Shown::Text {
            self.notice(Answer::TextMode);
        }
    }
}

fn say(to: Target, text: &str) -> Command {
    Command::Say {
        to,
        text: text.to_owned(),
        is_action: false,
        sent_id: None,
        reply_to: None,
    }
}

fn act(to: Target, text: &str) -> Command {
    Command::Say {
        to,
        text: text.to_owned(),
        is_action: true,
        sent_id: None,
        reply_to: None,
    }
}

fn reply(to: Target, seq: u64, text: &str) -> Command {
    Command::Say {
        to,
        text: text.to_owned(),
        is_action: false,
        sent_id: None,
        reply_to: Some(seq),
    }
}

fn join(room: &str) -> Command {
    Command::Join {
        room: room.to_owned(),
        after: None,
        is_only: true,
    }
}

fn search(words: &str) -> Command {
    Command::Search {
        words: words.to_owned(),
        of: None,
        before: None,
        limit: LINE_PAGE,
    }
}

fn away(is_away: bool, note: &str) -> Command {
    Command::Away {
        is_away,
        note: note.to_owned(),
    }
}

fn sanctioned(login: &str, sanction: Sanctioned<'_>) -> Sanction {
    Sanction {
        login: login.to_owned(),
        minutes: sanction.minutes,
        reason: sanction.reason.to_owned(),
    }
}

/// A room, or `@login`.
fn target(place: &str) -> Target {
    match place.strip_prefix('@') {
        Some(login) => Target::User(login.to_owned()),
        None => Target::Room(place.to_owned()),
    }
}
