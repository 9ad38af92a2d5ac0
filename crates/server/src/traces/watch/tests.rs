use std::sync::Arc;

use broker::{
    Annotation, Body, ConsumeRequest, ConsumerNumber, Credit, Delivery, Event, Message,
    OutboxGauge, Outcome, Port, Publish, QueueId, QueueRef, Refusal, RefusalKind, Reply, Request,
    StreamOffset,
};
use codec::amqp::properties::{Properties, PropertiesRef};
use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::SpanData;

use super::{OPEN_MAX, Place, Watch, Watched};
use crate::traces::Exporter;
use crate::traces::context;
use crate::traces::rig::{Kept, text};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const CONSUMER: ConsumerNumber = ConsumerNumber(7);
const QUEUE: QueueRef = QueueRef {
    id: QueueId(1),
    slot: 0,
    shard: 0,
    epoch: 0,
};

/// The engine's end: takes everything, as so many shards.
struct Engine {
    taken: Result<u32, RefusalKind>,
}

impl Port for Engine {
    fn publish(&mut self, _: &Publish<'_>) -> Result<u32, Refusal> {
        self.taken.map_err(|kind| Refusal::new(kind, "no"))
    }

    fn settle(&mut self, _: QueueRef, _: Option<ConsumerNumber>, _: u64, _: Outcome) {}

    fn request(&mut self, _: u16, _: Request) {}

    fn drop_consumer(&mut self, _: ConsumerNumber) {}

    fn has_queue(&self, _: QueueRef) -> bool {
        true
    }

    fn resume(&mut self, _: ConsumerNumber) {}

    fn open_reply_address(&mut self, _: u16, _: ConsumerNumber) -> String {
        "address".to_owned()
    }
}

struct Rig {
    exporter: Exporter,
    kept: Kept,
    watch: Watch,
    engine: Engine,
}

impl Rig {
    fn new() -> Self {
        let kept = Kept::default();
        let exporter = Exporter::over(kept.clone(), 0.0);
        let place = Place {
            door: "amqp",
            vhost: "/".into(),
        };
        Self {
            watch: Watch::of_connection(exporter.traces(), place),
            exporter,
            kept,
            engine: Engine { taken: Ok(1) },
        }
    }

    fn port(&mut self) -> Watched<'_, Engine> {
        Watched::new(&mut self.engine, Some(&mut self.watch))
    }

    fn publish(&mut self, number: Option<u64>, headers: &[u8]) -> Result<u32, Refusal> {
        let properties = PropertiesRef::parse(headers).expect("they are right");
        self.port().publish(&Publish {
            channel: 1,
            exchange: "events",
            routing_key: "a.b",
            properties: &properties,
            forwarded: headers,
            body: Body::Copy(b"body"),
            persistent: false,
            priority: 0,
            expiration_ms: None,
            deliver_at_ms: None,
            dedup_id: None,
            number,
            wants_place: false,
        })
    }

    fn confirm(&mut self, first: u64, last: u64, rejected: bool) {
        self.watch.see(&Event::Confirmed {
            channel: 1,
            first,
            last,
            rejected,
        });
    }

    fn consume(&mut self, no_ack: bool) {
        let consume = ConsumeRequest {
            consumer: CONSUMER,
            tag: "c".into(),
            no_ack,
            exclusive: false,
            prefetch: 0,
            priority: 0,
            offset: StreamOffset::First,
            credit: Arc::new(Credit::default()),
            gauge: Arc::new(OutboxGauge::default()),
        };
        let queue = "q".to_owned();
        self.port().request(1, Request::Consume { queue, consume });
        self.replied(Ok(Reply::Done));
    }

    fn replied(&mut self, result: Result<Reply, Refusal>) {
        self.watch.see(&Event::Replied { channel: 1, result });
    }

    fn deliver(&mut self, delivery: Delivery) {
        self.watch.see(&Event::Deliver {
            channel: 1,
            consumer: CONSUMER,
            delivery,
        });
    }

    /// What ended so far: names and outcomes, in the order in which they ended.
    fn ended(&mut self) -> Vec<(String, String)> {
        let spans = self.spans().into_iter();
        spans
            .map(|span| {
                let outcome = text(&span, "messaging.chaski.outcome");
                (span.name.into_owned(), outcome)
            })
            .collect()
    }

    fn spans(&mut self) -> Vec<SpanData> {
        self.exporter.flush();
        self.kept.take()
    }

    #[track_caller]
    fn check_ended(&mut self, expected: &[(&str, &str)]) {
        let ended = self.ended();
        let ended: Vec<_> = ended
            .iter()
            .map(|(name, outcome)| (name.as_str(), outcome.as_str()))
            .collect();
        assert_eq!(ended, expected);
    }
}

/// Properties that carry a context, if there is one.
fn properties(parent: Option<&str>) -> Vec<u8> {
    let mut properties = Properties::default();
    if let Some(context) = parent.and_then(|parent| context::parse(parent, None)) {
        context::put(&context, &mut properties);
    }
    let mut encoded = Vec::new();
    properties.encode(&mut encoded);
    encoded
}

fn traced() -> Vec<u8> {
    properties(Some(PARENT))
}

fn delivery(sequence: u64, annotation: Annotation) -> Delivery {
    let properties = traced();
    Delivery {
        queue: QUEUE,
        sequence,
        message: Arc::new(Message::new(
            "".into(),
            "q",
            &properties,
            Body::Copy(b"body"),
        )),
        redelivered: false,
        annotation,
        outbox_bytes: 10,
    }
}

#[test]
fn a_publish_ends_when_the_last_shard_has_confirmed_it() {
    let mut rig = Rig::new();
    rig.engine.taken = Ok(2);
    assert_eq!(rig.publish(Some(1), &traced()), Ok(2));
    assert_eq!(rig.publish(Some(2), &traced()), Ok(2));
    rig.confirm(1, 2, false);
    rig.check_ended(&[]);
    rig.confirm(1, 1, false);
    rig.check_ended(&[("publish events", "stored")]);
    rig.confirm(2, 2, true);
    let spans = rig.spans();
    assert_eq!(text(&spans[0], "messaging.chaski.outcome"), "rejected");
    assert_eq!(text(&spans[0], "error.type"), "rejected");
    assert!(matches!(spans[0].status, Status::Error { .. }));
    assert_eq!(text(&spans[0], "messaging.chaski.routing_key"), "a.b");
}

#[test]
fn a_publish_that_nobody_confirms_ends_at_once() {
    let mut rig = Rig::new();
    rig.engine.taken = Ok(0);
    assert_eq!(rig.publish(Some(1), &traced()), Ok(0));
    rig.engine.taken = Ok(1);
    assert_eq!(rig.publish(None, &traced()), Ok(1));
    rig.engine.taken = Err(RefusalKind::NotFound);
    let refused = rig.publish(Some(2), &traced()).expect_err("as the engine");
    assert_eq!(refused.kind, RefusalKind::NotFound);
    rig.check_ended(&[
        ("publish events", "unroutable"),
        ("publish events", "unconfirmed"),
        ("publish events", "refused"),
    ]);
}

#[test]
fn what_is_not_sampled_passes_by() {
    let mut rig = Rig::new();
    let not_sampled = format!("{}00", &PARENT[..PARENT.len() - 2]);
    for parent in [None, Some(not_sampled.as_str())] {
        assert_eq!(rig.publish(None, &properties(parent)), Ok(1));
    }
    rig.watch.sees_publishes = false;
    assert_eq!(rig.publish(None, &traced()), Ok(1));
    rig.check_ended(&[]);
}

#[test]
fn a_delivery_ends_with_what_is_said_of_it() {
    let mut rig = Rig::new();
    rig.consume(false);
    let outcomes = [
        (Outcome::Acked, "acked"),
        (Outcome::Requeued, "requeued"),
        (Outcome::Recovered, "returned"),
        (Outcome::Rejected, "rejected"),
    ];
    for (outcome, told) in outcomes {
        rig.deliver(delivery(5, Annotation::None));
        rig.check_ended(&[]);
        // Another message, and one of another queue.
        rig.port().settle(QUEUE, Some(CONSUMER), 6, Outcome::Acked);
        let other = QueueRef { slot: 1, ..QUEUE };
        rig.port().settle(other, Some(CONSUMER), 5, Outcome::Acked);
        rig.port().settle(QUEUE, Some(CONSUMER), 5, outcome);
        rig.check_ended(&[("deliver q", told)]);
    }
}

#[test]
fn a_delivery_that_needs_no_answer_ends_at_once() {
    let mut rig = Rig::new();
    rig.consume(true);
    rig.deliver(delivery(1, Annotation::None));
    rig.consume(false);
    rig.deliver(delivery(1, Annotation::StreamOffset(0)));
    let got = |sequence| Reply::Got(Box::new(delivery(sequence, Annotation::None)), 0);
    for no_ack in [true, false] {
        let queue = "g".to_owned();
        rig.port().request(1, Request::Get { queue, no_ack });
        rig.replied(Ok(got(2)));
    }
    rig.port().open_reply_address(1, CONSUMER);
    rig.deliver(delivery(3, Annotation::None));
    rig.check_ended(&[
        ("deliver q", "automatic"),
        ("deliver q", "read"),
        ("deliver g", "automatic"),
        ("deliver amq.rabbitmq.reply-to", "automatic"),
    ]);
    rig.port().settle(QUEUE, None, 2, Outcome::Acked);
    rig.check_ended(&[("deliver g", "acked")]);
}

#[test]
fn a_consumer_that_is_gone_is_given_nothing() {
    let mut rig = Rig::new();
    rig.consume(false);
    let consumer = CONSUMER;
    rig.port().request(1, Request::Cancel { consumer });
    // It may still come before the answer.
    rig.deliver(delivery(1, Annotation::None));
    rig.replied(Ok(Reply::Done));
    rig.deliver(delivery(2, Annotation::None));
    rig.consume(false);
    rig.port().drop_consumer(CONSUMER);
    rig.deliver(delivery(3, Annotation::None));
    rig.consume(false);
    rig.watch.see(&Event::ConsumerCancelled {
        channel: 1,
        consumer,
    });
    rig.deliver(delivery(4, Annotation::None));
    for sequence in 1..=4 {
        rig.port()
            .settle(QUEUE, Some(consumer), sequence, Outcome::Acked);
    }
    rig.check_ended(&[("deliver q", "acked")]);
}

#[test]
fn what_is_open_at_the_end_is_told_as_lost() {
    let mut rig = Rig::new();
    rig.consume(false);
    rig.deliver(delivery(1, Annotation::None));
    assert_eq!(rig.publish(Some(1), &traced()), Ok(1));
    let Rig {
        exporter,
        kept,
        watch,
        ..
    } = rig;
    drop(watch);
    exporter.flush();
    let outcomes: Vec<_> = kept
        .take()
        .iter()
        .map(|span| text(span, "messaging.chaski.outcome"))
        .collect();
    assert_eq!(outcomes, ["unknown", "lost"]);
}

#[test]
fn a_connection_has_so_many_spans_open_and_no_more() {
    let mut rig = Rig::new();
    rig.consume(false);
    let most = u64::try_from(OPEN_MAX).expect("it is not so many");
    for number in 1..=most + 3 {
        rig.deliver(delivery(number, Annotation::None));
        assert_eq!(rig.publish(Some(number), &traced()), Ok(1));
    }
    assert_eq!(rig.watch.deliveries.len(), OPEN_MAX);
    assert_eq!(rig.watch.publishes.len(), OPEN_MAX);
    assert_eq!(rig.exporter.traces().spans().dropped, 6);
}
