//! What tests send spans to.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// Keeps what it is sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl Kept {
    /// Takes what came so far.
    pub(super) fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(batch);
        Ok(())
    }
}

/// An attribute as text; empty when there is none.
pub(super) fn text(span: &SpanData, key: &str) -> String {
    let found = span
        .attributes
        .iter()
        .find(|known| known.key.as_str() == key);
    found
        .map(|known| known.value.to_string())
        .unwrap_or_default()
}
