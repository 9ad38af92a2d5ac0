use axum::http::HeaderMap;
use codec::amqp::field::Value;
use codec::amqp::properties::Properties;

use super::Sampler;
use super::context::{TRACEPARENT, TRACESTATE, of_message, of_request, parse, put};
use super::export::parse_headers;

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_traceparent_is_read_as_w3c_says() {
    let context = parse(SAMPLED, Some("a=1, b=2")).expect("it is right");
    assert_eq!(
        context.trace_id().to_string(),
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
    assert!(context.is_sampled() && context.is_remote());
    assert_eq!(context.trace_state().header(), "a=1,b=2");
    for (flags, is_sampled) in [("00", false), ("02", false), ("03", true), ("ff", true)] {
        let text = format!("{}{flags}", &SAMPLED[..53]);
        let context = parse(&text, None).expect("it is right");
        assert_eq!(context.is_sampled(), is_sampled, "{flags}");
    }
    // Later versions may have more behind it.
    let later = format!("cc{}", &SAMPLED[2..]);
    assert!(parse(&later, None).is_some());
    assert!(parse(&format!("{later}-more"), None).is_some());
}

#[test]
fn what_is_no_traceparent_is_as_if_it_were_not_there() {
    let upper = SAMPLED.to_uppercase();
    let longer = format!("{SAMPLED}-more");
    let later_longer = format!("cc{}more", &SAMPLED[2..]);
    let forbidden = format!("ff{}", &SAMPLED[2..]);
    let no_trace = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
    let no_span = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
    let odd = "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01";
    let wide = "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-1";
    for wrong in [
        "",
        "00",
        &SAMPLED[..54],
        &upper,
        &longer,
        &later_longer,
        &forbidden,
        no_trace,
        no_span,
        odd,
        wide,
    ] {
        assert!(parse(wrong, None).is_none(), "{wrong}");
    }
}

#[test]
fn a_state_that_cannot_be_understood_is_left_out() {
    let long = format!("a={}", "1".repeat(600));
    for state in ["nonsense", "A=1", &long] {
        let context = parse(SAMPLED, Some(state)).expect("the rest is right");
        assert_eq!(context.trace_state().header(), "", "{state}");
    }
}

#[test]
fn what_is_put_into_a_message_is_read_from_it() {
    let context = parse(SAMPLED, Some("a=1")).expect("it is right");
    let mut properties = Properties {
        message_id: Some("m".to_owned()),
        ..Properties::default()
    };
    let encode = |properties: &Properties| {
        let mut encoded = Vec::new();
        properties.encode(&mut encoded);
        encoded
    };
    assert!(of_message(&encode(&properties)).is_none());
    put(&context, &mut properties);
    let headers = properties.headers.as_ref().expect("there are some now");
    assert_eq!(
        headers.get(TRACEPARENT).and_then(Value::as_str),
        Some(SAMPLED)
    );
    assert_eq!(headers.get(TRACESTATE).and_then(Value::as_str), Some("a=1"));
    let encoded = encode(&properties);
    let (again, read) = of_message(&encoded).expect("it carries one");
    assert_eq!(again, context);
    assert_eq!(read.message_id, Some("m"));
}

#[test]
fn a_request_carries_it_in_headers() {
    let mut headers = HeaderMap::new();
    assert!(of_request(&headers).is_none());
    headers.insert(TRACESTATE, "a=1".parse().expect("a value"));
    assert!(of_request(&headers).is_none(), "a state alone says nothing");
    headers.insert(TRACEPARENT, SAMPLED.parse().expect("a value"));
    let context = of_request(&headers).expect("it is there");
    assert_eq!(context.trace_state().header(), "a=1");
}

#[test]
fn as_many_are_chosen_as_were_asked_for() {
    for (share, least, most) in [
        (0.0, 0, 0),
        (0.01, 60, 150),
        (0.5, 4_700, 5_300),
        (1.0, 10_000, 10_000),
    ] {
        let sampler = Sampler::new(share);
        let chosen = (0..10_000).filter(|_| sampler.chooses()).count();
        assert!((least..=most).contains(&chosen), "{chosen} of {share}");
    }
}

#[test]
fn headers_for_the_collector_are_pairs() {
    let headers = parse_headers("Authorization=Basic YTpi==, x-tenant=a").expect("two pairs");
    assert_eq!(headers["authorization"], "Basic YTpi==");
    assert!(headers["authorization"].is_sensitive());
    assert_eq!(headers["x-tenant"], "a");
    for wrong in [
        "",
        "a",
        "a=1,",
        "two words=1",
        "a-bin=1",
        "grpc-timeout=1",
        "a=\u{e9}",
    ] {
        assert!(parse_headers(wrong).is_none(), "{wrong}");
    }
}
