//! What happens in the chat, as lines of text.

use chat::catalogue::News;
use chat::{Entered, Event, LeftCause, MessageView, Presence, PresenceChange, RoomChange};
use codec::line::{Shown, Verb};

use super::render;
use super::session::{LineSession, State};

impl LineSession {
    pub(super) fn show(&mut self, event: &Event) {
        let is_text = self.mode() == Shown::Text;
        if let Event::Entered(entered) = event {
            return self.entered(entered, is_text);
        }
        if let Event::Left { place, cause } = event {
            return self.left(place, cause, is_text);
        }
        if is_text {
            self.show_text(event);
        }
    }

    fn show_text(&mut self, event: &Event) {
        match event {
            Event::Message {
                place,
                message,
                is_history,
            } => self.message(place, message, *is_history),
            Event::Changed { place, message } => self.changed(place, message),
            Event::Mentioned { place, message } => self.notice(News::Mentioned {
                by: &message.from,
                place,
                enter: Verb::EnterRoom.word(),
            }),
            Event::Presence { place, change } => {
                if self.is_in(place) {
                    self.presence(change);
                }
            }
            Event::Room { place, change, by } => {
                if self.is_in(place) {
                    self.room_change(change, by);
                }
            }
            // A dialogue of lines has no place for who writes, and shows what is unread where it is asked for.
            Event::Typing { .. } | Event::Read { .. } => {}
            // Where one is was looked at before.
            Event::Entered(_) | Event::Left { .. } => {}
        }
    }

    fn message(&mut self, place: &str, message: &MessageView, is_history: bool) {
        if !is_history && !self.wants(message) {
            return;
        }
        let language = self.language();
        let rendering = self.rendering();
        match place.strip_prefix('@') {
            Some(with) => {
                render::private(message, with, is_history, language, self.output());
            }
            None if is_history => render::past(message, language, self.output()),
            None => render::render_message(message, rendering, self.output()),
        }
    }

    /// A message was edited or deleted, or has other emojis; the event does not say which of them.
    fn changed(&mut self, place: &str, message: &MessageView) {
        let (by, seq) = (&*message.from, message.seq);
        let emojis = &render::reactions(message);
        if message.deleted_ms.is_some() {
            self.notice(News::Deleted { by, seq });
        } else if message.edited_ms.is_some() {
            self.notice(News::Edited { by, seq });
            self.message(place, message, true);
        } else {
            self.notice(News::Reactions { by, seq, emojis });
        }
    }

    fn entered(&mut self, entered: &Entered, is_text: bool) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let before = open.room.replace(entered.room.as_str().into());
        let is_told = std::mem::take(&mut open.is_told);
        open.is_default = entered.is_default;
        open.has_entered = true;
        open.last_said = 0;
        if !is_text {
            return;
        }
        if let Some(room) = before.filter(|_| !is_told) {
            self.moved(&room, &entered.cause);
        }
        if entered.skipped > 0 {
            self.notice(News::Skipped {
                count: entered.skipped,
                history: Verb::History.word(),
            });
        }
        self.notice(News::Entered {
            room: &entered.room,
            members: entered.members,
            topic: &entered.topic,
        });
    }

    fn left(&mut self, place: &str, cause: &LeftCause, is_text: bool) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        // A client in machine mode may be in further rooms.
        if open.room.as_deref() == Some(place) {
            open.room = None;
        }
        open.is_told = true;
        if is_text {
            self.moved(place, cause);
        }
    }

    /// Says why they are not in a room any more, unless they wanted it.
    fn moved(&mut self, room: &str, cause: &LeftCause) {
        if !matches!(cause, LeftCause::Asked | LeftCause::Arrived) {
            self.notice(News::Moved { cause, room });
        }
    }

    fn presence(&mut self, change: &PresenceChange) {
        // Nobody need be told that they came themselves.
        let is_other = |login: &&String| self.login() != Some(login.as_str());
        let names: Vec<_> = change.joined.iter().filter(is_other).cloned().collect();
        let count = change.joined_count - (change.joined.len() - names.len());
        if count > 0 {
            self.notice(News::Came {
                names: &names,
                count,
            });
        }
        if change.left_count > 0 {
            self.notice(News::Went {
                names: &change.left,
                count: change.left_count,
            });
        }
        // Who is silent for a while and who is not would be told of too often.
        for member in &change.changed {
            if member.presence == Presence::Away {
                self.notice(News::Away(&member.login));
            }
        }
    }

    fn room_change(&mut self, change: &RoomChange, by: &str) {
        match change {
            RoomChange::Topic(topic) => self.notice(News::TopicSet { by, topic }),
            RoomChange::Keep(keep) => self.notice(News::KeepSet { by, keep: *keep }),
            RoomChange::Slow(slow_s) => self.notice(News::SlowSet {
                by,
                slow_s: *slow_s,
            }),
            RoomChange::Muted { login, is_on } => self.notice(News::Muted {
                by,
                login,
                is_on: *is_on,
            }),
            // Who is in it is told why they leave it.
            RoomChange::Created | RoomChange::Deleted | RoomChange::Banned { .. } => {}
        }
    }

    /// Whether they are in a room; other rooms are those of machine mode.
    fn is_in(&self, place: &str) -> bool {
        matches!(&self.state, State::Open(open) if open.room.as_deref() == Some(place))
    }
}
