//! Saying things, and taking them back.

use std::sync::Arc;

use directory::chat::{ChatAuthor, ChatChange, ChatMessage, Draft, RoomNumber, SanctionKind};
use unicode_segmentation::UnicodeSegmentation as _;

use super::after::{After, Where};
use super::{Chat, refuse};
use crate::command::{Actor, Target};
use crate::effect::{Accounts, Effect, Ticket};
use crate::event::{Event, MessageView};
use crate::limits::{EMOJI_BYTES_MAX, MENTIONS_MAX, SENT_ID_BYTES_MAX, TEXT_BYTES_MAX};
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
                let after = After::Said { ticket, room };
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

    #[expect(clippy::too_many_arguments, reason = "each is a word of the command")]
    pub(super) fn edit(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        of: &Target,
        seq: u64,
        text: String,
        accounts: &dyn Accounts,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        check_text(&text)?;
        let place = self.locate(actor, of, now_ms)?;
        self.check_heard(&place)?;
        if let Where::Room(room) = place {
            self.check_may_talk_at_all(actor, room, now_ms)?;
        }
        self.check_flood(&actor.login, now_ms)?;
        let change = ChatChange::Edited {
            room: place.number(),
            seq,
            author: actor.login.clone(),
            mentions: mentions(&text, accounts),
            text,
            at_ms: now_ms,
            since_ms: self.edit_since(now_ms),
        };
        let after = After::Changed { ticket, place, seq };
        self.store(change, after);
        Ok(())
    }

    /// Refuses to change messages to somebody who does not want to hear who changes them.
    fn check_heard(&self, place: &Where) -> Result<(), Refusal> {
        let Where::Talk { me, with, .. } = place else {
            return Ok(());
        };
        let other = self.people.get(with);
        if other.is_some_and(|other| other.blocked.contains(me)) {
            return refuse(Reason::Blocked(with.clone()));
        }
        Ok(())
    }

    fn check_may_talk_at_all(
        &self,
        actor: &Actor,
        number: RoomNumber,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let Some(room) = self.rooms.get(number) else {
            return Ok(());
        };
        match room.sanction(SanctionKind::Mute, &actor.login, now_ms) {
            Some(mute) => refuse(Reason::Muted {
                room: room.name.to_string(),
                until_ms: mute.until_ms,
            }),
            None => Ok(()),
        }
    }

    const fn edit_since(&self, now_ms: u64) -> u64 {
        match self.settings.edit_ms {
            0 => 0,
            window => now_ms.saturating_sub(window),
        }
    }

    pub(super) fn delete(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        of: &Target,
        seq: u64,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let place = self.locate(actor, of, now_ms)?;
        let runs_it = match &place {
            Where::Room(number) => {
                let room = self.rooms.get(*number);
                let is_owner = room.is_some_and(|room| room.owner.as_ref() == Some(&actor.login));
                is_owner || actor.is_administrator
            }
            Where::Talk { .. } => false,
        };
        let since_ms = if runs_it { 0 } else { self.edit_since(now_ms) };
        let change = ChatChange::Deleted {
            room: place.number(),
            seq,
            author: (!runs_it).then(|| actor.login.clone()),
            at_ms: now_ms,
            since_ms,
        };
        let after = After::Changed { ticket, place, seq };
        self.store(change, after);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "each is a word of the command")]
    pub(super) fn react(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        of: &Target,
        seq: u64,
        emoji: String,
        is_on: bool,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let place = self.locate(actor, of, now_ms)?;
        if is_on {
            check_emoji(&emoji)?;
            self.check_heard(&place)?;
            if let Where::Room(room) = place {
                self.check_may_talk_at_all(actor, room, now_ms)?;
            }
        }
        self.check_flood(&actor.login, now_ms)?;
        let change = ChatChange::Reacted {
            room: place.number(),
            seq,
            login: actor.login.clone(),
            emoji,
            is_on,
        };
        let after = After::Changed { ticket, place, seq };
        self.store(change, after);
        Ok(())
    }

    /// A message is another one now.
    pub(super) fn changed(&mut self, ticket: Ticket, place: Where, message: ChatMessage) {
        let message = Arc::new(MessageView::from(message));
        let named = match place {
            Where::Room(number) => {
                let Some(room) = self.rooms.get_mut(number) else {
                    return self.answer(ticket, refuse(Reason::NoRoom(String::new())));
                };
                room.amend(&message);
                let place = room.name.clone();
                self.mention_again(number, &message);
                let event = Event::Changed {
                    place: place.clone(),
                    message: message.clone(),
                };
                self.tell_room(number, &message.from, event);
                place
            }
            Where::Talk { me, with, .. } => {
                self.tell_talk_changed(&me, &with, &message);
                self.tell_talk_changed(&with, &me, &message);
                format!("@{with}").into()
            }
        };
        let reply = Reply::Message {
            place: named,
            message,
        };
        self.answer(ticket, Ok(reply));
    }

    /// A message names others than it did, or nobody any more.
    fn mention_again(&mut self, number: RoomNumber, message: &MessageView) {
        for person in self.people.iter_mut() {
            let is_named = message
                .mentions
                .iter()
                .any(|login| **login == *person.login)
                && *message.from != *person.login
                && !person.blocked.contains(&message.from);
            let before = message.seq.saturating_sub(1);
            if !is_named && person.position(number).is_none() {
                continue;
            }
            let position = person.position_from(number, before);
            position.mentions.retain(|seq| *seq != message.seq);
            if is_named && message.seq > position.read {
                position.mentions.push(message.seq);
                position.mentions.sort_unstable();
            }
        }
    }

    fn tell_talk_changed(&mut self, login: &str, with: &str, message: &Arc<MessageView>) {
        let Some(person) = self.people.get(login) else {
            return;
        };
        // By changing what was said one does not go on talking to somebody who does not want to hear it.
        if person.blocked.contains(with) {
            return;
        }
        let sessions: Arc<[_]> = person.sessions.as_slice().into();
        let event = Event::Changed {
            place: format!("@{with}").into(),
            message: message.clone(),
        };
        self.tell_all(sessions, Arc::new(event));
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

fn check_text(text: &str) -> Result<(), Refusal> {
    if text.len() > TEXT_BYTES_MAX {
        return refuse(Reason::LongText(text.len()));
    }
    if text.trim().is_empty() {
        return refuse(Reason::EmptyText);
    }
    Ok(())
}

/// An emoji is one symbol as people see it, and no word.
fn check_emoji(emoji: &str) -> Result<(), Refusal> {
    let is_one = emoji.graphemes(true).count() == 1;
    let is_symbol = emoji.chars().next().is_some_and(is_pictograph);
    if emoji.len() > EMOJI_BYTES_MAX || !is_one || !(is_symbol || is_keycap(emoji)) {
        return refuse(Reason::Invalid(Rule::Emoji));
    }
    Ok(())
}

/// Whether an emoji may begin with this: the blocks of Unicode that hold them, without letters and invisible characters.
fn is_pictograph(character: char) -> bool {
    let blocks = [
        '\u{203C}'..='\u{2049}',
        '\u{2100}'..='\u{3299}',
        '\u{1F000}'..='\u{1FAFF}',
    ];
    let is_in = blocks.iter().any(|block| block.contains(&character)) || "©®".contains(character);
    is_in && !character.is_alphanumeric()
}

fn is_keycap(emoji: &str) -> bool {
    emoji.ends_with('\u{20E3}')
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
fn mentions(text: &str, accounts: &dyn Accounts) -> Vec<String> {
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
