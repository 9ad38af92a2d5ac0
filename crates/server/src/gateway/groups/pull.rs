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
use crate::gateway::{Delivered, Link, Pull, PullFrom};

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

impl SharedPull<'_> {
    async fn run(self) -> Pulled {
        let deadline = Instant::now() + Duration::from_millis(self.pull.wait_ms);
        let mut events = self.group.listen();
        loop {
            let holds = self.group.hold_free();
            let taken = self.sweep(&holds).await?;
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
            }
            let mut waiting: FuturesUnordered<_> = holds
                .into_iter()
                .map(|hold| self.from(hold, self.pull.max, deadline))
                .collect();
            loop {
                tokio::select! {
                    Some(pulled) = waiting.next(), if !waiting.is_empty() => match pulled {
                        Ok(taken) if taken.is_empty() => {}
                        answer => return answer,
                    },
                    _ = events.changed() => {
                        if self.group.has_members() {
                            // They have the partitions from now on.
                            break;
                        }
                        let freed = self.group.hold_free().into_iter();
                        waiting.extend(freed.map(|hold| self.from(hold, self.pull.max, deadline)));
                    }
                    () = tokio::time::sleep_until(deadline) => return Ok(Vec::new()),
                }
            }
        }
    }

    /// Takes what is there.
    async fn sweep(&self, holds: &[Arc<Hold>]) -> Pulled {
        let mut taken = Vec::new();
        let turn = TURN.fetch_add(1, Ordering::Relaxed) % holds.len().max(1);
        let (before, from) = holds.split_at(turn);
        for hold in from.iter().chain(before) {
            let left = self
                .pull
                .max
                .saturating_sub(u32::try_from(taken.len()).unwrap_or(u32::MAX));
            if left == 0 {
                break;
            }
            taken.extend(self.from(hold.clone(), left, Instant::now()).await?);
        }
        Ok(taken)
    }

    /// Pulls from one partition.
    fn from(&self, hold: Arc<Hold>, max: u32, deadline: Instant) -> BoxFuture<'static, Pulled> {
        let engine = &self.groups.0.engine;
        let Some(queue) = engine.queue_name(self.vhost, hold.place()) else {
            return Box::pin(async { Ok(Vec::new()) });
        };
        let wait = deadline.saturating_duration_since(Instant::now());
        let from = if hold.is_stream() {
            PullFrom::Stream(hold.start())
        } else {
            PullFrom::Queue
        };
        let pull = Pull {
            queue: queue.to_string(),
            max,
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            from,
            hold: Some(hold),
            ..self.pull.clone()
        };
        let link = self.link.clone();
        Box::pin(async move { link.pull(pull).await })
    }
}
