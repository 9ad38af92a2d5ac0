//! Where a consumer's deliveries come from: a consumer of the broker's, or pulls for as much as there is credit.

use std::collections::VecDeque;

use broker::{Refusal, StreamOffset};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::flaw::Flaw;
use crate::gateway::{Delivered, Groups, Link, Pull, PullFrom};
use crate::http::DEFAULT_VHOST;

/// The most messages that are pulled at once.
const PULL_MAX: u32 = 1_000;
/// How long one pull waits, in milliseconds; then comes the next.
const PULL_WAIT_MS: u64 = 60_000;
/// The most credit that one request may ask for.
const CREDIT_MAX: u32 = 65_535;

/// Where deliveries come from.
pub(super) enum Source {
    /// From a consumer of the broker's.
    Prefetch(mpsc::Receiver<Delivered>),
    /// From pulls.
    Credit(Credit),
}

/// Deliveries by credit.
pub(super) struct Credit {
    groups: Groups,
    queue: String,
    group: Option<String>,
    /// How many deliveries were asked for that no pull takes yet.
    left: u32,
    /// Where the next pull begins.
    from: PullFrom,
    ready: VecDeque<Delivered>,
    pulling: Option<(u32, Pulling)>,
}

type Pulling = BoxFuture<'static, Result<Vec<Delivered>, Refusal>>;

impl Source {
    /// Waits for the next delivery; an error when there will be none any more, with the refusal if there was one.
    ///
    /// # Concurrency
    /// May be dropped and called again: nothing is lost.
    pub(super) async fn next(&mut self, link: &Link) -> Result<Delivered, Option<Refusal>> {
        match self {
            Self::Prefetch(deliveries) => deliveries.recv().await.ok_or(None),
            Self::Credit(credit) => credit.next(link).await,
        }
    }

    /// Whether the link is to be told what left.
    pub(super) const fn counts_bytes(&self) -> bool {
        matches!(self, Self::Prefetch(_))
    }

    /// Asks for further deliveries.
    ///
    /// # Errors
    /// The consumer has no credit, or the number is out of range.
    pub(super) fn add_credit(&mut self, deliveries: u32) -> Result<(), Flaw> {
        let Self::Credit(credit) = self else {
            let detail =
                "the consumer began with a prefetch; begin with credit to ask for deliveries";
            return Err(Flaw::new("credit", detail));
        };
        if !(1..=CREDIT_MAX).contains(&deliveries) {
            let detail = format!("a consumer asks for 1 to {CREDIT_MAX} deliveries at once");
            return Err(Flaw::new("credit.deliveries", detail));
        }
        credit.left = credit.left.saturating_add(deliveries);
        Ok(())
    }
}

impl Credit {
    pub(super) fn new(
        groups: Groups,
        queue: String,
        group: Option<String>,
        left: u32,
        stream: Option<StreamOffset>,
    ) -> Self {
        Self {
            groups,
            queue,
            group,
            left,
            from: stream.map_or(PullFrom::Queue, PullFrom::Stream),
            ready: VecDeque::new(),
            pulling: None,
        }
    }

    async fn next(&mut self, link: &Link) -> Result<Delivered, Option<Refusal>> {
        loop {
            if let Some(delivered) = self.ready.pop_front() {
                return Ok(delivered);
            }
            if self.pulling.is_none() && self.left == 0 {
                // Until more is asked for, when whoever waits is dropped.
                std::future::pending::<()>().await;
            }
            if self.pulling.is_none() {
                self.pulling = Some(self.begin(link));
            }
            let Some((max, pulling)) = &mut self.pulling else {
                continue;
            };
            let pulled = pulling.await;
            let max = *max;
            self.pulling = None;
            let delivered = pulled.map_err(Some)?;
            let taken = u32::try_from(delivered.len()).unwrap_or(max);
            self.left = self.left.saturating_add(max.saturating_sub(taken));
            if let (PullFrom::Stream(_), Some(last), None) =
                (self.from, delivered.last(), &self.group)
            {
                // A stream's offsets are its sequence numbers less one.
                self.from = PullFrom::Stream(StreamOffset::Offset(last.sequence));
            }
            self.ready.extend(delivered);
        }
    }

    fn begin(&mut self, link: &Link) -> (u32, Pulling) {
        let max = self.left.min(PULL_MAX);
        self.left -= max;
        let pull = Pull {
            queue: self.queue.clone(),
            max,
            wait_ms: PULL_WAIT_MS,
            // Until the stream ends.
            lease_ms: u64::MAX,
            from: self.from,
            no_ack: false,
            hold: None,
        };
        let (link, groups, group) = (link.clone(), self.groups.clone(), self.group.clone());
        let pulling = async move {
            let group = group.as_deref();
            groups.pull(&link, DEFAULT_VHOST, group, pull).await
        };
        (max, Box::pin(pulling))
    }
}
