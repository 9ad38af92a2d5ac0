//! How the server and its queues did in the last minutes, for people who look: a ring of samples, bounded, kept in memory alone.
//!
//! Every five seconds the numbers that are there anyway are read and compared with those of the time before; nothing is counted for
//! it while messages flow. A queue costs 6 KiB for its twelve minutes. While there are few queues all are sampled; of many only those
//! that somebody has looked at, because asking after a hundred thousand queues would hold up the shards.
//!
//! Start reading at [`History::keep`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker::{Name, QueueStatistics};
use engine::{Handle, Totals};
use tokio::time::MissedTickBehavior;

/// The time between samples.
pub(crate) const STEP: Duration = Duration::from_secs(5);
/// Samples that are kept: twelve minutes.
pub(crate) const POINTS_MAX: usize = 144;
/// Up to so many queues, all are sampled; of more, so many of those that were looked at.
const QUEUES_MAX: usize = 1_000;
/// With more queues than these the whole is added up only while somebody looks.
const QUEUES_SUMMED_MAX: usize = 10_000;
/// How long it counts that somebody has looked.
const LOOK_MS: u64 = 12 * 60_000;

/// A queue, by its virtual host and its name.
type Key = (Name, Name);

/// What happened per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rates {
    /// Messages that came in.
    pub(crate) published: f32,
    /// Deliveries.
    pub(crate) delivered: f32,
    /// Messages that left: settled most of all, also those that expired or were dropped.
    pub(crate) settled: f32,
}

/// How something was at one time, and what happened since the sample before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Milliseconds since 1970.
    pub(crate) at_ms: u64,
    pub(crate) ready: u64,
    pub(crate) unacked: u64,
    pub(crate) rates: Rates,
}

/// The same of the whole server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ServerPoint {
    pub(crate) of_queues: Point,
    pub(crate) memory_bytes: u64,
    pub(crate) disk_free_bytes: u64,
}

/// The samples; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    queues: HashMap<Key, Track<Point>>,
    server: Track<ServerPoint>,
    /// When a queue was looked at last.
    looked: HashMap<Key, u64>,
    server_looked_ms: u64,
}

/// What was counted up to a time.
#[derive(Debug, Clone, Copy)]
struct Counted {
    at_ms: u64,
    published: u64,
    delivered: u64,
    settled: u64,
}

#[derive(Debug)]
struct Track<P> {
    last: Option<Counted>,
    points: VecDeque<P>,
}

impl<P> Default for Track<P> {
    fn default() -> Self {
        Self {
            last: None,
            points: VecDeque::new(),
        }
    }
}

impl<P: Copy> Track<P> {
    /// The rates since the last time.
    fn rates(&mut self, now: Counted) -> Rates {
        let Some(last) = self.last.replace(now) else {
            return Rates::default();
        };
        let elapsed_ms = now.at_ms.saturating_sub(last.at_ms);
        if elapsed_ms == 0 {
            return Rates::default();
        }
        #[expect(clippy::cast_precision_loss, reason = "rates are read by people")]
        // A queue that was deleted and made again has counted less than before.
        let per_second =
            |now: u64, last: u64| now.saturating_sub(last) as f32 * 1_000.0 / elapsed_ms as f32;
        Rates {
            published: per_second(now.published, last.published),
            delivered: per_second(now.delivered, last.delivered),
            settled: per_second(now.settled, last.settled),
        }
    }

    fn push(&mut self, point: P) {
        if self.points.len() == POINTS_MAX {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    fn newest(&self, limit: usize) -> Vec<P> {
        let skipped = self.points.len().saturating_sub(limit);
        self.points.iter().skip(skipped).copied().collect()
    }
}

impl History {
    /// Samples until the task is dropped.
    pub(crate) async fn keep(self, engine: Handle) {
        let mut ticks = tokio::time::interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sample(&engine).await;
        }
    }

    async fn sample(&self, engine: &Handle) {
        let (count, now_ms) = (engine.queue_count(), engine.now_ms());
        let (wanted, is_summed) = {
            let mut kept = self.lock();
            kept.forget_looks(now_ms);
            let wanted = (count > QUEUES_MAX).then(|| kept.looked.keys().cloned().collect());
            let is_looked_at = now_ms.saturating_sub(kept.server_looked_ms) < LOOK_MS;
            (wanted, count <= QUEUES_SUMMED_MAX || is_looked_at)
        };
        let wanted: Option<HashSet<Key>> = wanted;
        let rows = engine.queue_statistics(wanted.as_ref()).await;
        let totals = if is_summed {
            Some(engine.totals().await)
        } else {
            None
        };
        let alarms = engine.alarms();
        let (memory, disk) = (alarms.resident_bytes(), alarms.free_bytes());
        let mut kept = self.lock();
        kept.note_queues(now_ms, rows);
        match totals {
            Some(totals) => kept.note_server(now_ms, &totals, memory, disk),
            // Rates over a time that nobody watched would mean nothing.
            None => kept.server.last = None,
        }
    }

    /// The newest samples of a queue, the oldest of them first. Looking at them keeps the queue among those that are sampled.
    pub(crate) fn of_queue(&self, key: &Key, limit: usize, now_ms: u64) -> Vec<Point> {
        let mut kept = self.lock();
        if kept.looked.len() < QUEUES_MAX || kept.looked.contains_key(key) {
            kept.looked.insert(key.clone(), now_ms);
        }
        let track = kept.queues.get(key);
        track.map_or_else(Vec::new, |track| track.newest(limit))
    }

    /// The newest samples of the server, the oldest of them first.
    pub(crate) fn of_server(&self, limit: usize, now_ms: u64) -> Vec<ServerPoint> {
        let mut kept = self.lock();
        kept.server_looked_ms = now_ms;
        kept.server.newest(limit)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget_looks(&mut self, now_ms: u64) {
        self.looked
            .retain(|_, looked_ms| now_ms.saturating_sub(*looked_ms) < LOOK_MS);
    }

    /// Adds a sample of every queue that there is; what was kept of others goes.
    fn note_queues(&mut self, at_ms: u64, rows: Vec<(Key, QueueStatistics)>) {
        let mut before = std::mem::take(&mut self.queues);
        for (key, statistics) in rows.into_iter().take(QUEUES_MAX) {
            let mut track = before.remove(&key).unwrap_or_default();
            let QueueStatistics {
                published,
                delivered,
                ready,
                delayed,
                unacked,
                ..
            } = statistics;
            let rates = track.rates(Counted {
                at_ms,
                published,
                delivered,
                settled: published.saturating_sub(ready + delayed + unacked),
            });
            track.push(Point {
                at_ms,
                ready,
                unacked,
                rates,
            });
            self.queues.insert(key, track);
        }
    }

    fn note_server(
        &mut self,
        at_ms: u64,
        totals: &Totals,
        memory_bytes: u64,
        disk_free_bytes: u64,
    ) {
        let messages = &totals.messages;
        let rates = self.server.rates(Counted {
            at_ms,
            published: messages.published,
            delivered: messages.delivered + messages.got,
            settled: messages.acked + messages.rejected,
        });
        self.server.push(ServerPoint {
            of_queues: Point {
                at_ms,
                ready: totals.queues.ready,
                unacked: totals.queues.unacked,
                rates,
            },
            memory_bytes,
            disk_free_bytes,
        });
    }
}

#[cfg(test)]
mod tests;
