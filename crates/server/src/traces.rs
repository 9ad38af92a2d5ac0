//! Traces: spans that follow a message from its publish to its acknowledgement, sent to a collector of OpenTelemetry.
//!
//! A trace is told on by W3C's `traceparent` and `tracestate`: headers of requests over HTTP and gRPC, headers of messages. What a
//! message carries leads from its publish to its deliveries, so nothing is kept meanwhile, and engine, broker and session know nothing
//! of it: a [`Watch`] sees what passes between them and a connection. Publishes over HTTP and gRPC are seen by their link
//! ([`Traces::begin_publishes`]), as only there a request's trace can be given to the message.
//!
//! While it is off, nothing is made but a `None`. Spans never hold a body, a credential, or a header other than those two.
//!
//! Start reading at [`Exporter::open`].

mod context;
mod export;
mod publishing;
mod request;
#[cfg(test)]
mod rig;
mod span;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::trace::SpanContext;
use opentelemetry_sdk::trace::SdkTracer;

pub(crate) use export::{Exporter, parse_headers};
pub(crate) use publishing::{Asking, Publishing};
pub(crate) use request::current;
pub(crate) use span::Place;
pub(crate) use watch::{Watch, Watched};

use export::Counts;

/// Which trace something belongs to.
pub(crate) type Context = SpanContext;

/// The odd constant of splitmix64: steps of it visit every number.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Begins spans; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Traces(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tracer: SdkTracer,
    counts: Arc<Counts>,
    sampler: Sampler,
}

impl Traces {
    fn new(tracer: SdkTracer, counts: Arc<Counts>, sample: f64) -> Self {
        Self(Arc::new(Inner {
            tracer,
            counts,
            sampler: Sampler::new(sample),
        }))
    }

    /// How many spans met which fate.
    pub(crate) fn spans(&self) -> SpanFates {
        self.0.counts.fates()
    }
}

/// How many spans met which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SpanFates {
    /// The collector took them.
    pub(crate) exported: u64,
    /// The collector did not.
    pub(crate) failed: u64,
    /// Too many waited or were open.
    pub(crate) dropped: u64,
}

/// Chooses messages that begin a trace.
#[derive(Debug)]
struct Sampler {
    /// Numbers below it are chosen; `None` chooses all.
    below: Option<u64>,
    state: AtomicU64,
}

impl Sampler {
    fn new(share: f64) -> Self {
        let mut seed = [0; 8];
        // Without a seed it chooses as many.
        let _ = getrandom::fill(&mut seed);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share is as good as its first digits, and from 0 to 1"
        )]
        let below = (share * u64::MAX as f64) as u64;
        Self {
            below: (share < 1.0).then_some(below),
            state: AtomicU64::new(u64::from_le_bytes(seed)),
        }
    }

    fn chooses(&self) -> bool {
        let Some(below) = self.below else {
            return true;
        };
        let mut mixed = self.state.fetch_add(GOLDEN, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) < below
    }
}

#[cfg(test)]
mod tests;
