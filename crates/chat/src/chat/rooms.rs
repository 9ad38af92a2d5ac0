//! The rooms: who made them, who is in them, who may not be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use directory::chat::{ChatChange, ChatRoom, ChatSanction, RoomNumber, SanctionKind};

use super::after::After;
use super::presence::Coming;
use super::{Chat, refuse};
use crate::command::{Actor, RoomSettings};
use crate::effect::Ticket;
use crate::event::{LeftCause, MessageView};
use crate::limits::{ROOMS_PER_OWNER_MAX, SLOW_S_MAX, TOPIC_CHARS_MAX};
use crate::name::{RoomName, fold};
use crate::refusal::{Plenty, Reason, Refusal, Rule};
use crate::session::SessionId;
use crate::settings::KeepRooms;

/// Messages of a room that are at hand for whoever comes back in a moment.
const RECENT_MAX: usize = 64;

/// One room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: Arc<str>,
    fold: String,
    skeleton: String,
    pub(super) owner: Option<String>,
    pub(super) keep: bool,
    pub(super) topic: String,
    pub(super) slow_s: u32,
    pub(super) created_ms: u64,
    pub(super) head: u64,
    pub(super) sanctions: BTreeMap<(SanctionKind, String), ChatSanction>,
    /// The accounts in it, with how many sessions each has there.
    pub(super) members: BTreeMap<Arc<str>, u32>,
    listeners: Vec<SessionId>,
    /// The listeners as they are shared with effects; made when it is needed.
    shared: Option<Arc<[SessionId]>>,
    /// The newest messages without a hole, oldest first.
    recent: VecDeque<Arc<MessageView>>,
    /// When accounts last spoke, while the room is slow.
    pub(super) spoke_ms: BTreeMap<String, u64>,
    pub(super) coming: Coming,
    /// It is being deleted.
    pub(super) is_dying: bool,
    /// How far it was written down who has read what, among the listeners.
    pub(super) swept: usize,
}

/// All rooms.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    all: BTreeMap<RoomNumber, Room>,
    by_fold: BTreeMap<String, RoomNumber>,
    by_skeleton: BTreeMap<String, RoomNumber>,
    owned: BTreeMap<String, BTreeSet<RoomNumber>>,
    /// Names of rooms that are being made.
    pub(super) reserved: BTreeSet<String>,
}

impl Room {
    fn new(stored: ChatRoom) -> Self {
        let sanctions = stored.sanctions.into_iter();
        Self {
            name: stored.name.into(),
            fold: stored.fold,
            skeleton: stored.skeleton,
            owner: stored.owner,
            keep: stored.keep,
            topic: stored.topic,
            slow_s: stored.slow_s,
            created_ms: stored.created_ms,
            head: stored.head,
            sanctions: sanctions
                .map(|one| ((one.kind, one.login.clone()), one))
                .collect(),
            members: BTreeMap::new(),
            listeners: Vec::new(),
            shared: None,
            recent: VecDeque::new(),
            spoke_ms: BTreeMap::new(),
            coming: Coming::default(),
            is_dying: false,
            swept: 0,
        }
    }

    pub(super) fn listeners(&mut self) -> Arc<[SessionId]> {
        let shared = self.shared.get_or_insert_with(|| (&*self.listeners).into());
        shared.clone()
    }

    pub(super) fn listener_count(&self) -> usize {
        self.listeners.len()
    }

    pub(super) fn listener(&self, place: usize) -> Option<SessionId> {
        self.listeners.get(place).copied()
    }

    /// Lets a session listen; true if its account was not there.
    pub(super) fn enter(&mut self, session: SessionId, login: &Arc<str>) -> bool {
        self.listeners.push(session);
        self.shared = None;
        let count = self.members.entry(login.clone()).or_default();
        *count += 1;
        *count == 1
    }

    /// Ends a session's listening; true if its account is not there any more.
    pub(super) fn leave(&mut self, session: SessionId, login: &str) -> bool {
        let Some(place) = self.listeners.iter().position(|one| *one == session) else {
            return false;
        };
        self.listeners.swap_remove(place);
        self.shared = None;
        let Some(count) = self.members.get_mut(login) else {
            return false;
        };
        *count -= 1;
        if *count > 0 {
            return false;
        }
        self.members.remove(login);
        true
    }

    pub(super) fn remember(&mut self, message: Arc<MessageView>) {
        self.head = self.head.max(message.seq);
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(message);
    }

    /// A message is another one than it was.
    pub(super) fn amend(&mut self, message: &Arc<MessageView>) {
        let found = self.recent.iter_mut().find(|one| one.seq == message.seq);
        if let Some(one) = found {
            *one = message.clone();
        }
    }

    /// The messages after one, if all of them are at hand.
    pub(super) fn recent_after(&self, seq: u64) -> Option<Vec<Arc<MessageView>>> {
        if seq >= self.head {
            return Some(Vec::new());
        }
        let first = self.recent.front()?;
        (first.seq <= seq + 1).then(|| {
            let later = self.recent.iter().filter(|one| one.seq > seq);
            later.cloned().collect()
        })
    }

    /// What keeps somebody out, or from talking.
    pub(super) fn sanction(
        &self,
        kind: SanctionKind,
        login: &str,
        now_ms: u64,
    ) -> Option<&ChatSanction> {
        if self.sanctions.is_empty() {
            return None;
        }
        let found = self.sanctions.get(&(kind, login.to_owned()))?;
        found
            .until_ms
            .is_none_or(|until| until > now_ms)
            .then_some(found)
    }

    pub(super) fn check_ban(&self, login: &str, now_ms: u64) -> Result<(), Refusal> {
        self.sanction(SanctionKind::Ban, login, now_ms)
            .map_or(Ok(()), |ban| {
                refuse(Reason::Banned {
                    room: self.name.to_string(),
                    until_ms: ban.until_ms,
                    reason: ban.reason.clone(),
                })
            })
    }
}

impl Rooms {
    pub(super) fn new(stored: Vec<ChatRoom>) -> Self {
        let mut rooms = Self::default();
        for room in stored {
            rooms.insert(room);
        }
        rooms
    }

    pub(super) fn insert(&mut self, stored: ChatRoom) {
        let number = stored.number;
        let room = Room::new(stored);
        self.by_fold.insert(room.fold.clone(), number);
        self.by_skeleton.insert(room.skeleton.clone(), number);
        if let Some(owner) = &room.owner {
            self.owned.entry(owner.clone()).or_default().insert(number);
        }
        self.all.insert(number, room);
    }

    pub(super) fn remove(&mut self, number: RoomNumber) -> Option<Room> {
        let room = self.all.remove(&number)?;
        self.by_fold.remove(&room.fold);
        self.by_skeleton.remove(&room.skeleton);
        if let Some(owner) = &room.owner {
            let owned = self.owned.get_mut(owner);
            if owned.is_some_and(|owned| owned.remove(&number) && owned.is_empty()) {
                self.owned.remove(owner);
            }
        }
        Some(room)
    }

    pub(super) fn find(&self, fold: &str) -> Option<RoomNumber> {
        self.by_fold.get(fold).copied()
    }

    pub(super) fn get(&self, number: RoomNumber) -> Option<&Room> {
        self.all.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: RoomNumber) -> Option<&mut Room> {
        self.all.get_mut(&number)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RoomNumber, &Room)> {
        self.all.iter().map(|(number, room)| (*number, room))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (RoomNumber, &mut Room)> {
        self.all.iter_mut().map(|(number, room)| (*number, room))
    }

    /// The rooms that somebody made.
    pub(super) fn of(&self, owner: &str) -> Vec<RoomNumber> {
        let owned = self.owned.get(owner).into_iter().flatten();
        owned.copied().collect()
    }

    /// The rooms that go with their creators.
    pub(super) fn fleeting(&self, default: RoomNumber) -> Vec<RoomNumber> {
        let fleeting = self
            .iter()
            .filter(|(number, room)| !room.keep && *number != default);
        fleeting.map(|(number, _)| number).collect()
    }

    /// A room's creator is gone for good.
    pub(super) fn orphan(&mut self, number: RoomNumber) {
        let owner = self.all.get_mut(&number).and_then(|room| room.owner.take());
        let owned = owner.and_then(|owner| self.owned.get_mut(&owner));
        if let Some(owned) = owned {
            owned.remove(&number);
        }
    }

    fn check_free(&self, name: &RoomName) -> Result<(), Refusal> {
        if self.by_fold.contains_key(&name.fold) || self.reserved.contains(&name.fold) {
            return refuse(Reason::RoomTaken(name.name.clone()));
        }
        let like = self.by_skeleton.get(&name.skeleton);
        if let Some(room) = like.and_then(|number| self.all.get(number)) {
            return refuse(Reason::RoomConfusable(room.name.to_string()));
        }
        if self.reserved.contains(&name.skeleton) {
            return refuse(Reason::RoomConfusable(name.name.clone()));
        }
        Ok(())
    }
}

impl Chat {
    pub(super) fn add_default_room(&mut self, name: RoomName, now_ms: u64) {
        let added = added(&name, None, true, now_ms);
        self.store(added, After::DefaultRoom { name, now_ms });
    }

    /// Finds a room that somebody may know of and enter.
    pub(super) fn room_for(
        &self,
        login: &str,
        typed: &str,
        now_ms: u64,
    ) -> Result<RoomNumber, Refusal> {
        let number = self.find_room(typed)?;
        let room = self.rooms.get(number).filter(|room| !room.is_dying);
        let Some(room) = room else {
            return refuse(Reason::NoRoom(typed.to_owned()));
        };
        room.check_ban(login, now_ms)?;
        Ok(number)
    }

    pub(super) fn find_room(&self, typed: &str) -> Result<RoomNumber, Refusal> {
        let none = || Refusal::new(Reason::NoRoom(shortened(typed)));
        if typed.len() > crate::limits::ROOM_BYTES_MAX {
            return Err(none());
        }
        self.rooms.find(&fold(typed)).ok_or_else(none)
    }

    /// Finds a room that somebody may run.
    pub(super) fn room_to_run(&self, actor: &Actor, typed: &str) -> Result<RoomNumber, Refusal> {
        let number = self.find_room(typed)?;
        let room = self.rooms.get(number).filter(|room| !room.is_dying);
        let Some(room) = room else {
            return refuse(Reason::NoRoom(typed.to_owned()));
        };
        let is_owner = room.owner.as_deref() == Some(&*actor.login);
        if !is_owner && !actor.is_administrator {
            return refuse(Reason::NotOwner(room.name.to_string()));
        }
        Ok(number)
    }

    pub(super) fn create(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        typed: &str,
        keep: bool,
        is_only: bool,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let name = RoomName::parse(typed).map_err(|error| Refusal::new(Reason::RoomName(error)))?;
        self.rooms.check_free(&name)?;
        self.check_keep(actor, keep)?;
        if self.rooms.of(&actor.login).len() >= ROOMS_PER_OWNER_MAX && !actor.is_administrator {
            return refuse(Reason::TooMany(Plenty::OwnRooms));
        }
        if self.rooms.len() >= self.settings.rooms_max {
            return refuse(Reason::TooMany(Plenty::Rooms));
        }
        self.rooms.reserved.insert(name.fold.clone());
        self.rooms.reserved.insert(name.skeleton.clone());
        let change = added(&name, Some(actor.login.clone()), keep, now_ms);
        let after = After::RoomMade {
            ticket,
            session: actor.session,
            owner: actor.login.clone(),
            name,
            keep,
            is_only,
            now_ms,
        };
        self.store(change, after);
        Ok(())
    }

    fn check_keep(&self, actor: &Actor, keep: bool) -> Result<(), Refusal> {
        let may = match self.settings.keep_rooms {
            KeepRooms::Anyone => true,
            KeepRooms::Administrators => actor.is_administrator,
            KeepRooms::Nobody => false,
        };
        if keep && !may {
            return refuse(Reason::KeepForbidden);
        }
        Ok(())
    }

    pub(super) fn set(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        typed: &str,
        settings: RoomSettings,
    ) -> Result<(), Refusal> {
        let number = self.room_to_run(actor, typed)?;
        let is_default = number == self.default_room;
        if let Some(keep) = settings.keep {
            if is_default && !keep {
                return refuse(Reason::DefaultRoom);
            }
            self.check_keep(actor, keep && !is_default)?;
        }
        let topic = settings.topic.as_deref().unwrap_or_default();
        if topic.chars().count() > TOPIC_CHARS_MAX || topic.contains(['\n', '\r']) {
            return refuse(Reason::Invalid(Rule::Topic));
        }
        if settings.slow_s.unwrap_or_default() > SLOW_S_MAX {
            return refuse(Reason::Invalid(Rule::SlowMode));
        }
        let change = ChatChange::RoomSet {
            room: number,
            keep: settings.keep,
            topic: settings.topic.clone(),
            slow_s: settings.slow_s,
        };
        let after = After::RoomSet {
            ticket,
            room: number,
            settings,
            by: actor.clone(),
        };
        self.store(change, after);
        Ok(())
    }

    pub(super) fn delete_room(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        typed: &str,
    ) -> Result<(), Refusal> {
        let number = self.find_room(typed)?;
        if number == self.default_room {
            return refuse(Reason::DefaultRoom);
        }
        let number = self.room_to_run(actor, typed)?;
        let cause = LeftCause::Deleted(actor.login.clone());
        self.remove_room(number, cause, Some(ticket));
        Ok(())
    }

    fn remove_room(&mut self, number: RoomNumber, cause: LeftCause, ticket: Option<Ticket>) {
        let Some(room) = self.rooms.get_mut(number).filter(|room| !room.is_dying) else {
            return;
        };
        room.is_dying = true;
        let after = After::RoomGone {
            ticket,
            room: number,
            cause,
        };
        self.store(ChatChange::RoomDeleted { room: number }, after);
    }

    /// A room's creator has not come back: it goes, if it is one that does.
    pub(super) fn end_room(&mut self, number: RoomNumber) {
        let Some(room) = self.rooms.get(number) else {
            return;
        };
        let owner = room.owner.clone().unwrap_or_default();
        if room.keep || number == self.default_room || self.people.has_sessions(&owner) {
            return;
        }
        self.remove_room(number, LeftCause::CreatorGone(owner), None);
    }

    /// A room's creator is gone, perhaps for a moment.
    pub(super) fn doom(&mut self, number: RoomNumber, now_ms: u64) {
        let at_ms = now_ms + self.settings.grace_ms;
        self.timers.set(super::timers::Timer::Doom(number), at_ms);
    }
}

fn added(name: &RoomName, owner: Option<String>, keep: bool, created_ms: u64) -> ChatChange {
    ChatChange::RoomAdded {
        name: name.name.clone(),
        fold: name.fold.clone(),
        skeleton: name.skeleton.clone(),
        owner,
        keep,
        created_ms,
    }
}

/// What of somebody's words is said back to them.
fn shortened(typed: &str) -> String {
    typed.chars().take(crate::limits::ROOM_CHARS_MAX).collect()
}
