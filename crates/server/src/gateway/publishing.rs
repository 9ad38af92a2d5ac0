//! Publishes on their way: each has a number on the link's one publishing channel until the broker says what became of it.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use broker::{Body, Name, POSTED, Port, PostOutcome, Publish, QueueRef, Refusal, RefusalKind};
use codec::amqp::properties::PropertiesRef;
use engine::accounts::Login;
use tokio::sync::oneshot;

use super::command::{Deliver, Outgoing, PublishOutcome};

/// The channel that all publishes of a link go by; requests have the others.
pub(super) const PUBLISH_CHANNEL: u16 = 1;
/// Bodies from this size on are shared with the request that they came in; smaller ones are copied out of it.
const SHARE_BYTES_MIN: usize = 4_096;

type Outcome = Result<PublishOutcome, Refusal>;

/// Messages that were published together and are answered together.
struct Batch {
    answer: oneshot::Sender<Vec<Outcome>>,
    outcomes: Vec<Outcome>,
    open: usize,
}

/// One message whose fate is not known yet.
struct Open {
    batch: u64,
    index: usize,
    /// How many shards have yet to say theirs.
    shards: u32,
}

/// The publishes of one link.
#[derive(Default)]
pub(super) struct Publishing {
    published: u64,
    begun: u64,
    open: BTreeMap<u64, Open>,
    batches: HashMap<u64, Batch>,
    /// Messages that the chat was given, by which of its messages they are.
    posts: HashMap<u64, u64>,
}

impl Publishing {
    /// How many messages were published so far.
    pub(super) const fn published(&self) -> u64 {
        self.published
    }

    /// Publishes messages; the answer comes when the last of them is safe or refused.
    pub(super) fn publish<P: Port>(
        &mut self,
        messages: &[Outgoing],
        answer: oneshot::Sender<Vec<Outcome>>,
        sender: &Sender,
        port: &mut P,
        now_ms: u64,
    ) {
        // Whoever gave up before it began is to find nothing published.
        if answer.is_closed() {
            return;
        }
        self.begun += 1;
        let batch = self.begun;
        let mut outcomes = Vec::with_capacity(messages.len());
        let mut open = 0;
        for (index, message) in messages.iter().enumerate() {
            self.published += 1;
            let number = self.published;
            outcomes.push(match sender.send(message, Some(number), port, now_ms) {
                Ok(POSTED) => {
                    open += 1;
                    self.posts.insert(sender.posted(), number);
                    let entry = Open {
                        batch,
                        index,
                        shards: 1,
                    };
                    self.open.insert(number, entry);
                    Ok(PublishOutcome {
                        is_routed: true,
                        ..PublishOutcome::default()
                    })
                }
                Ok(shards) => {
                    if shards > 0 {
                        open += 1;
                        let entry = Open {
                            batch,
                            index,
                            shards,
                        };
                        self.open.insert(number, entry);
                    }
                    Ok(PublishOutcome {
                        is_routed: shards > 0,
                        ..PublishOutcome::default()
                    })
                }
                Err(refusal) => Err(refusal),
            });
        }
        let batch_of = Batch {
            answer,
            outcomes,
            open,
        };
        if open == 0 {
            let _ = batch_of.answer.send(batch_of.outcomes);
        } else {
            self.batches.insert(batch, batch_of);
        }
    }

    /// Notes where a message went.
    pub(super) fn placed(
        &mut self,
        number: u64,
        queue: QueueRef,
        sequence: u64,
        is_duplicate: bool,
    ) {
        let Some(open) = self.open.get(&number) else {
            return;
        };
        let entry = self.batches.get_mut(&open.batch);
        if let Some(Ok(outcome)) = entry.and_then(|entry| entry.outcomes.get_mut(open.index)) {
            outcome.places.push((queue, sequence));
            outcome.is_duplicate |= is_duplicate;
        }
    }

    /// Notes what became of a message that the chat was given.
    pub(super) fn posted(&mut self, post: u64, told: PostOutcome) {
        let Some(number) = self.posts.remove(&post) else {
            return;
        };
        let open = self.open.get(&number);
        let entry = open.and_then(|open| {
            let batch = self.batches.get_mut(&open.batch)?;
            batch.outcomes.get_mut(open.index)
        });
        if let Some(outcome) = entry {
            match (told, outcome) {
                (PostOutcome::Stored, _) | (PostOutcome::NoRoom, Err(_)) => {}
                (PostOutcome::NoRoom, Ok(outcome)) => outcome.is_routed = false,
                (PostOutcome::Refused(refusal), outcome) => *outcome = Err(refusal),
            }
        }
        self.confirm(number, false);
    }

    /// Notes that one shard has settled the publishes `first..=last`.
    pub(super) fn confirmed(&mut self, first: u64, last: u64, is_rejected: bool) {
        let settled: Vec<u64> = self.open.range(first..=last).map(|(n, _)| *n).collect();
        for number in settled {
            self.confirm(number, is_rejected);
        }
    }

    fn confirm(&mut self, number: u64, is_rejected: bool) {
        let Some(open) = self.open.get_mut(&number) else {
            return;
        };
        open.shards -= 1;
        let (batch, index, is_last) = (open.batch, open.index, open.shards == 0);
        if is_last {
            self.open.remove(&number);
        }
        let Some(entry) = self.batches.get_mut(&batch) else {
            return;
        };
        if let Some(Ok(outcome)) = entry.outcomes.get_mut(index) {
            outcome.is_rejected |= is_rejected;
        }
        if is_last {
            entry.open -= 1;
        }
        if entry.open == 0
            && let Some(batch) = self.batches.remove(&batch)
        {
            // Whoever asked may be gone; the messages are safe all the same.
            let _ = batch.answer.send(batch.outcomes);
        }
    }
}

/// Who publishes by a link.
pub(super) struct Sender {
    login: Name,
    /// It may name others as the senders of its messages.
    impersonator: bool,
    /// How many messages the chat was given.
    posted: Cell<u64>,
}

impl Sender {
    pub(super) fn new(login: &Login) -> Self {
        Self {
            login: login.name.clone(),
            impersonator: login.impersonator,
            posted: Cell::new(0),
        }
    }

    /// One that may speak for itself alone.
    #[cfg(test)]
    pub(super) fn named(login: &str) -> Self {
        Self {
            login: login.into(),
            impersonator: false,
            posted: Cell::new(0),
        }
    }

    /// Which message for the chat was the last.
    const fn posted(&self) -> u64 {
        self.posted.get()
    }

    /// Checks the user-id property, as AMQP's door does: nobody publishes in another's name.
    fn check(&self, properties: &PropertiesRef<'_>) -> Result<(), Refusal> {
        match properties.user_id {
            Some(user) if *user != *self.login && !self.impersonator => Err(Refusal::new(
                RefusalKind::PreconditionFailed,
                format!("user_id is '{user}', but you are '{}'", self.login),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Publishes one message; returns how many shards will confirm it.
    pub(super) fn send<P: Port>(
        &self,
        message: &Outgoing,
        number: Option<u64>,
        port: &mut P,
        now_ms: u64,
    ) -> Result<u32, Refusal> {
        let properties = PropertiesRef::parse(&message.properties).map_err(|error| {
            Refusal::new(
                RefusalKind::PreconditionFailed,
                format!("the message's properties are malformed: {error}"),
            )
        })?;
        self.check(&properties)?;
        let body = if message.body.len() < SHARE_BYTES_MIN {
            Body::Copy(&message.body)
        } else {
            Body::Share(message.body.clone())
        };
        let answers = port.publish(&Publish {
            channel: PUBLISH_CHANNEL,
            exchange: &message.exchange,
            routing_key: &message.routing_key,
            properties: &properties,
            forwarded: &message.properties,
            body,
            persistent: message.persistent,
            priority: message.priority,
            expiration_ms: message.expiration_ms,
            number,
            wants_place: number.is_some(),
            dedup_id: message.deduplication_id.as_deref(),
            deliver_at_ms: message.deliver.map(|deliver| match deliver {
                Deliver::After(after_ms) => now_ms.saturating_add(after_ms),
                Deliver::At(at_ms) => at_ms,
            }),
        })?;
        if answers == POSTED {
            self.posted.set(self.posted.get() + 1);
        }
        Ok(answers)
    }
}
