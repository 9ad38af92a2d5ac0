use broker::{Outcome, Refusal, RefusalKind, Reply};
use codec::amqp::method::{
    BasicAck, BasicNack, ChannelClose, ConfirmSelect, TxCommit, TxRollback, TxSelect,
};

use crate::Settings;
use crate::harness::{Bench, Call, mandatory_bytes, settled};

fn transactional() -> (Bench, broker::ConsumerNumber) {
    let mut bench = Bench::open();
    bench.method(1, TxSelect {});
    bench.expect_only("1 TxSelectOk");
    let consumer = bench.consume("c", false);
    for sequence in 1..=3 {
        bench.deliver(consumer, sequence, b"x");
    }
    bench.frames();
    bench.calls();
    (bench, consumer)
}

fn ack(delivery_tag: u64) -> BasicAck {
    BasicAck {
        delivery_tag,
        multiple: false,
    }
}

#[test]
fn a_commit_does_everything_in_order_and_answers_when_it_is_durable() {
    let (mut bench, consumer) = transactional();
    bench.publish("first", b"1");
    bench.method(1, ack(2));
    bench.publish("second", &[2; 5_000]);
    bench.method(
        1,
        BasicNack {
            delivery_tag: 1,
            multiple: false,
            requeue: false,
        },
    );
    assert_eq!(bench.calls(), [], "nothing happens before the commit");
    bench.method(1, TxCommit {});
    let calls = bench.calls();
    assert!(
        matches!(
            calls.as_slice(),
            [
                Call::Publish { key: first, is_shared: false, number: None, .. },
                acked,
                Call::Publish { key: second, is_shared: true, .. },
                rejected,
                Call::Request(1, sync),
            ] if first == "first" && second == "second" && sync == "Sync"
                && *acked == settled(2, consumer, Outcome::Acked)
                && *rejected == settled(1, consumer, Outcome::Rejected)
        ),
        "{calls:#?}"
    );
    assert!(bench.output().is_empty());
    bench.replied(1, Ok(Reply::Done));
    bench.expect_only("1 TxCommitOk");
    bench.method(1, TxCommit {});
    assert_eq!(
        bench.calls(),
        [Call::Request(1, "Sync".to_owned())],
        "the next transaction is empty"
    );
}

#[test]
fn a_rollback_undoes_acks_and_forgets_publishes() {
    let (mut bench, consumer) = transactional();
    bench.publish("q", b"1");
    bench.method(1, ack(2));
    bench.method(1, TxRollback {});
    bench.expect_only("1 TxRollbackOk");
    assert_eq!(bench.calls(), []);
    bench.method(
        1,
        BasicAck {
            delivery_tag: 0,
            multiple: true,
        },
    );
    bench.method(1, TxCommit {});
    let acked = |sequence| settled(sequence, consumer, Outcome::Acked);
    assert_eq!(
        bench.calls(),
        [
            acked(1),
            acked(2),
            acked(3),
            Call::Request(1, "Sync".to_owned())
        ]
    );
}

#[test]
fn acks_that_were_not_committed_come_back_on_close() {
    let (mut bench, consumer) = transactional();
    bench.method(1, ack(2));
    bench.publish("q", b"1");
    bench.method(1, ChannelClose::default());
    let requeued = |sequence| settled(sequence, consumer, Outcome::Requeued);
    assert_eq!(
        bench.calls(),
        [
            Call::Drop(consumer.0),
            requeued(1),
            requeued(2),
            requeued(3)
        ]
    );
}

#[test]
fn a_tag_is_unknown_at_once() {
    let (mut bench, _) = transactional();
    bench.method(1, ack(2));
    bench.method(1, ack(2));
    bench.expect_only("1 ChannelClose { reply_code: 406, reply_text: \"PRECONDITION_FAILED - unknown delivery tag 2\"");
}

#[test]
fn mandatory_messages_come_back_at_commit() {
    let (mut bench, _) = transactional();
    bench.port.answers = 0;
    bench.raw(&mandatory_bytes(1, "nowhere", b"x"));
    assert!(bench.output().is_empty());
    bench.method(1, TxCommit {});
    let frames = bench.frames();
    assert!(
        matches!(frames.as_slice(), [returned, ..] if returned.starts_with("1 BasicReturn { reply_code: 312")),
        "{frames:?}"
    );
}

#[test]
fn a_refused_publish_ends_the_channel_and_undoes_the_rest() {
    let (mut bench, consumer) = transactional();
    bench.publish("q", b"1");
    bench.method(1, ack(1));
    bench.port.refusal = Some(Refusal::new(
        RefusalKind::NotFound,
        "no exchange 'x' in vhost '/'",
    ));
    bench.method(1, TxCommit {});
    bench.expect_only(
        "1 ChannelClose { reply_code: 404, reply_text: \"NOT_FOUND - no exchange 'x' in vhost '/'\", class_id: 90, method_id: 20",
    );
    let requeued = |sequence| settled(sequence, consumer, Outcome::Requeued);
    assert_eq!(
        bench.calls(),
        [
            Call::Drop(consumer.0),
            requeued(1),
            requeued(2),
            requeued(3)
        ]
    );
}

#[test]
fn commit_and_rollback_want_a_select() {
    let expected = "1 ChannelClose { reply_code: 406, reply_text: \"PRECONDITION_FAILED - channel is not transactional\"";
    let mut bench = Bench::open();
    bench.method(1, TxCommit {});
    bench.expect_only(expected);
    let mut bench = Bench::open();
    bench.method(1, TxRollback {});
    bench.expect_only(expected);
}

#[test]
fn confirms_and_transactions_exclude_each_other() {
    let mut bench = Bench::open();
    bench.method(1, ConfirmSelect { no_wait: false });
    bench.method(1, ConfirmSelect { no_wait: true });
    bench.expect_only("1 ConfirmSelectOk");
    bench.method(1, TxSelect {});
    bench.expect_only("1 ChannelClose { reply_code: 406, reply_text: \"PRECONDITION_FAILED - cannot switch from confirm to tx mode\"");
    let (mut bench, _) = transactional();
    bench.method(1, ConfirmSelect { no_wait: false });
    bench.expect_only("1 ChannelClose { reply_code: 406, reply_text: \"PRECONDITION_FAILED - cannot switch from tx to confirm mode\"");
}

#[test]
fn a_transaction_is_bounded() {
    let mut bench = Bench::open_with(
        Settings {
            transaction_bytes_max: 10_000,
            ..Settings::default()
        },
        0,
    );
    bench.method(1, TxSelect {});
    bench.frames();
    bench.publish("q", &[0; 6_000]);
    assert!(bench.output().is_empty());
    bench.publish("q", &[0; 6_000]);
    bench.expect_only("1 ChannelClose { reply_code: 506");
}
