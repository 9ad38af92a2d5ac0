//! What the peer did wrong or may not have, as AMQP tells it: reply code, scope, text.

use broker::{Refusal, RefusalKind};
use codec::amqp::reply::ReplyCode;
use thiserror::Error;

/// How much ends with a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Channel,
    Connection,
}

/// One error as it goes to the peer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text}")]
pub(crate) struct Fault {
    pub(crate) code: ReplyCode,
    pub(crate) scope: Scope,
    /// `CODE_NAME - detail`; the encoder cuts it to what a short string holds.
    pub(crate) text: String,
}

impl Fault {
    /// Ends the channel.
    #[cold]
    pub(crate) fn channel(code: ReplyCode, detail: impl AsRef<str>) -> Self {
        Self::new(code, Scope::Channel, detail.as_ref())
    }

    /// Ends the connection.
    #[cold]
    pub(crate) fn connection(code: ReplyCode, detail: impl AsRef<str>) -> Self {
        Self::new(code, Scope::Connection, detail.as_ref())
    }

    /// 406 on the channel, by far the most frequent one.
    #[cold]
    pub(crate) fn precondition(detail: impl AsRef<str>) -> Self {
        Self::channel(ReplyCode::PreconditionFailed, detail)
    }

    /// 505 on the connection.
    #[cold]
    pub(crate) fn unexpected_frame(detail: &str) -> Self {
        Self::connection(ReplyCode::UnexpectedFrame, detail)
    }

    fn new(code: ReplyCode, scope: Scope, detail: &str) -> Self {
        Self {
            code,
            scope,
            text: format!("{} - {detail}", code.name()),
        }
    }
}

/// The one place where the broker's refusals become reply codes.
impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let (code, scope) = match refusal.kind {
            RefusalKind::NotFound => (ReplyCode::NotFound, Scope::Channel),
            RefusalKind::AccessRefused => (ReplyCode::AccessRefused, Scope::Channel),
            // RabbitMQ tells the limits of a virtual host by 406 too.
            RefusalKind::PreconditionFailed | RefusalKind::LimitExceeded => {
                (ReplyCode::PreconditionFailed, Scope::Channel)
            }
            RefusalKind::ResourceLocked => (ReplyCode::ResourceLocked, Scope::Channel),
            RefusalKind::NotAllowed => (ReplyCode::NotAllowed, Scope::Connection),
            RefusalKind::CommandInvalid => (ReplyCode::CommandInvalid, Scope::Connection),
            RefusalKind::NotImplemented => (ReplyCode::NotImplemented, Scope::Connection),
            RefusalKind::Unavailable => (ReplyCode::ResourceError, Scope::Channel),
        };
        Self::new(code, scope, &refusal.detail)
    }
}

/// Class and method that a fault is blamed on; zeros when it is no method's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cause {
    pub(crate) class_id: u16,
    pub(crate) method_id: u16,
}

impl Cause {
    /// No method in particular.
    pub(crate) const NONE: Self = Self {
        class_id: 0,
        method_id: 0,
    };
    /// basic.publish, also while its content comes in.
    pub(crate) const PUBLISH: Self = Self {
        class_id: 60,
        method_id: 40,
    };

    /// The ids at the start of a method frame's payload.
    pub(crate) fn of(payload: &[u8]) -> Self {
        match payload.first_chunk::<4>() {
            Some(&[c1, c0, m1, m0]) => Self {
                class_id: u16::from_be_bytes([c1, c0]),
                method_id: u16::from_be_bytes([m1, m0]),
            },
            None => Self::NONE,
        }
    }
}

/// Names an error together with what caused it, for a reply text.
pub(crate) fn with_source(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
