//! Changing what was said: edits, deletions and emojis.

use std::sync::Arc;

use directory::chat::{ChatChange, ChatMessage, RoomNumber, SanctionKind};
use unicode_segmentation::UnicodeSegmentation as _;

use super::after::{After, Where};
use super::saying::{check_text, mentions};
use super::{Chat, refuse};
use crate::command::{Actor, Target};
use crate::effect::{Accounts, Ticket};
use crate::event::{Event, MessageView};
use crate::limits::EMOJI_BYTES_MAX;
use crate::refusal::{Reason, Refusal, Rule};
use crate::reply::Reply;

impl Chat {
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
