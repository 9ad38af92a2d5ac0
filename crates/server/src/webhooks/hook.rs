//! One webhook at work: a task that consumes from its queue and posts what comes.
//!
//! A message is held, unacknowledged, from its first attempt to the end of its last wait, so that with one in flight the order stays;
//! nothing of it is kept elsewhere, and whatever ends the task gives every message back to its queue.
//!
//! Start reading at [`Hook::run`].

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use broker::QueueRef;
use broker::access::Right;
use engine::accounts::Login;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::backoff::Backoff;
use super::bounds::Gates;
use super::client::{Answer, Kept};
use super::fault::Fault;
use super::letter::Letter;
use super::settings::{Settings, Target};
use super::signature::Signer;
use super::status::Status;
use super::{Hooks, Owner};
use crate::gateway::{ConsumeWish, Delivered, Link, Origin, Settle, SettleKind};

/// How often the owner's rights are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(400);
/// Waits before a queue is read again that could not be.
const READING_AGAIN: Backoff = Backoff {
    first_ms: 250,
    max_ms: 5_000,
};
/// A queue that was read for so long can be read.
const READ_LONG: Duration = Duration::from_secs(30);

/// A larger body is not signed where requests of others would wait for it.
const SIGNED_INLINE_BYTES_MAX: usize = 64 << 10;

/// A webhook that is not paused.
pub(super) struct Hook {
    pub(super) hooks: Hooks,
    pub(super) id: String,
    pub(super) owner: Owner,
    pub(super) vhost: String,
    pub(super) queue: String,
    pub(super) place: QueueRef,
    pub(super) target: Target,
    pub(super) signer: Signer,
    pub(super) settings: Settings,
    pub(super) gates: Gates,
    pub(super) status: Arc<Status>,
    pub(super) kept: Kept,
}

/// Why the queue is not read any more.
enum Ended {
    /// The account or the queue is gone, and the webhook with it.
    Gone,
    /// It is to be paused.
    Paused(String),
    /// It is to be tried again.
    Lost(String),
}

/// What became of one message.
enum Outcome {
    /// It is settled.
    Settled,
    /// The webhook is to be paused, and the message given back.
    Pause(String),
}

impl Hook {
    /// Works until the webhook is gone or paused.
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let begun = Instant::now();
            let reason = match self.read().await {
                Ended::Gone => {
                    tracing::info!(
                        webhook = self.id,
                        "a webhook ends with its queue or account"
                    );
                    return;
                }
                Ended::Paused(reason) => {
                    tracing::warn!(webhook = self.id, reason, "a webhook is paused");
                    return self.hooks.pause(&self.id, &self.status, reason).await;
                }
                Ended::Lost(reason) => reason,
            };
            failures = if begun.elapsed() > READ_LONG {
                1
            } else {
                failures + 1
            };
            let wait = READING_AGAIN.next(failures);
            tracing::debug!(webhook = self.id, reason, "a webhook cannot read its queue");
            let now_ms = self.hooks.now_ms();
            self.status.lost(now_ms, &reason, now_ms + millis(wait));
            sleep(wait).await;
        }
    }

    /// Reads the queue in the owner's name until something ends that.
    async fn read(&mut self) -> Ended {
        let Some(login) = self.hooks.login_of(&self.owner) else {
            return Ended::Gone;
        };
        // It may have another name by now.
        match self.hooks.queue_at(&self.vhost, self.place, &self.queue) {
            Some(queue) => self.queue = queue,
            None => return Ended::Gone,
        }
        if let Some(ended) = self.look(&login) {
            return ended;
        }
        let origin = Origin {
            peer: format!("webhook {}", self.id),
            door: "webhook",
            client: None,
        };
        let gateway = self.hooks.gateway();
        let link = match gateway.open(&login, &self.vhost, &origin).await {
            Ok(link) => link,
            Err(refusal) => return Ended::Lost(refusal.detail),
        };
        let wish = ConsumeWish {
            vhost: self.vhost.clone(),
            queue: self.queue.clone(),
            group: None,
            prefetch: self.settings.max_in_flight,
            offset: None,
            priority: 0,
            tag: None,
            exclusive: false,
        };
        let deliveries = match self.hooks.gateway().groups().consume(&link, wish).await {
            Ok(consumed) => consumed.receiver,
            Err(refusal) => return Ended::Lost(refusal.detail),
        };
        self.status.reads();
        self.work(&login, &link, deliveries).await
    }

    async fn work(
        &self,
        login: &Login,
        link: &Link,
        mut deliveries: mpsc::Receiver<Delivered>,
    ) -> Ended {
        let mut under_way = FuturesUnordered::new();
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = link.closed() => {
                    return Ended::Lost("the connection to the queue was closed".to_owned());
                }
                Some(outcome) = under_way.next() => match outcome {
                    Outcome::Settled => {}
                    Outcome::Pause(reason) => return Ended::Paused(reason),
                },
                delivered = deliveries.recv() => match delivered {
                    Some(delivered) => under_way.push(self.deliver(link, delivered)),
                    None => return Ended::Lost("the queue ended the consumer".to_owned()),
                },
                _ = looks.tick() => if let Some(ended) = self.look(login) {
                    return ended;
                },
            }
            self.status.under_way(under_way.len());
        }
    }

    /// Looks whether everything is still as it has to be.
    fn look(&self, login: &Login) -> Option<Ended> {
        let Some(name) = self.hooks.queue_at(&self.vhost, self.place, &self.queue) else {
            return Some(Ended::Gone);
        };
        if self.hooks.login_of(&self.owner).is_none() {
            return Some(Ended::Gone);
        }
        if name != self.queue {
            return Some(Ended::Lost("the queue has another name now".to_owned()));
        }
        let engine = self.hooks.gateway().engine();
        let access = engine.accounts().access(login, &self.vhost);
        let may_read =
            access.is_some_and(|access| engine.may_on_queue(&access, Right::Read, &name));
        (!may_read).then(|| Ended::Lost("the webhook's owner may not read the queue".to_owned()))
    }

    /// Sends one message, again and again until it is taken or given up.
    async fn deliver(&self, link: &Link, delivered: Delivered) -> Outcome {
        let position = delivered.sequence;
        let mut letter = Letter::of(&self.id, &self.queue, &delivered);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let answer = self.attempt(&mut letter, attempt).await;
            let (fault, asked) = match answer {
                Ok(Answer { status, .. }) if status.is_success() => {
                    self.settle(link, &delivered, SettleKind::Ack).await;
                    self.status.delivered();
                    return Outcome::Settled;
                }
                Ok(Answer {
                    status,
                    retry_after,
                }) => (refusal(status), retry_after),
                Err(fault) => (fault, None),
            };
            let now_ms = self.hooks.now_ms();
            self.status.failed(now_ms, fault);
            tracing::debug!(webhook = self.id, position, attempt, %fault, "an attempt failed");
            if fault == Fault::Status(StatusCode::GONE) {
                return Outcome::Pause(format!("{fault}, so that it wants nothing more"));
            }
            if attempt >= self.settings.max_attempts {
                return self.give_up(link, &delivered, attempt, fault).await;
            }
            let wait = self.settings.backoff().next(attempt);
            let wait = wait.max(asked.unwrap_or_default());
            self.status.waits(position, now_ms + millis(wait));
            sleep(wait).await;
            self.status.resumes(position);
        }
    }

    async fn attempt(&self, letter: &mut Letter, attempt: u32) -> Result<Answer, Fault> {
        let _place = self.gates.enter().await;
        let seconds = self.hooks.now_ms() / 1_000;
        let signature = self.sign(letter, seconds).await;
        letter.address(&signature, attempt);
        let time = Duration::from_millis(self.settings.timeout_ms);
        let client = self.hooks.client();
        client.post(&self.kept, &self.target, letter, time).await
    }

    async fn sign(&self, letter: &Letter, seconds: u64) -> String {
        if letter.body.len() <= SIGNED_INLINE_BYTES_MAX {
            return letter.signature(&self.signer, seconds);
        }
        let (signer, letter) = (self.signer.clone(), letter.clone());
        let signed = tokio::task::spawn_blocking(move || letter.signature(&signer, seconds));
        // It fails only while the server stops; then nobody reads it.
        signed.await.unwrap_or_default()
    }

    /// Lets go of a message that nobody took, if it is not lost by that.
    async fn give_up(
        &self,
        link: &Link,
        delivered: &Delivered,
        attempts: u32,
        fault: Fault,
    ) -> Outcome {
        let engine = self.hooks.gateway().engine();
        if !engine.keeps_rejected(&self.vhost, &self.queue, &delivered.message) {
            return Outcome::Pause(format!(
                "a message was not taken in {attempts} attempts ({fault}), and would be lost: the queue has no dead-letter exchange that leads to a queue"
            ));
        }
        self.settle(link, delivered, SettleKind::Reject).await;
        self.status.dead_lettered();
        Outcome::Settled
    }

    async fn settle(&self, link: &Link, delivered: &Delivered, kind: SettleKind) {
        if let Some(lease) = delivered.lease {
            link.settle_silently(vec![Settle { lease, kind }]).await;
        }
        // Only now may more come: what waits for its receiver counts as much as what waits for a socket.
        link.written(delivered.outbox_bytes).await;
    }
}

/// What an answer that is no success means.
fn refusal(status: StatusCode) -> Fault {
    if status.is_redirection() {
        Fault::Redirect(status)
    } else {
        Fault::Status(status)
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
