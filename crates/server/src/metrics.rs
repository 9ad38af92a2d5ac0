//! Metrics in Prometheus' text format, written by hand: nearly all are the engine's own numbers, read when somebody asks, so that
//! nothing is kept twice and nothing stays behind of what was deleted; the chat counts for itself. Counted here are only the requests
//! of HTTP.
//!
//! What there is stands in [`catalogue`], and for people in `docs/metrics.md`; a test holds both against what is exported.
//!
//! Start reading at [`totals`].

mod catalogue;
mod collect;
mod requests;
mod text;

use std::sync::Arc;

pub(crate) use collect::{queues, totals};
pub(crate) use requests::{UnderWay, method_name};

use requests::Requests;

use crate::traces::Traces;

/// The type of the text format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What watches the requests of HTTP, and who may read metrics; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Observer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    requests: Requests,
    is_open: bool,
    started_ms: u64,
    traces: Option<Traces>,
}

impl Observer {
    /// Begins to watch; `is_open` lets everybody read totals.
    pub(crate) fn new(is_open: bool, traces: Option<Traces>) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let started_ms = since.map_or(0, |since| since.as_millis());
        Self(Arc::new(Inner {
            requests: Requests::default(),
            is_open,
            started_ms: u64::try_from(started_ms).unwrap_or(u64::MAX),
            traces,
        }))
    }

    /// Says whether totals are for everybody.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_open
    }

    /// What begins spans, while messages are traced.
    pub(crate) fn traces(&self) -> Option<&Traces> {
        self.0.traces.as_ref()
    }

    /// Notes that a request has begun.
    pub(crate) fn begin(&self) -> UnderWay {
        UnderWay::new(self.clone())
    }

    pub(crate) fn requests(&self) -> &Requests {
        &self.0.requests
    }

    /// When the server began, in milliseconds since 1970.
    pub(crate) fn started_ms(&self) -> u64 {
        self.0.started_ms
    }
}

#[cfg(test)]
mod tests;
