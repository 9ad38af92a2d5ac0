//! Errors as clients see them: a status with the details of `google.rpc`.

use std::collections::HashMap;
use std::time::Duration;

use broker::{Refusal, RefusalKind};
use chat::Language;
use directory::{CommitError, Refused};
use engine::accounts::Denied;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::flaw::Flaw;
use crate::http::{NotLoggedIn, Outsider, Problem};

/// Who gives the reasons of errors.
const DOMAIN: &str = "chaski";
/// How long a client is asked to wait before it tries again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a call is about: the reason of its refusal names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject<'a> {
    /// A queue.
    Queue(&'a str),
    /// A topic.
    Topic(&'a str),
    /// Several things, or none.
    Several,
}

impl Subject<'_> {
    const fn not_found(self) -> &'static str {
        match self {
            Self::Queue(_) => "QUEUE_NOT_FOUND",
            Self::Topic(_) => "TOPIC_NOT_FOUND",
            Self::Several => "NOT_FOUND",
        }
    }

    fn metadata(self) -> HashMap<String, String> {
        let named = match self {
            Self::Queue(name) => Some(("queue", name)),
            Self::Topic(name) => Some(("topic", name)),
            Self::Several => None,
        };
        let owned = named.map(|(key, name)| (key.to_owned(), name.to_owned()));
        owned.into_iter().collect()
    }
}

/// Says what was refused and why.
pub(super) fn refused(refusal: Refusal, subject: Subject<'_>) -> Status {
    let detail = refusal.detail;
    let (code, reason) = match refusal.kind {
        RefusalKind::NotFound => (Code::NotFound, subject.not_found()),
        RefusalKind::AccessRefused => (Code::PermissionDenied, "ACCESS_REFUSED"),
        RefusalKind::NotAllowed => (Code::PermissionDenied, "NOT_ALLOWED"),
        RefusalKind::PreconditionFailed => (Code::FailedPrecondition, "PRECONDITION_FAILED"),
        RefusalKind::ResourceLocked => (Code::FailedPrecondition, "RESOURCE_LOCKED"),
        RefusalKind::CommandInvalid => (Code::InvalidArgument, "INVALID"),
        RefusalKind::NotImplemented => (Code::Unimplemented, "NOT_IMPLEMENTED"),
        RefusalKind::LimitExceeded => (Code::ResourceExhausted, "LIMIT_EXCEEDED"),
        RefusalKind::Unavailable => (Code::Unavailable, "UNAVAILABLE"),
    };
    error(code, reason, subject, detail)
}

/// Says that there is no such thing, or none that the caller has a right on.
pub(super) fn not_found(subject: Subject<'_>, detail: impl Into<String>) -> Status {
    error(Code::NotFound, subject.not_found(), subject, detail.into())
}

/// Says that a thing is there already, with other settings.
pub(super) fn exists(subject: Subject<'_>, detail: impl Into<String>) -> Status {
    error(
        Code::AlreadyExists,
        "ALREADY_EXISTS",
        subject,
        detail.into(),
    )
}

/// Says that a thing is not in the state that the call needs.
pub(super) fn not_as_needed(
    reason: &'static str,
    subject: Subject<'_>,
    detail: impl Into<String>,
) -> Status {
    error(Code::FailedPrecondition, reason, subject, detail.into())
}

/// Says that the server does not do that yet.
pub(super) fn unimplemented(detail: impl Into<String>) -> Status {
    let subject = Subject::Several;
    error(
        Code::Unimplemented,
        "NOT_IMPLEMENTED",
        subject,
        detail.into(),
    )
}

/// Says that the server cannot do that at the moment.
pub(super) fn unavailable(detail: impl Into<String>) -> Status {
    let subject = Subject::Several;
    error(Code::Unavailable, "UNAVAILABLE", subject, detail.into())
}

/// Says that the time that the client gave is up.
pub(super) fn too_late() -> Status {
    let detail = "the call's deadline has passed".to_owned();
    error(
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        Subject::Several,
        detail,
    )
}

/// Says that nobody answered in time.
pub(super) fn no_reply(detail: String) -> Status {
    error(Code::DeadlineExceeded, "NO_REPLY", Subject::Several, detail)
}

/// Says that what the call goes back to is not known any more.
pub(super) fn gone_by(detail: &str) -> Status {
    error(
        Code::OutOfRange,
        "TOO_LONG_AGO",
        Subject::Several,
        detail.to_owned(),
    )
}

/// Says that whoever is logged in lost what the call needs.
pub(super) fn logged_out() -> Status {
    let detail = "the session was ended or the account's rights were changed; log in again";
    error(
        Code::Unauthenticated,
        "ACCESS_REVOKED",
        Subject::Several,
        detail.to_owned(),
    )
}

/// Says what is wrong with a field of the request.
pub(super) fn flawed(flaw: Flaw) -> Status {
    let mut details = ErrorDetails::new();
    details
        .set_error_info("INVALID", DOMAIN, Subject::Several.metadata())
        .add_bad_request_violation(flaw.field.clone(), flaw.detail.clone());
    let message = format!("{}: {}", flaw.field, flaw.detail);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// Says that this is for others.
pub(super) fn forbidden(detail: impl Into<String>) -> Status {
    let subject = Subject::Several;
    error(
        Code::PermissionDenied,
        "ACCESS_REFUSED",
        subject,
        detail.into(),
    )
}

/// Says why a change was not made.
pub(super) fn uncommitted(failed: CommitError) -> Status {
    let subject = Subject::Several;
    let refused = match failed {
        CommitError::Refused(refused) => refused,
        CommitError::Failure(failure) => {
            tracing::error!(
                error = &failure as &dyn std::error::Error,
                "a change could not be stored"
            );
            return unavailable("the change could not be stored; the server's log says why");
        }
    };
    let detail = refused.to_string();
    match refused {
        Refused::NotFound { .. } => not_found(subject, detail),
        Refused::Invalid { subject, reason } => flawed(Flaw::new(subject.to_string(), reason)),
        Refused::AlreadyExists { .. } | Refused::LoginTaken { .. } => exists(subject, detail),
        Refused::LastAdministrator { .. } => not_as_needed("LAST_ADMINISTRATOR", subject, detail),
        Refused::InvitationVoid => forbidden(detail),
    }
}

/// Says that nobody is logged in.
pub(super) fn nobody() -> Status {
    let detail = "send authorization: Basic with login and password, or Bearer with a token";
    let subject = Subject::Several;
    error(
        Code::Unauthenticated,
        "CREDENTIALS_MISSING",
        subject,
        detail.to_owned(),
    )
}

/// Says why nobody is logged in.
pub(super) fn not_logged_in(reason: NotLoggedIn) -> Status {
    let denied = match reason {
        NotLoggedIn::Denied(denied) => denied,
        NotLoggedIn::Malformed(detail) => {
            let subject = Subject::Several;
            return error(
                Code::Unauthenticated,
                "CREDENTIALS_MALFORMED",
                subject,
                detail.to_owned(),
            );
        }
    };
    let detail = denied.to_string();
    let several = Subject::Several;
    match denied {
        Denied::Credentials | Denied::Unusable => {
            error(Code::Unauthenticated, "CREDENTIALS_WRONG", several, detail)
        }
        Denied::Secret => error(Code::Unauthenticated, "TOKEN_WRONG", several, detail),
        Denied::NotLocal => error(Code::Unauthenticated, "NOT_LOCAL", several, detail),
        Denied::Busy => error(Code::ResourceExhausted, "TOO_MANY_LOGINS", several, detail),
        Denied::LockedOut { retry_after_ms } => {
            let code = Code::ResourceExhausted;
            let after = Duration::from_millis(retry_after_ms);
            error_until(code, "LOCKED_OUT", several, detail, Some(after))
        }
    }
}

/// Says what the chat refused and why.
pub(super) fn chat_refused(refusal: &chat::Refusal) -> Status {
    let (code, retry_after) = match refusal.kind {
        chat::RefusalKind::NotFound => (Code::NotFound, None),
        chat::RefusalKind::Forbidden => (Code::PermissionDenied, None),
        chat::RefusalKind::Invalid => (Code::InvalidArgument, None),
        chat::RefusalKind::Taken => (Code::AlreadyExists, None),
        chat::RefusalKind::Limited { retry_after_ms } => {
            let after = Some(retry_after_ms).filter(|ms| *ms > 0);
            (Code::ResourceExhausted, after.map(Duration::from_millis))
        }
        chat::RefusalKind::Unavailable => (Code::Unavailable, Some(RETRY_AFTER)),
    };
    let detail = chat::catalogue::refusal(&refusal.reason, Language::English);
    let reason = chat_reason(&refusal.reason);
    error_until(code, &reason, Subject::Several, detail, retry_after)
}

/// The word of a refusal of the chat, as the reasons of errors are written.
pub(super) fn chat_reason(reason: &chat::Reason) -> String {
    reason.code().to_ascii_uppercase()
}

/// Says why somebody who is logged in may not chat.
pub(super) fn not_chatting(outsider: Outsider) -> Status {
    match outsider {
        Outsider::Key => forbidden(outsider.detail()),
        Outsider::Gone => logged_out(),
    }
}

/// Says what REST says in a problem document.
pub(super) fn of_problem(problem: &Problem) -> Status {
    let revision = problem.revision();
    let (code, reason) = match problem.status() {
        400 | 413 | 422 => (Code::InvalidArgument, "INVALID"),
        401 => (Code::Unauthenticated, "ACCESS_REVOKED"),
        403 => (Code::PermissionDenied, "ACCESS_REFUSED"),
        404 => (Code::NotFound, "NOT_FOUND"),
        409 if revision.is_some() => (Code::FailedPrecondition, "WRONG_REVISION"),
        409 => (Code::AlreadyExists, "ALREADY_EXISTS"),
        429 => (Code::ResourceExhausted, "LIMIT_EXCEEDED"),
        503 => (Code::Unavailable, "UNAVAILABLE"),
        _ => (Code::Internal, "INTERNAL"),
    };
    let detail = problem.detail().to_owned();
    let Some(revision) = revision else {
        return error(code, reason, Subject::Several, detail);
    };
    let mut details = ErrorDetails::new();
    let metadata = HashMap::from([("revision".to_owned(), revision.to_string())]);
    details.set_error_info(reason, DOMAIN, metadata);
    Status::with_error_details(code, detail, details)
}

/// Says that the client did not read what it was sent.
pub(super) fn too_slow() -> Status {
    let detail = "the client did not read what it was sent; come back".to_owned();
    error(
        Code::ResourceExhausted,
        "SLOW_READER",
        Subject::Several,
        detail,
    )
}

fn error(code: Code, reason: &'static str, subject: Subject<'_>, detail: String) -> Status {
    let may_help = matches!(code, Code::Unavailable | Code::ResourceExhausted);
    let retry_after = may_help.then_some(RETRY_AFTER);
    error_until(code, reason, subject, detail, retry_after)
}

/// Makes a status; with when it may be tried again, if waiting helps.
fn error_until(
    code: Code,
    reason: &str,
    subject: Subject<'_>,
    detail: String,
    retry_after: Option<Duration>,
) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, DOMAIN, subject.metadata());
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    if code == Code::ResourceExhausted {
        details.add_quota_failure_violation(reason, detail.clone());
    }
    Status::with_error_details(code, detail, details)
}

#[cfg(test)]
mod tests;
