//! Entity tags: a change that was made to a version that is gone is refused (RFC 9110, section 13).

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::Problem;

/// A representation with its entity tag.
pub(super) struct Tagged<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = tag_of(&self.0);
        let mut response = Json(self.0).into_response();
        if let Ok(value) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(header::ETAG, value);
        }
        response
    }
}

/// Refuses a change whose If-Match names another version than the present one.
pub(super) fn check_tag<T: Serialize>(headers: &HeaderMap, present: &T) -> Result<(), Problem> {
    let mut wanted = headers.get_all(header::IF_MATCH).iter().peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    let tag = tag_of(present);
    let is_it = wanted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim() == "*" || value.trim() == tag);
    if is_it {
        return Ok(());
    }
    Err(Problem::precondition_failed(
        "somebody changed it meanwhile; get it again and change what there is now",
    ))
}

/// The tag follows from what clients see: whatever looks the same is the same version.
fn tag_of<T: Serialize>(representation: &T) -> String {
    let mut hasher = DefaultHasher::new();
    // A representation of ours can be written as JSON.
    let bytes = serde_json::to_vec(representation).unwrap_or_default();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
