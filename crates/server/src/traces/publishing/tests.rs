use broker::{Refusal, RefusalKind};
use codec::amqp::properties::Properties;
use opentelemetry::trace::SpanKind;

use crate::gateway::{Outgoing, PublishOutcome, Request};
use crate::traces::context::{of_message, parse};
use crate::traces::rig::{Kept, text};
use crate::traces::{Context, Exporter, Place};

const REQUEST: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OWN: &str = "00-11111111111111111111111111111111-2222222222222222-01";

fn place() -> Place {
    Place {
        door: "http",
        vhost: "/".into(),
    }
}

fn context(text: &str) -> Context {
    parse(text, None).expect("it is right")
}

fn message(carried: Option<&str>) -> Outgoing {
    let mut properties = Properties {
        message_id: Some("m".to_owned()),
        ..Properties::default()
    };
    if let Some(carried) = carried {
        crate::traces::context::put(&context(carried), &mut properties);
    }
    let mut encoded = Vec::new();
    properties.encode(&mut encoded);
    Outgoing {
        routing_key: "q".to_owned(),
        properties: encoded,
        ..Outgoing::default()
    }
}

fn carried(message: &Outgoing) -> Option<Context> {
    of_message(&message.properties).map(|(context, _)| context)
}

#[test]
fn each_message_ends_with_its_own_outcome() {
    let kept = Kept::default();
    let exporter = Exporter::over(kept.clone(), 0.0);
    let request = context(REQUEST);
    let mut messages: Vec<_> = (0..6).map(|_| message(None)).collect();
    let traces = exporter.traces();
    let publishing = traces.begin_publishes(&mut messages, Some(&request), &place());
    let routed = PublishOutcome {
        is_routed: true,
        ..PublishOutcome::default()
    };
    publishing.finish(&[
        Ok(routed.clone()),
        Ok(PublishOutcome::default()),
        Ok(PublishOutcome {
            is_rejected: true,
            ..routed.clone()
        }),
        Ok(PublishOutcome {
            is_duplicate: true,
            ..routed
        }),
        Err(Refusal::new(RefusalKind::NotFound, "no")),
    ]);
    exporter.flush();
    let spans = kept.take();
    let outcomes: Vec<_> = spans
        .iter()
        .map(|span| text(span, "messaging.chaski.outcome"))
        .collect();
    let expected = [
        "stored",
        "unroutable",
        "rejected",
        "duplicate",
        "refused",
        "unknown",
    ];
    assert_eq!(outcomes, expected);
    for (span, message) in spans.iter().zip(&messages) {
        assert_eq!(span.parent_span_id, request.span_id());
        assert_eq!(text(span, "messaging.message.id"), "m");
        let carried = carried(message).expect("it was told");
        assert_eq!(carried.span_id(), span.span_context.span_id());
    }
}

#[test]
fn a_message_of_a_trace_of_its_own_stays_as_it_is() {
    let kept = Kept::default();
    let exporter = Exporter::over(kept.clone(), 1.0);
    let request = context(REQUEST);
    let mut messages = [message(Some(OWN))];
    let traces = exporter.traces();
    drop(traces.begin_publishes(&mut messages, Some(&request), &place()));
    assert_eq!(messages[0].properties, message(Some(OWN)).properties);
    exporter.flush();
    let spans = kept.take();
    assert_eq!(spans[0].parent_span_id, context(OWN).span_id());
    let links: Vec<_> = spans[0].links.iter().collect();
    assert_eq!(links[0].span_context, request);
    // Given up before the end was known.
    assert_eq!(text(&spans[0], "messaging.chaski.outcome"), "unknown");
}

#[test]
fn what_a_client_decided_not_to_trace_is_not_traced() {
    let kept = Kept::default();
    let exporter = Exporter::over(kept.clone(), 1.0);
    let not_sampled = |text: &str| format!("{}00", &text[..text.len() - 2]);
    let request = context(&not_sampled(REQUEST));
    let traces = exporter.traces();
    let mut plain = [message(None)];
    drop(traces.begin_publishes(&mut plain, Some(&request), &place()));
    let mut own = [message(Some(&not_sampled(OWN)))];
    drop(traces.begin_publishes(&mut own, Some(&context(REQUEST)), &place()));
    exporter.flush();
    assert!(kept.take().is_empty());
    assert!(carried(&plain[0]).is_none());
}

#[test]
fn a_request_to_a_worker_is_traced_until_its_reply() {
    let kept = Kept::default();
    let exporter = Exporter::over(kept.clone(), 1.0);
    let traces = exporter.traces();
    for is_replied in [true, false] {
        let mut request = Request::of(message(None));
        let asking = traces.begin_asking(&mut request, None, &place());
        let headers = request.properties.headers.expect("it carries the trace");
        assert!(headers.get("traceparent").is_some());
        asking.finish(is_replied);
    }
    exporter.flush();
    let spans = kept.take();
    assert_eq!(spans[0].name, "request q");
    assert_eq!(spans[0].span_kind, SpanKind::Client);
    assert_eq!(text(&spans[0], "messaging.chaski.outcome"), "replied");
    assert_eq!(text(&spans[1], "messaging.chaski.outcome"), "refused");
}
