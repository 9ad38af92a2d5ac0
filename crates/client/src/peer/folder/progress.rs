//! How far a folder is, told as a file's download tells it: over all of its files, whichever way they come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::peer::download::Status;

/// Lost sources that are told of.
const LOST_MAX: usize = 16;
/// How long those who sent are told of while nobody sends: from one file to the next they are asked anew.
const SENDERS_TIME: Duration = Duration::from_secs(2);
/// What is measured at once, in milliseconds.
const SLOT_MS: u64 = 250;
/// How many of these say what the rate is.
const SLOTS: u64 = 12;

/// Measures bytes per second, over the last three seconds.
#[derive(Debug)]
pub(super) struct Meter {
    began: Instant,
    /// When, in slots since it began, and how many bytes.
    slots: VecDeque<(u64, u64)>,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            slots: VecDeque::new(),
        }
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.add_at(bytes, self.now_ms());
    }

    pub(super) fn rate(&self) -> u64 {
        self.rate_at(self.now_ms())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn add_at(&mut self, bytes: u64, now_ms: u64) {
        let now = now_ms / SLOT_MS;
        match self.slots.back_mut() {
            Some((slot, there)) if *slot == now => *there += bytes,
            Some(_) | None => self.slots.push_back((now, bytes)),
        }
        while self
            .slots
            .front()
            .is_some_and(|(slot, _)| slot + SLOTS <= now)
        {
            self.slots.pop_front();
        }
    }

    fn rate_at(&self, now_ms: u64) -> u64 {
        let first = (now_ms / SLOT_MS + 1).saturating_sub(SLOTS);
        let recent = self.slots.iter().filter(|(slot, _)| *slot >= first);
        let bytes: u64 = recent.map(|(_, bytes)| bytes).sum();
        let time_ms = now_ms - first * SLOT_MS;
        bytes.saturating_mul(1_000) / time_ms.max(SLOT_MS)
    }
}

/// How far it is.
#[derive(Debug)]
pub(super) struct Progress {
    /// Of all files, once the list is here.
    total: Option<u64>,
    /// Bytes of files that are there.
    bytes: u64,
    /// What came over the network; what an earlier download left does not.
    meter: Meter,
    senders: Senders,
    lost: Vec<(String, String)>,
    lost_count: usize,
}

/// Those who send.
#[derive(Debug, Clone)]
pub(super) struct Senders {
    /// By name, with their bytes per second.
    by_name: Vec<(String, u64)>,
    /// How many of them are reached through the server.
    relayed: usize,
    at: Instant,
}

impl Senders {
    pub(super) fn new(by_name: Vec<(String, u64)>, relayed: usize) -> Self {
        let at = Instant::now();
        Self {
            by_name,
            relayed,
            at,
        }
    }

    pub(super) fn none() -> Self {
        Self::new(Vec::new(), 0)
    }

    pub(super) fn of(status: &Status) -> Self {
        Self::new(status.sources.clone(), status.relayed)
    }
}

/// What is told of the one file that is fetched by itself.
#[derive(Debug, Default)]
pub(super) struct Single {
    /// Its bytes that were there at first, once that is known.
    left: Option<u64>,
    /// What of it is in the rate.
    counted: u64,
    lost_count: usize,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            total: None,
            bytes: 0,
            meter: Meter::new(),
            senders: Senders::none(),
            lost: Vec::new(),
            lost_count: 0,
        }
    }

    /// The list is here: so many bytes are all.
    pub(super) fn begin(&mut self, total: u64) {
        self.total = Some(total);
    }

    /// So many bytes were there before.
    pub(super) fn recovered(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// So many bytes came.
    pub(super) fn came(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.meter.add(bytes);
    }

    /// Somebody is no source any more.
    pub(super) fn lost(&mut self, name: String, why: String) {
        self.lost.push((name, why));
        self.lost_count += 1;
        if self.lost.len() > LOST_MAX {
            self.lost.remove(0);
        }
    }

    /// Takes over what is told of one file of the folder.
    pub(super) fn follow(&mut self, single: &mut Single, status: &Status) {
        // It is told of what is there only when it knows what was left.
        if status.total.is_some() {
            let left = *single.left.get_or_insert(status.bytes);
            let came = status.bytes.saturating_sub(left);
            self.meter.add(came.saturating_sub(single.counted));
            single.counted = single.counted.max(came);
        }
        let news = status.lost_count.saturating_sub(single.lost_count);
        let known = status.lost.len().saturating_sub(news);
        for (name, why) in status.lost.iter().skip(known) {
            self.lost(name.clone(), why.clone());
        }
        single.lost_count = status.lost_count;
    }

    /// One file of the folder is there; so many of its bytes were before.
    pub(super) fn finished(&mut self, single: &Single, size: u64, recovered: u64) {
        let came = size.saturating_sub(recovered);
        self.meter.add(came.saturating_sub(single.counted));
        self.bytes += size;
    }

    /// Says it, with those who send and what is here of a file that is not there yet.
    pub(super) fn status(&mut self, senders: Senders, more: u64) -> Status {
        if !senders.by_name.is_empty() || self.senders.at.elapsed() > SENDERS_TIME {
            self.senders = senders;
        }
        let bytes = self.bytes + more;
        let rate = self.meter.rate();
        let missing = self.total.map(|total| total.saturating_sub(bytes));
        let remaining_ms =
            missing.and_then(|missing| missing.saturating_mul(1_000).checked_div(rate));
        Status {
            bytes,
            total: self.total,
            rate,
            remaining_ms,
            sources: self.senders.by_name.clone(),
            relayed: self.senders.relayed,
            lost: self.lost.clone(),
            lost_count: self.lost_count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(bytes: u64, lost: &[&str], lost_count: usize) -> Status {
        let lost = lost.iter().map(|name| ((*name).to_owned(), "away".into()));
        Status {
            bytes,
            total: Some(1_000),
            lost: lost.collect(),
            lost_count,
            ..Status::default()
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut meter = Meter::new();
        assert_eq!(meter.rate_at(0), 0);
        for now_ms in (0..10_000).step_by(100) {
            meter.add_at(100, now_ms);
        }
        let rate = meter.rate_at(9_999);
        assert!((950..=1_050).contains(&rate), "{rate}");
        let later = meter.rate_at(11_500);
        assert!(later < 600, "{later} while nothing comes");
        assert_eq!(meter.rate_at(20_000), 0);
        assert!(meter.slots.len() <= 12, "what is past is forgotten");
    }

    #[test]
    fn what_was_left_is_there_and_in_no_rate() {
        let mut progress = Progress::new();
        progress.begin(2_000);
        progress.recovered(500);
        let mut file = Single::default();
        progress.follow(&mut file, &single(900, &[], 0));
        let told = progress.status(Senders::none(), 900);
        assert_eq!((told.bytes, told.rate, told.remaining_ms), (1_400, 0, None));
        progress.follow(&mut file, &single(950, &[], 0));
        progress.finished(&file, 1_000, 900);
        let told = progress.status(Senders::new(vec![("anna/desk".into(), 7)], 1), 0);
        assert_eq!((told.bytes, told.total), (1_500, Some(2_000)));
        let counted: u64 = progress.meter.slots.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(counted, 100);
        assert!(told.rate > 0 && told.remaining_ms.is_some(), "{told:?}");
        assert_eq!(told.sources, [("anna/desk".to_owned(), 7)]);
        assert_eq!(told.relayed, 1);
        let between = progress.status(Senders::none(), 0);
        assert_eq!(between.sources.len(), 1, "the next file is asked for");
    }

    #[test]
    fn each_loss_is_told_once_in_whichever_file_it_was() {
        let mut progress = Progress::new();
        let mut first = Single::default();
        progress.follow(&mut first, &single(0, &["one"], 1));
        progress.follow(&mut first, &single(0, &["one", "two"], 2));
        progress.follow(&mut Single::default(), &single(0, &["one"], 1));
        let told = progress.status(Senders::none(), 0);
        let names: Vec<_> = told.lost.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["one", "two", "one"]);
        assert_eq!(told.lost_count, 3);
    }
}
