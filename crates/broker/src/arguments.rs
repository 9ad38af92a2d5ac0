//! The arguments of queues: read, checked, compared.

use codec::amqp::field::{Table, Value};

use crate::{Name, Refusal, RefusalKind, limits};

/// The kinds of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// An ordinary queue.
    Classic,
    /// A durable queue that counts deliveries and sets poison messages aside.
    Quorum,
    /// An append-only log that many consumers read from any offset.
    Stream,
}

impl QueueKind {
    /// The value of `x-queue-type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }
}

/// What happens when a queue is at its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest ready message goes.
    DropHead,
    /// The new message is refused.
    RejectPublish,
    /// The new message is refused and dead-lettered.
    RejectPublishDlx,
}

/// What a queue's arguments and its policy ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueOptions {
    /// Milliseconds that a message may wait.
    pub message_ttl_ms: Option<u64>,
    /// Milliseconds that the queue may be unused.
    pub expires_ms: Option<u64>,
    /// Most ready messages.
    pub length_max: Option<u64>,
    /// Most bytes of ready messages.
    pub length_bytes_max: Option<u64>,
    /// What happens beyond these.
    pub overflow: Option<Overflow>,
    /// Where dead messages go.
    pub dead_letter_exchange: Option<Name>,
    /// The key they get; their own where there is none.
    pub dead_letter_routing_key: Option<Name>,
    /// The highest priority level.
    pub priority_max: Option<u8>,
    /// Only one consumer at a time is served.
    pub single_active_consumer: bool,
    /// How often a message may be delivered before it is poison; `u32::MAX` is no limit.
    pub delivery_limit: Option<u32>,
    /// Milliseconds that a stream keeps its messages.
    pub age_max_ms: Option<u64>,
    /// Milliseconds that the ids of messages are remembered; 0 is not at all.
    pub dedup_window_ms: Option<u64>,
}

/// Arguments that a repeated declaration must agree on.
const COMPARED: [&str; 15] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-overflow",
    "x-max-priority",
    "x-single-active-consumer",
    "x-queue-type",
    "x-delivery-limit",
    "x-max-age",
    "x-dedup-window",
    "x-stream-max-segment-size-bytes",
    "x-queue-master-locator",
];

/// Reads a queue's kind from its arguments.
///
/// # Errors
/// `PreconditionFailed` for an unknown kind.
pub fn queue_kind(arguments: &Table, what: &str) -> Result<QueueKind, Refusal> {
    match arguments.get("x-queue-type") {
        None | Some(Value::Void) => Ok(QueueKind::Classic),
        Some(value) => match value.as_str() {
            Some("classic") => Ok(QueueKind::Classic),
            Some("quorum") => Ok(QueueKind::Quorum),
            Some("stream") => Ok(QueueKind::Stream),
            _ => Err(invalid(
                "x-queue-type",
                what,
                "it must be classic, quorum or stream",
            )),
        },
    }
}

impl QueueOptions {
    /// Reads and checks a queue's arguments; `what` names the queue in refusals.
    ///
    /// # Errors
    /// `PreconditionFailed`, naming the argument.
    pub fn parse(arguments: &Table, what: &str) -> Result<Self, Refusal> {
        Self::read(&Reader {
            table: arguments,
            prefix: "x-",
            what,
        })
    }

    /// Reads and checks the arguments of a declaration, which unlike a policy's must make sense by themselves.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(crate) fn declared(arguments: &Table, what: &str) -> Result<Self, Refusal> {
        let options = Self::parse(arguments, what)?;
        if options.dead_letter_routing_key.is_some() && options.dead_letter_exchange.is_none() {
            return Err(invalid(
                "x-dead-letter-routing-key",
                what,
                "it needs x-dead-letter-exchange beside it",
            ));
        }
        Ok(options)
    }

    /// Reads a policy's definition, whose keys lack the `x-`; which keys it may have is [`crate::Policy`]'s to know.
    ///
    /// # Errors
    /// `PreconditionFailed`, naming the key.
    pub fn from_policy(definition: &Table, policy: &str) -> Result<Self, Refusal> {
        Self::read(&Reader {
            table: definition,
            prefix: "",
            what: policy,
        })
    }

    fn read(from: &Reader<'_>) -> Result<Self, Refusal> {
        let options = Self {
            message_ttl_ms: from.whole_number("message-ttl")?,
            expires_ms: from.whole_number("expires")?,
            length_max: from.whole_number("max-length")?,
            length_bytes_max: from.whole_number("max-length-bytes")?,
            overflow: from.parsed(
                "overflow",
                parse_overflow,
                "it must be drop-head, reject-publish or reject-publish-dlx",
            )?,
            dead_letter_exchange: from.address("dead-letter-exchange")?,
            dead_letter_routing_key: from.address("dead-letter-routing-key")?,
            priority_max: match from.whole_number("max-priority")? {
                None => None,
                Some(level) => match u8::try_from(level) {
                    Ok(level @ 1..=limits::PRIORITY_MAX) => Some(level),
                    _ => return Err(from.invalid("max-priority", "it must be from 1 to 255")),
                },
            },
            single_active_consumer: from.flag("single-active-consumer")?,
            delivery_limit: from.delivery_limit("delivery-limit")?,
            age_max_ms: from.parsed(
                "max-age",
                parse_age,
                "it must be a number followed by one of Y, M, D, h, m and s",
            )?,
            dedup_window_ms: match from.whole_number("dedup-window")? {
                Some(window) if window > limits::DEDUP_WINDOW_MS_MAX => {
                    return Err(from.invalid("dedup-window", "it must be at most 86400000"));
                }
                window => window,
            },
        };
        if options.expires_ms == Some(0) {
            return Err(from.invalid("expires", "it must be at least 1 millisecond"));
        }
        Ok(options)
    }

    /// How long the ids of messages are remembered. Units: milliseconds.
    pub(crate) const fn dedup_window(&self) -> u64 {
        match self.dedup_window_ms {
            Some(window_ms) => window_ms,
            None => limits::DEDUP_WINDOW_MS_DEFAULT,
        }
    }

    /// Combines a queue's own arguments with its policy: of two numbers the lower, of other things the queue's own.
    #[must_use]
    pub fn under_policy(&self, policy: &Self) -> Self {
        fn lower<T: Ord + Copy>(own: Option<T>, other: Option<T>) -> Option<T> {
            match (own, other) {
                (Some(own), Some(other)) => Some(own.min(other)),
                (own, other) => own.or(other),
            }
        }
        Self {
            message_ttl_ms: lower(self.message_ttl_ms, policy.message_ttl_ms),
            expires_ms: lower(self.expires_ms, policy.expires_ms),
            length_max: lower(self.length_max, policy.length_max),
            length_bytes_max: lower(self.length_bytes_max, policy.length_bytes_max),
            overflow: self.overflow.or(policy.overflow),
            dead_letter_exchange: self
                .dead_letter_exchange
                .clone()
                .or_else(|| policy.dead_letter_exchange.clone()),
            dead_letter_routing_key: self
                .dead_letter_routing_key
                .clone()
                .or_else(|| policy.dead_letter_routing_key.clone()),
            // These shape the queue when it is made and cannot come later.
            priority_max: self.priority_max,
            single_active_consumer: self.single_active_consumer,
            delivery_limit: lower(self.delivery_limit, policy.delivery_limit),
            age_max_ms: lower(self.age_max_ms, policy.age_max_ms),
            dedup_window_ms: lower(self.dedup_window_ms, policy.dedup_window_ms),
        }
    }
}

/// Compares the arguments of a repeated declaration.
///
/// # Errors
/// `PreconditionFailed`, naming the first argument that differs.
pub(crate) fn check_equivalent(
    current: &Table,
    received: &Table,
    what: &str,
) -> Result<(), Refusal> {
    for name in COMPARED {
        check_same(name, current.get(name), received.get(name), what)?;
    }
    Ok(())
}

pub(crate) fn check_same(
    name: &str,
    current: Option<&Value>,
    received: Option<&Value>,
    what: &str,
) -> Result<(), Refusal> {
    let is_same = match (current, received) {
        (None, None) => true,
        (Some(current), Some(received)) => match (current.as_i64(), received.as_i64()) {
            (Some(current), Some(received)) => current == received,
            _ => current == received,
        },
        // The default may be written out.
        (None, Some(value)) | (Some(value), None) => {
            name == "x-queue-type" && value.as_str() == Some("classic")
        }
    };
    if is_same {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalKind::PreconditionFailed,
        format!(
            "inequivalent arg '{name}' for {what}: received {} but current is {}",
            describe(received),
            describe(current)
        ),
    ))
}

/// Compares one flag of a repeated declaration.
///
/// # Errors
/// `PreconditionFailed`, naming it.
pub(crate) fn check_flag(
    name: &str,
    current: impl ToString,
    received: impl ToString,
    what: &str,
) -> Result<(), Refusal> {
    let (current, received) = (current.to_string(), received.to_string());
    if current == received {
        return Ok(());
    }
    Err(Refusal::precondition(format!(
        "inequivalent arg '{name}' for {what}: received '{received}' but current is '{current}'"
    )))
}

fn describe(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(value) => match (value.as_i64(), value.as_str()) {
            (Some(number), _) => format!("the value '{number}' of type '{}'", integer_type(value)),
            (_, Some(text)) => format!("the value '{text}' of type 'longstr'"),
            _ => format!("the value '{value:?}'"),
        },
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "asked of integers only")]
const fn integer_type(value: &Value) -> &'static str {
    match value {
        Value::I8(_) => "byte",
        Value::U8(_) => "unsignedbyte",
        Value::I16(_) => "short",
        Value::U16(_) => "unsignedshort",
        Value::U32(_) => "unsignedint",
        Value::I64(_) => "long",
        _ => "signedint",
    }
}

fn invalid(name: &str, what: &str, rule: &str) -> Refusal {
    Refusal::precondition(format!("invalid arg '{name}' for {what}: {rule}"))
}

/// Reads arguments by their names without the prefix that they have in this table.
pub(crate) struct Reader<'a> {
    pub(crate) table: &'a Table,
    pub(crate) prefix: &'static str,
    /// What the arguments are for, in refusals.
    pub(crate) what: &'a str,
}

impl Reader<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.table
            .iter()
            .find(|(key, _)| key.strip_prefix(self.prefix) == Some(name))
            .map(|(_, value)| value)
    }

    fn invalid(&self, name: &str, rule: &str) -> Refusal {
        invalid(&format!("{}{name}", self.prefix), self.what, rule)
    }

    fn whole_number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let Some(number) = value.as_i64() else {
            return Err(self.invalid(name, "it must be a whole number"));
        };
        match u64::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(self.invalid(name, "it must not be negative")),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        self.get(name)
            .map(|value| {
                value
                    .as_str()
                    .ok_or_else(|| self.invalid(name, "it must be a text"))
            })
            .transpose()
    }

    fn parsed<T>(
        &self,
        name: &str,
        parse: fn(&str) -> Option<T>,
        rule: &str,
    ) -> Result<Option<T>, Refusal> {
        self.text(name)?
            .map(|text| parse(text).ok_or_else(|| self.invalid(name, rule)))
            .transpose()
    }

    /// Reads the name of an exchange or a routing key.
    pub(crate) fn address(&self, name: &str) -> Result<Option<Name>, Refusal> {
        match self.text(name)? {
            Some(text) if text.len() > limits::NAME_BYTES_MAX => {
                Err(self.invalid(name, "it has more than 255 bytes"))
            }
            text => Ok(text.map(Name::from)),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, Refusal> {
        self.get(name).map_or(Ok(false), |value| {
            value
                .as_bool()
                .ok_or_else(|| self.invalid(name, "it must be a boolean"))
        })
    }

    fn delivery_limit(&self, name: &str) -> Result<Option<u32>, Refusal> {
        match self.get(name).map(Value::as_i64) {
            None => Ok(None),
            Some(None) => Err(self.invalid(name, "it must be a whole number")),
            Some(Some(number)) if number < 0 => Ok(Some(u32::MAX)),
            Some(Some(number)) => Ok(Some(u32::try_from(number).unwrap_or(u32::MAX))),
        }
    }
}

fn parse_overflow(name: &str) -> Option<Overflow> {
    match name {
        "drop-head" => Some(Overflow::DropHead),
        "reject-publish" => Some(Overflow::RejectPublish),
        "reject-publish-dlx" => Some(Overflow::RejectPublishDlx),
        _ => None,
    }
}

/// Reads an age such as `7D` or `30s`: a number and one of Y, M, D, h, m, s.
fn parse_age(age: &str) -> Option<u64> {
    let seconds: u64 = match age.chars().last()? {
        'Y' => 365 * 86_400,
        'M' => 30 * 86_400,
        'D' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return None,
    };
    let number: u64 = age.get(..age.len() - 1)?.parse().ok()?;
    number.checked_mul(seconds * 1_000)
}

#[cfg(test)]
mod tests;
