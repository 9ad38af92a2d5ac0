//! Publishes over HTTP and gRPC: which trace each message belongs to, and what became of it.

use broker::Refusal;
use codec::amqp::properties::PropertiesRef;
use opentelemetry::trace::SpanKind;

use super::span::{Facts, Open, Place};
use super::{Context, Traces, context};
use crate::gateway::{Outgoing, PublishOutcome, Request};

/// The traced ones among messages that are published together, each by its index.
#[derive(Debug, Default)]
pub(crate) struct Publishing(Vec<(usize, Open)>);

/// A traced request to a worker, until its reply.
#[derive(Debug)]
pub(crate) struct Asking(Option<Open>);

/// Whose child a span is.
enum Origin {
    /// The message's own trace.
    Message(Context),
    /// The request's, or a new one: the message is to carry it.
    Here(Option<Context>),
}

impl Traces {
    /// Begins to publish messages. Those that are traced and do not say so themselves are made to carry it; `request` is the context
    /// of the request that brought them.
    pub(crate) fn begin_publishes(
        &self,
        messages: &mut [Outgoing],
        request: Option<&Context>,
        place: &Place,
    ) -> Publishing {
        let mut traced = Vec::new();
        for (index, message) in messages.iter_mut().enumerate() {
            let carried = context::of_message(&message.properties).map(|(context, _)| context);
            let Some(origin) = self.origin(carried, request) else {
                continue;
            };
            let facts = Facts::of_outgoing(message);
            let Some(span) = self.begin_publish(&facts, &origin, request, place) else {
                continue;
            };
            if let Origin::Here(_) = origin {
                carry(message, span.context());
            }
            traced.push((index, span));
        }
        Publishing(traced)
    }

    /// Begins a request to a worker; as [`Self::begin_publishes`].
    pub(crate) fn begin_asking(
        &self,
        asked: &mut Request,
        request: Option<&Context>,
        place: &Place,
    ) -> Asking {
        let carried = context::of_message(&asked.message.properties).map(|(context, _)| context);
        let Some(origin) = self.origin(carried, request) else {
            return Asking(None);
        };
        let facts = Facts::of_outgoing(&asked.message);
        let span = self.begin(
            format!("request {}", facts.destination()),
            SpanKind::Client,
            origin.parent(),
            facts.attributes(["request", "send"], place),
        );
        if let (Origin::Here(_), Some(span)) = (origin, &span) {
            context::put(span.context(), &mut asked.properties);
        }
        Asking(span)
    }

    /// Says which trace a message belongs to; `None` when it is not to be traced.
    fn origin(&self, carried: Option<Context>, request: Option<&Context>) -> Option<Origin> {
        match (carried, request) {
            (Some(carried), _) => carried.is_sampled().then_some(Origin::Message(carried)),
            (None, Some(request)) => request
                .is_sampled()
                .then(|| Origin::Here(Some(request.clone()))),
            (None, None) => self.0.sampler.chooses().then_some(Origin::Here(None)),
        }
    }

    fn begin_publish(
        &self,
        facts: &Facts<'_>,
        origin: &Origin,
        request: Option<&Context>,
        place: &Place,
    ) -> Option<Open> {
        let mut span = self.begin(
            format!("publish {}", facts.destination()),
            SpanKind::Producer,
            origin.parent(),
            facts.attributes(["publish", "send"], place),
        )?;
        // The request is of a trace of its own then.
        if let (Origin::Message(_), Some(request)) = (origin, request)
            && request.is_sampled()
        {
            span.link(request);
        }
        Some(span)
    }
}

impl Origin {
    const fn parent(&self) -> Option<&Context> {
        match self {
            Self::Message(parent) => Some(parent),
            Self::Here(parent) => parent.as_ref(),
        }
    }
}

/// Writes a context into a message that is ready to be published.
fn carry(message: &mut Outgoing, context: &Context) {
    let properties = PropertiesRef::parse(&message.properties);
    // One whose properties are malformed is refused later.
    let Ok(mut properties) = properties.and_then(PropertiesRef::to_owned) else {
        return;
    };
    context::put(context, &mut properties);
    message.properties.clear();
    properties.encode(&mut message.properties);
}

impl Publishing {
    /// Ends the spans with what became of the messages.
    pub(crate) fn finish(mut self, outcomes: &[Result<PublishOutcome, Refusal>]) {
        for (index, span) in std::mem::take(&mut self.0) {
            match outcomes.get(index) {
                Some(Ok(outcome)) if outcome.is_rejected => span.fail("rejected"),
                Some(Ok(outcome)) if outcome.is_duplicate => span.end("duplicate"),
                Some(Ok(outcome)) if outcome.is_routed => span.end("stored"),
                Some(Ok(_)) => span.end("unroutable"),
                Some(Err(_)) => span.fail("refused"),
                None => span.fail("unknown"),
            }
        }
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        for (_, span) in self.0.drain(..) {
            span.fail("unknown");
        }
    }
}

impl Asking {
    /// Ends the span with the reply, or with why there is none.
    pub(crate) fn finish(mut self, is_replied: bool) {
        match self.0.take() {
            Some(span) if is_replied => span.end("replied"),
            Some(span) => span.fail("refused"),
            None => {}
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(span) = self.0.take() {
            span.fail("unknown");
        }
    }
}

#[cfg(test)]
mod tests;
