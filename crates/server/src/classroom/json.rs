//! JSON of older clients: bodies on every method, answers that carry their status.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Classroom;
use super::users::NoUser;
use crate::http::{PeerAddress, read_bytes};

/// The longest body: a list of as many files as a peer may name.
const BODY_BYTES_MAX: usize = 4 << 20;

/// An answer: a status, and a message or data.
pub(super) enum Answer {
    /// Something in words.
    Message(StatusCode, String),
    /// Something that was asked for.
    Data(Value),
    /// Something that was asked for, and nothing around it.
    Bare(Value),
}

/// A request's body, and where it came from.
pub(super) struct Call {
    fields: Map<String, Value>,
    pub(super) peer: Option<PeerAddress>,
}

impl Answer {
    pub(super) fn done(message: &str) -> Self {
        Self::Message(StatusCode::OK, message.to_owned())
    }

    pub(super) fn refused(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Message(status, message.into())
    }
}

impl From<NoUser> for Answer {
    fn from(reason: NoUser) -> Self {
        match reason {
            NoUser::Unknown => Self::refused(StatusCode::NOT_FOUND, "User does not exist"),
            NoUser::Taken => Self::refused(
                StatusCode::UNAUTHORIZED,
                "This name is an account's that proves itself elsewhere",
            ),
            NoUser::Name(why) => Self::refused(StatusCode::BAD_REQUEST, why),
            NoUser::Full => Self::refused(
                StatusCode::TOO_MANY_REQUESTS,
                "There is no room for more users",
            ),
            NoUser::Unavailable => Self::refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "It cannot be stored at the moment",
            ),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Self::Message(status, message) => (
                status,
                json!({"message": message, "status": status.as_u16()}),
            ),
            Self::Data(data) => (StatusCode::OK, json!({"data": data, "status": 200})),
            Self::Bare(value) => (StatusCode::OK, value),
        };
        (status, Json(body)).into_response()
    }
}

impl FromRequest<Classroom> for Call {
    type Rejection = Answer;

    async fn from_request(request: Request, _: &Classroom) -> Result<Self, Answer> {
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<PeerAddress>().copied();
        let bytes = read_bytes(&parts.headers, body, BODY_BYTES_MAX).await;
        let bytes = bytes.map_err(|problem| {
            let status = problem.into_response().status();
            if status == StatusCode::PAYLOAD_TOO_LARGE {
                Answer::refused(status, "The body is too long")
            } else {
                Answer::refused(StatusCode::BAD_REQUEST, "The body did not come")
            }
        })?;
        let Ok(Value::Object(fields)) = serde_json::from_slice(&bytes) else {
            return Err(Answer::refused(
                StatusCode::BAD_REQUEST,
                "Missing JSON in request",
            ));
        };
        Ok(Self { fields, peer })
    }
}

impl Call {
    /// A text that has to be there; a number will do.
    ///
    /// # Errors
    /// It is missing, or something else.
    pub(super) fn text(&self, field: &str) -> Result<String, Answer> {
        self.optional(field)?.ok_or_else(|| missing(field))
    }

    /// A text that may be there.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn optional(&self, field: &str) -> Result<Option<String>, Answer> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(Answer::refused(
                StatusCode::BAD_REQUEST,
                format!("{field} has to be text"),
            )),
        }
    }

    /// Texts that have to be there, perhaps none of them.
    ///
    /// # Errors
    /// They are missing, or something else.
    pub(super) fn texts(&self, field: &str) -> Result<Vec<String>, Answer> {
        let list = self.fields.get(field).ok_or_else(|| missing(field))?;
        serde_json::from_value(list.clone()).map_err(|_| {
            Answer::refused(
                StatusCode::BAD_REQUEST,
                format!("{field} has to be a list of texts"),
            )
        })
    }
}

fn missing(field: &str) -> Answer {
    Answer::refused(
        StatusCode::BAD_REQUEST,
        format!("Missing {field} parameter"),
    )
}
