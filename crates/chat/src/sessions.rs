//! The sessions that are open.

use std::sync::Arc;

use directory::chat::RoomNumber;

use crate::session::{Language, SessionId};

/// One open session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) login: Arc<str>,
    pub(crate) is_administrator: bool,
    pub(crate) created_ms: u64,
    pub(crate) reads_all: bool,
    pub(crate) enters_default: bool,
    pub(crate) language: Option<Language>,
    /// The rooms that it is in, in the order in which it entered.
    pub(crate) rooms: Vec<RoomNumber>,
    /// What is kept of its account has been read.
    pub(crate) has_arrived: bool,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    session: Option<Session>,
}

/// All open sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Sessions {
    pub(crate) fn insert(&mut self, session: Session) -> SessionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("there are fewer sockets than that")
        });
        let slot = self.slot_mut(index);
        slot.session = Some(session);
        SessionId {
            index,
            generation: slot.generation,
        }
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let session = slot.session.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        Some(session)
    }

    pub(crate) fn find(&self, id: SessionId) -> Option<&Session> {
        let slot = self.slots.get(id.index as usize)?;
        slot.session
            .as_ref()
            .filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn find_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        let slot = self.slots.get_mut(id.index as usize)?;
        let is_same = slot.generation == id.generation;
        slot.session.as_mut().filter(|_| is_same)
    }

    fn slot_mut(&mut self, index: u32) -> &mut Slot {
        self.slots
            .get_mut(index as usize)
            .expect("free places are places")
    }
}
