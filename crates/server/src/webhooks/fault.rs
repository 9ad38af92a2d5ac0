//! Why an attempt failed, in words for the owner of a webhook: nothing that the receiver sent, nothing of the network behind it.

use axum::http::StatusCode;

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The host's name leads nowhere.
    #[error("the receiver's name cannot be resolved")]
    UnknownName,
    /// It leads where webhooks may not go.
    #[error("the receiver's address is not a public one; `webhooks.allow_private` allows others")]
    Forbidden,
    /// No connection.
    #[error("the receiver cannot be reached")]
    Unreachable,
    /// No TLS, or a certificate that nobody vouches for.
    #[error("TLS with the receiver failed; its certificate has to be valid for its name")]
    Tls,
    /// What came back is no answer.
    #[error("the receiver closed the connection, or its answer is not HTTP")]
    NoAnswer,
    /// It took too long.
    #[error("the receiver did not answer in time")]
    Timeout,
    /// It answered that it did not take the message.
    #[error("the receiver answered {0}")]
    Status(StatusCode),
    /// It sent the request elsewhere.
    #[error("the receiver answered {0}; redirects are not followed")]
    Redirect(StatusCode),
}

impl Fault {
    /// The status that was answered, if any.
    pub(super) const fn status(self) -> Option<StatusCode> {
        match self {
            Self::Status(status) | Self::Redirect(status) => Some(status),
            Self::UnknownName
            | Self::Forbidden
            | Self::Unreachable
            | Self::Tls
            | Self::NoAnswer
            | Self::Timeout => None,
        }
    }
}
