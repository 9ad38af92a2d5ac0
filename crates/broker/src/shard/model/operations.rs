//! What happens to the queues, at random.

use proptest::prelude::*;

use crate::arguments::{Overflow, QueueKind, QueueOptions};

/// What a publisher asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    pub(super) persistent: bool,
    pub(super) priority: u8,
    pub(super) ttl: Option<u64>,
    pub(super) delay: Option<u64>,
    pub(super) id: Option<u8>,
}

#[derive(Debug, Clone)]
pub(super) enum Op {
    Publish {
        publisher: u8,
        targets: u8,
        content: Content,
    },
    Consume {
        queue: u8,
        prefetch: u8,
        no_ack: bool,
    },
    Cancel {
        index: u8,
    },
    Get {
        queue: u8,
        no_ack: bool,
    },
    Settle {
        index: u8,
        outcome: u8,
    },
    Purge {
        queue: u8,
    },
    Delete {
        queue: u8,
    },
    Advance {
        milliseconds: u8,
    },
    SettleUntil {
        share: u8,
        fails_after: Option<u8>,
    },
    Sync {
        share: u8,
    },
    Restart,
}

/// How the two queues that dead-letter are set up.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) kind: QueueKind,
    pub(super) is_durable: bool,
    pub(super) options: QueueOptions,
}

fn content() -> impl Strategy<Value = Content> {
    let ttl = prop_oneof![4 => Just(None), 1 => (0..60_u64).prop_map(Some)];
    let delay = prop_oneof![4 => Just(None), 1 => (0..120_u64).prop_map(Some)];
    let id = prop_oneof![3 => Just(None), 1 => (0..6_u8).prop_map(Some)];
    (prop::bool::weighted(0.7), 0..4_u8, ttl, delay, id).prop_map(
        |(persistent, priority, ttl, delay, id)| Content {
            persistent,
            priority,
            ttl,
            delay,
            id,
        },
    )
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        16 => (any::<u8>(), 1..8_u8, content())
            .prop_map(|(publisher, targets, content)| Op::Publish { publisher, targets, content }),
        4 => (any::<u8>(), any::<u8>(), prop::bool::weighted(0.2))
            .prop_map(|(queue, prefetch, no_ack)| Op::Consume { queue, prefetch, no_ack }),
        3 => any::<u8>().prop_map(|index| Op::Cancel { index }),
        6 => (any::<u8>(), any::<bool>()).prop_map(|(queue, no_ack)| Op::Get { queue, no_ack }),
        14 => (any::<u8>(), any::<u8>()).prop_map(|(index, outcome)| Op::Settle { index, outcome }),
        1 => any::<u8>().prop_map(|queue| Op::Purge { queue }),
        1 => any::<u8>().prop_map(|queue| Op::Delete { queue }),
        3 => (0..50_u8).prop_map(|milliseconds| Op::Advance { milliseconds }),
        5 => (any::<u8>(), prop_oneof![3 => Just(None), 1 => any::<u8>().prop_map(Some)])
            .prop_map(|(share, fails_after)| Op::SettleUntil { share, fails_after }),
        5 => any::<u8>().prop_map(|share| Op::Sync { share }),
        2 => Just(Op::Restart),
    ]
}

pub(super) fn setup() -> impl Strategy<Value = Setup> {
    let overflow = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Overflow::RejectPublish)),
        1 => Just(Some(Overflow::RejectPublishDlx)),
    ];
    let limits = (
        prop::option::of(0..6_u64),
        prop::option::of(4..20_u64),
        overflow,
    );
    let others = (
        prop_oneof![1 => Just(None), 1 => Just(Some(0)), 3 => (1..150_u64).prop_map(Some)],
        prop::option::of(0..60_u64),
        prop::option::of(1..4_u8),
        any::<bool>(),
    );
    let kind = prop_oneof![
        Just((QueueKind::Classic, true)),
        Just((QueueKind::Classic, false)),
        Just((QueueKind::Quorum, true))
    ];
    (kind, limits, others).prop_map(
        |(
            (kind, is_durable),
            (length_max, length_bytes_max, overflow),
            (window, ttl, priority, dlx),
        )| {
            Setup {
                kind,
                is_durable,
                options: QueueOptions {
                    message_ttl_ms: ttl,
                    dedup_window_ms: window,
                    length_max,
                    length_bytes_max,
                    overflow,
                    priority_max: priority.filter(|_| kind == QueueKind::Classic),
                    delivery_limit: (kind == QueueKind::Quorum).then_some(2),
                    dead_letter_exchange: dlx.then(|| "".into()),
                    dead_letter_routing_key: dlx.then(|| "dead".into()),
                    ..QueueOptions::default()
                },
            }
        },
    )
}
