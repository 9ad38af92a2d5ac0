use broker::{Event, POSTED, PostOutcome, Refusal, RefusalKind, Reply};
use codec::amqp::method::{ChannelClose, ChannelOpen, ConfirmSelect, TxCommit, TxSelect};

use crate::harness::{Bench, mandatory_bytes};
use crate::limits::POSTS_MAX;

fn bench() -> Bench {
    let mut bench = Bench::open();
    bench.port.answers = POSTED;
    bench
}

fn told(bench: &mut Bench, post: u64, outcome: PostOutcome) {
    bench.event(Event::Posted { post, outcome });
    bench.session.flush_confirms();
}

fn refused(kind: RefusalKind) -> PostOutcome {
    PostOutcome::Refused(Refusal::new(kind, "no"))
}

#[test]
fn a_post_is_confirmed_when_it_is_stored() {
    let mut bench = bench();
    bench.method(1, ConfirmSelect { no_wait: false });
    bench.expect_only("1 ConfirmSelectOk");
    bench.publish("room.a", b"1");
    bench.publish("room.a", b"2");
    bench.publish("room.a", b"3");
    assert!(bench.frames().is_empty(), "the chat has them");
    told(&mut bench, 2, PostOutcome::Stored);
    bench.expect_only("1 BasicAck { delivery_tag: 2, multiple: false }");
    told(&mut bench, 1, refused(RefusalKind::LimitExceeded));
    bench.expect_only("1 BasicNack { delivery_tag: 1,");
    told(&mut bench, 3, refused(RefusalKind::AccessRefused));
    bench.expect_only("1 ChannelClose { reply_code: 403,");
}

#[test]
fn a_post_to_no_room_is_returned_if_it_is_mandatory() {
    let mut bench = bench();
    bench.raw(&mandatory_bytes(1, "room.none", b"hola"));
    bench.publish("room.none", b"dropped");
    told(&mut bench, 2, PostOutcome::NoRoom);
    assert!(bench.frames().is_empty());
    told(&mut bench, 1, PostOutcome::NoRoom);
    let frames = bench.frames();
    let first = frames
        .first()
        .is_some_and(|frame| frame.contains("reply_code: 312"));
    assert!(first && frames.len() == 3, "{frames:?}");
}

#[test]
fn an_answer_to_a_channel_that_is_gone_concerns_nobody() {
    let mut bench = bench();
    bench.publish("room.a", b"1");
    bench.method(
        1,
        ChannelClose {
            reply_code: 200,
            reply_text: "",
            class_id: 0,
            method_id: 0,
        },
    );
    bench.expect_only("1 ChannelCloseOk");
    bench.method(1, ChannelOpen {});
    bench.expect_only("1 ChannelOpenOk");
    bench.publish("room.a", b"2");
    told(&mut bench, 1, refused(RefusalKind::AccessRefused));
    assert!(bench.frames().is_empty(), "another channel has its number");
    told(&mut bench, 2, refused(RefusalKind::Unavailable));
    bench.expect_only("1 ChannelClose { reply_code: 506,");
}

#[test]
fn a_commit_is_answered_behind_its_posts() {
    let mut bench = bench();
    bench.method(1, TxSelect {});
    bench.expect_only("1 TxSelectOk");
    bench.publish("room.a", b"1");
    bench.publish("room.a", b"2");
    bench.method(1, TxCommit {});
    bench.replied(1, Ok(Reply::Done));
    told(&mut bench, 1, PostOutcome::Stored);
    assert!(bench.frames().is_empty());
    told(&mut bench, 2, PostOutcome::Stored);
    bench.expect_only("1 TxCommitOk");
    bench.publish("room.a", b"3");
    bench.method(1, TxCommit {});
    told(&mut bench, 3, refused(RefusalKind::AccessRefused));
    bench.expect_only("1 ChannelClose { reply_code: 403,");
    bench.replied(1, Ok(Reply::Done));
    assert!(bench.frames().is_empty(), "its channel has failed");
    assert!(!bench.session.is_paused());
}

#[test]
fn whoever_posts_too_much_is_not_read_for_a_while() {
    let mut bench = bench();
    for _ in 0..POSTS_MAX {
        bench.publish("room.a", b"1");
    }
    bench.session.hold_publishes(false);
    bench.publish("room.a", b"one too many");
    assert!(bench.session.is_holding());
    told(&mut bench, 1, PostOutcome::Stored);
    bench.session.hold_publishes(false);
    assert!(!bench.session.is_holding());
}
