//! A page or a stylesheet that was made at start: kept with what browsers need to keep it, too.

use std::hash::{DefaultHasher, Hasher as _};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Pages run nothing, load nothing but our stylesheet, and stand in no frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Ask whether it is still the same: the next version of the server may say something else.
const ASK: &str = "public, no-cache";
/// Its address changes with its content.
const LASTING: &str = "public, max-age=31536000, immutable";

/// Something that is the same for everybody, until the server is another.
#[derive(Debug)]
pub(super) struct Asset {
    kind: &'static str,
    body: Bytes,
    version: String,
    caching: &'static str,
}

impl Asset {
    /// Something that is asked for by the same address in the next version.
    pub(super) fn new(kind: &'static str, body: String) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(body.as_bytes());
        Self {
            kind,
            version: format!("{:016x}", hasher.finish()),
            body: body.into(),
            caching: ASK,
        }
    }

    /// Something whose address holds its [`Self::version`].
    pub(super) fn lasting(kind: &'static str, body: String) -> Self {
        Self {
            caching: LASTING,
            ..Self::new(kind, body)
        }
    }

    /// What changes with the content.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Answers with the content, or that the asker has it already.
    pub(super) fn answer(&self, asked: &HeaderMap) -> Response {
        let tag = format!("\"{}\"", self.version);
        let known = asked.get_all(header::IF_NONE_MATCH).iter();
        let is_known = known
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|known| known.trim().trim_start_matches("W/") == tag || known.trim() == "*");
        let headers = [
            (
                header::CACHE_CONTROL,
                HeaderValue::from_static(self.caching),
            ),
            (
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(POLICY),
            ),
            (
                header::ETAG,
                // Hexadecimal digits between quotes are always a header's value.
                HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\"")),
            ),
        ];
        if is_known {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(self.kind))];
        (headers, kind, self.body.clone()).into_response()
    }
}
