//! Pulling by a group: from partitions that nobody holds, which are held until what was taken is settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use broker::Refusal;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Duration, Instant};

use super::group::{Group, Hold};
use super::{Groups, Sharing};
use crate::gateway::{Delivered, Link, Pull, PullFrom, Settle, SettleKind};

type Pulled = Result<Vec<Delivered>, Refusal>;

/// Where the next pull looks first, so that no partition is always last.
static TURN: AtomicUsize = AtomicUsize::new(0);

impl Groups {
    /// Takes messages under leases, of all partitions if there are some, as a member of a group if it is a stream that is read by one.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn pull(
        &self,
        link: &Link,
        vhost: &str,
        group: Option<&str>,
        pull: Pull,
    ) -> Pulled {
        let start = match pull.from {
            PullFrom::Queue => None,
            PullFrom::Stream(offset) => Some(offset),
        };
        match self.open(link, vhost, &pull.queue, group, start).await? {
            Sharing::Alone => link.pull(pull).await,
            Sharing::Group(group) => {
                let shared = SharedPull {
                    groups: self,
                    link,
                    vhost,
                    group,
                    pull,
                };
                shared.run().await
            }
        }
    }
}

struct SharedPull<'a> {
    groups: &'a Groups,
    link: &'a Link,
    vhost: &'a str,
    group: Arc<Group>,
    pull: Pull,
}

/// Pulls from several partitions that are under way.
#[derive(Default)]
struct Waiting {
    pulls: FuturesUnordered<BoxFuture<'static, Pulled>>,
    tickets: Vec<u64>,
}

impl SharedPull<'_> {
    async fn run(mut self) -> Pulled {
        // Nothing is done with before it is known who gets it.
        let is_done_at_once = std::mem::take(&mut self.pull.no_ack);
        let mut taken = self.take().await?;
        let max = usize::try_from(self.pull.max).unwrap_or(usize::MAX);
        let extra = taken.split_off(taken.len().min(max));
        self.settle(&extra, SettleKind::Return).await?;
        if is_done_at_once {
            self.settle(&taken, SettleKind::Ack).await?;
            taken.iter_mut().for_each(|one| one.lease = None);
        }
        Ok(taken)
    }

    async fn settle(&self, messages: &[Delivered], kind: SettleKind) -> Result<(), Refusal> {
        let leases = messages.iter().filter_map(|message| message.lease);
        let settles: Vec<_> = leases.map(|lease| Settle { lease, kind }).collect();
        if !settles.is_empty() {
            self.link.settle(settles).await?;
        }
        Ok(())
    }

    /// Takes what comes first, and whatever else has come by then.
    async fn take(&self) -> Pulled {
        let deadline = Instant::now() + Duration::from_millis(self.pull.wait_ms);
        let mut events = self.group.listen();
        loop {
            let holds = self.group.hold_free();
            let taken = self.sweep(&holds).await?;
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
            }
            let mut waiting = Waiting::default();
            self.wait_for(holds, &mut waiting, deadline).await?;
            let first = loop {
                tokio::select! {
                    Some(pulled) = waiting.pulls.next(), if !waiting.pulls.is_empty() => match pulled {
                        Ok(taken) if taken.is_empty() => {}
                        answer => break answer,
                    },
                    _ = events.changed() => {
                        if self.group.has_members() {
                            // They have the partitions from now on.
                            break Ok(Vec::new());
                        }
                        let freed = self.group.hold_free();
                        self.wait_for(freed, &mut waiting, deadline).await?;
                        self.check_is_there()?;
                    }
                    () = tokio::time::sleep_until(deadline) => break Ok(Vec::new()),
                }
            };
            let others = self.end(waiting).await;
            let taken = match first {
                Ok(mut taken) => {
                    taken.extend(others);
                    taken
                }
                Err(refusal) if others.is_empty() => return Err(refusal),
                Err(_) => others,
            };
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
            }
        }
    }

    /// Ends pulls that are under way; what they took until then is not lost.
    async fn end(&self, mut waiting: Waiting) -> Vec<Delivered> {
        if !waiting.pulls.is_empty() {
            for ticket in waiting.tickets {
                self.link.end_pull(ticket).await;
            }
        }
        let mut taken = Vec::new();
        while let Some(pulled) = waiting.pulls.next().await {
            taken.extend(pulled.unwrap_or_default());
        }
        taken
    }

    /// Takes what is there.
    async fn sweep(&self, holds: &[Arc<Hold>]) -> Pulled {
        let mut taken = Vec::new();
        let turn = TURN.fetch_add(1, Ordering::Relaxed) % holds.len().max(1);
        let (before, from) = holds.split_at(turn);
        for hold in from.iter().chain(before) {
            let count = u32::try_from(taken.len()).unwrap_or(u32::MAX);
            let left = self.pull.max.saturating_sub(count);
            if left == 0 {
                break;
            }
            let Some(pull) = self.pull_from(hold.clone(), left, Instant::now()) else {
                continue;
            };
            match self.link.pull(pull).await {
                Ok(more) => taken.extend(more),
                Err(refusal) if taken.is_empty() => return Err(refusal),
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    async fn wait_for(
        &self,
        holds: Vec<Arc<Hold>>,
        waiting: &mut Waiting,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        for hold in holds {
            let Some(pull) = self.pull_from(hold, self.pull.max, deadline) else {
                continue;
            };
            let begun = self.link.begin_pull(pull).await?;
            waiting.tickets.extend(begun.ticket());
            waiting.pulls.push(Box::pin(begun.wait()));
        }
        Ok(())
    }

    /// A pull from one partition; `None` if that is gone.
    fn pull_from(&self, hold: Arc<Hold>, max: u32, deadline: Instant) -> Option<Pull> {
        let engine = &self.groups.0.engine;
        let Some(queue) = engine.queue_name(self.vhost, hold.place()) else {
            hold.bury();
            return None;
        };
        let wait = deadline.saturating_duration_since(Instant::now());
        let from = if hold.is_stream() {
            PullFrom::Stream(hold.start())
        } else {
            PullFrom::Queue
        };
        Some(Pull {
            queue: queue.to_string(),
            max,
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            from,
            hold: Some(hold),
            ..self.pull.clone()
        })
    }

    /// Refuses to wait for a queue that is gone.
    fn check_is_there(&self) -> Result<(), Refusal> {
        let found = self
            .groups
            .0
            .engine
            .queue_name(self.vhost, self.group.head());
        found
            .map(|_| ())
            .ok_or_else(|| Refusal::no_queue(&self.pull.queue, self.vhost))
    }
}
