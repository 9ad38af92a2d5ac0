//! Errors as clients see them: problem documents (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use broker::{Refusal, RefusalKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::access_log::current_id;
use crate::flaw::Flaw;

/// How long a client is asked to wait before it tries again, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// An error: what was wrong and what to do about it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The kind of problem, a relative reference to its description.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: Box<str>,
    /// The kind in a few words, the same for every occurrence.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong this time, and what to do.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// The request that it is the answer to, as in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The revision that is there, where the request named another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// The member of the request's body that it is about, where it is one alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    field: Option<Box<str>>,
    /// How many seconds to wait before trying again.
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, name: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{name}").into(),
            title,
            status: status.as_u16(),
            detail: detail.into().into(),
            request_id: current_id(),
            revision: None,
            field: None,
            retry_after_s: None,
        }
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        let title = "The request cannot be understood";
        Self::new(StatusCode::BAD_REQUEST, "bad-request", title, detail)
    }

    /// Nobody is logged in.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        let title = "A login is needed";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", title, detail)
    }

    /// The caller may not do that.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// The thing is in a state that does not allow it.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "Conflict", detail)
    }

    /// The request is on top of another revision than the one that is there.
    pub(crate) fn wrong_revision(revision: u64) -> Self {
        let detail =
            format!("the server has revision {revision}; go on from it, or begin anew from 0");
        let problem = Self::new(
            StatusCode::CONFLICT,
            "wrong-revision",
            "Another revision is there",
            detail,
        );
        Self {
            revision: Some(revision),
            ..problem
        }
    }

    /// The thing was changed meanwhile.
    pub(crate) fn precondition_failed(detail: impl Into<String>) -> Self {
        let title = "Changed meanwhile";
        let status = StatusCode::PRECONDITION_FAILED;
        Self::new(status, "precondition-failed", title, detail)
    }

    /// The body is too large.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        let title = "Too large";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title, detail)
    }

    /// The body is of a kind that is not taken here.
    pub(crate) fn unsupported_media_type(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(
            status,
            "unsupported-media-type",
            "Wrong content type",
            detail,
        )
    }

    /// The request is well formed but asks for what cannot be.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        let title = "The request asks for what cannot be";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", title, detail)
    }

    /// The caller did too much.
    pub(crate) fn too_many(detail: impl Into<String>, retry_after_s: u32) -> Self {
        let title = "Too many requests";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", title, detail);
        problem.retry_after(retry_after_s)
    }

    /// A mistake of the server's own; its log says which.
    pub(crate) fn internal() -> Self {
        let detail = "the server made a mistake; its log says more under the request_id";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "internal", "The server made a mistake", detail)
    }

    /// The server cannot do that at the moment.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        let title = "Not at the moment";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "unavailable", title, detail).retry_after(RETRY_AFTER_S)
    }

    /// Nobody answered in time.
    pub(crate) fn timeout(detail: impl Into<String>) -> Self {
        let title = "Nobody answered in time";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", title, detail)
    }

    /// The HTTP status.
    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    /// What was wrong, and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The revision that is there, where another one was named.
    pub(crate) const fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// Says whether it is about something that does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND.as_u16()
    }

    /// There is no room for it.
    pub(crate) fn no_room(detail: impl Into<String>) -> Self {
        let status = StatusCode::INSUFFICIENT_STORAGE;
        Self::new(status, "no-room", "No room", detail)
    }

    /// The same, about one member of the request's body.
    pub(super) fn about(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into().into());
        self
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.detail;
        match refusal.kind {
            RefusalKind::NotFound => Self::not_found(detail),
            RefusalKind::AccessRefused | RefusalKind::NotAllowed => Self::forbidden(detail),
            RefusalKind::PreconditionFailed | RefusalKind::ResourceLocked => Self::conflict(detail),
            RefusalKind::CommandInvalid | RefusalKind::NotImplemented => Self::invalid(detail),
            RefusalKind::LimitExceeded => Self::too_many(detail, RETRY_AFTER_S),
            RefusalKind::Unavailable => Self::unavailable(detail),
        }
    }
}

impl From<Flaw> for Problem {
    fn from(flaw: Flaw) -> Self {
        let problem = if flaw.is_size {
            Self::too_large(flaw.detail)
        } else {
            Self::invalid(flaw.detail)
        };
        problem.about(flaw.field)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after_s = self.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let ways = r#"Bearer realm="chaski", Basic realm="chaski", charset="UTF-8""#;
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(ways));
        }
        response
    }
}

/// Answers a path that leads nowhere.
pub(super) async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found(format!(
        "nothing is at {}; GET /docs lists what there is",
        uri.path()
    ))
}

/// Answers a method that a path does not take; the Allow header says which it takes.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Method not allowed",
        format!(
            "{} does not take {method}; the Allow header says what it takes",
            uri.path()
        ),
    )
}
