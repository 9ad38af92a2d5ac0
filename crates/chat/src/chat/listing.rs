//! Listings.

use std::collections::BTreeMap;
use std::sync::Arc;

use directory::chat::RoomNumber;

use super::people::{Level, Position};
use super::rooms::Room;
use super::{Chat, refuse};
use crate::command::Actor;
use crate::effect::Accounts;
use crate::event::{Member, Presence};
use crate::refusal::{Reason, Refusal};
use crate::reply::{ConversationView, Reply, RoomView, UserView};

/// What an account wants to be told of where it has such a position, or none.
fn word_of(position: Option<&Position>) -> String {
    let level = position.map_or_else(Level::default, |position| position.level);
    level.word().to_owned()
}

impl Chat {
    pub(super) fn view_of(&self, login: &str, number: RoomNumber, room: &Room) -> RoomView {
        let person = self.people.get(login);
        let position = person.and_then(|person| person.position(number));
        let read = position.map(|_| self.read_of(login, number));
        let unread = read.map_or(0, |read| room.head.saturating_sub(read));
        let mentions = position.map_or(0, |position| position.mentions.len());
        RoomView {
            name: room.name.to_string(),
            topic: room.topic.clone(),
            owner: room.owner.clone(),
            keep: room.keep,
            is_default: number == self.default_room,
            slow_s: room.slow_s,
            members: room.members.len(),
            head: room.head,
            read,
            unread,
            mentions: if unread == 0 { 0 } else { mentions as u64 },
            notify: word_of(position),
            created_ms: room.created_ms,
        }
    }

    pub(super) fn show_room(
        &self,
        actor: &Actor,
        typed: &str,
        now_ms: u64,
    ) -> Result<Reply, Refusal> {
        let number = self.room_for(&actor.login, typed, now_ms)?;
        self.room_reply(&actor.login, number)
            .map_or_else(|| refuse(Reason::NoRoom(typed.to_owned())), Ok)
    }

    pub(super) fn room_reply(&self, login: &str, number: RoomNumber) -> Option<Reply> {
        let room = self.rooms.get(number)?;
        Some(Reply::Room(self.view_of(login, number, room)))
    }

    pub(super) fn list_rooms(&self, actor: &Actor) -> Reply {
        let rooms = self.rooms.iter().filter(|(_, room)| !room.is_dying);
        let mut views: Vec<_> = rooms
            .map(|(number, room)| self.view_of(&actor.login, number, room))
            .collect();
        views.sort_by_cached_key(|view| (!view.is_default, view.name.to_lowercase()));
        Reply::Rooms(views)
    }

    pub(super) fn list_own_rooms(&self, actor: &Actor, now_ms: u64) -> Reply {
        let person = self.people.get(&actor.login);
        let numbers = person.into_iter().flat_map(|person| person.places());
        let rooms = numbers.filter_map(|number| {
            let room = self.rooms.get(number).filter(|room| !room.is_dying)?;
            let is_banned = room.check_ban(&actor.login, now_ms).is_err();
            (!is_banned).then(|| self.view_of(&actor.login, number, room))
        });
        Reply::Rooms(rooms.collect())
    }

    pub(super) fn list_conversations(&self, actor: &Actor, now_ms: u64) -> Reply {
        let person = self.people.get(&actor.login);
        let talks = person.into_iter().flat_map(|person| {
            person.talks.iter().map(move |(with, talk)| {
                let position = person.position(talk.number);
                let read = position.map_or(0, |one| one.read);
                ConversationView {
                    with: with.clone(),
                    presence: self.presence_of(with, now_ms),
                    head: talk.head,
                    read,
                    unread: talk.head.saturating_sub(read),
                    notify: word_of(position),
                    last_ms: talk.last_ms,
                }
            })
        });
        let mut views: Vec<_> = talks.collect();
        views.sort_by(|one, other| (other.last_ms, &one.with).cmp(&(one.last_ms, &other.with)));
        Reply::Conversations(views)
    }

    fn presence_of(&self, login: &str, _now_ms: u64) -> Presence {
        let person = self.people.get(login);
        person.map_or(Presence::Offline, |person| person.presence)
    }

    pub(super) fn list_users(&self, accounts: &dyn Accounts, now_ms: u64) -> Reply {
        let mut rooms: BTreeMap<Arc<str>, Vec<String>> = BTreeMap::new();
        for (_, room) in self.rooms.iter() {
            for login in room.members.keys() {
                let theirs = rooms.entry(login.clone()).or_default();
                theirs.push(room.name.to_string());
            }
        }
        let views = accounts.logins().into_iter().map(|login| {
            let person = self.people.get(&login);
            let presence = self.presence_of(&login, now_ms);
            let since_ms = match presence {
                Presence::Online | Presence::Idle | Presence::Away => {
                    person.map(|person| person.since_ms)
                }
                Presence::Offline => self.people.last_seen.get(&login).copied(),
            };
            UserView {
                presence,
                note: person.map_or_else(String::new, |person| person.note.clone()),
                since_ms,
                rooms: rooms.remove(&*login).unwrap_or_default(),
                login,
            }
        });
        Reply::Users(views.collect())
    }

    pub(super) fn list_members(
        &self,
        actor: &Actor,
        typed: &str,
        now_ms: u64,
    ) -> Result<Reply, Refusal> {
        let number = self.room_for(&actor.login, typed, now_ms)?;
        let Some(room) = self.rooms.get(number) else {
            return refuse(Reason::NoRoom(typed.to_owned()));
        };
        let members = room.members.keys().map(|login| Member {
            login: login.to_string(),
            presence: self.presence_of(login, now_ms),
        });
        Ok(Reply::Members {
            place: room.name.clone(),
            members: members.collect(),
        })
    }

    pub(super) fn list_blocked(&self, actor: &Actor) -> Reply {
        let person = self.people.get(&actor.login);
        let blocked = person.into_iter().flat_map(|person| person.blocked.iter());
        Reply::Blocked(blocked.cloned().collect())
    }
}
