use super::super::options::{LoadOptions, Routing, Target};
use super::*;

fn plan(producers: usize, consumers: usize, queues: usize, routing: Routing) -> Plan {
    let mut options = LoadOptions::new(Target::Relay(String::new()));
    options.producers = producers;
    options.consumers = consumers;
    options.queues = queues;
    options.routing = routing;
    options.threads = 2;
    Plan::new(&options)
}

/// The producers of each queue, as the producers themselves see it.
fn seen_from_producers(plan: &Plan, queue: usize) -> Vec<usize> {
    let name = plan.queue_name(queue);
    (0..plan.producers)
        .filter(|&producer| plan.keys_of(producer).contains(&name))
        .collect()
}

#[test]
fn queues_and_producers_agree_on_who_publishes_where() {
    for (producers, queues) in [(1, 1), (1, 7), (7, 1), (3, 7), (7, 3), (10, 5), (5, 10)] {
        let plan = plan(producers, 1, queues, Routing::Queue);
        for queue in 0..queues {
            let (first, step, count) = plan.producers_of(queue);
            let seen_from_queue: Vec<usize> = (0..count).map(|at| first + at * step).collect();
            assert_eq!(
                seen_from_queue,
                seen_from_producers(&plan, queue),
                "queue {queue} of {queues} with {producers} producers"
            );
        }
    }
}

#[test]
fn every_queue_has_a_consumer_and_all_of_one_queue_share_a_thread() {
    for (consumers, queues) in [(1, 1), (1, 7), (7, 1), (3, 7), (7, 3), (10, 5), (5, 10)] {
        let plan = plan(1, consumers, queues, Routing::Queue);
        for queue in 0..queues {
            let of_queue: Vec<usize> = (0..consumers)
                .filter(|&consumer| plan.queues_of(consumer).any(|taken| taken == queue))
                .collect();
            assert_eq!(of_queue.len(), plan.consumers_of(queue));
            assert!(!of_queue.is_empty(), "queue {queue} has no consumer");
            let thread = plan.consumer_thread(of_queue[0]);
            assert!(
                of_queue
                    .iter()
                    .all(|&consumer| plan.consumer_thread(consumer) == thread)
            );
        }
    }
}

#[test]
fn names_of_one_run_are_equally_long() {
    let plan = plan(1, 1, 1_000, Routing::Queue);
    assert_eq!(plan.queue_name(0).len(), plan.queue_name(999).len());
    assert_ne!(plan.queue_name(1), plan.queue_name(10));
}

#[test]
fn one_pair_on_two_threads_is_split() {
    let plan = plan(1, 1, 1, Routing::Queue);
    assert_ne!(plan.producer_thread(0), plan.consumer_thread(0));
}

#[test]
fn subjects_stand_for_queues_where_there_are_no_exchanges() {
    let queues = plan(3, 3, 12, Routing::Queue);
    for producer in 0..3 {
        assert_eq!(queues.subjects_of(producer), queues.keys_of(producer));
    }
    assert_eq!(queues.subject(3), queues.queue_name(3));
    assert!(!queues.stream_name(3).contains('.'));
    let fanout = plan(1, 3, 3, Routing::Fanout);
    for queue in 0..3 {
        assert_eq!(fanout.subjects_of(0), [fanout.subject(queue)]);
    }
    let inboxes = [queues.inbox(0), queues.inbox(99)];
    assert_eq!(inboxes[0].len(), inboxes[1].len());
}
