//! Lists that were asked for: aligned lines, and a last one that says how much there was.

use chat::catalogue::{self, Answer, Listed};
use chat::{ConversationView, Found, History, Member, Presence, Reply, RoomView, UserView};
use codec::line::Verb;

use super::render;
use super::session::{LineSession, State};

impl LineSession {
    pub(super) fn show_reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Done => self.notice(Answer::Done),
            Reply::Room(room) => self.notice(Answer::TopicIs {
                room: &room.name,
                topic: &room.topic,
            }),
            Reply::Rooms(rooms) => self.rooms(rooms),
            Reply::Conversations(conversations) => self.conversations(conversations),
            Reply::Users(users) => self.users(users),
            Reply::Members { place, members } => self.members(place, members),
            Reply::History(history) => self.history_page(history),
            Reply::Found { found, has_more } => self.found(found, *has_more),
            Reply::Blocked(logins) => {
                for login in logins {
                    self.notice_text(&format!("  {login}"));
                }
                self.notice(Listed::Blocked(logins.len()));
            }
            // Nobody asks for these here.
            Reply::Sanctions { .. } => {}
            // What these say is told by events.
            Reply::Posted(_) | Reply::Entered(_) | Reply::Message { .. } => {}
        }
    }

    fn rooms(&mut self, rooms: &[RoomView]) {
        let here = match &self.state {
            State::Open(open) => open.room.clone(),
            State::Login
            | State::Password(_)
            | State::Registering(_)
            | State::Checking(_)
            | State::Closed => None,
        };
        let width = width(rooms.iter().map(|room| &*room.name));
        for room in rooms {
            let mark = if here.as_deref() == Some(&room.name) {
                '*'
            } else {
                ' '
            };
            let (name, members) = (&room.name, room.members);
            let default = match room.is_default {
                true => catalogue::say(self.language(), Answer::DefaultMark),
                false => String::new(),
            };
            let row = format!(
                "{mark} {name:width$}  {members:>5}  {default} {}",
                room.topic
            );
            self.notice_text(row.trim_end());
        }
        self.notice(Listed::Rooms(rooms.len()));
    }

    fn conversations(&mut self, conversations: &[ConversationView]) {
        let language = self.language();
        let width = width(conversations.iter().map(|each| &*each.with));
        for each in conversations {
            let presence = catalogue::presence(each.presence, language);
            let last = catalogue::minute(each.last_ms);
            let (with, unread) = (&each.with, each.unread);
            self.notice_text(&format!("  {with:width$}  {unread:>5}  {last}  {presence}"));
        }
        let unread = conversations.iter().map(|each| each.unread).sum();
        let count = conversations.len();
        self.notice(Listed::Conversations { count, unread });
    }

    fn users(&mut self, users: &[UserView]) {
        let language = self.language();
        let width = width(users.iter().map(|user| &*user.login));
        for user in users {
            let presence = catalogue::presence(user.presence, language);
            let since = user.since_ms.map(catalogue::minute).unwrap_or_default();
            let rooms = user.rooms.join(", ");
            let (login, note) = (&user.login, &user.note);
            let row = format!("  {login:width$}  {presence:12}  {since:16}  {rooms} {note}");
            self.notice_text(row.trim_end());
        }
        let present = users
            .iter()
            .filter(|user| user.presence != Presence::Offline);
        self.notice(Listed::Users {
            count: users.len(),
            present: present.count(),
        });
    }

    fn members(&mut self, room: &str, members: &[Member]) {
        let language = self.language();
        let width = width(members.iter().map(|member| &*member.login));
        for member in members {
            let presence = catalogue::presence(member.presence, language);
            self.notice_text(&format!("  {:width$}  {presence}", member.login));
        }
        let count = members.len();
        self.notice(Listed::Members { room, count });
    }

    fn history_page(&mut self, history: &History) {
        let language = self.language();
        for message in &history.messages {
            render::past(message, language, self.output());
        }
        let count = history.messages.len();
        let place = &*history.place;
        let oldest = history.messages.first().filter(|_| history.has_more);
        let older = oldest.map(|oldest| {
            let command = Verb::History.word();
            format!("{command} {place} {count} {}", oldest.seq)
        });
        let older = older.as_deref();
        self.notice(Listed::History {
            place,
            count,
            older,
        });
    }

    fn found(&mut self, found: &[Found], has_more: bool) {
        let language = self.language();
        for each in found {
            self.output().extend_from_slice(b"[");
            codec::line::sanitise(&each.place, self.output());
            self.output().extend_from_slice(b"] ");
            render::past(&each.message, language, self.output());
        }
        let count = found.len();
        self.notice(Listed::Found { count, has_more });
    }
}

/// How wide a column of names is.
fn width<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names
        .map(|name| name.chars().count())
        .max()
        .unwrap_or_default()
}
