//! What holds for every request: its id, its line in the log, its place in the metrics, the headers that keep browsers from harm.
//!
//! Never logs what stands behind a question mark, a body or a credential: paths are logged as the templates that they matched.
//!
//! Start reading at [`around`].

mod id;

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use broker::Name;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use super::problem::Problem;
use crate::metrics::{Observer, UnderWay, method_name};

use id::RequestId;
pub(super) use id::current as current_id;

/// The header that carries a request's id, both ways.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What is said of a path that leads nowhere.
const NO_ROUTE: &str = "(none)";
/// Answers of these may not be kept by anybody.
const PRIVATE: [&str; 2] = ["/v1/", "/api/"];
/// For answers that bring no policy of their own: nothing is run or loaded, and nothing frames them.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// What the handlers of one request tell about it.
#[derive(Debug, Clone, Default)]
struct Notes(Arc<OnceLock<Name>>);

/// Notes who sends a request, for its line in the log.
pub(super) fn note_caller(parts: &Parts, login: &Name) {
    if let Some(notes) = parts.extensions.get::<Notes>() {
        // The first of two is the one that counts.
        let _ = notes.0.set(login.clone());
    }
}

/// Lays it around everything that is served.
pub(crate) fn around(router: Router, observer: Observer) -> Router {
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(observer, observe))
}

async fn observe(State(observer): State<Observer>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers().get(REQUEST_ID));
    let notes = Notes::default();
    request.extensions_mut().insert(notes.clone());
    let path = request.uri().path();
    let is_private = PRIVATE.iter().any(|prefix| path.starts_with(prefix));
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let mut line = Line {
        id: id.clone(),
        method: method_name(request.method()),
        matched,
        notes,
        begun: Instant::now(),
        under_way: Some(observer.begin()),
    };
    let mut traced = observer
        .traces()
        .and_then(|traces| traces.begin_request(&request, line.method, line.route()));
    let span = tracing::info_span!("request", id = %id);
    let answer = id.while_current(next.run(request)).instrument(span);
    let mut response = match &traced {
        None => answer.await,
        Some(traced) => traced.while_current(answer).await,
    };
    if let Some(traced) = &mut traced {
        traced.answered(response.status(), response.headers());
    }
    harden(response.headers_mut(), is_private);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    line.answered(&response);
    response
}

/// One request's line. A request that is given up before its answer gets one, too.
struct Line {
    id: RequestId,
    method: &'static str,
    matched: Option<MatchedPath>,
    notes: Notes,
    begun: Instant,
    /// `None` once it is answered.
    under_way: Option<UnderWay>,
}

impl Line {
    fn answered(&mut self, response: &Response) {
        let status = response.status();
        let elapsed = self.begun.elapsed();
        if let Some(under_way) = self.under_way.take() {
            under_way.answered(self.method, self.route(), status.as_u16(), elapsed);
        }
        self.write(Some(status), response.body().size_hint().exact(), elapsed);
    }

    fn route(&self) -> &str {
        self.matched.as_ref().map_or(NO_ROUTE, MatchedPath::as_str)
    }

    fn write(&self, status: Option<StatusCode>, bytes: Option<u64>, elapsed: Duration) {
        let (id, method, route) = (&*self.id, self.method, self.route());
        let login = self.notes.0.get().map(|login| &**login);
        let duration_ms = elapsed.as_secs_f64() * 1_000.0;
        macro_rules! line {
            ($level:ident, $text:literal) => {
                tracing::$level!(
                    target: "access", id, method, route, status = status.map(|status| status.as_u16()), duration_ms, login, bytes,
                    $text
                )
            };
        }
        match status {
            None => line!(debug, "request given up"),
            Some(StatusCode::INTERNAL_SERVER_ERROR) => line!(error, "request failed"),
            // Not at the moment, or no room: whoever runs the server may want to know.
            Some(status) if status.is_server_error() => line!(info, "request refused"),
            Some(_) => line!(debug, "request"),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            under_way.given_up();
            self.write(None, None, self.begun.elapsed());
        }
    }
}

/// Adds what keeps browsers from guessing, leaking and framing; what a handler chose itself stays.
fn harden(headers: &mut HeaderMap, is_private: bool) {
    let is_grpc = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        return;
    }
    let caching = is_private.then_some((header::CACHE_CONTROL, "no-store"));
    let wanted = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    for (name, value) in wanted.into_iter().chain(caching) {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

/// Answers for a handler that panicked, where the build lets it go on.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a text");
    tracing::error!(panic = text, "a handler of HTTP panicked");
    Problem::internal().into_response()
}

#[cfg(test)]
mod tests;
