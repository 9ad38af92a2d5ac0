//! A queue as the test believes it to be: a list of messages, each with where its record and its end stand in the log.

use std::collections::BTreeMap;

use broker::arguments::{QueueKind, QueueOptions};
use broker::shard::QueueSpecification;
use broker::{Body, DedupId, Message, QueueId, QueueRef};
use bytes::Bytes;

/// The shortest body: it names its message.
pub(super) const BODY_BYTES_MIN: usize = 8;
/// Bodies from this size on are shared when they are read back.
const SHARE_BYTES_MIN: usize = 4096;

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Its time has not come.
    Waiting,
    Ready,
    /// Delivered under this sequence number to a consumer, or to a get.
    Out(u64, Option<u32>),
    Ended,
}

/// What was published.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    pub(super) number: u64,
    pub(super) bytes: usize,
    pub(super) persistent: bool,
    pub(super) expiration_ms: Option<u64>,
    pub(super) deliver_at_ms: Option<u64>,
    pub(super) dedup_id: Option<DedupId>,
}

impl Content {
    /// The message itself; its body can be made again from its number, so that a torn one shows.
    pub(super) fn message(self) -> Message {
        let mut state = self.number;
        let mut body = self.number.to_le_bytes().to_vec();
        while body.len() < self.bytes {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            body.extend_from_slice(&state.to_be_bytes());
        }
        body.truncate(self.bytes.max(BODY_BYTES_MIN));
        let key = format!("key.{}", self.number);
        let body = if body.len() < SHARE_BYTES_MIN {
            Body::Copy(&body)
        } else {
            Body::Share(Bytes::from(body))
        };
        let mut message = Message::new("exchange".into(), &key, &[0x10, 0, 2], body);
        message.persistent = self.persistent;
        message.expiration_ms = self.expiration_ms;
        message.deliver_at_ms = self.deliver_at_ms;
        message.dedup_id = self.dedup_id.map(Box::new);
        message
    }
}

/// A message in one queue.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) content: Content,
    pub(super) place: Place,
    /// Among those that are ready the lowest is delivered next: the message's number, or the one that it would have if it had come when
    /// it was due.
    pub(super) turn: (u64, u64),
    pub(super) expires_ms: u64,
    /// It is to survive a restart.
    pub(super) logged: bool,
    /// The position of its record; 0 when it was there at the start.
    pub(super) appended: u64,
    /// The position of its end.
    pub(super) ended: Option<u64>,
    /// How often it came back.
    pub(super) count: u32,
    /// The counts that the log knows, by position.
    pub(super) counts: Vec<(u64, u32)>,
    /// Its sequence number, once the publisher was told.
    pub(super) sequence: Option<u64>,
}

impl Kept {
    /// Says whether a log that ends at `cut` holds it.
    pub(super) fn is_held_at(&self, cut: u64) -> bool {
        self.logged && self.appended <= cut && self.ended.is_none_or(|ended| ended > cut)
    }

    /// How often it came back, as a log says that ends at `cut`.
    pub(super) fn count_at(&self, cut: u64) -> u32 {
        let known = self.counts.iter().take_while(|(at, _)| *at <= cut);
        known.last().map_or(0, |(_, count)| *count)
    }
}

#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) prefetch: usize,
    pub(super) no_ack: bool,
    pub(super) unacked: usize,
}

impl Consumer {
    pub(super) const fn has_room(&self) -> bool {
        self.no_ack || self.prefetch == 0 || self.unacked < self.prefetch
    }
}

#[derive(Debug)]
pub(super) struct ModelQueue {
    pub(super) specification: QueueSpecification,
    /// By message number, which is the order in which they came.
    pub(super) messages: BTreeMap<u64, Kept>,
    pub(super) consumers: BTreeMap<u32, Consumer>,
    /// How many messages were ready once they had waited.
    matured: u64,
}

impl ModelQueue {
    pub(super) fn new(name: &str, kind: QueueKind, ttl_ms: Option<u64>, place: QueueRef) -> Self {
        let options = QueueOptions {
            message_ttl_ms: ttl_ms,
            ..QueueOptions::default()
        };
        let specification = QueueSpecification {
            name: name.into(),
            vhost: "/".into(),
            place,
            kind,
            auto_delete: false,
            options,
        };
        Self {
            specification,
            messages: BTreeMap::new(),
            consumers: BTreeMap::new(),
            matured: 0,
        }
    }

    pub(super) const fn place(&self) -> QueueRef {
        self.specification.place
    }

    pub(super) const fn id(&self) -> QueueId {
        self.specification.place.id
    }

    pub(super) fn shard(&self) -> usize {
        usize::from(self.specification.place.shard)
    }

    /// The message that must be delivered next: the first in turn that is ready and has not expired.
    pub(super) fn head(&self, now_ms: u64) -> Option<u64> {
        let ready = self
            .messages
            .values()
            .filter(|kept| kept.place == Place::Ready && kept.expires_ms > now_ms);
        ready
            .min_by_key(|kept| kept.turn)
            .map(|kept| kept.content.number)
    }

    /// Makes ready what is due, behind all that came before the message `next`.
    pub(super) fn mature(&mut self, now_ms: u64, next: u64) {
        let due = |kept: &&mut Kept| {
            kept.place == Place::Waiting && kept.content.deliver_at_ms.is_none_or(|at| at <= now_ms)
        };
        let mut due: Vec<&mut Kept> = self.messages.values_mut().filter(due).collect();
        due.sort_by_key(|kept| (kept.content.deliver_at_ms, kept.content.number));
        for kept in due {
            self.matured += 1;
            (kept.place, kept.turn) = (Place::Ready, (next, self.matured));
        }
    }

    /// How many messages wait for their time.
    pub(super) fn waiting(&self) -> u64 {
        let is_waiting = |kept: &&Kept| kept.place == Place::Waiting;
        self.messages.values().filter(is_waiting).count() as u64
    }

    /// How many messages are ready: at least, and with those that have expired and may be gone already.
    pub(super) fn ready(&self, now_ms: u64) -> std::ops::RangeInclusive<u64> {
        let ready = self
            .messages
            .values()
            .filter(|kept| kept.place == Place::Ready);
        let (live, expired): (Vec<&Kept>, Vec<&Kept>) =
            ready.partition(|kept| kept.expires_ms > now_ms);
        let live_count = live.len() as u64;
        live_count..=live_count + expired.len() as u64
    }

    pub(super) fn unacked(&self) -> u64 {
        let is_out = |kept: &&Kept| matches!(kept.place, Place::Out(..));
        self.messages.values().filter(is_out).count() as u64
    }

    pub(super) fn has_free_consumer(&self) -> bool {
        self.consumers.values().any(Consumer::has_room)
    }
}
