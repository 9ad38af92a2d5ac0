//! What becomes of the server's answers.

use super::Model;
use crate::chat::ledger::key;
use crate::chat::limits::PAGE;
use crate::chat::safe;
use crate::chat::wire::{Ask, History, Message, Room, Said, User};

/// A page of what is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The words.
    pub words: String,
    /// Where; everywhere without it.
    pub room: Option<String>,
    /// Behind which message, by its number among all; the first page without it.
    pub before: Option<u64>,
}

/// Why something was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// To know how things are; nobody waits for it.
    Refresh,
    /// The room is to be shown.
    Enter(String),
    /// One was in the room the last time.
    Return(String),
    /// The page before the messages at hand.
    Older(String),
    /// The page behind them.
    Newer(String),
    /// A page around a message, to look at it.
    Around(String, u64),
    /// The rooms are to be listed.
    ListRooms,
    /// Everyone is to be listed.
    ListUsers,
    /// Who is in a room is to be listed.
    ListMembers,
    /// Those who are not heard are to be listed.
    ListBlocked,
    /// Messages with these words.
    Search(Wanted),
    /// A person wants it done; said when it is.
    Act(&'static str),
}

impl Intent {
    /// Whether a person waits for it.
    pub(crate) const fn is_wanted(&self) -> bool {
        !matches!(self, Self::Refresh) && !self.is_page()
    }

    /// Whether it fills what is seen of a history.
    pub(crate) const fn is_page(&self) -> bool {
        matches!(self, Self::Older(_) | Self::Newer(_) | Self::Around(..))
    }
}

impl Model {
    /// Whether a person waits for the answer to the question of that number.
    pub(crate) fn is_wanted(&self, number: u64) -> bool {
        self.pending.get(&number).is_some_and(Intent::is_wanted)
    }

    /// Whether a person waits for any answer.
    pub(crate) fn has_wanted(&self) -> bool {
        self.pending.values().any(Intent::is_wanted)
    }

    /// The server answered the question of that number.
    pub fn on_answer(&mut self, number: u64, said: Said, now_ms: i64) {
        let Some(intent) = self.pending.remove(&number) else {
            return;
        };
        if let Said::Error(refused) = said {
            self.on_unasked_page(&intent);
            self.on_unfound(&intent);
            if let Intent::Return(room) = &intent {
                self.on_not_back(room, &refused, now_ms);
            } else if intent != Intent::Refresh {
                let wait = refused.retry_after_ms.map_or_else(String::new, |wait| {
                    format!(" (again in {} s)", wait.div_ceil(1000))
                });
                self.notice(format!("refused: {}{wait}", refused.text), now_ms);
            }
            return;
        }
        if let Said::History(history) = said {
            self.on_page(intent, history);
        } else if let Said::Rooms { rooms } = said {
            self.on_rooms(rooms, intent == Intent::ListRooms, now_ms);
        } else if let Said::Conversations { conversations } = said {
            for one in conversations {
                let login = one.room.trim_start_matches('@').to_owned();
                self.presence.insert(login, one.presence);
                self.place_mut(&one.room).on_conversation(&one);
            }
        } else if let Said::Users { users } = said {
            self.on_users(users, intent == Intent::ListUsers, now_ms);
        } else if let Said::Members { room, members } = said {
            self.on_members(&room, members, intent == Intent::ListMembers, now_ms);
        } else if let Said::Found { messages, more } = said {
            if let Intent::Search(wanted) = intent {
                self.on_found(wanted, messages, more);
            }
        } else if let Said::Blocked { logins } = said {
            let text = match &logins[..] {
                [] => "you hear everyone".to_owned(),
                logins => format!("not heard: {}", logins.join(", ")),
            };
            self.notice(text, now_ms);
        } else if let Said::Joined(joined) = said {
            let is_shown = match intent {
                Intent::Enter(_) => true,
                Intent::Return(room) => key(&room) == self.current,
                Intent::Refresh
                | Intent::Older(_)
                | Intent::Newer(_)
                | Intent::Around(..)
                | Intent::ListRooms
                | Intent::ListUsers
                | Intent::ListMembers
                | Intent::ListBlocked
                | Intent::Search(_)
                | Intent::Act(_) => false,
            };
            if is_shown {
                self.show(&joined.room, now_ms);
            }
        } else if let Said::Changed(mut message) = said {
            if message.room.is_empty() {
                message.room = self
                    .here()
                    .map_or_else(String::new, |here| here.name.clone());
            }
            let room = message.room.clone();
            self.place_mut(&room).window.change(message);
        } else if let Said::Room(room) = said {
            let name = room.room.clone();
            self.place_mut(&name).on_room(room);
        } else if let (Said::Ok, Intent::Act(done)) = (said, intent)
            && !done.is_empty()
        {
            self.notice(done, now_ms);
        }
    }

    fn on_unasked_page(&mut self, intent: &Intent) {
        if let Intent::Older(room) | Intent::Newer(room) | Intent::Around(room, _) = intent {
            let window = &mut self.place_mut(room).window;
            window.is_loading = false;
            // A history that may not be read has no beginning to scroll to.
            window.is_at_start = true;
            self.say_early();
        }
    }

    fn on_page(&mut self, intent: Intent, mut history: History) {
        let room = match &intent {
            Intent::Older(room) | Intent::Newer(room) | Intent::Around(room, _) => room.clone(),
            Intent::Refresh
            | Intent::Enter(_)
            | Intent::Return(_)
            | Intent::ListRooms
            | Intent::ListUsers
            | Intent::ListMembers
            | Intent::ListBlocked
            | Intent::Search(_)
            | Intent::Act(_) => return,
        };
        for message in &mut history.messages {
            message.room.clone_from(&room);
        }
        let place = self.place_mut(&room);
        place.head = place.head.max(history.head);
        self.fill(intent, room, history);
        self.say_early();
    }

    fn fill(&mut self, intent: Intent, room: String, history: History) {
        let place = self.place_mut(&room);
        match intent {
            Intent::Older(_) => place.window.prepend(history.messages, history.more),
            Intent::Around(_, seq) => {
                let head = place.head;
                place.window.replace(history.messages, !history.more, head);
                self.jump = Some(seq);
            }
            Intent::Newer(_)
            | Intent::Refresh
            | Intent::Enter(_)
            | Intent::Return(_)
            | Intent::ListRooms
            | Intent::ListUsers
            | Intent::ListMembers
            | Intent::ListBlocked
            | Intent::Search(_)
            | Intent::Act(_) => {
                let is_further = history.more;
                place.window.append(history.messages, history.more);
                if is_further && !place.window.is_loading {
                    self.load_newer(&room);
                }
            }
        }
    }

    fn on_rooms(&mut self, rooms: Vec<Room>, is_shown: bool, now_ms: i64) {
        for place in self.places.values_mut() {
            if !place.is_private() {
                place.is_gone = true;
            }
        }
        let mut lines = vec![format!("{} rooms", rooms.len())];
        for room in rooms {
            let stays = if room.keep || room.default {
                ""
            } else {
                ", goes with its creator"
            };
            let mut line = format!("  {} ({} members{stays})", room.room, room.members);
            if !room.topic.is_empty() {
                line.push_str(&format!(": {}", safe::line(&room.topic)));
            }
            lines.push(line);
            let name = room.room.clone();
            self.place_mut(&name).on_room(room);
        }
        self.places
            .retain(|_, place| !place.is_gone || place.is_joined);
        if is_shown {
            self.notice(lines.join("\n"), now_ms);
        }
    }

    fn on_users(&mut self, users: Vec<User>, is_shown: bool, now_ms: i64) {
        let mut lines = vec![format!("{} people", users.len())];
        for user in users {
            let mut line = format!("  {} ({})", user.login, word(user.presence));
            if let Some(note) = user.note.filter(|note| !note.is_empty()) {
                line.push_str(&format!(": {}", safe::line(&note)));
            }
            if !user.rooms.is_empty() {
                line.push_str(&format!(" in {}", user.rooms.join(", ")));
            }
            lines.push(line);
            self.presence.insert(user.login, user.presence);
        }
        if is_shown {
            self.notice(lines.join("\n"), now_ms);
        }
    }

    fn on_members(&mut self, room: &str, members: Vec<User>, is_shown: bool, now_ms: i64) {
        if is_shown {
            let each = members
                .iter()
                .map(|user| format!("{} ({})", user.login, word(user.presence)));
            let list = each.collect::<Vec<_>>().join(", ");
            self.notice(format!("in {room}: {list}"), now_ms);
        }
        for user in &members {
            self.presence.insert(user.login.clone(), user.presence);
        }
        self.place_mut(room).on_members(members);
    }

    /// Asks for the page before the messages at hand.
    pub fn load_older(&mut self, name: &str) {
        let place = self.place_mut(name);
        if place.window.is_loading || place.window.is_at_start {
            return;
        }
        place.window.is_loading = true;
        let ask = Ask::History {
            room: place.name.clone(),
            before: place.window.oldest(),
            after: None,
            limit: PAGE,
        };
        let intent = Intent::Older(place.name.clone());
        self.outbox.push((ask, intent));
    }

    /// Asks for the page behind the messages at hand.
    pub fn load_newer(&mut self, name: &str) {
        let place = self.place_mut(name);
        if place.window.is_loading || !place.window.is_detached {
            return;
        }
        place.window.is_loading = true;
        let ask = Ask::History {
            room: place.name.clone(),
            before: None,
            after: place.window.newest(),
            limit: PAGE,
        };
        let intent = Intent::Newer(place.name.clone());
        self.outbox.push((ask, intent));
    }

    /// Goes to a message, wherever it is.
    pub fn go_to(&mut self, found: &Message, now_ms: i64) {
        if key(&found.room) != self.current {
            self.show(&found.room, now_ms);
        }
        let place = self.place_mut(&found.room);
        if place.window.messages.contains_key(&found.seq) {
            self.jump = Some(found.seq);
            return;
        }
        place.window.is_loading = true;
        let ask = Ask::History {
            room: place.name.clone(),
            before: Some(found.seq + u64::from(PAGE) / 2),
            after: None,
            limit: PAGE,
        };
        let intent = Intent::Around(place.name.clone(), found.seq);
        self.outbox.push((ask, intent));
    }
}

/// How present somebody is, in a word.
pub(crate) const fn word(presence: crate::chat::wire::Presence) -> &'static str {
    use crate::chat::wire::Presence;
    match presence {
        Presence::Online => "online",
        Presence::Idle => "idle",
        Presence::Away => "away",
        Presence::Offline => "offline",
    }
}
