//! The whole chat as one owner sees it.
//!
//! In go [`Chat::attach`], [`Chat::handle`] and [`Chat::detach`], what came of changes ([`Chat::handle_committed`]) and reads
//! ([`Chat::handle_read`]), and the time ([`Chat::handle_timeout`]). Out come changes to be stored ([`Chat::take_changes`]) and then
//! [`Effect`]s ([`Chat::poll_effect`]), in this order, until both are empty.
//!
//! Whatever a change leads to waits until it is stored: its place in [`Chat::in_flight`] says what that is.

mod after;
mod arrivals;
mod changing;
mod listing;
mod moderation;
mod people;
mod presence;
mod rooms;
mod saying;
mod settling;
mod timers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use directory::chat::{ChatChange, ChatOutcome, ChatSnapshot, RoomNumber};

use crate::command::{Actor, Command};
use crate::effect::{Accounts, Effect, Query, Ticket};
use crate::event::Event;
use crate::name::RoomName;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::session::SessionId;
use crate::settings::Settings;

use after::After;
use people::People;
use rooms::Rooms;
use settling::PendingRead;
use timers::{Timer, Timers};

/// The chat: rooms, people, sessions, and what is under way.
#[derive(Debug)]
pub struct Chat {
    settings: Settings,
    rooms: Rooms,
    people: People,
    sessions: crate::sessions::Sessions,
    default_room: RoomNumber,
    /// Changes that were not taken yet, with what each leads to.
    changes: Vec<ChatChange>,
    afters: Vec<After>,
    /// What the changes lead to that were taken and are being stored, a batch after the other.
    in_flight: VecDeque<Vec<After>>,
    effects: VecDeque<Effect>,
    reads: BTreeMap<u64, PendingRead>,
    next_read: u64,
    timers: Timers,
    /// Rooms that got messages since it was last written down who has read them.
    unswept: BTreeSet<RoomNumber>,
}

impl Chat {
    /// Begins with what is stored. If the default room is not among it, it is the first change to be stored.
    ///
    /// # Errors
    /// The default room cannot have its name.
    pub fn new(
        settings: Settings,
        snapshot: ChatSnapshot,
        now_ms: u64,
    ) -> Result<Self, crate::name::RoomNameError> {
        let name = RoomName::parse(&settings.default_room)?;
        let mut chat = Self {
            people: People::new(snapshot.seen),
            settings,
            rooms: Rooms::new(snapshot.rooms),
            sessions: crate::sessions::Sessions::default(),
            default_room: RoomNumber(0),
            changes: Vec::new(),
            afters: Vec::new(),
            in_flight: VecDeque::new(),
            effects: VecDeque::new(),
            reads: BTreeMap::new(),
            next_read: 0,
            timers: Timers::default(),
            unswept: BTreeSet::new(),
        };
        match chat.rooms.find(&name.fold) {
            Some(room) => chat.default_room = room,
            None => chat.add_default_room(name, now_ms),
        }
        // Creators have a while to come back after a restart too.
        for room in chat.rooms.fleeting(chat.default_room) {
            chat.doom(room, now_ms);
        }
        let first = now_ms + timers::RETENTION_FIRST_MS;
        chat.timers.set(Timer::Retention, first);
        Ok(chat)
    }

    /// Says who is asking and what for. The answer is an [`Effect::Answer`] with the ticket.
    pub fn handle(
        &mut self,
        actor: Actor,
        ticket: Ticket,
        command: Command,
        accounts: &dyn Accounts,
        now_ms: u64,
    ) {
        if !self.people.is_loaded(&actor.login, actor.created_ms) {
            let waiting = people::Waiting::Command {
                actor: actor.clone(),
                ticket,
                command,
            };
            return self.load(&actor.login, actor.created_ms, waiting, now_ms);
        }
        self.note_activity(&actor, &command, now_ms);
        let result = self.act(&actor, ticket, command, accounts, now_ms);
        if let Some(result) = result.transpose() {
            self.answer(ticket, result);
        }
    }

    /// Does what is asked; `None` when the answer comes later.
    fn act(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        command: Command,
        accounts: &dyn Accounts,
        now_ms: u64,
    ) -> Result<Option<Reply>, Refusal> {
        match command {
            Command::Say {
                to,
                text,
                is_action,
                sent_id,
                reply_to,
            } => {
                let saying = saying::Saying {
                    text,
                    is_action,
                    sent_id,
                    reply_to,
                };
                self.say(actor, ticket, to, saying, accounts, now_ms)?;
            }
            Command::Join {
                room,
                after,
                is_only,
            } => self.join(actor, ticket, &room, after, is_only, now_ms)?,
            Command::Leave { room, to_default } => {
                return self.leave(actor, &room, to_default, now_ms).map(Some);
            }
            Command::Create {
                room,
                keep,
                is_only,
            } => self.create(actor, ticket, &room, keep, is_only, now_ms)?,
            Command::Set { room, settings } => self.set(actor, ticket, &room, settings)?,
            Command::DeleteRoom { room } => self.delete_room(actor, ticket, &room)?,
            Command::Room { room } => return self.show_room(actor, &room, now_ms).map(Some),
            Command::Rooms => return Ok(Some(self.list_rooms(actor))),
            Command::OwnRooms => return Ok(Some(self.list_own_rooms(actor, now_ms))),
            Command::Conversations => return Ok(Some(self.list_conversations(actor, now_ms))),
            Command::Users => return Ok(Some(self.list_users(accounts, now_ms))),
            Command::Members { room } => {
                return self.list_members(actor, &room, now_ms).map(Some);
            }
            Command::History { of, page } => self.history(actor, ticket, &of, &page, now_ms)?,
            Command::Search {
                words,
                of,
                before,
                limit,
            } => self.search(actor, ticket, words, of.as_ref(), before, limit, now_ms)?,
            Command::Edit { of, seq, text } => {
                self.edit(actor, ticket, &of, seq, text, accounts, now_ms)?;
            }
            Command::Delete { of, seq } => self.delete(actor, ticket, &of, seq, now_ms)?,
            Command::React {
                of,
                seq,
                emoji,
                is_on,
            } => self.react(actor, ticket, &of, seq, emoji, is_on, now_ms)?,
            Command::Read { of, seq } => self.read(actor, ticket, &of, seq, now_ms)?,
            Command::Notify { of, level } => self.notify(actor, ticket, &of, &level, now_ms)?,
            Command::Typing { of } => return self.typing(actor, &of, now_ms).map(Some),
            Command::Away { is_away, note } => {
                return self.away(actor, is_away, note, now_ms).map(Some);
            }
            Command::Kick {
                room,
                login,
                reason,
            } => {
                return self
                    .kick(actor, &room, &login, reason, accounts, now_ms)
                    .map(Some);
            }
            Command::Ban {
                room,
                login,
                sanction,
            } => {
                let kind = directory::chat::SanctionKind::Ban;
                self.sanction(
                    actor, ticket, kind, &room, &login, sanction, accounts, now_ms,
                )?;
            }
            Command::Mute {
                room,
                login,
                sanction,
            } => {
                let kind = directory::chat::SanctionKind::Mute;
                self.sanction(
                    actor, ticket, kind, &room, &login, sanction, accounts, now_ms,
                )?;
            }
            Command::Sanctions {
                room,
                kind,
                behind,
                limit,
            } => {
                return self
                    .list_sanctions(actor, &room, kind, behind, limit, now_ms)
                    .map(Some);
            }
            Command::Block { login, is_on } => {
                self.block(actor, ticket, &login, is_on, accounts)?;
            }
            Command::Blocked => return Ok(Some(self.list_blocked(actor))),
            Command::Speak { language } => self.speak(actor, ticket, language),
        }
        Ok(None)
    }

    /// How many rooms there are.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// The changes to be stored next, in one batch; what came of them goes to [`Self::handle_committed`]. Empty = none.
    pub fn take_changes(&mut self) -> Vec<ChatChange> {
        if !self.changes.is_empty() {
            self.in_flight.push_back(std::mem::take(&mut self.afters));
        }
        std::mem::take(&mut self.changes)
    }

    /// Says whether there are changes to take.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// A batch of changes is on disk, the oldest that was taken.
    ///
    /// # Panics
    /// There are not as many outcomes as there were changes: then nobody knows who is to be answered what.
    pub fn handle_committed(
        &mut self,
        outcomes: Vec<ChatOutcome>,
        accounts: &dyn Accounts,
        now_ms: u64,
    ) {
        let afters = self.in_flight.pop_front().unwrap_or_default();
        assert_eq!(afters.len(), outcomes.len(), "each change has its outcome");
        for (after, outcome) in afters.into_iter().zip(outcomes) {
            self.follow(after, outcome, accounts, now_ms);
        }
    }

    /// A batch of changes could not be stored, the oldest that was taken: whoever waits for them is told.
    pub fn handle_uncommitted(&mut self) {
        for after in self.in_flight.pop_front().unwrap_or_default() {
            self.give_up(after);
        }
    }

    /// The next thing to be done.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Has something stored, and what it leads to done then.
    fn store(&mut self, change: ChatChange, after: After) {
        self.changes.push(change);
        self.afters.push(after);
    }

    fn answer(&mut self, ticket: Ticket, result: Result<Reply, Refusal>) {
        let result = Box::new(result);
        self.effects.push_back(Effect::Answer { ticket, result });
    }

    fn tell(&mut self, session: SessionId, event: Event) {
        let sessions = Arc::from([session]);
        self.tell_all(sessions, Arc::new(event));
    }

    fn tell_all(&mut self, sessions: Arc<[SessionId]>, event: Arc<Event>) {
        if !sessions.is_empty() {
            let room = None;
            self.effects.push_back(Effect::Tell {
                sessions,
                event,
                room,
            });
        }
    }

    fn ask_history(&mut self, query: Query, pending: PendingRead) {
        let id = self.next_read;
        self.next_read += 1;
        self.reads.insert(id, pending);
        self.effects.push_back(Effect::Read { id, query });
    }
}

fn refuse<T>(reason: Reason) -> Result<T, Refusal> {
    Err(Refusal::new(reason))
}

#[cfg(test)]
mod tests;
