#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;

use crate::arguments::{QueueKind, QueueOptions};
use crate::shard::rig::{CONSUMER, Rig};
use crate::{Annotation, Credit, Outcome, RefusalKind, StreamOffset};

fn stream(options: QueueOptions) -> Rig {
    let mut rig = Rig::new();
    rig.declare("q", QueueKind::Stream, true, options);
    rig
}

fn publish(rig: &mut Rig, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| rig.publish("q", &number.to_string()));
    rig.commit();
}

/// The offsets that a new consumer gets when it starts at `offset`.
fn read_from(rig: &mut Rig, offset: StreamOffset, number: u32) -> Vec<u64> {
    let mut wish = rig.wish(number, 1_000);
    wish.offset = offset;
    rig.consume_as("q", &wish).expect("it is taken");
    offsets(rig)
}

fn offsets(rig: &mut Rig) -> Vec<u64> {
    let offset = |annotation| {
        let Annotation::StreamOffset(offset) = annotation else {
            panic!("{annotation:?} is no offset")
        };
        offset
    };
    rig.take()
        .into_iter()
        .map(|got| offset(got.delivery.annotation))
        .collect()
}

#[test]
fn each_consumer_reads_from_where_it_likes() {
    for is_settled in [false, true] {
        let mut rig = stream(QueueOptions::default());
        publish(&mut rig, 0..5);
        let half = rig.now_ms + 1;
        rig.now_ms += 10;
        if is_settled {
            rig.settle_all();
        }
        publish(&mut rig, 5..8);
        for (number, (offset, expected)) in (1..).zip([
            (StreamOffset::First, 0..8),
            (StreamOffset::Last, 7..8),
            (StreamOffset::Next, 0..0),
            (StreamOffset::Offset(3), 3..8),
            (StreamOffset::Offset(7), 7..8),
            (StreamOffset::Timestamp(0), 0..8),
            (StreamOffset::Timestamp(half), 5..8),
            (StreamOffset::Timestamp(u64::MAX), 0..0),
            (StreamOffset::Offset(u64::MAX), 0..0),
        ]) {
            assert_eq!(
                read_from(&mut rig, offset, number),
                expected.collect::<Vec<_>>(),
                "{offset:?} settled={is_settled}"
            );
            rig.cancel("q", number);
        }
        assert_eq!(rig.ready("q"), 8, "reading removes nothing");
    }
}

#[test]
fn nobody_reads_what_a_crash_may_take() {
    for is_settled in [false, true] {
        let mut rig = stream(QueueOptions::default());
        publish(&mut rig, 0..2);
        assert_eq!(read_from(&mut rig, StreamOffset::First, 1), [0, 1]);
        rig.publish("q", "2");
        rig.publish("q", "3");
        if is_settled {
            rig.settle_all();
        }
        assert!(offsets(&mut rig).is_empty(), "settled={is_settled}");
        assert_eq!(read_from(&mut rig, StreamOffset::First, 2), [0, 1]);
        rig.commit();
        let mut both = offsets(&mut rig);
        both.sort_unstable();
        assert_eq!(both, [2, 2, 3, 3], "settled={is_settled}");
    }
}

#[test]
fn a_reader_at_the_end_gets_what_comes() {
    let mut rig = stream(QueueOptions::default());
    publish(&mut rig, 0..3);
    assert!(read_from(&mut rig, StreamOffset::Next, 1).is_empty());
    publish(&mut rig, 3..5);
    assert_eq!(offsets(&mut rig), [3, 4]);
}

#[test]
fn acknowledgements_only_give_credit() {
    let mut rig = stream(QueueOptions::default());
    publish(&mut rig, 0..5);
    rig.consume("q", 1, 2);
    let got = rig.take();
    assert_eq!(got.len(), 2);
    for outcome in [Outcome::Acked, Outcome::Requeued] {
        rig.settle(&got[0], outcome);
        assert_eq!(
            rig.take().len(),
            1,
            "{outcome:?}: the next one comes, none comes back"
        );
    }
    assert_eq!(rig.ready("q"), 5);
}

#[test]
fn a_stream_refuses_what_makes_no_sense_there() {
    let mut rig = stream(QueueOptions::default());
    let mut wish = rig.wish(1, 10);
    wish.no_ack = true;
    assert_eq!(
        rig.consume_as("q", &wish).map_err(|refusal| refusal.kind),
        Err(RefusalKind::NotImplemented)
    );
    let unlimited = rig.wish(1, 0);
    assert_eq!(
        rig.consume_as("q", &unlimited)
            .map_err(|refusal| refusal.kind),
        Err(RefusalKind::PreconditionFailed)
    );
    let place = rig.place("q");
    let got = rig
        .shard
        .get(place, CONSUMER, true, rig.now_ms, &mut rig.events);
    assert_eq!(
        got.map(|_| ()).map_err(|refusal| refusal.kind),
        Err(RefusalKind::NotImplemented)
    );
    let purged = rig.shard.purge(place, rig.now_ms, &mut rig.events);
    assert_eq!(
        purged.map_err(|refusal| refusal.kind),
        Err(RefusalKind::NotImplemented)
    );
}

#[test]
fn offsets_outlast_a_restart() {
    for is_settled in [false, true] {
        let mut rig = stream(QueueOptions::default());
        publish(&mut rig, 0..4);
        if is_settled {
            rig.settle_all();
        }
        rig.commit();
        rig.restart();
        publish(&mut rig, 4..6);
        assert_eq!(
            read_from(&mut rig, StreamOffset::Offset(2), 1),
            [2, 3, 4, 5]
        );
    }
}

#[test]
fn the_oldest_messages_go_when_there_are_too_many_bytes() {
    for settle_every in [1, 7, 1_000] {
        let mut rig = stream(QueueOptions {
            length_bytes_max: Some(1_000),
            ..QueueOptions::default()
        });
        for number in 0..500 {
            // 8 bytes of body and 2 of properties.
            rig.publish("q", &format!("{number:08}"));
            if number % settle_every == 0 {
                rig.settle_all();
            }
            assert!(rig.statistics("q").ready_bytes <= 1_130);
        }
        rig.commit();
        let kept = read_from(&mut rig, StreamOffset::First, 1);
        assert!((100..=113).contains(&kept.len()), "{} are kept", kept.len());
        assert_eq!(kept.last(), Some(&499));
        assert!(
            kept.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "they are the newest ones"
        );
    }
}

#[test]
fn a_stream_over_its_size_keeps_as_much_after_a_restart() {
    let mut rig = stream(QueueOptions {
        length_bytes_max: Some(1_000),
        ..QueueOptions::default()
    });
    (0..100).for_each(|number| rig.publish("q", &format!("{number:08}")));
    rig.settle_all();
    rig.commit();
    rig.restart();
    rig.publish("q", "00000100");
    assert_eq!(
        rig.ready("q"),
        101,
        "what its segments take on disk is not its size"
    );
}

#[test]
fn old_messages_go_by_the_clock() {
    let mut rig = stream(QueueOptions {
        age_max_ms: Some(5_000),
        ..QueueOptions::default()
    });
    publish(&mut rig, 0..3);
    rig.settle_all();
    rig.now_ms += 3_000;
    publish(&mut rig, 3..6);
    assert!(
        rig.shard
            .next_deadline()
            .is_some_and(|at| at <= rig.now_ms + 1_000)
    );
    rig.advance(1_900);
    assert_eq!(rig.ready("q"), 6);
    rig.advance(1_000);
    assert_eq!(rig.ready("q"), 3);
    assert_eq!(read_from(&mut rig, StreamOffset::First, 1), [3, 4, 5]);
    rig.advance(100_000);
    assert_eq!(rig.ready("q"), 1, "the newest stays");
}

#[test]
fn a_cancelled_reader_gives_its_shared_credit_back() {
    let mut rig = stream(QueueOptions::default());
    publish(&mut rig, 0..5);
    let credit = Arc::new(Credit::default());
    credit.set_limit(2);
    let mut wish = rig.wish(1, 10);
    wish.credit = credit.clone();
    rig.consume_as("q", &wish).expect("it is taken");
    assert!(!credit.is_open());
    rig.cancel("q", 1);
    assert!(credit.is_open());
}

#[test]
fn two_readers_of_one_channel_share_its_credit_in_turn() {
    let mut rig = stream(QueueOptions::default());
    publish(&mut rig, 0..50);
    let credit = Arc::new(Credit::default());
    credit.set_limit(1);
    for number in [1, 2] {
        let mut wish = rig.wish(number, 10);
        wish.credit = credit.clone();
        rig.consume_as("q", &wish).expect("it is taken");
    }
    let mut counts = [0; 3];
    for _ in 0..20 {
        let got = rig.take();
        assert_eq!(got.len(), 1);
        counts[got[0].consumer as usize] += 1;
        rig.settle(&got[0], Outcome::Acked);
        rig.resume("q");
    }
    assert!(counts[1] >= 5 && counts[2] >= 5, "{counts:?}");
}

#[test]
fn an_unused_stream_is_spent_when_its_lease_ends() {
    let mut rig = stream(QueueOptions {
        expires_ms: Some(100),
        ..QueueOptions::default()
    });
    let place = rig.place("q");
    rig.advance(99);
    assert!(rig.shard.take_spent().is_empty());
    rig.advance(1);
    assert_eq!(rig.shard.take_spent(), [place]);
}

#[test]
fn readers_wait_for_a_disk_that_cannot_be_read() {
    let mut rig = stream(QueueOptions::default());
    publish(&mut rig, 0..3);
    rig.settle_all();
    let fail_reads = |rig: &mut Rig, fail| {
        let (_, mut backlogs) = rig.shard.durable_backlogs();
        backlogs.next().expect("a stream").0.fail_reads(fail)
    };
    fail_reads(&mut rig, true);
    publish(&mut rig, 3..5);
    assert_eq!(read_from(&mut rig, StreamOffset::First, 1), []);
    publish(&mut rig, 5..6);
    assert_eq!(offsets(&mut rig), [], "nothing is passed over");
    assert_eq!(
        fail_reads(&mut rig, false),
        1,
        "it is not tried with every message"
    );
    rig.advance(crate::limits::BACKLOG_RETRY_MS);
    assert_eq!(offsets(&mut rig), [0, 1, 2, 3, 4, 5]);
}
