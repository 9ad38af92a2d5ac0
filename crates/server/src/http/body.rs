//! Reading requests: bodies and parameters, refused with a problem document that says what would be right.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::Web;
use super::problem::Problem;

/// The greatest JSON body of a request that carries no messages.
const JSON_BYTES_MAX: usize = 1 << 20;

/// How long a body may take, beside the time that its bytes need at the slowest allowed speed.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
const BODY_BYTES_PER_S_MIN: u64 = 64 << 10;

/// A JSON body; an empty one reads as `{}`.
pub(super) struct JsonBody<T>(pub(super) T);

/// The parameters behind the question mark.
pub(super) struct Params<T>(pub(super) T);

/// The parameters in the path.
pub(super) struct InPath<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Web> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Web) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        read_json(&parts.headers, body, JSON_BYTES_MAX)
            .await
            .map(Self)
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Web> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, web).await;
        read.map(|Query(value)| Self(value))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Web> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, web).await;
        read.map(|Path(value)| Self(value))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

/// Reads a JSON body of at most `bytes_max`.
pub(super) async fn read_json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<T, Problem> {
    let bytes = read_bytes(headers, body, bytes_max).await?;
    if bytes.is_empty() {
        return parse_json(b"{}");
    }
    if !is_json(headers) {
        return Err(Problem::unsupported_media_type(
            "send the body with Content-Type: application/json",
        ));
    }
    parse_json(&bytes)
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Serde would read an array as an object's fields in their order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::invalid("the JSON body is not an object"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let detail = format!("the JSON body is not right: {error}");
        if error.is_data() {
            Problem::invalid(detail)
        } else {
            Problem::bad_request(detail)
        }
    })
}

/// Reads a body of at most `bytes_max`.
pub(crate) async fn read_bytes(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::too_large(format!(
            "the body has more than {bytes_max} bytes; send less at once"
        ))
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large());
    }
    let expected = announced.unwrap_or(bytes_max as u64);
    let patience = BODY_TIMEOUT + Duration::from_secs(expected / BODY_BYTES_PER_S_MIN);
    let read = tokio::time::timeout(patience, to_bytes(body, bytes_max)).await;
    let too_slow = |_| Problem::bad_request("the body did not come in time; send it faster");
    read.map_err(too_slow)?.map_err(|error| {
        // One that ended early is told nobody: its sender is gone.
        let is_limit = std::error::Error::source(&error)
            .is_some_and(|source| source.to_string().contains("limit"));
        if is_limit {
            too_large()
        } else {
            Problem::bad_request(format!("the body could not be read: {error}"))
        }
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
}
