//! Spans of messages: their names and attributes, after OpenTelemetry's conventions for messaging.

use std::sync::Arc;

use broker::Body;
use codec::amqp::properties::PropertiesRef;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::Span;

use super::Traces;
use super::export::Counts;
use super::watch::REPLY_QUEUE;
use crate::gateway::Outgoing;

/// What became of the message, as an attribute.
const OUTCOME: &str = "messaging.chaski.outcome";

/// Where a connection is: the same for all its spans.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// By which door.
    pub(crate) door: &'static str,
    /// In which virtual host.
    pub(crate) vhost: broker::Name,
}

/// What is told of a message that is published.
pub(super) struct Facts<'a> {
    pub(super) exchange: &'a str,
    pub(super) routing_key: &'a str,
    pub(super) body_bytes: usize,
    pub(super) message_id: Option<&'a str>,
}

impl<'a> Facts<'a> {
    pub(super) fn of_publish(publish: &broker::Publish<'a>) -> Self {
        Self {
            exchange: publish.exchange,
            routing_key: publish.routing_key,
            body_bytes: match &publish.body {
                Body::Copy(body) => body.len(),
                Body::Share(body) => body.len(),
            },
            message_id: publish.properties.message_id,
        }
    }

    pub(super) fn of_outgoing(message: &'a Outgoing) -> Self {
        let properties = PropertiesRef::parse(&message.properties).ok();
        Self {
            exchange: &message.exchange,
            routing_key: &message.routing_key,
            body_bytes: message.body.len(),
            message_id: properties.and_then(|properties| properties.message_id),
        }
    }

    /// The exchange; for the default one the queue, which is the routing key.
    ///
    /// Where a reply is waited for has a name that nobody is to know: it is called by what all such names begin with.
    pub(super) fn destination(&self) -> &'a str {
        if !self.exchange.is_empty() {
            self.exchange
        } else if self.routing_key.starts_with(REPLY_QUEUE) {
            REPLY_QUEUE
        } else {
            self.routing_key
        }
    }

    pub(super) fn attributes(&self, operation: [&'static str; 2], place: &Place) -> Vec<KeyValue> {
        let destination = self.destination();
        let mut attributes = common(operation, destination, self.body_bytes, place);
        if !self.exchange.is_empty() {
            let key = self.routing_key.to_owned();
            attributes.push(KeyValue::new("messaging.chaski.routing_key", key));
        }
        attributes.extend(self.message_id.map(message_id));
        attributes
    }
}

/// Attributes that every span of a message has; `operation` is its name and its type.
pub(super) fn common(
    operation: [&'static str; 2],
    destination: &str,
    body_bytes: usize,
    place: &Place,
) -> Vec<KeyValue> {
    let [name, kind] = operation;
    let size = i64::try_from(body_bytes).unwrap_or(i64::MAX);
    vec![
        KeyValue::new("messaging.system", "chaski"),
        KeyValue::new("messaging.operation.name", name),
        KeyValue::new("messaging.operation.type", kind),
        KeyValue::new("messaging.destination.name", destination.to_owned()),
        KeyValue::new("messaging.message.body.size", size),
        KeyValue::new("messaging.chaski.vhost", place.vhost.to_string()),
        KeyValue::new("messaging.chaski.door", place.door),
    ]
}

pub(super) fn message_id(id: &str) -> KeyValue {
    KeyValue::new("messaging.message.id", id.to_owned())
}

/// A span that has begun. It holds one of the places that there are for such.
#[derive(Debug)]
pub(super) struct Open {
    span: Span,
    counts: Arc<Counts>,
}

impl Traces {
    /// Begins a span, of a new trace when it has no parent; `None` when too many are open.
    pub(super) fn begin(
        &self,
        name: String,
        kind: SpanKind,
        parent: Option<&super::Context>,
        attributes: Vec<KeyValue>,
    ) -> Option<Open> {
        if !self.0.counts.open_one() {
            return None;
        }
        let parent = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent.clone()),
            None => Context::new(),
        };
        let builder = SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_attributes(attributes);
        Some(Open {
            span: self.0.tracer.build_with_context(builder, &parent),
            counts: self.0.counts.clone(),
        })
    }
}

impl Open {
    /// What the children of the span are told.
    pub(super) fn context(&self) -> &super::Context {
        self.span.span_context()
    }

    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.span.set_attribute(KeyValue::new(key, value));
    }

    /// Points to a span of another trace.
    pub(super) fn link(&mut self, other: &super::Context) {
        self.span.add_link(other.clone(), Vec::new());
    }

    /// Marks it as failed, for a reason in one word.
    pub(super) fn set_failed(&mut self, reason: &'static str) {
        self.set("error.type", reason);
        self.span.set_status(Status::error(reason));
    }

    /// Ends it with what became of its message.
    pub(super) fn end(mut self, outcome: &'static str) {
        self.set(OUTCOME, outcome);
    }

    /// Ends it with why its message was not published.
    pub(super) fn fail(mut self, outcome: &'static str) {
        self.set_failed(outcome);
        self.end(outcome);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.span.end();
        self.counts.close_one();
    }
}
