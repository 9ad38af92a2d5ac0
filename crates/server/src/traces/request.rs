//! Requests over HTTP and gRPC: a span for each whose client traces it, and the context for what its handlers do.

use axum::http::{HeaderMap, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanKind, Status};
use opentelemetry_sdk::trace::Span;

use super::{Context, Traces, context};

tokio::task_local! {
    static CURRENT: Context;
}

/// The context of the request that is being handled, sampled or not.
pub(crate) fn current() -> Option<Context> {
    CURRENT.try_with(Clone::clone).ok()
}

/// One request whose client says which trace it belongs to.
pub(crate) struct TracedRequest {
    context: Context,
    /// `None` once it is answered, and of a trace that is not sampled.
    span: Option<Span>,
}

impl Traces {
    /// Begins a request; `None` when its client traces nothing.
    pub(crate) fn begin_request(
        &self,
        headers: &HeaderMap,
        method: &'static str,
        route: &str,
    ) -> Option<TracedRequest> {
        let parent = context::of_request(headers)?;
        if !parent.is_sampled() {
            return Some(TracedRequest {
                context: parent,
                span: None,
            });
        }
        let attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.to_owned()),
        ];
        let name = format!("{method} {route}");
        let span = self.begin(name, SpanKind::Server, Some(&parent), attributes);
        Some(TracedRequest {
            context: span.span_context().clone(),
            span: Some(span),
        })
    }
}

impl TracedRequest {
    /// Runs a future that may ask for this context by [`current`].
    pub(crate) async fn while_current<F: Future>(&self, future: F) -> F::Output {
        CURRENT.scope(self.context.clone(), future).await
    }

    /// Ends the span with the head of the answer.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        let Some(mut span) = self.span.take() else {
            return;
        };
        let code = i64::from(status.as_u16());
        span.set_attribute(KeyValue::new("http.response.status_code", code));
        if status.is_server_error() {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

impl Drop for TracedRequest {
    fn drop(&mut self) {
        if let Some(mut span) = self.span.take() {
            span.set_attribute(KeyValue::new("error.type", "given_up"));
            span.set_status(Status::error("the client went before the answer"));
            span.end();
        }
    }
}
