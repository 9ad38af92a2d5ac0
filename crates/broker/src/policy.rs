//! Policies: an operator's options for every queue or exchange whose name matches a pattern.

use codec::amqp::field::Table;

use crate::access::Pattern;
use crate::arguments::{QueueKind, QueueOptions};
use crate::{Name, Refusal};

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
    /// `PreconditionFailed`, saying what is wrong with the pattern or the definition.
    pub fn new(
        name: String,
        pattern: &str,
        apply_to: ApplyTo,
        priority: i64,
        definition: &Table,
    ) -> Result<Self, Refusal> {
        let what = format!("policy '{name}'");
        Ok(Self {
            priority,
            apply_to,
            pattern: Pattern::compile(pattern).map_err(Refusal::precondition)?,
            options: QueueOptions::from_policy(definition, &what)?,
            alternate_exchange: definition
                .get("alternate-exchange")
                .and_then(|value| value.as_str())
                .map(Name::from),
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
