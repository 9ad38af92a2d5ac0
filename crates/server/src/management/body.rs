//! Reading requests: JSON whatever its content type says, and paths.
//!
//! RabbitMQ takes text for numbers and truth values, and its command-line tool sends it.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Site;
use super::failure::Failure;

/// The greatest body of a request that carries neither a message nor definitions.
const BYTES_MAX: usize = 1 << 20;

/// A JSON body; an empty one reads as `{}`.
pub(super) struct JsonBody<T>(pub(super) T);

/// The names in the path.
pub(super) struct InPath<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Site> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Site) -> Result<Self, Failure> {
        parse(&read(request, BYTES_MAX).await?).map(Self)
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Site> for InPath<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Failure> {
        let read = Path::<T>::from_request_parts(parts, site).await;
        read.map(|Path(names)| Self(names))
            .map_err(|rejection| Failure::bad_request(rejection.body_text()))
    }
}

/// Reads a body of at most so many bytes.
pub(super) async fn read(request: Request, bytes_max: usize) -> Result<Bytes, Failure> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max as u64) {
        return Err(Failure::too_large(bytes_max));
    }
    // A peer that goes away before its body has ended reads no answer.
    let body = to_bytes(request.into_body(), bytes_max).await;
    body.map_err(|_| Failure::too_large(bytes_max))
}

/// Reads JSON; the depth is bounded by the parser.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let bytes = if bytes.trim_ascii().is_empty() {
        b"{}"
    } else {
        bytes
    };
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            Failure::bad_request(error.to_string())
        } else {
            Failure::bad_request(format!("not_json: {error}"))
        }
    })
}

/// Reads a truth value, also from `"true"` and `"false"`.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    optional_flag(from).map(Option::unwrap_or_default)
}

/// Reads a truth value that may be missing.
pub(super) fn optional_flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(flag)),
        Value::String(text) if text == "true" => Ok(Some(true)),
        Value::String(text) if text == "false" => Ok(Some(false)),
        other @ (Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(D::Error::custom(format!("not_boolean: {other}")))
        }
    }
}

/// Reads a whole number, also from text; one that may be missing.
pub(super) fn optional_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let value = Value::deserialize(from)?;
    let read = match &value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    read.map(Some)
        .ok_or_else(|| D::Error::custom(format!("not_int: {value}")))
}

/// Reads an object; an empty list, which is how RabbitMQ writes an empty object, reads as one.
pub(super) fn object<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(Map::new()),
        Value::Object(object) => Ok(object),
        Value::Array(items) if items.is_empty() => Ok(Map::new()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(D::Error::custom(format!("not_object: {other}")))
        }
    }
}

/// Reads tags: a list, or a text with commas between them.
pub(super) fn tags<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    let list = match Written::deserialize(from)? {
        Written::List(list) => list,
        Written::Text(text) => text.split(',').map(str::to_owned).collect(),
    };
    let trimmed = list.iter().map(|tag| tag.trim().to_owned());
    Ok(trimmed.filter(|tag| !tag.is_empty()).collect())
}

/// Reads tags that may be missing.
pub(super) fn optional_tags<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Vec<String>>, D::Error> {
    tags(from).map(Some)
}
