//! Who got what: loss, duplicates and order, per producer and queue.

use hashbrown::HashSet;

use super::mark::Mark;

/// The most gaps that one queue remembers; a later arrival beyond them counts as a duplicate.
const MISSING_MAX: usize = 1 << 20;

/// What is wrong with the messages of a run; all zero when nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Messages that were skipped by later ones of the same producer and did not come.
    pub(crate) missing: u64,
    /// Messages that came again.
    pub(crate) duplicates: u64,
    /// Messages that came after later ones of the same producer.
    pub(crate) out_of_order: u64,
    /// Bodies that hold a mark which no producer wrote.
    pub(crate) foreign: u64,
}

impl Findings {
    /// Adds another queue's.
    pub(crate) fn add(&mut self, other: Self) {
        self.missing += other.missing;
        self.duplicates += other.duplicates;
        self.out_of_order += other.out_of_order;
        self.foreign += other.foreign;
    }
}

/// Follows one queue's messages.
pub(crate) struct QueueTrack {
    /// First producer that publishes to the queue.
    producer_first: u32,
    /// Distance to the next one.
    producer_step: u32,
    /// Sequence number expected next, for each producer of the queue.
    next: Vec<u64>,
    /// Sequence numbers that were skipped, with the producer's place.
    missing: HashSet<(u32, u64)>,
    found: Findings,
}

impl QueueTrack {
    /// Follows a queue that the producers `first`, `first + step`, … publish to, `count` of them.
    pub(crate) fn new(first: u32, step: u32, count: usize) -> Self {
        Self {
            producer_first: first,
            producer_step: step.max(1),
            next: vec![0; count],
            missing: HashSet::new(),
            found: Findings::default(),
        }
    }

    /// Notes one arrival; true when it is the first of its message.
    #[inline]
    pub(crate) fn arrived(&mut self, mark: Mark) -> bool {
        let place = mark.producer.wrapping_sub(self.producer_first) / self.producer_step;
        let Some(next) = self.next.get_mut(place as usize) else {
            self.found.foreign += 1;
            return true;
        };
        if mark.sequence == *next {
            *next += 1;
            return true;
        }
        self.arrived_out_of_row(place, mark.sequence)
    }

    #[cold]
    fn arrived_out_of_row(&mut self, place: u32, sequence: u64) -> bool {
        let next = &mut self.next[place as usize];
        if sequence > *next {
            let skipped = *next..sequence;
            *next = sequence + 1;
            self.found.missing += skipped.end - skipped.start;
            let room = MISSING_MAX.saturating_sub(self.missing.len());
            self.missing
                .extend(skipped.take(room).map(|sequence| (place, sequence)));
            return true;
        }
        if self.missing.remove(&(place, sequence)) {
            self.found.missing -= 1;
            self.found.out_of_order += 1;
            return true;
        }
        self.found.duplicates += 1;
        false
    }

    /// What is wrong until now.
    pub(crate) fn findings(&self) -> Findings {
        self.found
    }
}

#[cfg(test)]
mod tests;
