//! The plan of one download from many sources: which groups to ask which source for, and when.
//!
//! A state machine. Events go in: sources come, change and go, groups arrive, somebody lies. Out come runs of groups to ask for
//! ([`Plan::next`]), what to cancel ([`Plan::poll_cancel`]), and when to look again though nothing happened ([`Plan::next_timeout`]). After every
//! event poll the cancels, and ask `next` for each source until it says [`Next::Wait`].
//!
//! ```text
//!          ask                        arrived
//!  open ─────────▶ asked (1..copies) ─────────▶ verified
//!   ▲                │
//!   └────────────────┘ gone, lied, busy, missing, too slow: when the last copy is lost
//! ```
//! - *Rarest first*: among what a source has, the groups that fewest others have; of those, the next behind its last run, so that disks read on. A
//!   source that comes to others begins at a place drawn from the seed: neither two sources nor two downloads begin alike.
//! - *Windows* follow the speed of each source: what it sends in a quarter of a second beyond the way there and back.
//! - *End game*: when nothing is left to ask for, what has been under way longest is asked for once more, within
//!   [`DUPLICATE_BYTES_MAX`](crate::limits::DUPLICATE_BYTES_MAX).
//! - A source that makes no progress is given up for a while, one that lied for good.
//!
//! *Units*: memory is a byte and a half per group, the bitmaps of sources that have a part, and what is under way.
//!
//! It must never verify, fetch or wait by itself.

mod rarity;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use self::rarity::Rarity;
use self::source::{Meter, Source};
use crate::content::Shape;
use crate::have::Have;
use crate::limits::{
    BANNED_MAX, CANCELS_MAX, COPIES_MAX, DUPLICATE_AGE_MS, DUPLICATE_BYTES_MAX, REST_MS_MAX,
    SOURCES_MAX,
};

/// Names a source within a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(pub u64);

/// What a source has of the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// All of it.
    All,
    /// These groups.
    Part(Have),
}

/// What to do with a source now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask it for these groups, all of one segment.
    Ask(Range<u32>),
    /// Nothing until something happens, or [`Plan::next_timeout`].
    Wait,
    /// Nothing any more: the content is whole.
    Done,
}

/// A group that a source need not send any more. Who sends it nevertheless does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancel {
    /// The source that was asked.
    pub source: SourceId,
    /// What it was asked for.
    pub group: u32,
}

/// What became of a group that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It was missing until now: write it.
    New,
    /// It was there already.
    Duplicate,
}

/// Why a source is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SourceRefused {
    /// It lied in this download.
    #[error("the source has sent wrong bytes before")]
    Banned,
    /// There are enough.
    #[error("{SOURCES_MAX} sources are enough")]
    TooMany,
    /// What it has is of a content of another size.
    #[error("what the source has is of a content of another size")]
    OtherSize,
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the content.
    pub size: u64,
    /// Bytes of it that are verified.
    pub verified_bytes: u64,
    /// Groups that no source has at the moment, of those that are missing and not under way.
    pub unavailable_groups: u32,
    /// Bytes per second, at the moment.
    pub rate: u64,
    /// How long it takes at this rate, if anything comes.
    pub remaining_ms: Option<u64>,
    /// Bytes that were asked for in all: those of the content, and what was given up or asked for twice.
    pub asked_bytes: u64,
    /// Bytes that were given up and had to be asked for again.
    pub requeued_bytes: u64,
    /// Bytes that were asked for while another source was sending them.
    pub duplicate_bytes: u64,
    /// Each source.
    pub sources: Vec<SourceProgress>,
}

/// How a source is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceProgress {
    /// Which.
    pub source: SourceId,
    /// Bytes per second, at the moment.
    pub rate: u64,
    /// Bytes that may be under way from it.
    pub window_bytes: u64,
    /// Groups that it was asked for.
    pub asked_groups: u32,
}

/// A group that is under way.
#[derive(Debug)]
struct Asked {
    since_ms: u64,
    copies: u32,
}

/// The plan of one download.
#[derive(Debug)]
pub struct Plan {
    shape: Shape,
    seed: u64,
    verified: Have,
    verified_bytes: u64,
    /// Neither verified nor asked for.
    open: Have,
    asked: BTreeMap<u32, Asked>,
    rarity: Rarity,
    /// How many open groups so many sources have, of those that have a part.
    open_by_rarity: [u32; SOURCES_MAX + 1],
    sources: BTreeMap<SourceId, Source>,
    banned: BTreeSet<SourceId>,
    cancels: VecDeque<Cancel>,
    meter: Meter,
    asked_bytes: u64,
    requeued_bytes: u64,
    duplicate_bytes: u64,
}

impl Plan {
    /// Plans the download of a content of which `verified` is here already.
    ///
    /// # Panics
    /// `verified` is of another size.
    #[must_use]
    pub fn new(shape: Shape, verified: Have, seed: u64) -> Self {
        let total = shape.groups();
        assert_eq!(verified.total(), total, "the set is of this content");
        let mut open = Have::none(total);
        for run in verified.missing() {
            open.insert_run(run);
        }
        let bytes_of = |run| shape.bytes_of(run);
        let verified_bytes = verified
            .runs()
            .map(bytes_of)
            .map(|at| at.end - at.start)
            .sum();
        let mut open_by_rarity = [0; SOURCES_MAX + 1];
        open_by_rarity[0] = open.count();
        Self {
            shape,
            seed,
            verified,
            verified_bytes,
            open,
            asked: BTreeMap::new(),
            rarity: Rarity::new(total),
            open_by_rarity,
            sources: BTreeMap::new(),
            banned: BTreeSet::new(),
            cancels: VecDeque::new(),
            meter: Meter::default(),
            asked_bytes: 0,
            requeued_bytes: 0,
            duplicate_bytes: 0,
        }
    }

    /// Whether every group is verified.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.verified.is_all()
    }

    /// What is verified, to be kept for the next start.
    #[must_use]
    pub const fn verified(&self) -> &Have {
        &self.verified
    }

    /// A source is there, or has something else than before.
    ///
    /// # Errors
    /// It lied before, or there are enough.
    pub fn handle_source(&mut self, id: SourceId, holds: Holds) -> Result<(), SourceRefused> {
        let have = match holds {
            Holds::All => None,
            Holds::Part(have) if have.total() != self.shape.groups() => {
                return Err(SourceRefused::OtherSize);
            }
            Holds::Part(have) => (!have.is_all()).then_some(have),
        };
        if self.banned.contains(&id) {
            return Err(SourceRefused::Banned);
        }
        let is_full = self.sources.len() == SOURCES_MAX || self.banned.len() == BANNED_MAX;
        if is_full && !self.sources.contains_key(&id) {
            return Err(SourceRefused::TooMany);
        }
        let cursor = self.first_cursor(id);
        let source = self.sources.entry(id);
        let source =
            source.or_insert_with(|| Source::new(Some(Have::none(self.verified.total())), cursor));
        // A new source counts as one that had nothing until now.
        let before = std::mem::replace(&mut source.have, have.clone());
        self.recount(before.as_ref(), have.as_ref());
        Ok(())
    }

    /// A source is gone: what it was asked for is asked of others.
    pub fn handle_gone(&mut self, id: SourceId, now_ms: u64) {
        self.give_up(id, now_ms, false);
        if let Some(source) = self.sources.remove(&id) {
            self.recount(source.have.as_ref(), None);
        }
    }

    /// A source sent bytes that are not what they should be: nothing that it has is asked for again in this download.
    pub fn handle_lie(&mut self, id: SourceId, now_ms: u64) {
        if self.sources.contains_key(&id) {
            self.banned.insert(id);
            self.handle_gone(id, now_ms);
        }
    }

    /// A source cannot send these groups now, and wants to be left alone for a while.
    pub fn handle_busy(&mut self, id: SourceId, groups: Range<u32>, retry_ms: u64, now_ms: u64) {
        for group in groups {
            self.requeue(id, group, now_ms);
        }
        if let Some(source) = self.sources.get_mut(&id) {
            source.rests_until_ms = now_ms.saturating_add(retry_ms.min(REST_MS_MAX));
        }
    }

    /// A source does not have these groups (any more).
    pub fn handle_missing(&mut self, id: SourceId, groups: Range<u32>, now_ms: u64) {
        let total = self.shape.groups();
        let Some(source) = self.sources.get(&id) else {
            return;
        };
        let groups = groups.start..groups.end.min(total);
        let mut have = source.have.clone().unwrap_or_else(|| Have::all(total));
        for group in groups {
            have.remove(group);
            self.requeue(id, group, now_ms);
        }
        // It is known and stays within the bounds.
        let _ = self.handle_source(id, Holds::Part(have));
    }

    /// Bytes of a group came that is not whole yet: the source is not too slow.
    pub fn handle_progress(&mut self, id: SourceId, now_ms: u64) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.progress(now_ms);
        }
    }

    /// A group came and is verified.
    ///
    /// # Panics
    /// The content has no such group.
    pub fn handle_arrived(&mut self, id: SourceId, group: u32, now_ms: u64) -> Arrival {
        let bytes = self.shape.group_bytes(group);
        if let Some(source) = self.sources.get_mut(&id) {
            source.arrived(group, bytes, now_ms);
        }
        if !self.verified.insert(group) {
            return Arrival::Duplicate;
        }
        self.verified_bytes += bytes;
        // It may have been given up, and come late.
        self.close(group);
        self.asked.remove(&group);
        for (&other, source) in &mut self.sources {
            if source.forget(group, now_ms) {
                push_cancel(&mut self.cancels, other, group);
            }
        }
        self.meter.start(now_ms);
        self.meter.add(bytes, now_ms);
        Arrival::New
    }

    /// Time has passed: sources that made no progress are given up for now.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        let is_late = |source: &Source| source.deadline_ms().is_some_and(|at| at <= now_ms);
        let late = self.sources.iter().filter(|(_, source)| is_late(source));
        let late: Vec<SourceId> = late.map(|(&id, _)| id).collect();
        for id in late {
            self.give_up(id, now_ms, true);
            if let Some(source) = self.sources.get_mut(&id) {
                source.rest_after_stall(now_ms);
            }
        }
    }

    /// Tells when to call [`Self::handle_timeout`] and ask [`Self::next`] again, if nothing happens before.
    #[must_use]
    pub fn next_timeout(&self, now_ms: u64) -> Option<u64> {
        let deadlines = self.sources.values().filter_map(Source::deadline_ms);
        let rests = self.sources.values().map(|source| source.rests_until_ms);
        let is_end = self.is_end_game();
        let ages = self
            .asked
            .values()
            .filter(|asked| is_end && asked.copies < COPIES_MAX);
        let ages = ages.map(|asked| asked.since_ms.saturating_add(DUPLICATE_AGE_MS));
        // What has been due already was not possible, and becomes so by an event only; but for deadlines, which the caller may have missed.
        let later = rests.chain(ages).filter(|&at| at > now_ms);
        deadlines.chain(later).min()
    }

    /// Tells what to ask a source for, and takes it as asked.
    pub fn next(&mut self, id: SourceId, now_ms: u64) -> Next {
        if self.is_done() {
            return Next::Done;
        }
        self.handle_timeout(now_ms);
        let Some(source) = self.sources.get(&id) else {
            return Next::Wait;
        };
        let room = source.room();
        if room == 0 || source.rests_until_ms > now_ms {
            return Next::Wait;
        }
        let found = self.find_open(source, room).or_else(|| {
            let group = self.find_duplicate(source, now_ms)?;
            Some(group..group + 1)
        });
        let Some(run) = found else {
            return Next::Wait;
        };
        for group in run.clone() {
            self.ask(id, group, now_ms);
        }
        Next::Ask(run)
    }

    /// Takes the next group that a source need not send any more.
    pub fn poll_cancel(&mut self) -> Option<Cancel> {
        self.cancels.pop_front()
    }

    /// Tells how far the download is.
    #[must_use]
    pub fn progress(&self, now_ms: u64) -> Progress {
        let size = self.shape.size();
        let rate = self.meter.shown(now_ms);
        let missing = size - self.verified_bytes;
        let sources = self.sources.iter().map(|(&source, state)| SourceProgress {
            source,
            rate: state.meter.shown(now_ms),
            window_bytes: state.window_bytes(),
            asked_groups: u32::try_from(state.asked.len()).unwrap_or(u32::MAX),
        });
        Progress {
            size,
            verified_bytes: self.verified_bytes,
            unavailable_groups: self.open.count() - self.available(),
            rate,
            remaining_ms: missing.saturating_mul(1_000).checked_div(rate),
            asked_bytes: self.asked_bytes,
            requeued_bytes: self.requeued_bytes,
            duplicate_bytes: self.duplicate_bytes,
            sources: sources.collect(),
        }
    }

    /// Finds the rarest open groups that a source has: a run of at most `room`.
    fn find_open(&self, source: &Source, room: u32) -> Option<Range<u32>> {
        let rarities = self.open_by_rarity.iter().enumerate();
        let mut rarities = rarities.filter(|&(_, &count)| count > 0);
        rarities.find_map(|(rarity, _)| {
            let total = self.shape.groups();
            let is_good = |group| {
                self.open.contains(group) && source.has(group) && self.rarity.of(group) == rarity
            };
            let find = |from: u32, to: u32| {
                let mut skip = from % u64::BITS;
                for index in from / u64::BITS..to.div_ceil(u64::BITS) {
                    let groups = self.open.word(index) & source.word(index);
                    if groups >> skip != 0 {
                        let groups = (groups & self.rarity.with(rarity, index)) >> skip << skip;
                        if groups != 0 {
                            return Some(index * u64::BITS + groups.trailing_zeros());
                        }
                    }
                    skip = 0;
                }
                None
            };
            let start = find(source.cursor, total).or_else(|| find(0, source.cursor))?;
            let segment = self.shape.groups_of(self.shape.segment_of(start));
            let most = segment.end.min(start.saturating_add(room));
            let end = (start..most).find(|&group| !is_good(group)).unwrap_or(most);
            Some(start..end)
        })
    }

    /// Finds the group that has been under way longest from others, where nothing else is left.
    fn find_duplicate(&self, source: &Source, now_ms: u64) -> Option<u32> {
        if !self.is_end_game() {
            return None;
        }
        let is_due = |group: u32, asked: &Asked| {
            asked.copies < COPIES_MAX
                && now_ms.saturating_sub(asked.since_ms) >= DUPLICATE_AGE_MS
                && self.duplicate_bytes + self.shape.group_bytes(group) <= DUPLICATE_BYTES_MAX
                && source.has(group)
                && !source.asked.contains_key(&group)
        };
        let asked = self
            .asked
            .iter()
            .filter(|&(&group, asked)| is_due(group, asked));
        let oldest = asked.min_by_key(|(_, asked)| asked.since_ms);
        oldest.map(|(&group, _)| group)
    }

    /// Whether nothing is left that could be asked for.
    fn is_end_game(&self) -> bool {
        self.available() == 0
    }

    /// How many open groups some source has.
    fn available(&self) -> u32 {
        let has_all = self.sources.values().any(|source| source.have.is_none());
        let nobodys = if has_all { 0 } else { self.open_by_rarity[0] };
        self.open.count() - nobodys
    }

    fn ask(&mut self, id: SourceId, group: u32, now_ms: u64) {
        let source = self.sources.get_mut(&id).expect("it was found before");
        source.ask(group, now_ms);
        source.cursor = group + 1;
        let bytes = self.shape.group_bytes(group);
        self.asked_bytes += bytes;
        if let Some(asked) = self.asked.get_mut(&group) {
            asked.copies += 1;
            self.duplicate_bytes += bytes;
        } else {
            let asked = Asked {
                since_ms: now_ms,
                copies: 1,
            };
            self.asked.insert(group, asked);
            self.close(group);
        }
        self.meter.start(now_ms);
    }

    /// Takes back all that a source was asked for.
    fn give_up(&mut self, id: SourceId, now_ms: u64, is_cancelled: bool) {
        let Some(source) = self.sources.get(&id) else {
            return;
        };
        let groups: Vec<u32> = source.asked.keys().copied().collect();
        for group in groups {
            self.requeue(id, group, now_ms);
            if is_cancelled {
                push_cancel(&mut self.cancels, id, group);
            }
        }
    }

    /// Takes back a group that a source was asked for, if it was. It is open again when no other source was.
    fn requeue(&mut self, id: SourceId, group: u32, now_ms: u64) {
        let source = self.sources.get_mut(&id);
        if !source.is_some_and(|source| source.forget(group, now_ms)) {
            return;
        }
        self.requeued_bytes += self.shape.group_bytes(group);
        let asked = self
            .asked
            .get_mut(&group)
            .expect("a source was asked for it");
        asked.copies -= 1;
        if asked.copies == 0 {
            self.asked.remove(&group);
            self.open.insert(group);
            self.open_by_rarity[self.rarity.of(group)] += 1;
        }
    }

    /// A group is not to be asked for.
    fn close(&mut self, group: u32) {
        if self.open.remove(group) {
            self.open_by_rarity[self.rarity.of(group)] -= 1;
        }
    }

    /// A source has something else than before; those that have all count with none.
    fn recount(&mut self, before: Option<&Have>, after: Option<&Have>) {
        if let Some(have) = before {
            self.rarity.subtract(have);
        }
        if let Some(have) = after {
            self.rarity.add(have);
        }
        let words = 0..self.shape.groups().div_ceil(u64::BITS);
        for (rarity, count) in self.open_by_rarity.iter_mut().enumerate() {
            let open =
                |index| (self.open.word(index) & self.rarity.with(rarity, index)).count_ones();
            let is_possible = rarity <= self.sources.len();
            *count = if is_possible {
                words.clone().map(open).sum()
            } else {
                0
            };
        }
    }

    /// Where a source begins: at the beginning if it is alone, so that a file is written from there on.
    fn first_cursor(&self, id: SourceId) -> u32 {
        if self.sources.is_empty() {
            return 0;
        }
        // The finalizer of SplitMix64: near ids come apart.
        let mut mixed = self.seed ^ id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let place = (mixed ^ mixed >> 31) % u64::from(self.shape.groups().max(1));
        u32::try_from(place).unwrap_or(0)
    }
}

/// Notes a cancel; of too many that nobody takes, the oldest go: a source that sends what is not needed does no harm.
fn push_cancel(cancels: &mut VecDeque<Cancel>, source: SourceId, group: u32) {
    if cancels.len() == CANCELS_MAX {
        cancels.pop_front();
    }
    cancels.push_back(Cancel { source, group });
}
