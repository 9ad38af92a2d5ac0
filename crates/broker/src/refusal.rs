//! What the rules say no to, in terms that every protocol can express.

use std::fmt;

/// The kinds of refusal; each protocol maps all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The thing named does not exist.
    NotFound,
    /// The account lacks the right.
    AccessRefused,
    /// The thing exists with other properties, or is not in the state that was asked for.
    PreconditionFailed,
    /// Another connection holds the thing exclusively.
    ResourceLocked,
    /// The request is never allowed here, whoever asks.
    NotAllowed,
    /// The request names something that does not exist in the protocol, such as an unknown exchange type.
    CommandInvalid,
    /// A part of the protocol that this broker does not have.
    NotImplemented,
    /// A limit of the server or of the operator.
    LimitExceeded,
    /// The log cannot be reached at the moment; the same request may succeed later.
    Unavailable,
}

/// One refusal: its kind and a sentence that the peer may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind it is.
    pub kind: RefusalKind,
    /// What was refused and why, safe to show to the peer.
    pub detail: String,
}

impl Refusal {
    /// Makes a refusal of `kind` with the sentence `detail`.
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    pub(crate) fn precondition(detail: impl Into<String>) -> Self {
        Self::new(RefusalKind::PreconditionFailed, detail)
    }

    pub(crate) fn access(detail: impl Into<String>) -> Self {
        Self::new(RefusalKind::AccessRefused, detail)
    }

    /// The queue named does not exist.
    #[must_use]
    pub fn no_queue(queue: &str, vhost: &str) -> Self {
        Self::new(
            RefusalKind::NotFound,
            format!("no queue '{queue}' in vhost '{vhost}'"),
        )
    }

    /// The exchange named does not exist.
    #[must_use]
    pub fn no_exchange(exchange: &str, vhost: &str) -> Self {
        Self::new(
            RefusalKind::NotFound,
            format!("no exchange '{exchange}' in vhost '{vhost}'"),
        )
    }

    /// The queue is in a state in which it was not to be deleted.
    pub(crate) fn kept(state: &str, queue: &str, vhost: &str) -> Self {
        Self::precondition(format!("queue '{queue}' in vhost '{vhost}' {state}"))
    }

    pub(crate) fn locked(queue: &str, vhost: &str) -> Self {
        Self::new(
            RefusalKind::ResourceLocked,
            format!(
                "cannot obtain exclusive access to locked queue '{queue}' in vhost '{vhost}'. It could be originally declared on \
                 another connection or the exclusive property value does not match that of the original declaration."
            ),
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.detail)
    }
}

impl std::error::Error for Refusal {}
