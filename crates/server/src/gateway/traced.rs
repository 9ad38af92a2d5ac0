//! How a link's publishes are traced: in a link, and not on its shard, as only there it is known which request they are of.

use broker::Refusal;

use super::command::{Outgoing, PublishOutcome, Request};
use super::{Origin, UnderWay};
use crate::traces::{self, Asking, Place, Publishing, Traces};

/// What a link's publishes are traced by; empty while nothing is traced.
#[derive(Clone)]
pub(super) struct Tracing(Option<On>);

#[derive(Clone)]
struct On {
    traces: Traces,
    place: Place,
    /// The request that this clone of the link works for.
    request: Option<traces::Context>,
}

/// Messages that are being published.
pub(crate) struct PublishUnderWay {
    pub(super) answer: UnderWay<Vec<Result<PublishOutcome, Refusal>>>,
    pub(super) traced: Option<Publishing>,
}

impl PublishUnderWay {
    /// Waits until every message is safe or refused.
    ///
    /// # Errors
    /// The link closed.
    pub(crate) async fn wait(self) -> Result<Vec<Result<PublishOutcome, Refusal>>, Refusal> {
        let outcomes = self.answer.wait().await?;
        if let Some(traced) = self.traced {
            traced.finish(&outcomes);
        }
        Ok(outcomes)
    }
}

impl Tracing {
    pub(super) fn new(traces: Option<&Traces>, vhost: &str, origin: &Origin) -> Self {
        Self(traces.map(|traces| On {
            traces: traces.clone(),
            place: Place {
                door: origin.door,
                vhost: vhost.into(),
            },
            request: traces::current(),
        }))
    }

    /// Has it work for the request that is being handled, which may have come by another door than the one before.
    pub(super) fn renew(&mut self, origin: &Origin) {
        if let Some(on) = &mut self.0 {
            on.place.door = origin.door;
            on.request = traces::current();
        }
    }

    pub(super) fn begin_publishes(&self, messages: &mut [Outgoing]) -> Option<Publishing> {
        self.0.as_ref().map(|on| {
            let request = on.request.as_ref();
            on.traces.begin_publishes(messages, request, &on.place)
        })
    }

    pub(super) fn begin_asking(&self, asked: &mut Request) -> Option<Asking> {
        self.0.as_ref().map(|on| {
            let request = on.request.as_ref();
            on.traces.begin_asking(asked, request, &on.place)
        })
    }
}
