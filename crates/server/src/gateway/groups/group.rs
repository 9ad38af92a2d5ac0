//! One group: its members, and who holds which partition.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker::{Name, QueueId, QueueRef, StreamOffset};
use engine::QueueParts;
use tokio::sync::watch;

use super::cursor::Cursor;

/// A member, numbered by when it came.
type MemberId = u64;

/// A group.
pub(crate) struct Group {
    name: Name,
    /// The queue as a whole.
    head: QueueRef,
    state: Mutex<State>,
    /// Counts what members may have to act upon.
    events: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    units: Vec<Unit>,
    members: BTreeSet<MemberId>,
    last_member: MemberId,
    /// Its units are partitions.
    is_split: bool,
}

/// A partition, or a stream that has none.
struct Unit {
    place: QueueRef,
    is_held: bool,
    /// Its queue was deleted.
    is_gone: bool,
    wanted_by: Option<MemberId>,
    /// How far the group has read it, if it is of a stream.
    cursor: Option<Cursor>,
}

/// A partition as listings show it.
pub(crate) struct UnitView {
    /// The first offset that is not done with, if it is of a stream.
    pub(crate) next_offset: Option<u64>,
    /// Somebody holds it.
    pub(crate) is_held: bool,
}

/// One of those among whom the partitions are divided; leaves when it is dropped.
pub(super) struct Member {
    group: Arc<Group>,
    id: MemberId,
    events: watch::Receiver<u64>,
}

/// The right to take messages of one partition. Deliveries keep it until they are settled; the last clone that goes frees the partition.
pub(crate) struct Hold {
    group: Arc<Group>,
    unit: usize,
    place: QueueRef,
    is_stream: bool,
    is_split: bool,
}

impl Group {
    pub(super) fn new(name: &str, head: QueueRef) -> Self {
        Self {
            name: name.into(),
            head,
            state: Mutex::default(),
            events: watch::Sender::new(0),
        }
    }

    /// Takes partitions in that the group does not know yet; `start` says where a stream is read from.
    pub(super) fn resize(&self, parts: &QueueParts, start: impl Fn(usize) -> Option<StreamOffset>) {
        let mut state = self.lock();
        state.is_split = !parts.partitions.is_empty();
        let known = state.units.len();
        for (index, place) in parts.units().into_iter().enumerate().skip(known) {
            state.units.push(Unit {
                place,
                is_held: false,
                is_gone: false,
                wanted_by: None,
                cursor: start(index).map(Cursor::new),
            });
        }
        if state.units.len() > known {
            state.divide();
            self.tell(state);
        }
    }

    /// Where the queue as a whole lives.
    pub(super) const fn head(&self) -> QueueRef {
        self.head
    }

    /// Becomes a member.
    pub(super) fn join(self: &Arc<Self>) -> Member {
        let mut state = self.lock();
        state.last_member += 1;
        let id = state.last_member;
        state.members.insert(id);
        state.divide();
        self.tell(state);
        Member {
            group: self.clone(),
            id,
            events: self.events.subscribe(),
        }
    }

    /// Holds every partition that nobody holds and no member waits for.
    pub(super) fn hold_free(self: &Arc<Self>) -> Vec<Arc<Hold>> {
        self.hold(|unit| unit.wanted_by.is_none())
    }

    fn hold(self: &Arc<Self>, is_wanted: impl Fn(&Unit) -> bool) -> Vec<Arc<Hold>> {
        let mut state = self.lock();
        let is_split = state.is_split;
        let units = state.units.iter_mut().enumerate();
        let free = units.filter(|(_, unit)| !unit.is_held && !unit.is_gone && is_wanted(unit));
        let holds = free.map(|(index, unit)| {
            unit.is_held = true;
            Arc::new(Hold {
                group: self.clone(),
                unit: index,
                place: unit.place,
                is_stream: unit.cursor.is_some(),
                is_split,
            })
        });
        holds.collect()
    }

    /// Says whether members have come who wait for partitions.
    pub(super) fn has_members(&self) -> bool {
        !self.lock().members.is_empty()
    }

    /// Says whether there are members, or deliveries that are not settled.
    pub(crate) fn is_used(&self) -> bool {
        let state = self.lock();
        !state.members.is_empty() || state.units.iter().any(|unit| unit.is_held)
    }

    /// Says whether it knows what the disk does not: which deliveries behind the first that is not done with are.
    pub(super) fn has_open(&self) -> bool {
        let state = self.lock();
        let units = state.units.iter().filter(|unit| !unit.is_gone);
        let mut cursors = units.filter_map(|unit| unit.cursor.as_ref());
        cursors.any(Cursor::has_open)
    }

    /// How many partitions there are.
    pub(super) fn units(&self) -> usize {
        self.lock().units.len()
    }

    /// How the group is doing: its members, and each partition.
    pub(crate) fn view(&self) -> (usize, Vec<UnitView>) {
        let state = self.lock();
        let units = state.units.iter().map(|unit| UnitView {
            next_offset: unit.cursor.as_ref().and_then(Cursor::low),
            is_held: unit.is_held,
        });
        (state.members.len(), units.collect())
    }

    /// Hears of what happens from now on.
    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    /// How far the group came in each stream since this was asked last: the first offset that is not done with.
    pub(super) fn moved(&self) -> Vec<(QueueId, Name, u64)> {
        let mut state = self.lock();
        let units = state.units.iter_mut();
        let moved = units.filter_map(|unit| {
            let offset = unit.cursor.as_mut()?.take_moved()?;
            Some((unit.place.id, self.name.clone(), offset))
        });
        moved.collect()
    }

    /// Says whether [`Self::moved`] has something to tell.
    pub(super) fn has_moved(&self) -> bool {
        let state = self.lock();
        let mut cursors = state.units.iter().filter_map(|unit| unit.cursor.as_ref());
        cursors.any(Cursor::has_moved)
    }

    /// What [`Self::moved`] told is not on disk.
    pub(super) fn not_written(&self) {
        let mut state = self.lock();
        let cursors = state
            .units
            .iter_mut()
            .filter_map(|unit| unit.cursor.as_mut());
        cursors.for_each(Cursor::not_written);
    }

    fn leave(&self, id: MemberId) {
        let mut state = self.lock();
        state.members.remove(&id);
        state.divide();
        self.tell(state);
    }

    fn free(&self, unit: usize) {
        let mut state = self.lock();
        let Some(unit) = state.units.get_mut(unit) else {
            return;
        };
        unit.is_held = false;
        // Nobody is to try again what is not there.
        if !unit.is_gone {
            self.tell(state);
        }
    }

    fn tell(&self, state: MutexGuard<'_, State>) {
        drop(state);
        self.events.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Divides the partitions evenly among the members, and moves as few as it can.
    fn divide(&mut self) {
        let members = &self.members;
        for unit in &mut self.units {
            unit.wanted_by = unit.wanted_by.filter(|id| members.contains(id));
        }
        if members.is_empty() {
            return;
        }
        let (least, more) = (
            self.units.len() / members.len(),
            self.units.len() % members.len(),
        );
        let count = |units: &[Unit], id| {
            units
                .iter()
                .filter(|unit| unit.wanted_by == Some(id))
                .count()
        };
        // Who has most keeps one more than the others, where it does not come out even.
        let mut by_count: Vec<_> = members
            .iter()
            .map(|id| (count(&self.units, *id), *id))
            .collect();
        by_count.sort_by_key(|(count, id)| (std::cmp::Reverse(*count), *id));
        let shares: Vec<_> = by_count
            .iter()
            .enumerate()
            .map(|(rank, (_, id))| (*id, least + usize::from(rank < more)))
            .collect();
        for (id, share) in &shares {
            let theirs = self
                .units
                .iter_mut()
                .filter(|unit| unit.wanted_by == Some(*id));
            theirs.skip(*share).for_each(|unit| unit.wanted_by = None);
        }
        for (id, share) in shares {
            let lacking = share - count(&self.units, id).min(share);
            let free = self
                .units
                .iter_mut()
                .filter(|unit| unit.wanted_by.is_none());
            free.take(lacking)
                .for_each(|unit| unit.wanted_by = Some(id));
        }
    }
}

impl Member {
    /// Holds the partitions that are this member's by now and that nobody holds.
    pub(super) fn hold(&self) -> Vec<Arc<Hold>> {
        self.group.hold(|unit| unit.wanted_by == Some(self.id))
    }

    /// Says whether a partition is this member's.
    pub(super) fn has(&self, unit: usize) -> bool {
        let state = self.group.lock();
        let found = state.units.get(unit);
        found.is_some_and(|unit| unit.wanted_by == Some(self.id))
    }

    /// Waits until something happened.
    ///
    /// # Concurrency
    /// May be dropped and called again: nothing is missed.
    pub(super) async fn wait(&mut self) {
        // The group is there as long as its member.
        let _ = self.events.changed().await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.group.leave(self.id);
    }
}

impl Hold {
    /// Which partition it is.
    pub(super) const fn unit(&self) -> usize {
        self.unit
    }

    /// Which partition it is, if the queue has some.
    pub(crate) fn partition(&self) -> Option<u32> {
        u32::try_from(self.unit).ok().filter(|_| self.is_split)
    }

    /// Where it lives.
    pub(super) const fn place(&self) -> QueueRef {
        self.place
    }

    /// It is of a stream: what is not done with is delivered to whoever holds the partition next.
    pub(crate) const fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Where to begin to read.
    pub(super) fn start(&self) -> StreamOffset {
        self.with_cursor(Cursor::resume)
            .unwrap_or(StreamOffset::First)
    }

    /// Notes that its queue is gone.
    pub(super) fn bury(&self) {
        if let Some(unit) = self.group.lock().units.get_mut(self.unit) {
            unit.is_gone = true;
        }
    }

    /// Notes a delivery by its sequence number; false if the group is done with it already.
    pub(crate) fn deliver(&self, sequence: u64) -> bool {
        self.with_cursor(|cursor| cursor.deliver(sequence.saturating_sub(1)))
            .unwrap_or(true)
    }

    /// Notes that the group is done with a delivery.
    pub(crate) fn finish(&self, sequence: u64) {
        self.with_cursor(|cursor| cursor.finish(sequence.saturating_sub(1)));
    }

    fn with_cursor<T>(&self, operation: impl FnOnce(&mut Cursor) -> T) -> Option<T> {
        let mut state = self.group.lock();
        let unit = state.units.get_mut(self.unit)?;
        unit.cursor.as_mut().map(operation)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.group.free(self.unit);
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Hold")
            .field("unit", &self.unit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
