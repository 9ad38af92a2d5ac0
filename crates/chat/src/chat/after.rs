//! What stored changes lead to.

use std::sync::Arc;

use directory::chat::{ChatOutcome, ChatRefused, ChatRoom, ChatSanction, RoomNumber, SanctionKind};

use super::arrivals::Entry;
use super::{Chat, refuse};
use crate::command::{Actor, RoomSettings};
use crate::effect::{Accounts, Effect, Ticket};
use crate::event::{Event, LeftCause, RoomChange};
use crate::name::RoomName;
use crate::refusal::{Plenty, Reason, Refusal};
use crate::reply::Reply;
use crate::session::SessionId;

/// Where a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Where {
    Room(RoomNumber),
    Talk {
        number: RoomNumber,
        me: String,
        with: String,
    },
}

impl Where {
    pub(super) const fn number(&self) -> RoomNumber {
        match self {
            Self::Room(number) | Self::Talk { number, .. } => *number,
        }
    }
}

/// What a change leads to once it is stored.
#[derive(Debug)]
pub(super) enum After {
    Nothing,
    Done(Ticket),
    DefaultRoom {
        name: RoomName,
        now_ms: u64,
    },
    Loaded {
        login: String,
        created_ms: u64,
        now_ms: u64,
    },
    RoomMade {
        ticket: Ticket,
        session: Option<SessionId>,
        owner: String,
        name: RoomName,
        keep: bool,
        is_only: bool,
        now_ms: u64,
    },
    RoomSet {
        ticket: Ticket,
        room: RoomNumber,
        settings: RoomSettings,
        by: Actor,
    },
    RoomGone {
        ticket: Option<Ticket>,
        room: RoomNumber,
        cause: LeftCause,
    },
    Said {
        ticket: Ticket,
        room: RoomNumber,
        from: String,
        reply_to: Option<u64>,
    },
    SaidTo {
        ticket: Ticket,
        from: String,
        to: String,
        reply_to: Option<u64>,
    },
    Changed {
        ticket: Ticket,
        place: Where,
        seq: u64,
    },
    Read {
        ticket: Ticket,
        login: String,
        place: Arc<str>,
        room: RoomNumber,
    },
    Sanctioned {
        ticket: Ticket,
        room: RoomNumber,
        sanction: ChatSanction,
    },
    SanctionEnded {
        ticket: Ticket,
        room: RoomNumber,
        login: String,
        kind: SanctionKind,
        by: String,
    },
    BlockSet {
        ticket: Ticket,
        login: String,
        blocked: String,
        is_on: bool,
    },
}

impl Chat {
    /// Does what a stored change leads to.
    pub(super) fn follow(
        &mut self,
        after: After,
        outcome: ChatOutcome,
        accounts: &dyn Accounts,
        now_ms: u64,
    ) {
        if let ChatOutcome::Refused(refused) = outcome {
            return self.follow_refused(after, refused);
        }
        match (after, outcome) {
            (After::Done(ticket), _) => self.answer(ticket, Ok(Reply::Done)),
            (
                After::Loaded {
                    login, created_ms, ..
                },
                ChatOutcome::Person(person),
            ) => self.loaded(&login, created_ms, Some(*person), accounts, now_ms),
            (After::DefaultRoom { name, now_ms: at }, ChatOutcome::Room(number)) => {
                self.default_room = number;
                self.rooms.insert(made(number, &name, None, true, at));
            }
            (after @ After::RoomMade { .. }, ChatOutcome::Room(number)) => {
                self.room_made(after, number, now_ms);
            }
            (
                After::RoomSet {
                    ticket,
                    room,
                    settings,
                    by,
                },
                _,
            ) => self.room_set(ticket, room, settings, &by, now_ms),
            (
                After::RoomGone {
                    ticket,
                    room,
                    cause,
                },
                _,
            ) => {
                self.empty_room(room, &cause, now_ms);
                if let Some(ticket) = ticket {
                    self.answer(ticket, Ok(Reply::Done));
                }
            }
            (
                After::Said { ticket, room, .. },
                ChatOutcome::Posted {
                    message,
                    is_duplicate,
                },
            ) => self.said(ticket, room, *message, is_duplicate, now_ms),
            (
                After::SaidTo {
                    ticket, from, to, ..
                },
                ChatOutcome::Posted {
                    message,
                    is_duplicate,
                },
            ) => self.said_to(ticket, &from, &to, *message, is_duplicate),
            (After::Changed { ticket, place, .. }, ChatOutcome::Message(message)) => {
                self.changed(ticket, place, *message);
            }
            (
                After::Read {
                    ticket,
                    login,
                    place,
                    room,
                },
                _,
            ) => {
                self.has_read(&login, room, place);
                self.answer(ticket, Ok(Reply::Done));
            }
            (
                After::Sanctioned {
                    ticket,
                    room,
                    sanction,
                },
                _,
            ) => self.sanctioned(ticket, room, sanction, now_ms),
            (
                After::SanctionEnded {
                    ticket,
                    room,
                    login,
                    kind,
                    by,
                },
                _,
            ) => self.sanction_ended(ticket, room, login, kind, &by),
            (
                After::BlockSet {
                    ticket,
                    login,
                    blocked,
                    is_on,
                },
                _,
            ) => {
                self.blocked_now(&login, &blocked, is_on);
                self.answer(ticket, Ok(Reply::Done));
            }
            (
                after @ (After::Nothing
                | After::Loaded { .. }
                | After::DefaultRoom { .. }
                | After::RoomMade { .. }
                | After::Said { .. }
                | After::SaidTo { .. }
                | After::Changed { .. }),
                _,
            ) => self.give_up(after),
        }
    }

    fn room_made(&mut self, after: After, number: RoomNumber, now_ms: u64) {
        let After::RoomMade {
            ticket,
            session,
            owner,
            name,
            keep,
            is_only,
            now_ms: at,
        } = after
        else {
            return;
        };
        self.unreserve(&name);
        let room = made(number, &name, Some(owner.clone()), keep, at);
        self.rooms.insert(room);
        if !self.people.has_sessions(&owner) {
            self.doom(number, now_ms);
        }
        self.effects.push_back(Effect::Tell {
            sessions: Arc::from([]),
            event: Arc::new(Event::Room {
                place: name.name.as_str().into(),
                change: RoomChange::Created,
                by: owner.as_str().into(),
            }),
            room: Some(name.name.into()),
        });
        match session.filter(|id| self.sessions.find(*id).is_some()) {
            Some(session) => {
                let entry = Entry {
                    session,
                    room: number,
                    ticket: Some(ticket),
                    is_only,
                    cause: LeftCause::Asked,
                    after: None,
                    skipped: 0,
                };
                self.enter(entry, now_ms);
            }
            None => {
                let reply = self.room_reply(&owner, number).unwrap_or(Reply::Done);
                self.answer(ticket, Ok(reply));
            }
        }
    }

    fn unreserve(&mut self, name: &RoomName) {
        self.rooms.reserved.remove(&name.fold);
        self.rooms.reserved.remove(&name.skeleton);
    }

    fn room_set(
        &mut self,
        ticket: Ticket,
        number: RoomNumber,
        settings: RoomSettings,
        by: &Actor,
        now_ms: u64,
    ) {
        let Some(room) = self.rooms.get_mut(number) else {
            return self.answer(ticket, refuse(Reason::NoRoom(String::new())));
        };
        let mut changes = Vec::new();
        if let Some(topic) = settings.topic {
            room.topic.clone_from(&topic);
            changes.push(RoomChange::Topic(topic));
        }
        if let Some(keep) = settings.keep {
            room.keep = keep;
            changes.push(RoomChange::Keep(keep));
        }
        if let Some(slow_s) = settings.slow_s {
            room.slow_s = slow_s;
            room.spoke_ms.clear();
            changes.push(RoomChange::Slow(slow_s));
        }
        let owner = room.owner.clone().unwrap_or_default();
        let is_fleeting = !room.keep && number != self.default_room;
        if is_fleeting && !self.people.has_sessions(&owner) {
            self.doom(number, now_ms);
        }
        for change in changes {
            self.tell_room_change(number, change, &by.login);
        }
        let reply = self.room_reply(&by.login, number).unwrap_or(Reply::Done);
        self.answer(ticket, Ok(reply));
    }

    fn tell_room_change(&mut self, number: RoomNumber, change: RoomChange, by: &str) {
        let Some(room) = self.rooms.get_mut(number) else {
            return;
        };
        let event = Event::Room {
            place: room.name.clone(),
            change,
            by: by.into(),
        };
        self.effects.push_back(Effect::Tell {
            sessions: room.listeners(),
            event: Arc::new(event),
            room: Some(room.name.clone()),
        });
    }

    /// Tells whoever follows all rooms, and nobody in the room: what listens in its name has to end.
    fn note_ban(&mut self, number: RoomNumber, login: &str, is_on: bool, by: &str) {
        let Some(room) = self.rooms.get(number) else {
            return;
        };
        let login = login.to_owned();
        let event = Event::Room {
            place: room.name.clone(),
            change: RoomChange::Banned { login, is_on },
            by: by.into(),
        };
        self.effects.push_back(Effect::Tell {
            sessions: Arc::from([]),
            event: Arc::new(event),
            room: Some(room.name.clone()),
        });
    }

    fn sanctioned(
        &mut self,
        ticket: Ticket,
        number: RoomNumber,
        sanction: ChatSanction,
        now_ms: u64,
    ) {
        let Some(room) = self.rooms.get_mut(number) else {
            return self.answer(ticket, refuse(Reason::NoRoom(String::new())));
        };
        let key = (sanction.kind, sanction.login.clone());
        room.sanctions.insert(key, sanction.clone());
        match sanction.kind {
            SanctionKind::Ban => {
                self.note_ban(number, &sanction.login, true, &sanction.by);
                let cause = LeftCause::Banned {
                    by: sanction.by,
                    reason: sanction.reason,
                    until_ms: sanction.until_ms,
                };
                self.send_out(number, &sanction.login, &cause, now_ms);
            }
            SanctionKind::Mute => {
                let change = RoomChange::Muted {
                    login: sanction.login,
                    is_on: true,
                };
                self.tell_room_change(number, change, &sanction.by);
            }
        }
        self.answer(ticket, Ok(Reply::Done));
    }

    fn sanction_ended(
        &mut self,
        ticket: Ticket,
        number: RoomNumber,
        login: String,
        kind: SanctionKind,
        by: &str,
    ) {
        if let Some(room) = self.rooms.get_mut(number) {
            room.sanctions.remove(&(kind, login.clone()));
        }
        let is_on = false;
        match kind {
            SanctionKind::Ban => self.note_ban(number, &login, is_on, by),
            SanctionKind::Mute => {
                self.tell_room_change(number, RoomChange::Muted { login, is_on }, by);
            }
        }
        self.answer(ticket, Ok(Reply::Done));
    }

    fn follow_refused(&mut self, after: After, refused: ChatRefused) {
        let reason = match (refused, &after) {
            (ChatRefused::NoMessage, After::Changed { seq, .. }) => Reason::NoMessage(*seq),
            (
                ChatRefused::NoMessage,
                After::Said { reply_to, .. } | After::SaidTo { reply_to, .. },
            ) => Reason::NoMessage(reply_to.unwrap_or_default()),
            (ChatRefused::NoMessage, _) => Reason::NoMessage(0),
            (ChatRefused::NoRoom, _) => Reason::NoRoom(String::new()),
            (ChatRefused::NotAuthor, _) => Reason::NotAuthor,
            (ChatRefused::TooOld, _) => Reason::TooOld,
            (ChatRefused::Blocked, After::SaidTo { to, .. }) => Reason::Blocked(to.clone()),
            (ChatRefused::Blocked, _) => Reason::Blocked(String::new()),
            (ChatRefused::TooMany, _) => Reason::TooMany(Plenty::Emojis),
        };
        self.give_up_because(after, &reason);
    }

    /// A change was not stored: whoever waits for it is told.
    pub(super) fn give_up(&mut self, after: After) {
        self.give_up_because(after, &Reason::Unavailable);
    }

    fn give_up_because(&mut self, after: After, reason: &Reason) {
        match after {
            After::Nothing | After::DefaultRoom { .. } => {}
            After::Loaded {
                login,
                created_ms,
                now_ms,
            } => self.loaded(&login, created_ms, None, &Nobody, now_ms),
            After::RoomGone { ticket, room, .. } => {
                if let Some(room) = self.rooms.get_mut(room) {
                    room.is_dying = false;
                }
                if let Some(ticket) = ticket {
                    self.answer(ticket, refuse(reason.clone()));
                }
            }
            After::RoomMade { ticket, name, .. } => {
                self.unreserve(&name);
                self.answer(ticket, refuse(reason.clone()));
            }
            After::Said {
                ticket, room, from, ..
            } => {
                // What was not said does not count in a slow room.
                if let Some(room) = self.rooms.get_mut(room) {
                    room.spoke_ms.remove(&from);
                }
                self.answer(ticket, refuse(reason.clone()));
            }
            After::Done(ticket)
            | After::RoomSet { ticket, .. }
            | After::SaidTo { ticket, .. }
            | After::Changed { ticket, .. }
            | After::Read { ticket, .. }
            | After::Sanctioned { ticket, .. }
            | After::SanctionEnded { ticket, .. }
            | After::BlockSet { ticket, .. } => {
                self.answer(ticket, Err(Refusal::new(reason.clone())));
            }
        }
    }
}

/// For what is refused whoever there may be.
struct Nobody;

impl Accounts for Nobody {
    fn find(&self, _: &str) -> Option<crate::effect::AccountFacts> {
        None
    }

    fn logins(&self) -> Vec<String> {
        Vec::new()
    }
}

fn made(
    number: RoomNumber,
    name: &RoomName,
    owner: Option<String>,
    keep: bool,
    created_ms: u64,
) -> ChatRoom {
    ChatRoom {
        number,
        name: name.name.clone(),
        fold: name.fold.clone(),
        skeleton: name.skeleton.clone(),
        owner,
        keep,
        topic: String::new(),
        slow_s: 0,
        created_ms,
        head: 0,
        sanctions: Vec::new(),
    }
}
