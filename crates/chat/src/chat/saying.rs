//! Saying things.

use std::sync::Arc;

use directory::chat::{ChatAuthor, ChatChange, ChatMessage, Draft, RoomNumber, SanctionKind};

use super::after::{After, Where};
use super::{Chat, refuse};
use crate::command::{Actor, Target};
use crate::effect::{Accounts, Effect, Ticket};
use crate::event::{Event, MessageView};
use crate::limits::{MENTIONS_MAX, SENT_ID_BYTES_MAX, TEXT_BYTES_MAX};
use crate::refusal::{Reason, Refusal, Rule};
use crate::reply::{Posted, Reply};
use crate::session::SessionId;

/// What somebody wants to say.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) text: String,
    pub(super) is_action: bool,
    pub(super) sent_id: Option<String>,
    pub(super) reply_to: Option<u64>,
}

impl From<ChatMessage> for MessageView {
    fn from(stored: ChatMessage) -> Self {
        let reactions = stored.reactions.into_iter();
        Self {
            id: stored.id,
            seq: stored.seq,
            from: stored.author,
            text: stored.text,
            is_action: stored.is_action,
            sent_id: stored.sent_id,
            reply_to: stored.reply_to,
            mentions: stored.mentions,
            at_ms: stored.at_ms,
            edited_ms: stored.edited_ms,
            deleted_ms: stored.deleted_ms,
            reactions: reactions.map(|one| (one.emoji, one.logins)).collect(),
        }
    }
}

impl Chat {
    pub(super) fn say(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        to: Target,
        saying: Saying,
        accounts: &dyn Accounts,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        check_text(&saying.text)?;
        if let Some(id) = &saying.sent_id
            && (id.is_empty() || id.len() > SENT_ID_BYTES_MAX)
        {
            return refuse(Reason::Invalid(Rule::SentId));
        }
        match to {
            Target::Room(typed) => {
                let room = self.room_for(&actor.login, &typed, now_ms)?;
                self.check_may_talk(actor, room, now_ms)?;
                self.check_flood(&actor.login, now_ms)?;
                let draft = draft(&actor.login, saying, accounts, now_ms);
                let after = After::Said {
                    ticket,
                    room,
                    from: actor.login.clone(),
                    reply_to: draft.reply_to,
                };
                self.store(ChatChange::Posted { room, draft }, after);
            }
            Target::User(login) => {
                if login == actor.login {
                    return refuse(Reason::Yourself);
                }
                let Some(found) = accounts.find(&login) else {
                    return refuse(Reason::NoUser(login));
                };
                self.check_flood(&actor.login, now_ms)?;
                let mut draft = draft(&actor.login, saying, accounts, now_ms);
                // Nobody else is told of a private message.
                draft.mentions.clear();
                let after = After::SaidTo {
                    ticket,
                    from: actor.login.clone(),
                    to: found.login.clone(),
                    reply_to: draft.reply_to,
                };
                let change = ChatChange::PostedTo {
                    to: ChatAuthor {
                        login: found.login,
                        created_ms: found.created_ms,
                    },
                    from_created_ms: actor.created_ms,
                    draft,
                };
                self.store(change, after);
            }
        }
        Ok(())
    }

    fn check_may_talk(
        &mut self,
        actor: &Actor,
        number: RoomNumber,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let Some(room) = self.rooms.get_mut(number) else {
            return Ok(());
        };
        if let Some(mute) = room.sanction(SanctionKind::Mute, &actor.login, now_ms) {
            return refuse(Reason::Muted {
                room: room.name.to_string(),
                until_ms: mute.until_ms,
            });
        }
        let runs_it = actor.is_administrator || room.owner.as_ref() == Some(&actor.login);
        if room.slow_s == 0 || runs_it {
            return Ok(());
        }
        let pause_ms = u64::from(room.slow_s) * 1_000;
        room.spoke_ms.retain(|_, at_ms| *at_ms + pause_ms > now_ms);
        if let Some(at_ms) = room.spoke_ms.get(&actor.login) {
            let wait_ms = at_ms + pause_ms - now_ms;
            return Err(Refusal::later(Reason::Slow(room.slow_s), wait_ms));
        }
        room.spoke_ms.insert(actor.login.clone(), now_ms);
        Ok(())
    }

    /// A message of a room is on disk.
    pub(super) fn said(
        &mut self,
        ticket: Ticket,
        number: RoomNumber,
        message: ChatMessage,
        is_duplicate: bool,
        now_ms: u64,
    ) {
        if is_duplicate {
            return self.said_before(ticket, message);
        }
        let message = Arc::new(MessageView::from(message));
        let Some(room) = self.rooms.get_mut(number) else {
            return self.answer(ticket, refuse(Reason::NoRoom(String::new())));
        };
        let place = room.name.clone();
        room.remember(message.clone());
        self.unswept(number, now_ms);
        if let Some(person) = self.people.get_mut(&message.from) {
            // The message's own transaction has moved it on disk.
            person.has_read(number, message.seq);
        }
        let event = Event::Message {
            place: place.clone(),
            message: message.clone(),
            is_history: false,
        };
        self.tell_room(number, &message.from, event);
        if !message.mentions.is_empty() {
            self.tell_mentioned(number, &place, &message, now_ms);
        }
        let posted = Posted {
            place,
            message,
            is_duplicate: false,
        };
        self.answer(ticket, Ok(Reply::Posted(posted)));
    }

    /// What is sent under a name that its sender has used before is what was said then, wherever that was.
    fn said_before(&mut self, ticket: Ticket, message: ChatMessage) {
        let number = message.room;
        let room = self.rooms.get(number).map(|room| room.name.clone());
        let author = self.people.get(&message.author);
        let talk = || {
            let mut talks = author?.talks.iter();
            let (with, _) = talks.find(|(_, talk)| talk.number == number)?;
            Some(format!("@{with}").into())
        };
        let Some(place) = room.or_else(talk) else {
            return self.answer(ticket, refuse(Reason::NoMessage(message.seq)));
        };
        let posted = Posted {
            place,
            message: Arc::new(message.into()),
            is_duplicate: true,
        };
        self.answer(ticket, Ok(Reply::Posted(posted)));
    }

    /// Tells everybody in a room but those who do not want to hear its author.
    pub(super) fn tell_room(&mut self, number: RoomNumber, author: &str, event: Event) {
        let Some(room) = self.rooms.get_mut(number) else {
            return;
        };
        let mut sessions = room.listeners();
        if let Some(blockers) = self.people.blockers(author) {
            let does_hear = |id: &&SessionId| {
                let session = self.sessions.find(**id);
                session.is_some_and(|one| !blockers.contains(&*one.login))
            };
            sessions = sessions.iter().filter(does_hear).copied().collect();
        }
        self.effects.push_back(Effect::Tell {
            sessions,
            event: Arc::new(event),
            room: Some(room.name.clone()),
        });
    }

    /// Tells those that a message names who are not in its room, and notes it for all of them.
    fn tell_mentioned(
        &mut self,
        number: RoomNumber,
        place: &Arc<str>,
        message: &Arc<MessageView>,
        now_ms: u64,
    ) {
        let mut told = Vec::new();
        for login in &message.mentions {
            let Some(room) = self.rooms.get(number) else {
                return;
            };
            let is_banned = room.sanction(SanctionKind::Ban, login, now_ms).is_some();
            let Some(person) = self.people.get_mut(login) else {
                continue;
            };
            if person.blocked.contains(&message.from) || *login == message.from {
                continue;
            }
            let is_in = |id: &SessionId| {
                let session = self.sessions.find(*id);
                session.is_some_and(|one| one.rooms.contains(&number))
            };
            let reads = |id: &&SessionId| {
                self.sessions.find(**id).is_some_and(|one| one.reads_all) && is_in(id)
            };
            if person.sessions.iter().find(reads).is_none() {
                let before = message.seq.saturating_sub(1);
                person
                    .position_from(number, before)
                    .mentions
                    .push(message.seq);
            }
            let elsewhere = person.sessions.iter().filter(|id| !is_in(id));
            told.extend(elsewhere.filter(|_| !is_banned).copied());
        }
        let event = Event::Mentioned {
            place: place.clone(),
            message: message.clone(),
        };
        self.tell_all(told.into(), Arc::new(event));
    }

    /// A private message is on disk.
    pub(super) fn said_to(
        &mut self,
        ticket: Ticket,
        from: &str,
        to: &str,
        message: ChatMessage,
        is_duplicate: bool,
    ) {
        if is_duplicate {
            return self.said_before(ticket, message);
        }
        let number = message.room;
        let message = Arc::new(MessageView::from(message));
        let place: Arc<str> = format!("@{to}").into();
        self.note_talk(from, to, number, &message, true);
        self.note_talk(to, from, number, &message, false);
        let posted = Posted {
            place,
            message,
            is_duplicate: false,
        };
        self.answer(ticket, Ok(Reply::Posted(posted)));
    }

    /// One of the two sides of a private message.
    fn note_talk(
        &mut self,
        login: &str,
        with: &str,
        number: RoomNumber,
        message: &Arc<MessageView>,
        is_author: bool,
    ) {
        let Some(person) = self.people.get_mut(login) else {
            return;
        };
        let talk = super::people::Talk {
            number,
            head: message.seq,
            last_ms: message.at_ms,
        };
        person.talks.insert(with.to_owned(), talk);
        let sessions: Arc<[_]> = person.sessions.as_slice().into();
        let reads = |id: &SessionId| self.sessions.find(*id).is_some_and(|one| one.reads_all);
        let is_read = sessions.iter().any(reads);
        if is_author {
            person.has_read(number, message.seq);
        }
        let event = Event::Message {
            place: format!("@{with}").into(),
            message: message.clone(),
            is_history: false,
        };
        self.tell_all(sessions, Arc::new(event));
        if is_read && !is_author {
            self.write_read(number, login, message.seq);
        }
    }

    /// Finds where a target is, for somebody.
    pub(super) fn locate(&self, actor: &Actor, of: &Target, now_ms: u64) -> Result<Where, Refusal> {
        match of {
            Target::Room(typed) => self.room_for(&actor.login, typed, now_ms).map(Where::Room),
            Target::User(login) => {
                let person = self.people.get(&actor.login);
                let talk = person.and_then(|person| person.talks.get(login));
                let Some(talk) = talk else {
                    return refuse(Reason::NoTalk(login.clone()));
                };
                Ok(Where::Talk {
                    number: talk.number,
                    me: actor.login.clone(),
                    with: login.clone(),
                })
            }
        }
    }
}

pub(super) fn check_text(text: &str) -> Result<(), Refusal> {
    if text.len() > TEXT_BYTES_MAX {
        return refuse(Reason::LongText(text.len()));
    }
    if text.trim().is_empty() {
        return refuse(Reason::EmptyText);
    }
    Ok(())
}

fn draft(login: &str, saying: Saying, accounts: &dyn Accounts, now_ms: u64) -> Draft {
    Draft {
        author: login.to_owned(),
        mentions: mentions(&saying.text, accounts),
        text: saying.text,
        is_action: saying.is_action,
        sent_id: saying.sent_id,
        reply_to: saying.reply_to,
        at_ms: now_ms,
    }
}

/// The accounts that a text names by `@login`.
pub(super) fn mentions(text: &str, accounts: &dyn Accounts) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    if !text.contains('@') {
        return found;
    }
    let mut before = ' ';
    for (place, character) in text.char_indices() {
        let starts = character == '@' && !before.is_alphanumeric();
        before = character;
        if !starts {
            continue;
        }
        let rest = text.get(place + 1..).unwrap_or_default();
        let is_part = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        // A full stop may end the sentence, not the name.
        let short = name.trim_end_matches(['.', '-', '_']);
        let account = [name, short]
            .into_iter()
            .filter(|name| !name.is_empty())
            .find_map(|name| accounts.find(name));
        let Some(account) = account else { continue };
        if !found.contains(&account.login) {
            found.push(account.login);
        }
        if found.len() == MENTIONS_MAX {
            break;
        }
    }
    found
}
