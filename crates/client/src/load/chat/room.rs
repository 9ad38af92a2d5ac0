//! One room: who has heard what, and whether all heard it once and in one order.
//!
//! The first listener of a message gives it its place in the room's row; everybody else is held against that row, so that the usual check is
//! one comparison. Where a protocol does not send a message back to who said it (IRC), there is no order between senders that
//! all see: then each sender has a row of its own.

use hashbrown::HashSet;

use super::speech::Spoken;

/// A number that is further ahead of its sender's others is none that was sent.
const AHEAD_MAX: usize = 1 << 20;
const NOWHERE: u32 = u32::MAX;

/// What is wrong with what a room's members heard; all zero when nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Deliveries of what the member had heard already.
    pub(super) doubled: u64,
    /// Deliveries that came after later ones.
    pub(super) out_of_order: u64,
    /// Deliveries of what nobody in the room said.
    pub(super) foreign: u64,
}

/// A message that a member had not heard before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// When it was due.
    pub(super) due: u64,
    /// Everybody has it now.
    pub(super) is_last: bool,
}

/// One room.
pub(super) struct Room {
    first: u32,
    senders: u32,
    /// Members that hear each message.
    listeners: u32,
    echoes: bool,
    rows: Vec<Vec<Entry>>,
    /// By sender and number, the place in the row.
    places: Vec<Vec<u32>>,
    /// By member and row.
    cursors: Vec<Cursor>,
    found: Findings,
}

struct Entry {
    sender: u32,
    number: u32,
    due: u64,
    heard: u32,
}

/// How far a member is in a row.
#[derive(Default)]
struct Cursor {
    next: u32,
    /// Places before `next` that it has not heard; made when something is wrong.
    missing: Option<Box<HashSet<u32>>>,
}

impl Room {
    /// The members are `first`, `first + 1`, …; the first `senders` of them talk. `echoes`: who says something hears it, too.
    pub(super) fn new(first: u32, members: u32, senders: u32, echoes: bool) -> Self {
        let rows = if echoes { 1 } else { senders };
        Self {
            first,
            senders,
            listeners: if echoes {
                members
            } else {
                members.saturating_sub(1)
            },
            echoes,
            rows: (0..rows).map(|_| Vec::new()).collect(),
            places: (0..senders).map(|_| Vec::new()).collect(),
            cursors: (0..members * rows).map(|_| Cursor::default()).collect(),
            found: Findings::default(),
        }
    }

    /// How often each message is delivered.
    pub(super) fn listeners(&self) -> u32 {
        self.listeners
    }

    /// What is wrong until now.
    pub(super) fn findings(&self) -> Findings {
        self.found
    }

    /// Notes that a member heard a message; nothing when that does not count.
    #[inline]
    pub(super) fn hear(&mut self, member: u32, spoken: &Spoken<'_>) -> Option<Heard> {
        let sender = spoken.sender.wrapping_sub(self.first);
        if sender >= self.senders {
            self.found.foreign += 1;
            return None;
        }
        let row = if self.echoes { 0 } else { sender as usize };
        let at = (member - self.first) as usize * self.rows.len() + row;
        let listeners = self.listeners;
        let cursor = &mut self.cursors[at];
        if let Some(entry) = self.rows[row].get_mut(cursor.next as usize)
            && (entry.sender, entry.number) == (sender, spoken.number)
        {
            cursor.next += 1;
            return Some(entry.hear(listeners));
        }
        self.hear_out_of_row(at, row, sender, spoken)
    }

    /// The message is new to the room, or not the one that this member should hear next.
    #[cold]
    fn hear_out_of_row(
        &mut self,
        at: usize,
        row: usize,
        sender: u32,
        spoken: &Spoken<'_>,
    ) -> Option<Heard> {
        let Some(place) = self.place(row, sender, spoken) else {
            self.found.foreign += 1;
            return None;
        };
        let cursor = &mut self.cursors[at];
        if place >= cursor.next {
            if place > cursor.next {
                let missing = cursor.missing.get_or_insert_default();
                missing.extend(cursor.next..place);
            }
            cursor.next = place + 1;
        } else if cursor
            .missing
            .as_mut()
            .is_some_and(|missing| missing.remove(&place))
        {
            self.found.out_of_order += 1;
        } else {
            self.found.doubled += 1;
            return None;
        }
        Some(self.rows[row][place as usize].hear(self.listeners))
    }

    /// Finds a message in its row, at whose end it is put when it is new; nothing for what cannot have been said.
    fn place(&mut self, row: usize, sender: u32, spoken: &Spoken<'_>) -> Option<u32> {
        let places = &mut self.places[sender as usize];
        let number = spoken.number as usize;
        if let Some(&place) = places.get(number)
            && place != NOWHERE
        {
            return Some(place);
        }
        if number > places.len() + AHEAD_MAX {
            return None;
        }
        let due = spoken.due()?;
        let entries = &mut self.rows[row];
        let place = u32::try_from(entries.len()).ok()?;
        entries.push(Entry {
            sender,
            number: spoken.number,
            due,
            heard: 0,
        });
        if number < places.len() {
            // The room's order is not the sender's own.
            self.found.out_of_order += 1;
            places[number] = place;
        } else {
            places.resize(number, NOWHERE);
            places.push(place);
        }
        Some(place)
    }
}

impl Entry {
    #[inline]
    fn hear(&mut self, listeners: u32) -> Heard {
        self.heard += 1;
        Heard {
            due: self.due,
            is_last: self.heard == listeners,
        }
    }
}

#[cfg(test)]
mod tests;
