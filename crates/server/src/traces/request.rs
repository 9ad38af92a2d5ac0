//! Requests over HTTP and gRPC: a span for each whose client traces it, and the context for what its handlers do.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::span::Open;
use super::{Context, Traces, context};

/// The longest name of a method of gRPC.
const METHOD_BYTES_MAX: usize = 64;
/// What gRPC says instead of HTTP's status, if it says it before the answer's body.
const GRPC_STATUS: &str = "grpc-status";

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
    span: Option<Open>,
}

impl Traces {
    /// Begins a request; `None` when its client traces nothing. It is named by the template of its path, never by the path.
    pub(crate) fn begin_request(
        &self,
        request: &Request,
        method: &'static str,
        route: &str,
    ) -> Option<TracedRequest> {
        let parent = context::of_request(request.headers())?;
        if !parent.is_sampled() {
            return Some(TracedRequest {
                context: parent,
                span: None,
            });
        }
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.to_owned()),
        ];
        let name = match called(request.uri().path(), route) {
            None => format!("{method} {route}"),
            Some((service, called)) => {
                attributes.push(KeyValue::new("rpc.system", "grpc"));
                attributes.push(KeyValue::new("rpc.service", service.to_owned()));
                attributes.push(KeyValue::new("rpc.method", called.to_owned()));
                format!("{service}/{called}")
            }
        };
        let span = self.begin(name, SpanKind::Server, Some(&parent), attributes);
        Some(TracedRequest {
            // What it does is of its trace, even if it has no span itself.
            context: span.as_ref().map_or(parent, |span| span.context().clone()),
            span,
        })
    }
}

/// The service and the method of a call over gRPC, whose route is that of all methods of the service.
fn called<'a>(path: &'a str, route: &str) -> Option<(&'a str, &'a str)> {
    let service = route.strip_suffix("/{*rest}")?;
    let method = path.strip_prefix(service)?.strip_prefix('/')?;
    let is_name = method.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_short = (1..=METHOD_BYTES_MAX).contains(&method.len());
    (is_name && is_short).then_some((path.get(1..service.len())?, method))
}

impl TracedRequest {
    /// Runs a future that may ask for this context by [`current`].
    pub(crate) async fn while_current<F: Future>(&self, future: F) -> F::Output {
        CURRENT.scope(self.context.clone(), future).await
    }

    /// Ends the span with the head of the answer.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        let Some(mut span) = self.span.take() else {
            return;
        };
        let of_grpc = headers
            .get(GRPC_STATUS)
            .and_then(|status| status.to_str().ok());
        if let Some(code) = of_grpc.and_then(|code| code.parse::<i64>().ok()) {
            span.set("rpc.grpc.status_code", code);
        }
        span.set("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.set_failed("server_error");
        }
    }
}

impl Drop for TracedRequest {
    fn drop(&mut self) {
        if let Some(mut span) = self.span.take() {
            span.set_failed("given_up");
        }
    }
}

#[cfg(test)]
mod tests;
