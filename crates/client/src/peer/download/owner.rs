//! The owner of the plan: hears what happens at the sources, and says what is asked of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use files::content::{Chaining, Shape, Top};
use files::plan::{Holds, Next, Plan, SourceId};
use tokio::sync::{Semaphore, mpsc};

use super::growth::Growth;
use super::line::{self, Ask, Event, Line, What};
use super::{DownloadError, Fetched, Lie, Means, SourcePeer, Status, Wanted};
use crate::aside::aside;
use crate::peer::identity::Fingerprint;
use crate::peer::sink::{Sink, SinkError};

/// Lost sources that are told of.
const LOST_MAX: usize = 16;

/// A source while it is one.
struct Active {
    name: String,
    key: Fingerprint,
    asks: mpsc::UnboundedSender<Ask>,
    /// What it has, once it has opened the content.
    holds: Option<Holds>,
    is_relayed: bool,
}

/// The owner of the plan.
pub(super) struct Owner {
    wanted: Wanted,
    shape: Shape,
    began: Instant,
    active: BTreeMap<SourceId, Active>,
    /// Every peer that ever was a source keeps its number, so that a liar is known again.
    ids: BTreeMap<[u8; 32], SourceId>,
    liars: Vec<Fingerprint>,
    lost: Vec<(String, String)>,
    lost_count: usize,
    events: mpsc::Sender<Event>,
    sink: Option<Arc<Sink>>,
    /// Segments of an earlier download that are looked at before anything is asked for.
    left: BTreeSet<u32>,
    recovered: u64,
    means: Means,
    growth: Option<Growth>,
    /// There once everything that was left is looked at.
    plan: Option<Plan>,
}

impl Owner {
    pub(super) fn new(
        wanted: Wanted,
        shape: Shape,
        means: Means,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            wanted,
            shape,
            began: Instant::now(),
            active: BTreeMap::new(),
            ids: BTreeMap::new(),
            liars: Vec::new(),
            lost: Vec::new(),
            lost_count: 0,
            events,
            sink: None,
            left: BTreeSet::new(),
            recovered: 0,
            means,
            growth: None,
            plan: None,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_done(&self) -> bool {
        self.plan.as_ref().is_some_and(Plan::is_done)
    }

    /// Whether nobody is asked or about to be.
    pub(super) fn is_alone(&self) -> bool {
        self.active.is_empty()
    }

    /// Whether somebody has the content and gives it.
    pub(super) fn has_source(&self) -> bool {
        self.active.values().any(|source| source.holds.is_some())
    }

    /// What the last source that was lost said.
    pub(super) fn why(&self) -> String {
        let last = self.lost.last();
        last.map_or_else(String::new, |(name, why)| format!("; {name}: {why}"))
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let due = self.plan.as_ref()?.next_timeout(self.now_ms())?;
        Some(self.began + Duration::from_millis(due))
    }

    pub(super) fn time_passed(&mut self) {
        let now_ms = self.now_ms();
        if let Some(plan) = &mut self.plan {
            plan.handle_timeout(now_ms);
        }
    }

    /// Begins without waiting for a source where the root says everything about the segments.
    pub(super) fn begin_alone(&mut self) -> Result<(), DownloadError> {
        let values = match self.shape.segments() {
            0 => Vec::new(),
            1 => vec![Chaining::from_bytes(*self.wanted.root.as_bytes())],
            _ => return Ok(()),
        };
        let top = Top::new(self.shape, values).ok();
        match top.filter(|top| top.root() == self.wanted.root) {
            Some(top) => self.open_sink(top),
            // What has no bytes has one root only.
            None => Err(DownloadError::Size(self.wanted.size)),
        }
    }

    fn disk(&self, source: std::io::Error) -> DownloadError {
        let path = self.wanted.target.clone();
        SinkError::Disk { path, source }.into()
    }

    fn open_sink(&mut self, top: Top) -> Result<(), DownloadError> {
        let sink = Arc::new(Sink::open(&self.wanted.target, top, self.wanted.overwrite)?);
        let left = sink.left().map_err(|error| self.disk(error))?;
        self.left = left.into_iter().collect();
        for source in self.active.values() {
            // A line that has ended says so itself.
            let _ = source.asks.send(Ask::Start(sink.clone()));
        }
        let catalog = self.means.catalog.clone();
        self.growth = catalog.and_then(|catalog| Growth::begin(catalog, sink.clone()));
        self.sink = Some(sink);
        self.recover()
    }

    /// Looks at what an earlier download left of the segments whose lists are here; behind the last of them the plan begins.
    fn recover(&mut self) -> Result<(), DownloadError> {
        let Some(sink) = self.sink.clone().filter(|_| self.plan.is_none()) else {
            return Ok(());
        };
        let known = self.left.iter().copied().filter(|left| sink.knows(*left));
        let known: Vec<u32> = known.collect();
        for segment in known {
            self.left.remove(&segment);
            let recovered = tokio::task::block_in_place(|| sink.recover(segment));
            self.recovered += recovered.map_err(|error| self.disk(error))?;
        }
        if self.left.is_empty() {
            let mut plan = Plan::new(self.shape, sink.have(), self.means.seed);
            for (id, source) in &self.active {
                if let Some(holds) = &source.holds {
                    // They are new, and as many as there may be.
                    let _ = plan.handle_source(*id, holds.clone());
                }
            }
            self.plan = Some(plan);
        }
        Ok(())
    }

    /// Speaks to a peer that may have it, unless it lied; one that is spoken to is known by what is said of it now.
    pub(super) fn connect(&mut self, peer: SourcePeer) {
        let next = SourceId(self.ids.len() as u64);
        let id = *self.ids.entry(*peer.key.as_bytes()).or_insert(next);
        if self.liars.contains(&peer.key) {
            return;
        }
        if let Some(active) = self.active.get(&id) {
            // A line that has ended says so itself.
            let _ = active.asks.send(Ask::Known(peer));
            if let Some(Holds::Part(_)) = active.holds {
                // It may have more by now.
                let _ = active.asks.send(Ask::Again);
            }
            return;
        }
        let (asks, inbox) = mpsc::unbounded_channel();
        if let Some(sink) = &self.sink {
            // The receiver is below.
            let _ = asks.send(Ask::Start(sink.clone()));
        }
        let active = Active {
            name: peer.name.clone(),
            key: peer.key,
            asks,
            holds: None,
            is_relayed: false,
        };
        self.active.insert(id, active);
        let line = Line {
            id,
            peer,
            wanted: self.wanted.clone(),
            asks: inbox,
            content: 0,
            events: self.events.clone(),
            writes: Arc::new(Semaphore::new(line::WRITES)),
            throttle: self.means.throttle.clone(),
        };
        tokio::spawn(line.run());
    }

    /// Takes what happened at a source.
    pub(super) fn take(&mut self, event: Event) -> Result<(), DownloadError> {
        let Event { source, what } = event;
        let now_ms = self.now_ms();
        match what {
            What::Opened { segments, holds } => return self.opened(source, &segments, holds),
            What::Segment => return self.recover(),
            What::Way { is_relayed } => {
                if let Some(active) = self.active.get_mut(&source) {
                    active.is_relayed = is_relayed;
                }
            }
            What::Disk(error) => return Err(self.disk(error)),
            What::Gone(why) => self.lose(source, why, false),
            What::Lied(why) => self.lose(source, why, true),
            What::Arrived(group) => {
                if let Some(plan) = &mut self.plan {
                    plan.handle_arrived(source, group, now_ms);
                }
            }
            What::Busy { groups, retry_ms } => {
                if let Some(plan) = &mut self.plan {
                    plan.handle_busy(source, groups, retry_ms, now_ms);
                }
            }
            What::Missing(groups) => {
                if let Some(plan) = &mut self.plan {
                    plan.handle_missing(source, groups, now_ms);
                }
            }
        }
        Ok(())
    }

    fn opened(&mut self, id: SourceId, segments: &[u8], holds: Holds) -> Result<(), DownloadError> {
        if self.sink.is_none() {
            match Top::decode(self.shape, self.wanted.root, segments) {
                Ok(top) => self.open_sink(top)?,
                Err(error) => {
                    self.lose(id, error.to_string(), true);
                    return Ok(());
                }
            }
        }
        let Some(active) = self.active.get_mut(&id) else {
            return Ok(());
        };
        active.holds = Some(holds.clone());
        match &mut self.plan {
            Some(plan) => {
                if let Err(refused) = plan.handle_source(id, holds) {
                    self.lose(id, refused.to_string(), false);
                }
            }
            None => {
                for segment in &self.left {
                    // A line that has ended says so itself.
                    let _ = active.asks.send(Ask::Segment(*segment));
                }
            }
        }
        Ok(())
    }

    fn lose(&mut self, id: SourceId, why: String, lied: bool) {
        let now_ms = self.now_ms();
        if let Some(plan) = &mut self.plan {
            if lied {
                plan.handle_lie(id, now_ms);
            } else {
                plan.handle_gone(id, now_ms);
            }
        }
        let Some(active) = self.active.remove(&id) else {
            return;
        };
        if lied {
            self.liars.push(active.key);
            if let Some(liars) = &self.means.liars {
                let wanted = &self.wanted;
                let (key, root) = (active.key, wanted.collection.unwrap_or(wanted.root));
                // Whoever wanted to know may have gone.
                let _ = liars.send(Lie { key, root });
            }
        }
        self.lost.push((active.name, why));
        self.lost_count += 1;
        if self.lost.len() > LOST_MAX {
            self.lost.remove(0);
        }
    }

    /// Says to every source what is wanted of it now.
    pub(super) fn ask_all(&mut self) {
        let now_ms = self.now_ms();
        let Some(plan) = &mut self.plan else {
            return;
        };
        while let Some(cancel) = plan.poll_cancel() {
            if let Some(source) = self.active.get(&cancel.source) {
                let _ = source.asks.send(Ask::Cancel(cancel.group));
            }
        }
        for (id, source) in &self.active {
            while let Next::Ask(run) = plan.next(*id, now_ms) {
                let _ = source.asks.send(Ask::Groups(run));
            }
        }
    }

    pub(super) fn status(&self) -> Status {
        let Some(plan) = &self.plan else {
            return Status {
                lost: self.lost.clone(),
                lost_count: self.lost_count,
                ..Status::default()
            };
        };
        let progress = plan.progress(self.now_ms());
        let sources = progress.sources.iter().filter_map(|source| {
            let active = self.active.get(&source.source)?;
            Some((active.name.clone(), source.rate))
        });
        Status {
            bytes: progress.verified_bytes,
            total: Some(self.shape.size()),
            rate: progress.rate,
            remaining_ms: progress.remaining_ms,
            sources: sources.collect(),
            relayed: self.active.values().filter(|one| one.is_relayed).count(),
            lost: self.lost.clone(),
            lost_count: self.lost_count,
        }
    }

    /// Notes what others may have of it already.
    pub(super) fn note_growth(&mut self) {
        if let Some(growth) = &mut self.growth {
            growth.note();
        }
    }

    /// Puts the whole content in its place.
    pub(super) async fn finish(mut self) -> Result<Fetched, DownloadError> {
        // The lines end when nobody asks any more.
        self.active.clear();
        if let Some(sink) = self.sink.take() {
            let overwrite = self.wanted.overwrite;
            let growth = self.growth.take();
            let finish = move || {
                sink.finish(overwrite)?;
                if let Some(growth) = growth {
                    growth.complete();
                }
                Ok(())
            };
            let finished: Result<(), SinkError> = aside(finish).await;
            finished?;
        }
        Ok(Fetched {
            recovered: self.recovered,
            time: self.began.elapsed(),
            liars: self.liars,
        })
    }
}
