//! What one connection publishes, is given and settles, seen between it and the engine.
//!
//! Everything that a session or a link asks of the engine goes through its [`Port`], everything that comes back is an [`Event`]:
//! a [`Watch`] looks at both and changes neither.

use std::collections::{BTreeMap, HashMap};

use broker::{
    Annotation, ConsumerNumber, Delivery, Event, Outcome, POSTED, Port, Publish, QueueRef, Refusal,
    Reply, Request,
};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::span::{Facts, Open, Place, common, message_id};
use super::{Traces, context};

/// Spans of publishes and of deliveries that a connection may have open, each.
const OPEN_MAX: usize = 10_000;
/// The name of the queue that direct replies come from.
pub(super) const REPLY_QUEUE: &str = "amq.rabbitmq.reply-to";

/// Watches one connection.
#[derive(Debug)]
pub(crate) struct Watch {
    traces: Traces,
    place: Place,
    /// A link's publishes are seen before they reach its connection.
    sees_publishes: bool,
    consumers: HashMap<ConsumerNumber, Source>,
    /// What each channel has asked for and waits for.
    asked: HashMap<u16, Asked>,
    /// By channel and number.
    publishes: BTreeMap<(u16, u64), Unconfirmed>,
    deliveries: HashMap<(QueueRef, u64), Open>,
}

/// Where deliveries come from.
#[derive(Debug, Clone)]
struct Source {
    queue: String,
    /// Nobody acknowledges them.
    is_automatic: bool,
}

/// A request whose answer matters.
#[derive(Debug)]
enum Asked {
    Consume(ConsumerNumber),
    Cancel(ConsumerNumber),
    Get(Source),
}

/// A publish that the engine has not settled.
#[derive(Debug)]
struct Unconfirmed {
    span: Open,
    /// How many shards have yet to say theirs.
    shards: u32,
    is_rejected: bool,
}

impl Watch {
    /// Watches an AMQP connection.
    pub(crate) fn of_connection(traces: Traces, place: Place) -> Self {
        Self::new(traces, place, true)
    }

    /// Watches a link, whose publishes [`Traces::begin_publishes`] sees.
    pub(crate) fn of_link(traces: Traces, place: Place) -> Self {
        Self::new(traces, place, false)
    }

    fn new(traces: Traces, place: Place, sees_publishes: bool) -> Self {
        Self {
            traces,
            place,
            sees_publishes,
            consumers: HashMap::new(),
            asked: HashMap::new(),
            publishes: BTreeMap::new(),
            deliveries: HashMap::new(),
        }
    }

    /// Has whoever watches, if anybody does, look at what comes from the engine, before it is acted on.
    pub(crate) fn see_all(watch: &mut Option<Box<Self>>, events: &[Event]) {
        if let Some(watch) = watch {
            events.iter().for_each(|event| watch.see(event));
        }
    }

    fn see(&mut self, event: &Event) {
        match event {
            Event::Deliver {
                consumer, delivery, ..
            } => {
                // One without a source comes too late, and goes back.
                if let Some(source) = self.consumers.get(consumer) {
                    let span = self.begin_delivery(source, delivery);
                    let is_automatic = source.is_automatic;
                    self.hold(span, delivery, is_automatic);
                }
            }
            Event::Replied { channel, result } => self.answered(*channel, result),
            Event::Confirmed {
                channel,
                first,
                last,
                rejected,
            } => self.confirmed(*channel, *first, *last, *rejected),
            Event::ConsumerCancelled { consumer, .. } => drop(self.consumers.remove(consumer)),
            Event::Placed { .. }
            | Event::Posted { .. }
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Close(_) => {}
        }
    }

    fn answered(&mut self, channel: u16, result: &Result<Reply, Refusal>) {
        match (self.asked.remove(&channel), result) {
            (Some(Asked::Get(source)), Ok(Reply::Got(delivery, _))) => {
                let span = self.begin_delivery(&source, delivery);
                self.hold(span, delivery, source.is_automatic);
            }
            (Some(Asked::Consume(consumer)), Err(_)) | (Some(Asked::Cancel(consumer)), _) => {
                self.consumers.remove(&consumer);
            }
            (Some(Asked::Get(_) | Asked::Consume(_)) | None, _) => {}
        }
    }

    fn confirmed(&mut self, channel: u16, first: u64, last: u64, is_rejected: bool) {
        let range = (channel, first)..=(channel, last);
        let settled = self.publishes.range_mut(range);
        let mut done = Vec::new();
        for (key, publish) in settled {
            publish.is_rejected |= is_rejected;
            publish.shards = publish.shards.saturating_sub(1);
            if publish.shards == 0 {
                done.push(*key);
            }
        }
        for key in done {
            match self.publishes.remove(&key) {
                Some(publish) if publish.is_rejected => publish.span.fail("rejected"),
                Some(publish) => publish.span.end("stored"),
                None => {}
            }
        }
    }

    /// Begins the span of a delivery, if its message is traced.
    fn begin_delivery(&self, source: &Source, delivery: &Delivery) -> Option<Open> {
        let message = &delivery.message;
        let (parent, properties) = context::of_message(message.properties())?;
        if !parent.is_sampled() {
            return None;
        }
        if self.deliveries.len() >= OPEN_MAX {
            self.traces.0.counts.drop_one();
            return None;
        }
        let operation = ["deliver", "process"];
        let mut attributes = common(operation, &source.queue, message.body_length(), &self.place);
        attributes.extend(properties.message_id.map(message_id));
        let redelivered = delivery.redelivered;
        attributes.push(KeyValue::new("messaging.chaski.redelivered", redelivered));
        if let Annotation::DeliveryCount(count) = delivery.annotation {
            let count = i64::from(count);
            attributes.push(KeyValue::new("messaging.chaski.delivery_count", count));
        }
        let name = format!("deliver {}", source.queue);
        let kind = SpanKind::Consumer;
        self.traces.begin(name, kind, Some(&parent), attributes)
    }

    /// Keeps a delivery's span until it is settled, or ends it if nobody will.
    fn hold(&mut self, span: Option<Open>, delivery: &Delivery, is_automatic: bool) {
        let Some(span) = span else {
            return;
        };
        match delivery.annotation {
            // A stream keeps its messages, whatever its readers say.
            Annotation::StreamOffset(_) => span.end("read"),
            Annotation::None | Annotation::DeliveryCount(_) if is_automatic => {
                span.end("automatic");
            }
            Annotation::None | Annotation::DeliveryCount(_) => {
                let place = (delivery.queue, delivery.sequence);
                self.deliveries.insert(place, span);
            }
        }
    }

    fn settled(&mut self, queue: QueueRef, sequence: u64, outcome: Outcome) {
        let Some(span) = self.deliveries.remove(&(queue, sequence)) else {
            return;
        };
        span.end(match outcome {
            Outcome::Acked => "acked",
            Outcome::Requeued => "requeued",
            Outcome::Recovered | Outcome::Unseen => "returned",
            Outcome::Rejected => "rejected",
        });
    }

    /// Passes a publish on, within a span if its message is traced.
    fn publish<P: Port>(&mut self, publish: &Publish<'_>, port: &mut P) -> Result<u32, Refusal> {
        let headers = publish.properties.headers;
        let parent = headers
            .filter(|_| self.sees_publishes)
            .and_then(context::of_headers)
            .filter(super::Context::is_sampled);
        let Some(parent) = parent else {
            return port.publish(publish);
        };
        if self.publishes.len() >= OPEN_MAX {
            self.traces.0.counts.drop_one();
            return port.publish(publish);
        }
        let facts = Facts::of_publish(publish);
        let span = self.traces.begin(
            format!("publish {}", facts.destination()),
            SpanKind::Producer,
            Some(&parent),
            facts.attributes(["publish", "send"], &self.place),
        );
        let result = port.publish(publish);
        let Some(span) = span else {
            return result;
        };
        match (&result, publish.number) {
            (Err(_), _) => span.fail("refused"),
            (Ok(0), _) => span.end("unroutable"),
            (Ok(POSTED), _) => span.end("posted"),
            (Ok(_), None) => span.end("unconfirmed"),
            (Ok(shards), Some(number)) => {
                let unconfirmed = Unconfirmed {
                    span,
                    shards: *shards,
                    is_rejected: false,
                };
                self.publishes
                    .insert((publish.channel, number), unconfirmed);
            }
        }
        result
    }

    fn ask(&mut self, channel: u16, request: &Request) {
        let asked = if let Request::Consume { queue, consume } = request {
            let source = Source {
                queue: queue.clone(),
                is_automatic: consume.no_ack,
            };
            self.consumers.insert(consume.consumer, source);
            Asked::Consume(consume.consumer)
        } else if let Request::Cancel { consumer } = request {
            Asked::Cancel(*consumer)
        } else if let Request::Get { queue, no_ack } = request {
            Asked::Get(Source {
                queue: queue.clone(),
                is_automatic: *no_ack,
            })
        } else {
            return;
        };
        self.asked.insert(channel, asked);
    }
}

impl Drop for Watch {
    /// What is open now, nobody here learns the end of.
    fn drop(&mut self) {
        for (_, publish) in std::mem::take(&mut self.publishes) {
            publish.span.fail("unknown");
        }
        for (_, span) in self.deliveries.drain() {
            span.end("lost");
        }
    }
}

/// A connection's port, with whoever watches it.
pub(crate) struct Watched<'a, P> {
    port: &'a mut P,
    watch: Option<&'a mut Watch>,
}

impl<'a, P: Port> Watched<'a, P> {
    /// Has every call looked at by `watch` if there is one.
    pub(crate) const fn new(port: &'a mut P, watch: Option<&'a mut Watch>) -> Self {
        Self { port, watch }
    }
}

impl<P: Port> Port for Watched<'_, P> {
    #[inline]
    fn publish(&mut self, publish: &Publish<'_>) -> Result<u32, Refusal> {
        match &mut self.watch {
            None => self.port.publish(publish),
            Some(watch) => watch.publish(publish, self.port),
        }
    }

    #[inline]
    fn settle(
        &mut self,
        queue: QueueRef,
        consumer: Option<ConsumerNumber>,
        sequence: u64,
        outcome: Outcome,
    ) {
        if let Some(watch) = &mut self.watch {
            watch.settled(queue, sequence, outcome);
        }
        self.port.settle(queue, consumer, sequence, outcome);
    }

    fn request(&mut self, channel: u16, request: Request) {
        if let Some(watch) = &mut self.watch {
            watch.ask(channel, &request);
        }
        self.port.request(channel, request);
    }

    fn drop_consumer(&mut self, consumer: ConsumerNumber) {
        if let Some(watch) = &mut self.watch {
            watch.consumers.remove(&consumer);
        }
        self.port.drop_consumer(consumer);
    }

    fn resume(&mut self, consumer: ConsumerNumber) {
        self.port.resume(consumer);
    }

    fn has_queue(&self, queue: QueueRef) -> bool {
        self.port.has_queue(queue)
    }

    fn open_reply_address(&mut self, channel: u16, consumer: ConsumerNumber) -> String {
        if let Some(watch) = &mut self.watch {
            let source = Source {
                queue: REPLY_QUEUE.to_owned(),
                is_automatic: true,
            };
            watch.consumers.insert(consumer, source);
        }
        self.port.open_reply_address(channel, consumer)
    }
}

#[cfg(test)]
mod tests;
