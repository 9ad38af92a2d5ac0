//! One file of the page, in every form in which it can be sent.

use std::hash::{DefaultHasher, Hasher as _};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::encoding::Encoding;

/// The page runs and loads what this server serves, and nothing that stands in its own text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; \
    connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// What of a browser the page has no use for.
const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), \
    microphone=(), midi=(), payment=(), usb=()";
/// The same for every file.
const CONFINING: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];
/// Ask whether it is still the same: the next version of the server may have another page.
const ASK: &str = "no-cache";
/// Its address changes with its content.
const LASTING: &str = "public, max-age=31536000, immutable";

/// A file of the page.
#[derive(Debug)]
pub(super) struct File {
    kind: &'static str,
    caching: &'static str,
    plain: Form,
    compressed: Vec<(Encoding, Form)>,
}

/// A file in one form.
#[derive(Debug)]
struct Form {
    body: Bytes,
    tag: String,
}

impl Form {
    fn new(bytes: &'static [u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Self {
            body: Bytes::from_static(bytes),
            tag: format!("\"{:016x}\"", hasher.finish()),
        }
    }

    fn is_known(&self, asked: &HeaderMap) -> bool {
        let known = asked.get_all(header::IF_NONE_MATCH).iter();
        known
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|known| known.trim_start_matches("W/") == self.tag || known == "*")
    }
}

impl File {
    /// A file whose address holds its version, if it `is_lasting`.
    pub(super) fn new(name: &str, bytes: &'static [u8], is_lasting: bool) -> Self {
        Self {
            kind: kind_of(name),
            caching: if is_lasting { LASTING } else { ASK },
            plain: Form::new(bytes),
            compressed: Vec::new(),
        }
    }

    /// Adds a compressed form.
    pub(super) fn add(&mut self, encoding: Encoding, bytes: &'static [u8]) {
        self.compressed.push((encoding, Form::new(bytes)));
    }

    /// Answers with the form that the asker takes, or that it has it already.
    pub(super) fn answer(&self, asked: &HeaderMap) -> Response {
        let taken = Encoding::ALL.into_iter().find_map(|wanted| {
            let forms = self.compressed.iter();
            let mut forms = forms.filter(|(encoding, _)| *encoding == wanted);
            forms.next().filter(|_| wanted.is_taken(asked))
        });
        let (encoding, form) = match taken {
            Some((encoding, form)) => (Some(*encoding), form),
            None => (None, &self.plain),
        };
        let mut response = if form.is_known(asked) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let kind = [(header::CONTENT_TYPE, self.kind)];
            let mut response = (kind, form.body.clone()).into_response();
            if let Some(encoding) = encoding {
                let word = HeaderValue::from_static(encoding.as_str());
                response
                    .headers_mut()
                    .insert(header::CONTENT_ENCODING, word);
            }
            response
        };
        let headers = response.headers_mut();
        for (name, value) in CONFINING {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static(self.caching),
        );
        if !self.compressed.is_empty() {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        // Hexadecimal digits between quotes are always a header's value.
        if let Ok(tag) = HeaderValue::try_from(&form.tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

/// Says what a file is, by the end of its name.
fn kind_of(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}
