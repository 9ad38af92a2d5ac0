//! Errors as RabbitMQ's management interface words them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use broker::{Refusal, RefusalKind};
use directory::{CommitError, Refused};
use serde_json::json;

use crate::admin::{self, ErrorCode, with_causes};

/// What a request is refused with: a status, RabbitMQ's word for the kind, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    status: StatusCode,
    error: &'static str,
    reason: String,
}

impl Failure {
    fn new(status: StatusCode, error: &'static str, reason: impl Into<String>) -> Self {
        Self {
            status,
            error,
            reason: reason.into(),
        }
    }

    /// The thing that the path names does not exist.
    pub(super) fn no_object() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Object Not Found", "Not Found")
    }

    /// Something that the request needs does not exist.
    pub(super) fn not_found(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", reason)
    }

    /// The request asks for what cannot be.
    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    /// The caller is known and may not do that.
    pub(super) fn not_authorised(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_authorised", reason)
    }

    /// The numbers of a page make no sense.
    pub(super) fn no_page(error: &'static str, reason: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, reason)
    }

    /// The body is too large.
    pub(super) fn too_large(bytes_max: usize) -> Self {
        let reason = format!("the body has more than {bytes_max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_request", reason)
    }

    /// The path does not take the method.
    pub(super) fn no_such_method() -> Self {
        let reason = "the Allow header says which methods the path takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", reason)
    }

    /// Nobody is logged in, or something else was wrong with the login.
    pub(super) fn login(status: StatusCode) -> Self {
        let (error, reason) = match status {
            StatusCode::UNAUTHORIZED => ("not_authorized", "Login failed"),
            StatusCode::TOO_MANY_REQUESTS => ("too_many_requests", "Too many logins; try again"),
            _ => ("bad_request", "The credentials cannot be read"),
        };
        Self::new(status, error, reason)
    }

    /// The server cannot do that at the moment.
    fn unavailable(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", reason)
    }

    /// What was wrong.
    #[cfg(test)]
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// The same, said of one of many things.
    pub(super) fn of(self, what: &str) -> Self {
        Self {
            reason: format!("{what}: {}", self.reason),
            ..self
        }
    }

    /// Turns what does not exist into a mistake of the request, where RabbitMQ does.
    pub(super) fn into_bad_request(self) -> Self {
        if self.status == StatusCode::NOT_FOUND {
            return Self::bad_request(self.reason);
        }
        self
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let reason = refusal.detail;
        match refusal.kind {
            RefusalKind::NotFound => Self::not_found(reason),
            RefusalKind::AccessRefused | RefusalKind::NotAllowed => Self::not_authorised(reason),
            RefusalKind::PreconditionFailed
            | RefusalKind::ResourceLocked
            | RefusalKind::CommandInvalid
            | RefusalKind::NotImplemented
            | RefusalKind::LimitExceeded => Self::bad_request(reason),
            RefusalKind::Unavailable => Self::unavailable(reason),
        }
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(refused) => match refused {
                Refused::NotFound { .. } => Self::not_found(refused.to_string()),
                Refused::AlreadyExists { .. }
                | Refused::LoginTaken { .. }
                | Refused::Invalid { .. }
                | Refused::LastAdministrator { .. }
                | Refused::InvitationVoid => Self::bad_request(refused.to_string()),
            },
            CommitError::Failure(failure) => Self::unavailable(with_causes(&failure)),
        }
    }
}

impl From<admin::Response> for Failure {
    fn from(response: admin::Response) -> Self {
        let admin::Response::Error { code, message } = response else {
            return Self::unavailable("the change was not made");
        };
        match code {
            ErrorCode::NotFound => Self::not_found(message),
            ErrorCode::AlreadyExists | ErrorCode::Invalid | ErrorCode::Refused => {
                Self::bad_request(message)
            }
            ErrorCode::Unavailable | ErrorCode::Failed => Self::unavailable(message),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = Json(json!({"error": self.error, "reason": self.reason}));
        let mut response = (self.status, body).into_response();
        // Whoever is known and may not do that is not asked for another login.
        if self.status == StatusCode::UNAUTHORIZED && self.error == "not_authorized" {
            let way = HeaderValue::from_static(r#"Basic realm="Chaski Management""#);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, way);
        }
        response
    }
}
