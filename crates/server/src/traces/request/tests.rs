use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use futures_util::FutureExt as _;

use super::{TracedRequest, called, current};
use crate::traces::Exporter;
use crate::traces::context::parse;
use crate::traces::rig::{Kept, text};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
const SERVICE: &str = "/chaski.v1.MessageService/{*rest}";

fn begin(exporter: &Exporter, flags: &str) -> TracedRequest {
    let parent = format!("{PARENT}-{flags}");
    let request = Request::builder()
        .header("traceparent", parent)
        .body(Body::empty())
        .expect("a request");
    let traces = exporter.traces();
    let begun = traces.begin_request(&request, "GET", "/v1/queues/{queue}");
    begun.expect("its client traces it")
}

#[test]
fn a_request_ends_with_its_answer_or_is_given_up() {
    let kept = Kept::default();
    let exporter = Exporter::over(kept.clone(), 0.0);
    let mut refused = begin(&exporter, "01");
    refused.answered(StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new());
    drop(refused);
    drop(begin(&exporter, "01"));
    drop(begin(&exporter, "00"));
    exporter.flush();
    let spans = kept.take();
    let told: Vec<_> = spans
        .iter()
        .map(|span| {
            assert_eq!(span.name, "GET /v1/queues/{queue}");
            let of = |key| text(span, key);
            (of("http.response.status_code"), of("error.type"))
        })
        .collect();
    let of = |status: &str, error: &str| (status.to_owned(), error.to_owned());
    assert_eq!(told, [of("503", "server_error"), of("", "given_up")]);
}

#[test]
fn what_a_request_does_is_of_its_trace() {
    let exporter = Exporter::over(Kept::default(), 0.0);
    let now = || async { current() }.now_or_never().flatten();
    assert!(now().is_none());
    for (flags, is_sampled) in [("01", true), ("00", false)] {
        let request = begin(&exporter, flags);
        let seen = request.while_current(async { current() }).now_or_never();
        let seen = seen.flatten().expect("it is being handled");
        assert_eq!(seen.is_sampled(), is_sampled);
        let parent = parse(&format!("{PARENT}-{flags}"), None).expect("it is right");
        assert_eq!(seen.trace_id(), parent.trace_id());
        // One that is not sampled has no span of its own.
        assert_eq!(seen.span_id() == parent.span_id(), !is_sampled);
    }
}

#[test]
fn a_call_over_grpc_is_named_by_its_method() {
    let path = "/chaski.v1.MessageService/Publish";
    let expected = Some(("chaski.v1.MessageService", "Publish"));
    assert_eq!(called(path, SERVICE), expected);
    let long = format!("/chaski.v1.MessageService/{}", "x".repeat(65));
    for odd in [
        "/chaski.v1.MessageService/",
        "/chaski.v1.MessageService",
        "/chaski.v1.MessageService/two words",
        "/chaski.v1.MessageService/a/b",
        "/chaski.v1.Other/Publish",
        &long,
    ] {
        assert_eq!(called(odd, SERVICE), None, "{odd}");
    }
    assert_eq!(called("/v1/queues/q", "/v1/queues/{queue}"), None);
}
