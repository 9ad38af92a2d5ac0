//! Messages: saying, editing, deleting, and what is put under them.

use rusqlite::{Result, params};

use super::{Batch, refused};
use crate::chat::change::{ChatChange, ChatOutcome, ChatRefused, Draft};
use crate::chat::model::{ChatAuthor, ChatMessage, RoomNumber};
use crate::chat::row::{exists, int, join, message_at, message_sent, run};
use crate::limits::EMOJIS_PER_MESSAGE_MAX;

impl Batch<'_> {
    /// Says something in a room.
    pub(super) fn post(&mut self, room: RoomNumber, draft: &Draft) -> Result<ChatOutcome> {
        if self.place(room)?.is_none() {
            return refused(ChatRefused::NoRoom);
        }
        match self.sent_before(draft)? {
            Some(earlier) => Ok(earlier),
            None => self.store(room, draft),
        }
    }

    /// Says something in private.
    pub(super) fn post_to(
        &mut self,
        to: &ChatAuthor,
        from_created_ms: u64,
        draft: &Draft,
    ) -> Result<ChatOutcome> {
        self.renew(&draft.author, from_created_ms)?;
        self.renew(&to.login, to.created_ms)?;
        if let Some(earlier) = self.sent_before(draft)? {
            return Ok(earlier);
        }
        if self.blocks(&to.login, &draft.author)? {
            return refused(ChatRefused::Blocked);
        }
        let found = self.find_conversation(&draft.author, &to.login)?;
        if found.is_none() && draft.reply_to.is_some() {
            // What is refused begins no conversation.
            return refused(ChatRefused::NoMessage);
        }
        let room = match found {
            Some(room) => room,
            None => self.add_conversation(&draft.author, &to.login)?,
        };
        self.store(room, draft)
    }

    /// Whether somebody does not want to hear somebody.
    fn blocks(&self, login: &str, author: &str) -> Result<bool> {
        exists(
            self.sql,
            "SELECT 1 FROM blocks WHERE login = ?1 AND blocked = ?2",
            params![login, author],
        )
    }

    /// Finds what the same author sent under the same name before.
    fn sent_before(&mut self, draft: &Draft) -> Result<Option<ChatOutcome>> {
        let Some(sent_id) = &draft.sent_id else {
            return Ok(None);
        };
        let Some(earlier) = message_sent(self.sql, &draft.author, sent_id)? else {
            return Ok(None);
        };
        if self.place(earlier.room)?.is_none() {
            // Its room is gone, and it is only waiting to go, too.
            self.remove(&[earlier.id])?;
            return Ok(None);
        }
        Ok(Some(ChatOutcome::Posted {
            message: Box::new(earlier),
            is_duplicate: true,
        }))
    }

    /// Stores a message in a place that is there.
    fn store(&mut self, room: RoomNumber, draft: &Draft) -> Result<ChatOutcome> {
        if let Some(seq) = draft.reply_to
            && !self.has_message(room, seq)?
        {
            return refused(ChatRefused::NoMessage);
        }
        let Some(place) = self.place(room)? else {
            return refused(ChatRefused::NoRoom);
        };
        place.head += 1;
        place.last_ms = draft.at_ms;
        place.is_changed = true;
        let seq = place.head;
        self.counters.message += 1;
        let message = ChatMessage {
            id: self.counters.message,
            room,
            seq,
            author: draft.author.clone(),
            text: draft.text.clone(),
            is_action: draft.is_action,
            sent_id: draft.sent_id.clone(),
            reply_to: draft.reply_to,
            mentions: draft.mentions.clone(),
            at_ms: draft.at_ms,
            edited_ms: None,
            deleted_ms: None,
            reactions: Vec::new(),
        };
        run(
            self.sql,
            "INSERT INTO messages (id, room, seq, author, text, is_action, sent_id, reply_to, mentions, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                int(message.id),
                int(room.0),
                int(seq),
                message.author,
                message.text,
                message.is_action,
                message.sent_id,
                message.reply_to.map(int),
                join(&message.mentions),
                int(message.at_ms)
            ],
        )?;
        self.mark_read(room, &draft.author, seq)?;
        self.mention(room, seq, &draft.author, &draft.mentions)?;
        Ok(ChatOutcome::Posted {
            message: Box::new(message),
            is_duplicate: false,
        })
    }

    /// Makes a [`ChatChange::Edited`].
    pub(super) fn edit(&mut self, change: &ChatChange) -> Result<ChatOutcome> {
        let ChatChange::Edited {
            room,
            seq,
            author,
            text,
            mentions,
            at_ms,
            since_ms,
        } = change
        else {
            return Ok(ChatOutcome::Done);
        };
        let mut message = match self.own((*room, *seq), Some(author), *since_ms)? {
            Ok(message) => message,
            Err(reason) => return refused(reason),
        };
        run(
            self.sql,
            "UPDATE messages SET text = ?2, mentions = ?3, edited_ms = ?4 WHERE id = ?1",
            params![int(message.id), text, join(mentions), int(*at_ms)],
        )?;
        if message.id <= self.counters.indexed {
            self.unindex(message.id)?;
            self.add_words(message.id, text)?;
        }
        self.unmention(*room, *seq)?;
        self.mention(*room, *seq, author, mentions)?;
        message.text.clone_from(text);
        message.mentions.clone_from(mentions);
        message.edited_ms = Some(*at_ms);
        Ok(ChatOutcome::Message(Box::new(message)))
    }

    /// Takes a message back: its row stays.
    pub(super) fn delete(
        &mut self,
        (room, seq): (RoomNumber, u64),
        author: Option<&str>,
        at_ms: u64,
        since_ms: u64,
    ) -> Result<ChatOutcome> {
        let mut message = match self.own((room, seq), author, since_ms)? {
            Ok(message) => message,
            Err(reason) => return refused(reason),
        };
        let id = int(message.id);
        run(
            self.sql,
            "UPDATE messages SET text = '', mentions = '', deleted_ms = ?2 WHERE id = ?1",
            params![id, int(at_ms)],
        )?;
        run(
            self.sql,
            "DELETE FROM reactions WHERE message = ?1",
            params![id],
        )?;
        if message.id <= self.counters.indexed {
            self.unindex(message.id)?;
        }
        self.unmention(room, seq)?;
        message.text.clear();
        message.mentions.clear();
        message.reactions.clear();
        message.deleted_ms = Some(at_ms);
        Ok(ChatOutcome::Message(Box::new(message)))
    }

    /// Puts an emoji under a message or takes it away.
    pub(super) fn react(
        &mut self,
        (room, seq): (RoomNumber, u64),
        login: &str,
        emoji: &str,
        is_on: bool,
    ) -> Result<ChatOutcome> {
        let message = match self.own((room, seq), None, 0)? {
            Ok(message) => message,
            Err(reason) => return refused(reason),
        };
        let id = int(message.id);
        if is_on {
            let is_there = message.reactions.iter().any(|other| other.emoji == emoji);
            if !is_there && message.reactions.len() >= EMOJIS_PER_MESSAGE_MAX {
                return refused(ChatRefused::TooMany);
            }
            run(
                self.sql,
                "INSERT INTO reactions (message, emoji, login) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![id, emoji, login],
            )?;
        } else {
            run(
                self.sql,
                "DELETE FROM reactions WHERE message = ?1 AND emoji = ?2 AND login = ?3",
                params![id, emoji, login],
            )?;
        }
        let message = message_at(self.sql, room, seq)?;
        Ok(
            message.map_or(ChatOutcome::Refused(ChatRefused::NoMessage), |message| {
                ChatOutcome::Message(Box::new(message))
            }),
        )
    }

    /// Finds a message that an author may change.
    fn own(
        &mut self,
        (room, seq): (RoomNumber, u64),
        author: Option<&str>,
        since_ms: u64,
    ) -> Result<Result<ChatMessage, ChatRefused>, rusqlite::Error> {
        if self.place(room)?.is_none() {
            return Ok(Err(ChatRefused::NoMessage));
        }
        let found = message_at(self.sql, room, seq)?;
        let Some(message) = found.filter(|message| message.deleted_ms.is_none()) else {
            return Ok(Err(ChatRefused::NoMessage));
        };
        if let Some(author) = author {
            // What was sent before the account was made is an older account's.
            let is_own = message.author.eq_ignore_ascii_case(author)
                && message.at_ms >= self.created_ms(author)?.unwrap_or(0);
            if !is_own {
                return Ok(Err(ChatRefused::NotAuthor));
            }
        }
        if message.at_ms < since_ms {
            return Ok(Err(ChatRefused::TooOld));
        }
        Ok(Ok(message))
    }

    /// Whether there is a message; one that was taken back still is.
    fn has_message(&self, room: RoomNumber, seq: u64) -> Result<bool> {
        exists(
            self.sql,
            "SELECT 1 FROM messages WHERE room = ?1 AND seq = ?2",
            params![int(room.0), int(seq)],
        )
    }

    /// Puts a message among what those whom it names have not read.
    fn mention(
        &mut self,
        room: RoomNumber,
        seq: u64,
        author: &str,
        mentions: &[String],
    ) -> Result<()> {
        for login in mentions {
            let may_read = match self.place(room)?.and_then(|place| place.pair.as_ref()) {
                Some((one, other)) => [one, other]
                    .iter()
                    .any(|member| member.eq_ignore_ascii_case(login)),
                None => true,
            };
            if may_read && !login.eq_ignore_ascii_case(author) && !self.blocks(login, author)? {
                // Whoever was never there has this one message to read, not all that were said before.
                run(
                    self.sql,
                    "INSERT INTO positions (login, room, read) VALUES (?1, ?2, ?3 - 1) ON CONFLICT DO NOTHING",
                    params![login, int(room.0), int(seq)],
                )?;
                run(
                    self.sql,
                    "INSERT INTO mentions (login, room, seq) SELECT ?1, ?2, ?3
                     WHERE ?3 > ifnull((SELECT read FROM positions WHERE login = ?1 AND room = ?2), 0)
                     ON CONFLICT DO NOTHING",
                    params![login, int(room.0), int(seq)],
                )?;
            }
        }
        Ok(())
    }

    /// Takes a message from what anybody has not read of their mentions.
    fn unmention(&self, room: RoomNumber, seq: u64) -> Result<()> {
        run(
            self.sql,
            "DELETE FROM mentions WHERE room = ?1 AND seq = ?2",
            params![int(room.0), int(seq)],
        )?;
        Ok(())
    }
}
