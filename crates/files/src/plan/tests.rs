mod model;

use super::*;
use crate::limits::{
    DEADLINE_MS_UNKNOWN, GROUP_BYTES, RUN_GROUPS_MAX, SEGMENT_GROUPS, WINDOW_GROUPS_MAX,
    WINDOW_GROUPS_MIN,
};

const A: SourceId = SourceId(1);
const B: SourceId = SourceId(2);
const C: SourceId = SourceId(3);

fn plan(groups: u32) -> Plan {
    let shape = Shape::new(u64::from(groups) * GROUP_BYTES).expect("small");
    Plan::new(shape, Have::none(groups), 7)
}

fn part(total: u32, run: Range<u32>) -> Holds {
    let mut have = Have::none(total);
    have.insert_run(run);
    Holds::Part(have)
}

fn ask_all(plan: &mut Plan, id: SourceId, now_ms: u64) -> Vec<u32> {
    let mut groups = Vec::new();
    while let Next::Ask(run) = plan.next(id, now_ms) {
        groups.extend(run);
    }
    groups
}

fn cancels(plan: &mut Plan) -> Vec<(SourceId, u32)> {
    let cancels = std::iter::from_fn(|| plan.poll_cancel());
    cancels
        .map(|cancel| (cancel.source, cancel.group))
        .collect()
}

#[test]
fn a_single_source_is_asked_from_beginning_to_end() {
    let mut plan = plan(300);
    plan.handle_source(A, Holds::All).expect("taken");
    let (mut order, mut now_ms) = (Vec::new(), 0);
    while !plan.is_done() {
        let asked = ask_all(&mut plan, A, now_ms);
        assert!(!asked.is_empty());
        now_ms += 10;
        for &group in &asked {
            assert_eq!(plan.handle_arrived(A, group, now_ms), Arrival::New);
        }
        order.extend(asked);
    }
    assert_eq!(order, (0..300).collect::<Vec<_>>());
    assert_eq!(plan.next(A, now_ms), Next::Done);
    let progress = plan.progress(now_ms);
    assert_eq!(progress.verified_bytes, progress.size);
    assert_eq!(progress.asked_bytes, progress.size);
    assert_eq!(progress.duplicate_bytes + progress.requeued_bytes, 0);
}

#[test]
fn the_rarest_groups_come_first() {
    let mut plan = plan(100);
    plan.handle_source(A, Holds::All).expect("taken");
    plan.handle_source(B, part(100, 0..90)).expect("taken");
    plan.handle_source(C, part(100, 0..40)).expect("taken");
    // Only A has 90 and on; then come those that A and B have.
    let mut order = Vec::new();
    while order.len() < 60 {
        let asked = ask_all(&mut plan, A, 0);
        assert!(!asked.is_empty());
        for &group in &asked {
            plan.handle_arrived(A, group, 1);
        }
        order.extend(asked);
    }
    assert!(order[..10].iter().all(|group| (90..100).contains(group)));
    assert!(order[10..60].iter().all(|group| (40..90).contains(group)));
    plan.handle_gone(C, 2);
    let progress = plan.progress(2);
    assert_eq!(progress.unavailable_groups, 0);
    plan.handle_gone(A, 2);
    plan.handle_source(B, part(100, 0..30)).expect("known");
    let left = u32::try_from(ask_all(&mut plan, B, 2).len()).expect("few");
    assert!(left > 0);
    let progress = plan.progress(2);
    assert!(
        (10..=40).contains(&progress.unavailable_groups),
        "{progress:?}"
    );
}

#[test]
fn windows_follow_the_speed() {
    let window = |speed: u64, latency_ms: u64| {
        let mut plan = plan(20_000);
        plan.handle_source(A, Holds::All).expect("taken");
        let (mut link, mut now_ms) = (VecDeque::new(), 0);
        let mut free_ms = 0;
        while now_ms < 20_000 && !plan.is_done() {
            for group in ask_all(&mut plan, A, now_ms) {
                free_ms = u64::max(free_ms, now_ms) + (GROUP_BYTES * 1_000 / speed).max(1);
                link.push_back((free_ms + latency_ms, group));
            }
            let (at_ms, group) = link.pop_front().expect("something is under way");
            now_ms = at_ms;
            plan.handle_arrived(A, group, now_ms);
        }
        plan.progress(now_ms).sources[0].window_bytes / GROUP_BYTES
    };
    assert_eq!(window(100 << 10, 20), WINDOW_GROUPS_MIN);
    let medium = window(20 << 20, 20);
    assert!((15..40).contains(&medium), "{medium} groups at 20 MiB/s");
    // A long way needs a larger window for the same speed.
    let far = window(20 << 20, 400);
    assert!(
        (40..80).contains(&far),
        "{far} groups at 20 MiB/s and 400 ms"
    );
    assert_eq!(window(1 << 30, 1), WINDOW_GROUPS_MAX);
}

#[test]
fn runs_are_bounded_and_end_with_a_segment() {
    let mut plan = plan(SEGMENT_GROUPS + 10);
    let mut verified = Have::all(SEGMENT_GROUPS + 10);
    for group in SEGMENT_GROUPS - 1..SEGMENT_GROUPS + 10 {
        verified.remove(group);
    }
    plan = Plan::new(plan.shape, verified, 7);
    plan.handle_source(A, Holds::All).expect("taken");
    let first = SEGMENT_GROUPS - 1;
    assert_eq!(plan.next(A, 0), Next::Ask(first..first + 1));
    assert_eq!(plan.next(A, 0), Next::Ask(first + 1..first + 2));
    assert_eq!(plan.next(A, 0), Next::Wait);
    const { assert!(RUN_GROUPS_MAX as u64 <= WINDOW_GROUPS_MAX) };
}

#[test]
fn a_late_group_is_asked_for_twice_at_the_end_and_cancelled() {
    let mut plan = plan(2);
    plan.handle_source(A, Holds::All).expect("taken");
    plan.handle_source(B, Holds::All).expect("taken");
    plan.handle_source(C, Holds::All).expect("taken");
    assert_eq!(ask_all(&mut plan, A, 0), [0, 1]);
    // Not at once: a small content would be fetched from everybody.
    assert_eq!(plan.next(B, DUPLICATE_AGE_MS - 1), Next::Wait);
    assert_eq!(plan.next_timeout(0), Some(DUPLICATE_AGE_MS));
    assert_eq!(ask_all(&mut plan, B, DUPLICATE_AGE_MS), [0, 1]);
    // Two copies are enough.
    assert_eq!(plan.next(C, 9_000), Next::Wait);
    assert_eq!(plan.handle_arrived(B, 1, 600), Arrival::New);
    assert_eq!(cancels(&mut plan), [(A, 1)]);
    assert_eq!(plan.handle_arrived(A, 1, 601), Arrival::Duplicate);
    assert_eq!(plan.handle_arrived(A, 0, 602), Arrival::New);
    assert_eq!(cancels(&mut plan), [(B, 0)]);
    assert!(plan.is_done());
    assert_eq!(plan.progress(602).duplicate_bytes, 2 * GROUP_BYTES);
}

#[test]
fn what_a_lost_source_had_is_asked_of_others() {
    let mut plan = plan(4);
    plan.handle_source(A, Holds::All).expect("taken");
    let lost = ask_all(&mut plan, A, 0);
    assert_eq!(lost, [0, 1]);
    plan.handle_gone(A, 1);
    plan.handle_source(B, Holds::All).expect("taken");
    assert_eq!(ask_all(&mut plan, B, 1), [0, 1]);
    assert_eq!(plan.next(A, 1), Next::Wait);
}

#[test]
fn a_liar_is_not_asked_again() {
    let mut plan = plan(4);
    plan.handle_source(A, Holds::All).expect("taken");
    assert_eq!(ask_all(&mut plan, A, 0), [0, 1]);
    plan.handle_lie(A, 1);
    assert_eq!(plan.next(A, 1), Next::Wait);
    assert_eq!(
        plan.handle_source(A, Holds::All),
        Err(SourceRefused::Banned)
    );
    assert_eq!(plan.progress(1).unavailable_groups, 4);
    plan.handle_source(B, Holds::All).expect("taken");
    assert_eq!(ask_all(&mut plan, B, 1), [0, 1]);
}

#[test]
fn a_source_without_progress_rests_and_is_waited_for_longer() {
    let mut plan = plan(4);
    plan.handle_source(A, Holds::All).expect("taken");
    assert_eq!(ask_all(&mut plan, A, 0), [0, 1]);
    plan.handle_progress(A, 1_000);
    let deadline = 1_000 + DEADLINE_MS_UNKNOWN;
    assert_eq!(plan.next_timeout(0), Some(deadline));
    plan.handle_timeout(deadline - 1);
    assert_eq!(cancels(&mut plan), []);
    plan.handle_timeout(deadline);
    assert_eq!(cancels(&mut plan), [(A, 0), (A, 1)]);
    assert_eq!(plan.next(A, deadline), Next::Wait);
    let again = plan.next_timeout(deadline).expect("it is tried again");
    assert_eq!(ask_all(&mut plan, A, again).len(), 2);
    assert_eq!(
        plan.next_timeout(again),
        Some(again + 2 * DEADLINE_MS_UNKNOWN)
    );
    // What comes late after all is taken.
    assert_eq!(plan.handle_arrived(A, 0, again), Arrival::New);
}

#[test]
fn busy_and_mistaken_sources_give_back_what_they_were_asked_for() {
    let mut plan = plan(4);
    plan.handle_source(A, Holds::All).expect("taken");
    plan.handle_source(B, part(4, 0..2)).expect("taken");
    // Only A has them.
    assert_eq!(plan.next(A, 0), Next::Ask(2..4));
    plan.handle_busy(A, 2..4, 5_000, 0);
    assert_eq!(plan.next(A, 4_999), Next::Wait);
    assert_eq!(plan.next_timeout(0), Some(5_000));
    assert_eq!(plan.next(A, 5_000), Next::Ask(2..4));
    plan.handle_missing(A, 3..9, 5_000);
    assert_eq!(plan.progress(5_000).unavailable_groups, 1);
    let other = Holds::Part(Have::none(5));
    assert_eq!(plan.handle_source(B, other), Err(SourceRefused::OtherSize));
}

#[test]
fn sources_are_bounded() {
    let mut plan = plan(1);
    for id in 0..SOURCES_MAX as u64 {
        plan.handle_source(SourceId(id), part(1, 0..1))
            .expect("taken");
    }
    let one_more = plan.handle_source(SourceId(99), Holds::All);
    assert_eq!(one_more, Err(SourceRefused::TooMany));
    plan.handle_source(SourceId(5), Holds::All).expect("known");
    plan.handle_gone(SourceId(0), 0);
    plan.handle_source(SourceId(99), Holds::All).expect("room");
}

#[test]
fn an_empty_content_is_there() {
    let mut plan = plan(0);
    assert!(plan.is_done());
    plan.handle_source(A, Holds::All).expect("taken");
    assert_eq!(plan.next(A, 0), Next::Done);
}
