use std::sync::Arc;

use broker::{
    Annotation, Body, ConsumerNumber, Delivery, Event, Message, OutboxGauge, Outcome, Port,
    Publish, QueueId, QueueRef, Refusal, RefusalKind, Reply, Request, StreamOffset,
};
use codec::amqp::properties::Properties;
use tokio::sync::{mpsc, oneshot};

use super::Desk;
use crate::gateway::command::{
    Command, Delivered, Outgoing, Pull, PullFrom, Settle, SettleKind, Subscription,
};
use crate::gateway::publishing::Sender;

const QUEUE: QueueRef = QueueRef {
    id: QueueId(1),
    slot: 0,
    shard: 0,
    epoch: 0,
};
const NOW_MS: u64 = 1_000;
const TICKET: u64 = 7;

/// The engine's end: notes what is asked of it.
#[derive(Default)]
struct Engine {
    published: Vec<u64>,
    requests: Vec<(u16, Request)>,
    settled: Vec<(u64, Outcome)>,
    /// How many shards take each message.
    shards: u32,
    /// The queue is gone.
    is_deleted: bool,
}

impl Port for Engine {
    fn publish(&mut self, publish: &Publish<'_>) -> Result<u32, Refusal> {
        self.published.extend(publish.number);
        Ok(self.shards)
    }

    fn settle(&mut self, _: QueueRef, _: Option<ConsumerNumber>, sequence: u64, outcome: Outcome) {
        self.settled.push((sequence, outcome));
    }

    fn has_queue(&self, _: QueueRef) -> bool {
        !self.is_deleted
    }

    fn request(&mut self, channel: u16, request: Request) {
        self.requests.push((channel, request));
    }

    fn drop_consumer(&mut self, _: ConsumerNumber) {}

    fn resume(&mut self, _: ConsumerNumber) {}

    fn open_reply_address(&mut self, _: u16, _: ConsumerNumber) -> String {
        "address".to_owned()
    }
}

impl Engine {
    /// The channel and the consumer of the newest request.
    fn newest(&self) -> (u16, ConsumerNumber) {
        let (channel, request) = self.requests.last().expect("something was asked");
        let consumer = if let Request::Consume { consume, .. } = request {
            consume.consumer
        } else if let Request::Cancel { consumer } = request {
            *consumer
        } else {
            panic!("{request:?} names no consumer")
        };
        (*channel, consumer)
    }
}

fn desk() -> Desk {
    let sender = Sender::named("ana");
    Desk::new(Arc::new(OutboxGauge::default()), sender)
}

fn delivery(sequence: u64) -> Delivery {
    Delivery {
        queue: QUEUE,
        sequence,
        message: Arc::new(Message::new("".into(), "q", &[0, 0], Body::Copy(b"body"))),
        redelivered: false,
        annotation: Annotation::None,
        outbox_bytes: 10,
    }
}

fn done(channel: u16) -> Event {
    Event::Replied {
        channel,
        result: Ok(Reply::Done),
    }
}

fn begin_pull(
    desk: &mut Desk,
    engine: &mut Engine,
    wait_ms: u64,
) -> (
    oneshot::Receiver<Result<Vec<Delivered>, Refusal>>,
    ConsumerNumber,
) {
    let (answer, answered) = oneshot::channel();
    let pull = Pull {
        queue: "q".to_owned(),
        max: 10,
        wait_ms,
        lease_ms: 500,
        from: PullFrom::Queue,
        no_ack: false,
        hold: None,
    };
    let command = Command::Pull {
        pull,
        ticket: TICKET,
        answer,
    };
    desk.handle_command(command, engine, NOW_MS);
    let (channel, consumer) = engine.newest();
    desk.handle_event(done(channel), engine, NOW_MS);
    (answered, consumer)
}

fn deliver(desk: &mut Desk, engine: &mut Engine, consumer: ConsumerNumber, sequence: u64) {
    let event = Event::Deliver {
        channel: 0,
        consumer,
        delivery: delivery(sequence),
    };
    desk.handle_event(event, engine, NOW_MS);
}

/// Answers the cancellation that ends a pull.
fn end_pull(desk: &mut Desk, engine: &mut Engine) {
    let (channel, _) = engine.newest();
    assert!(matches!(
        engine.requests.last(),
        Some((_, Request::Cancel { .. }))
    ));
    desk.handle_event(done(channel), engine, NOW_MS);
}

#[test]
fn a_pull_takes_what_comes_until_its_consumer_has_stopped() {
    let (mut desk, mut engine) = (desk(), Engine::default());
    let (mut answered, consumer) = begin_pull(&mut desk, &mut engine, 1_000);
    assert_eq!(desk.next_deadline_ms(), Some(2_000));
    deliver(&mut desk, &mut engine, consumer, 1);
    deliver(&mut desk, &mut engine, consumer, 2);
    assert!(answered.try_recv().is_err(), "its consumer still runs");
    end_pull(&mut desk, &mut engine);
    let taken = answered
        .try_recv()
        .expect("it has ended")
        .expect("messages");
    let sequences: Vec<_> = taken.iter().map(|one| one.sequence).collect();
    assert_eq!(sequences, [1, 2]);
    assert_eq!(desk.leases_held(), 2);
    assert_eq!(desk.next_deadline_ms(), Some(1_500), "the leases end");
    desk.handle_timeout(&mut engine, 1_500);
    assert_eq!(
        engine.settled,
        [(1, Outcome::Requeued), (2, Outcome::Requeued)]
    );
}

#[test]
fn a_pull_whose_time_is_up_answers_with_nothing() {
    let (mut desk, mut engine) = (desk(), Engine::default());
    let (mut answered, _) = begin_pull(&mut desk, &mut engine, 100);
    desk.handle_timeout(&mut engine, NOW_MS + 100);
    end_pull(&mut desk, &mut engine);
    let taken = answered
        .try_recv()
        .expect("it has ended")
        .expect("messages");
    assert!(taken.is_empty());
    assert_eq!(desk.next_deadline_ms(), None);
}

#[test]
fn a_pull_that_nobody_waits_for_any_more_stops_at_once() {
    let (mut desk, mut engine) = (desk(), Engine::default());
    let (answered, _) = begin_pull(&mut desk, &mut engine, 30_000);
    drop(answered);
    let other = TICKET + 1;
    desk.handle_command(Command::GiveUp { ticket: other }, &mut engine, NOW_MS);
    assert!(
        matches!(engine.requests.last(), Some((_, Request::Consume { .. }))),
        "that was another one"
    );
    let give_up = || Command::GiveUp { ticket: TICKET };
    desk.handle_command(give_up(), &mut engine, NOW_MS);
    end_pull(&mut desk, &mut engine);
    assert_eq!(desk.next_deadline_ms(), None);
    desk.handle_command(give_up(), &mut engine, NOW_MS);
}

#[test]
fn a_lease_goes_with_its_queue() {
    let (mut desk, mut engine) = (desk(), Engine::default());
    let (mut answered, consumer) = begin_pull(&mut desk, &mut engine, 1_000);
    deliver(&mut desk, &mut engine, consumer, 1);
    end_pull(&mut desk, &mut engine);
    let taken = answered.try_recv().expect("it has ended");
    let taken = taken.expect("a message");
    engine.is_deleted = true;
    let lease = taken.first().and_then(|one| one.lease).expect("held");
    let settle = Settle {
        lease,
        kind: SettleKind::Ack,
    };
    assert_eq!(desk.settle(&[settle], &mut engine, NOW_MS), [false]);
    // The broker hears of it like of any other end, and knows nothing of the message any more.
    assert_eq!(engine.settled, [(1, Outcome::Unseen)]);
    assert_eq!(desk.leases_held(), 0);
}

#[test]
fn what_was_pulled_for_nobody_goes_back_uncounted() {
    let (mut desk, mut engine) = (desk(), Engine::default());
    let (answered, consumer) = begin_pull(&mut desk, &mut engine, 100);
    drop(answered);
    deliver(&mut desk, &mut engine, consumer, 7);
    end_pull(&mut desk, &mut engine);
    assert_eq!(engine.settled, [(7, Outcome::Unseen)]);
    assert_eq!(desk.leases_held(), 0);
}

#[test]
fn a_batch_is_answered_when_the_last_shard_has_confirmed_its_last_message() {
    let mut engine = Engine {
        shards: 2,
        ..Engine::default()
    };
    let mut desk = desk();
    let (answer, mut answered) = oneshot::channel();
    let messages = vec![Outgoing::default(), Outgoing::default()];
    let messages = messages.into_iter().map(|message| Outgoing {
        properties: vec![0, 0],
        ..message
    });
    let publish = Command::Publish {
        messages: messages.collect(),
        answer,
    };
    desk.handle_command(publish, &mut engine, NOW_MS);
    assert_eq!(engine.published, [1, 2]);
    for (first, last, rejected) in [(1, 2, false), (1, 1, true)] {
        assert!(answered.try_recv().is_err());
        let event = Event::Confirmed {
            channel: 1,
            first,
            last,
            rejected,
        };
        desk.handle_event(event, &mut engine, NOW_MS);
    }
    assert!(answered.try_recv().is_err(), "one shard has yet to confirm");
    let event = Event::Confirmed {
        channel: 1,
        first: 2,
        last: 2,
        rejected: false,
    };
    desk.handle_event(event, &mut engine, NOW_MS);
    let outcomes = answered.try_recv().expect("all is confirmed");
    let rejected: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.expect("it was taken").is_rejected)
        .collect();
    assert_eq!(rejected, [true, false]);
}

#[test]
fn nobody_publishes_in_anothers_name() {
    for (user, is_right) in [("ana", true), ("eva", false)] {
        let (mut desk, mut engine) = (desk(), Engine::default());
        let properties = Properties {
            user_id: Some(user.to_owned()),
            ..Properties::default()
        };
        let mut message = Outgoing::default();
        properties.encode(&mut message.properties);
        let (answer, mut answered) = oneshot::channel();
        let messages = vec![message];
        desk.handle_command(Command::Publish { messages, answer }, &mut engine, NOW_MS);
        let outcome = answered.try_recv().expect("it is known at once").remove(0);
        let refused = outcome.err().map(|refusal| refusal.kind);
        let expected = (!is_right).then_some(RefusalKind::PreconditionFailed);
        assert_eq!(refused, expected, "as {user}");
        assert_eq!(engine.published.is_empty(), !is_right);
    }
}

#[test]
fn a_reader_that_went_gives_back_what_it_was_sent() {
    let (mut desk, mut engine) = (desk(), Engine::default());
    let (sink, mut deliveries) = mpsc::channel(2);
    let (answer, mut answered) = oneshot::channel();
    let subscription = Subscription {
        queue: "q".to_owned(),
        prefetch: 2,
        offset: StreamOffset::First,
        exclusive: false,
        priority: 0,
        tag: None,
        sink,
        hold: None,
    };
    let subscribe = Command::Subscribe {
        subscription,
        answer,
    };
    desk.handle_command(subscribe, &mut engine, NOW_MS);
    let (channel, consumer) = engine.newest();
    desk.handle_event(done(channel), &mut engine, NOW_MS);
    assert!(matches!(answered.try_recv(), Ok(Ok(_))));
    deliver(&mut desk, &mut engine, consumer, 1);
    let sent = deliveries.try_recv().expect("it was passed on");
    let settle = Settle {
        lease: sent.lease.expect("it is held"),
        kind: SettleKind::Ack,
    };
    let settles = vec![settle];
    let command = Command::Settle {
        settles,
        answer: None,
    };
    desk.handle_command(command, &mut engine, NOW_MS);
    deliver(&mut desk, &mut engine, consumer, 2);
    drop(deliveries);
    deliver(&mut desk, &mut engine, consumer, 3);
    desk.close(&mut engine);
    assert_eq!(
        engine.settled,
        [
            (1, Outcome::Acked),
            (3, Outcome::Unseen),
            (2, Outcome::Requeued)
        ]
    );
}
