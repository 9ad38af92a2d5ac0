//! What a queue does with its messages: fields here, arguments in AMQP.

use broker::topology::PARTITIONS;
use codec::amqp::field::{Table, Value};
use rpc::v1;

use crate::flaw::Flaw;
use crate::grpc::value::{fields_of, table_of};

/// Arguments that fields say.
const SAID_BY_FIELDS: [&str; 14] = [
    PARTITIONS,
    QUEUE_TYPE,
    MESSAGE_TTL,
    EXPIRES,
    LENGTH_MAX,
    LENGTH_BYTES_MAX,
    OVERFLOW,
    DEAD_LETTER_EXCHANGE,
    DEAD_LETTER_ROUTING_KEY,
    PRIORITY_MAX,
    SINGLE_ACTIVE_CONSUMER,
    DELIVERY_LIMIT,
    AGE_MAX,
    DEDUPLICATION_WINDOW,
];
const QUEUE_TYPE: &str = "x-queue-type";
const MESSAGE_TTL: &str = "x-message-ttl";
const EXPIRES: &str = "x-expires";
const LENGTH_MAX: &str = "x-max-length";
const LENGTH_BYTES_MAX: &str = "x-max-length-bytes";
const OVERFLOW: &str = "x-overflow";
const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
const DEAD_LETTER_ROUTING_KEY: &str = "x-dead-letter-routing-key";
const PRIORITY_MAX: &str = "x-max-priority";
const SINGLE_ACTIVE_CONSUMER: &str = "x-single-active-consumer";
const DELIVERY_LIMIT: &str = "x-delivery-limit";
const AGE_MAX: &str = "x-max-age";
const DEDUPLICATION_WINDOW: &str = "x-dedup-window";

/// Reads settings as arguments.
///
/// # Errors
/// A setting that cannot be, or an argument that says what a field says.
pub(super) fn arguments(settings: v1::QueueSettings, kind: i32) -> Result<Table, Flaw> {
    let mut table = table_of(settings.arguments, "settings.arguments")?;
    if let Some((name, _)) = table.iter().find(|(name, _)| SAID_BY_FIELDS.contains(name)) {
        let detail = format!("'{name}' is said by a field");
        return Err(Flaw::new("settings.arguments", detail));
    }
    let numbers = [
        (MESSAGE_TTL, settings.message_ttl_ms),
        (EXPIRES, settings.expires_ms),
        (LENGTH_MAX, settings.length_max),
        (LENGTH_BYTES_MAX, settings.length_bytes_max),
        (PRIORITY_MAX, settings.priority_max.map(u64::from)),
        (DELIVERY_LIMIT, settings.delivery_limit.map(u64::from)),
        (DEDUPLICATION_WINDOW, settings.deduplication_window_ms),
        (PARTITIONS, settings.partitions.map(u64::from)),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            table.insert(name, i64::try_from(number).unwrap_or(i64::MAX));
        }
    }
    let kind = match v1::QueueKind::try_from(kind) {
        Ok(v1::QueueKind::Unspecified | v1::QueueKind::Classic) => None,
        Ok(v1::QueueKind::Quorum) => Some("quorum".to_owned()),
        Ok(v1::QueueKind::Stream) => Some("stream".to_owned()),
        Err(_) => return Err(Flaw::new("kind", "there is no such kind")),
    };
    let overflow = match v1::Overflow::try_from(settings.overflow) {
        Ok(v1::Overflow::Unspecified) => None,
        Ok(v1::Overflow::DropHead) => Some("drop-head".to_owned()),
        Ok(v1::Overflow::RejectPublish) => Some("reject-publish".to_owned()),
        Ok(v1::Overflow::RejectPublishDeadLetter) => Some("reject-publish-dlx".to_owned()),
        Err(_) => return Err(Flaw::new("settings.overflow", "there is no such overflow")),
    };
    let age_max = settings.age_max_ms.map(age).transpose()?;
    let texts = [
        (QUEUE_TYPE, kind),
        (OVERFLOW, overflow),
        (DEAD_LETTER_EXCHANGE, settings.dead_letter_topic),
        (DEAD_LETTER_ROUTING_KEY, settings.dead_letter_routing_key),
        (AGE_MAX, age_max),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            table.insert(name, Value::LongString(text.into_bytes()));
        }
    }
    if settings.single_active_consumer {
        table.insert(SINGLE_ACTIVE_CONSUMER, true);
    }
    Ok(table)
}

fn age(ms: u64) -> Result<String, Flaw> {
    if ms == 0 || !ms.is_multiple_of(1_000) {
        let detail = "an age is one or more whole seconds";
        return Err(Flaw::new("settings.age_max_ms", detail));
    }
    Ok(format!("{}s", ms / 1_000))
}

/// Writes arguments as settings.
pub(super) fn settings_of(arguments: &Table) -> v1::QueueSettings {
    let number = |name| {
        arguments
            .get(name)?
            .as_i64()
            .and_then(|it| u64::try_from(it).ok())
    };
    let small = |name| number(name).and_then(|number| u32::try_from(number).ok());
    let text = |name| arguments.get(name)?.as_str().map(str::to_owned);
    let overflow = match text(OVERFLOW).as_deref() {
        Some("drop-head") => v1::Overflow::DropHead,
        Some("reject-publish") => v1::Overflow::RejectPublish,
        Some("reject-publish-dlx") => v1::Overflow::RejectPublishDeadLetter,
        Some(_) | None => v1::Overflow::Unspecified,
    };
    let age_max_ms = text(AGE_MAX).and_then(|age| age_ms(&age));
    // Ages in other units than seconds are too long for the field, or none that it can say.
    let is_said =
        |name: &str| SAID_BY_FIELDS.contains(&name) && (name != AGE_MAX || age_max_ms.is_some());
    let mut others = fields_of(arguments);
    others.retain(|name, _| !is_said(name));
    v1::QueueSettings {
        message_ttl_ms: number(MESSAGE_TTL),
        expires_ms: number(EXPIRES),
        length_max: number(LENGTH_MAX),
        length_bytes_max: number(LENGTH_BYTES_MAX),
        overflow: overflow.into(),
        dead_letter_topic: text(DEAD_LETTER_EXCHANGE),
        dead_letter_routing_key: text(DEAD_LETTER_ROUTING_KEY),
        priority_max: small(PRIORITY_MAX),
        single_active_consumer: arguments
            .get(SINGLE_ACTIVE_CONSUMER)
            .and_then(Value::as_bool)
            .unwrap_or_default(),
        delivery_limit: small(DELIVERY_LIMIT),
        age_max_ms,
        partitions: small(PARTITIONS),
        deduplication_window_ms: number(DEDUPLICATION_WINDOW),
        arguments: others,
    }
}

/// Reads an age as `x-max-age` writes it, in the units whose length is fixed.
fn age_ms(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "D" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds * 1_000)
}

#[cfg(test)]
mod tests;
