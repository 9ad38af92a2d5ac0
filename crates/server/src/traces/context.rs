//! W3C's trace context: reading it from requests and messages, writing it into messages.

use std::str::FromStr as _;

use axum::http::HeaderMap;
use codec::amqp::field::{TableRef, Value};
use codec::amqp::properties::{Properties, PropertiesRef};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// Trace, parent and flags.
pub(super) const TRACEPARENT: &str = "traceparent";
/// What tracing systems add for each other.
pub(super) const TRACESTATE: &str = "tracestate";
/// The length of version 00; later ones may be longer.
const TRACEPARENT_BYTES: usize = 55;
/// The longest state that is carried on.
const TRACESTATE_BYTES_MAX: usize = 512;
/// The bit of the property flags that says that there are headers.
const FLAG_HEADERS: u8 = 1 << 5;

/// Reads the context that a request came with.
pub(super) fn of_request(headers: &HeaderMap) -> Option<SpanContext> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    parse(text(TRACEPARENT)?, text(TRACESTATE))
}

/// Reads the context that a message carries, from properties in wire form.
pub(super) fn of_message(properties: &[u8]) -> Option<(SpanContext, PropertiesRef<'_>)> {
    // Most messages have no headers at all.
    if properties.first()? & FLAG_HEADERS == 0 {
        return None;
    }
    let properties = PropertiesRef::parse(properties).ok()?;
    Some((of_headers(properties.headers?)?, properties))
}

/// Reads the context that a message's headers carry.
pub(super) fn of_headers(headers: TableRef<'_>) -> Option<SpanContext> {
    let parent = headers.get(TRACEPARENT)?.as_str()?;
    parse(
        parent,
        headers.get(TRACESTATE).and_then(|value| value.as_str()),
    )
}

/// Has a message carry a context.
pub(super) fn put(context: &SpanContext, properties: &mut Properties) {
    let text = |text: String| Value::LongString(text.into_bytes());
    let parent = format!(
        "00-{}-{}-{:02x}",
        context.trace_id(),
        context.span_id(),
        context.trace_flags().to_u8()
    );
    let headers = properties.headers.get_or_insert_default();
    headers.insert(TRACEPARENT, text(parent));
    let state = context.trace_state().header();
    if !state.is_empty() {
        headers.insert(TRACESTATE, text(state));
    }
}

/// Reads both headers; a state that cannot be understood is left out.
///
/// # Spec
/// W3C Trace Context, 3.2 and 4.3.
pub(super) fn parse(parent: &str, state: Option<&str>) -> Option<SpanContext> {
    let bytes = parent.as_bytes();
    let version = hex(bytes.get(..2)?)?;
    let is_complete = match bytes.len() {
        TRACEPARENT_BYTES => true,
        _ => version > 0 && bytes.get(TRACEPARENT_BYTES) == Some(&b'-'),
    };
    let has_dashes = [2, 35, 52].iter().all(|at| bytes.get(*at) == Some(&b'-'));
    if version == 0xFF || !is_complete || !has_dashes {
        return None;
    }
    let trace = hex(bytes.get(3..35)?)?;
    let span = u64::try_from(hex(bytes.get(36..52)?)?).ok()?;
    let flags = u8::try_from(hex(bytes.get(53..55)?)?).ok()?;
    let state = state
        .filter(|state| state.len() <= TRACESTATE_BYTES_MAX)
        .and_then(|state| TraceState::from_str(state).ok());
    let context = SpanContext::new(
        TraceId::from(trace),
        SpanId::from(span),
        // The others mean nothing here.
        TraceFlags::new(flags) & TraceFlags::SAMPLED,
        true,
        state.unwrap_or_default(),
    );
    context.is_valid().then_some(context)
}

/// Reads up to 32 hexadecimal digits, which must be lower case.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}
