//! Dead-lettering: why a message died, and the `x-death` header that tells it.

use codec::amqp::field::{Table, Value};
use codec::amqp::properties::Properties;

use crate::{Message, Name, limits};

/// Why a message left its queue without being consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A consumer rejected it.
    Rejected,
    /// Its time to live passed.
    Expired,
    /// The queue was at its limit.
    MaxLength,
    /// It was delivered too often.
    DeliveryLimit,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Rejected,
        Self::Expired,
        Self::MaxLength,
        Self::DeliveryLimit,
    ];

    /// The word in `x-death`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// How many messages left their queues without being consumed, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deaths {
    rejected: u64,
    expired: u64,
    max_length: u64,
    delivery_limit: u64,
}

impl Deaths {
    /// No deaths.
    pub(crate) const NONE: Self = Self {
        rejected: 0,
        expired: 0,
        max_length: 0,
        delivery_limit: 0,
    };

    /// How many for one reason.
    #[must_use]
    pub const fn of(&self, reason: Reason) -> u64 {
        match reason {
            Reason::Rejected => self.rejected,
            Reason::Expired => self.expired,
            Reason::MaxLength => self.max_length,
            Reason::DeliveryLimit => self.delivery_limit,
        }
    }

    pub(crate) const fn count(&mut self, reason: Reason) {
        *self.of_mut(reason) += 1;
    }

    /// Adds those of another shard.
    pub fn add(&mut self, other: &Self) {
        for reason in Reason::ALL {
            *self.of_mut(reason) += other.of(reason);
        }
    }

    const fn of_mut(&mut self, reason: Reason) -> &mut u64 {
        match reason {
            Reason::Rejected => &mut self.rejected,
            Reason::Expired => &mut self.expired,
            Reason::MaxLength => &mut self.max_length,
            Reason::DeliveryLimit => &mut self.delivery_limit,
        }
    }
}

/// Where and how a message died.
pub(crate) struct Death<'a> {
    pub(crate) queue: &'a str,
    pub(crate) reason: Reason,
    pub(crate) now_ms: u64,
    pub(crate) exchange: &'a Name,
    pub(crate) routing_key: Option<&'a str>,
}

/// Readdresses a dead message and writes its death into its headers; `None` where it would go round for ever.
///
/// A cycle is automatic when no death in it was a rejection: such a message has no consumer that could end it.
pub(crate) fn bury(message: &Message, death: &Death<'_>) -> Message {
    let mut properties = Properties::decode(message.properties())
        .map(|(properties, _)| properties)
        .unwrap_or_default();
    let mut headers = properties.headers.take().unwrap_or_default();
    let mut keys = vec![Value::from(message.routing_key())];
    if let Some(Value::Array(copies)) = headers.get("CC") {
        keys.extend(copies.iter().filter(|key| key.as_str().is_some()).cloned());
    }
    let mut deaths = match headers.remove("x-death") {
        Some(Value::Array(deaths)) => deaths,
        _ => Vec::new(),
    };
    let is_first = deaths.is_empty() && headers.get("x-first-death-reason").is_none();
    let mut newest = match position(&deaths, death.queue, death.reason) {
        Some(index) => deaths.remove(index).as_table().cloned().unwrap_or_default(),
        None => fresh_death(message, death, keys, properties.expiration.take()),
    };
    let count = newest.get("count").and_then(Value::as_i64).unwrap_or(0);
    newest.insert("count", Value::I64(count + 1));
    deaths.insert(0, Value::Table(newest));
    deaths.truncate(limits::DEATHS_MAX);
    if is_first {
        headers.insert("x-first-death-reason", death.reason.name());
        headers.insert("x-first-death-queue", death.queue);
        headers.insert("x-first-death-exchange", &**message.exchange());
    }
    headers.insert("x-last-death-reason", death.reason.name());
    headers.insert("x-last-death-queue", death.queue);
    headers.insert("x-last-death-exchange", &**message.exchange());
    headers.insert("x-death", Value::Array(deaths));
    if death.routing_key.is_some() {
        headers.remove("CC");
        headers.remove("BCC");
    }
    properties.headers = Some(headers);
    properties.expiration = None;
    let mut raw = Vec::new();
    properties.encode(&mut raw);
    message.readdressed(
        death.exchange.clone(),
        death.routing_key.unwrap_or_else(|| message.routing_key()),
        &raw,
    )
}

fn fresh_death(
    message: &Message,
    death: &Death<'_>,
    keys: Vec<Value>,
    expiration: Option<String>,
) -> Table {
    let mut fresh = Table::new();
    fresh.insert("count", Value::I64(0));
    fresh.insert("reason", death.reason.name());
    fresh.insert("queue", death.queue);
    fresh.insert("time", Value::Timestamp(death.now_ms / 1_000));
    fresh.insert("exchange", &**message.exchange());
    fresh.insert("routing-keys", Value::Array(keys));
    if let Some(expiration) = expiration {
        fresh.insert("original-expiration", expiration);
    }
    fresh
}

fn position(deaths: &[Value], queue: &str, reason: Reason) -> Option<usize> {
    deaths.iter().position(|entry| {
        entry.as_table().is_some_and(|table| {
            let text = |key: &str| table.get(key).and_then(Value::as_str);
            text("queue") == Some(queue) && text("reason") == Some(reason.name())
        })
    })
}

/// The queues in whose hands `message` would close a cycle of deaths without a rejection.
pub(crate) fn cyclic_queues(message: &Message, reason: Reason) -> Vec<String> {
    if reason == Reason::Rejected {
        return Vec::new();
    }
    let Ok((properties, _)) = Properties::decode(message.properties()) else {
        return Vec::new();
    };
    let Some(Value::Array(deaths)) = properties
        .headers
        .as_ref()
        .and_then(|headers| headers.get("x-death"))
    else {
        return Vec::new();
    };
    let text = |entry: &Value, key: &str| {
        entry
            .as_table()
            .and_then(|table| table.get(key))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    // Newest first: the cycle to a queue is everything down to its own entry.
    let without_rejection = deaths
        .iter()
        .take_while(|entry| text(entry, "reason").as_deref() != Some(Reason::Rejected.name()));
    without_rejection
        .filter_map(|entry| text(entry, "queue"))
        .collect()
}

#[cfg(test)]
mod tests;
