//! Policies: an operator's options for every queue or exchange whose name matches a pattern.

use codec::amqp::field::Table;

use crate::access::Pattern;
use crate::arguments::{QueueKind, QueueOptions, Reader};
use crate::{Name, Refusal};

/// The keys of a definition that give something.
pub const POLICY_KEYS: [&str; 11] = [
    "alternate-exchange",
    "dead-letter-exchange",
    "dead-letter-routing-key",
    "dedup-window",
    "delivery-limit",
    "expires",
    "max-age",
    "max-length",
    "max-length-bytes",
    "message-ttl",
    "overflow",
];

/// Keys by which RabbitMQ is told where and in what form to store: one server with one store has no such choice.
///
/// They are taken, so that a policy moves here as it is, and change nothing.
pub const POLICY_HINTS: [&str; 16] = [
    "ha-mode",
    "ha-params",
    "ha-promote-on-failure",
    "ha-promote-on-shutdown",
    "ha-sync-batch-size",
    "ha-sync-mode",
    "initial-cluster-size",
    "max-in-memory-bytes",
    "max-in-memory-length",
    "queue-leader-locator",
    "queue-master-locator",
    "queue-mode",
    "queue-version",
    "stream-filter-size-bytes",
    "stream-max-segment-size-bytes",
    "target-group-size",
];

/// What a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyTo {
    /// Queues and exchanges.
    All,
    /// Exchanges alone.
    Exchanges,
    /// Queues of every kind.
    Queues,
    /// Queues of one kind.
    QueuesOf(QueueKind),
}

/// One policy, compiled.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Of several that match, the highest applies.
    pub priority: i64,
    apply_to: ApplyTo,
    pattern: Pattern,
    options: QueueOptions,
    alternate_exchange: Option<Name>,
}

impl Policy {
    /// Compiles and checks a policy.
    ///
    /// # Errors
    /// `PreconditionFailed`, saying what is wrong with the pattern or the definition; a definition that gives nothing, or has a key that is
    /// neither in [`POLICY_KEYS`] nor in [`POLICY_HINTS`], is wrong.
    pub fn new(
        name: String,
        pattern: &str,
        apply_to: ApplyTo,
        priority: i64,
        definition: &Table,
    ) -> Result<Self, Refusal> {
        let what = format!("policy '{name}'");
        check_keys(definition, &what)?;
        // Empty, it allows nothing as a permission; here it is an expression like any other, and is found in every name.
        let pattern = if pattern.is_empty() { ".*" } else { pattern };
        let reader = Reader {
            table: definition,
            prefix: "",
            what: &what,
        };
        Ok(Self {
            priority,
            apply_to,
            pattern: Pattern::compile(pattern).map_err(Refusal::precondition)?,
            options: QueueOptions::from_policy(definition, &what)?,
            alternate_exchange: reader.address("alternate-exchange")?,
            name,
        })
    }

    /// The policy that holds for a queue.
    pub(crate) fn for_queue<'a>(
        policies: &'a [Self],
        name: &str,
        kind: QueueKind,
    ) -> Option<&'a Self> {
        let is_meant = |policy: &Self| match policy.apply_to {
            ApplyTo::All | ApplyTo::Queues => true,
            ApplyTo::Exchanges => false,
            ApplyTo::QueuesOf(meant) => meant == kind,
        };
        Self::highest(policies, name, is_meant)
    }

    /// The policy that holds for an exchange.
    pub(crate) fn for_exchange<'a>(policies: &'a [Self], name: &str) -> Option<&'a Self> {
        let is_meant = |policy: &Self| matches!(policy.apply_to, ApplyTo::All | ApplyTo::Exchanges);
        Self::highest(policies, name, is_meant)
    }

    fn highest<'a>(
        policies: &'a [Self],
        name: &str,
        is_meant: impl Fn(&Self) -> bool,
    ) -> Option<&'a Self> {
        let applies = |policy: &&Self| is_meant(policy) && policy.pattern.matches(name);
        policies
            .iter()
            .filter(applies)
            .max_by_key(|policy| policy.priority)
    }

    pub(crate) const fn options(&self) -> &QueueOptions {
        &self.options
    }

    pub(crate) const fn alternate_exchange(&self) -> Option<&Name> {
        self.alternate_exchange.as_ref()
    }
}

fn check_keys(definition: &Table, what: &str) -> Result<(), Refusal> {
    if definition.is_empty() {
        let detail = format!("the definition of {what} is empty");
        return Err(Refusal::precondition(detail));
    }
    let is_known = |key: &str| POLICY_KEYS.contains(&key) || POLICY_HINTS.contains(&key);
    match definition.iter().find(|(key, _)| !is_known(key)) {
        None => Ok(()),
        Some((key, _)) => {
            let detail = format!("invalid arg '{key}' for {what}: no policy gives it");
            Err(Refusal::precondition(detail))
        }
    }
}

#[cfg(test)]
mod tests;
