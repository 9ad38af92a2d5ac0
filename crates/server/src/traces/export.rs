//! Sending spans to the collector: in batches, on a thread of their own, from a queue with a bound.
//!
//! Whoever ends a span never waits: what finds the queue full is dropped and counted, as is what the collector does not take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::uri::Scheme;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{
    SpanExporter as OtlpExporter, WithExportConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData,
    SpanExporter, SpanProcessor,
};
use tokio::runtime::Runtime;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use super::{SpanFates, Traces};
use crate::config;

/// Spans that may be open, of all connections and requests.
pub(super) const OPEN_MAX: usize = 50_000;
/// Spans that may wait for the collector.
const WAITING_MAX: usize = 4_096;
/// Spans of one batch.
const BATCH_MAX: usize = 512;
/// How long a span waits for others of its batch.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// How long the collector may take for a batch, with attempts that are repeated.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long connecting to it may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the last spans may take when the server stops.
const LAST_SPANS: Duration = Duration::from_secs(2);

const _: () = assert!(BATCH_MAX <= WAITING_MAX);

/// What sends spans, for as long as the server runs.
pub(crate) struct Exporter {
    provider: SdkTracerProvider,
    traces: Traces,
}

impl Exporter {
    /// Makes one if a collector is named; `runtime` carries the connection to it.
    ///
    /// # Errors
    /// What the settings say cannot be.
    pub(crate) fn open(
        settings: &config::Traces,
        runtime: &Runtime,
    ) -> Result<Option<Self>, String> {
        let Some(endpoint) = &settings.endpoint else {
            return Ok(None);
        };
        let channel = {
            let _context = runtime.enter();
            channel(endpoint).map_err(|error| error.to_string())?
        };
        let headers = settings
            .headers
            .as_ref()
            .and_then(|headers| parse_headers(headers.expose()))
            .unwrap_or_default();
        let exporter = OtlpExporter::builder()
            .with_tonic()
            .with_channel(channel)
            .with_timeout(EXPORT_TIMEOUT)
            .with_metadata(MetadataMap::from_headers(headers))
            .build()
            .map_err(|error| error.to_string())?;
        tracing::info!(endpoint, sample = settings.sample, "messages are traced");
        Ok(Some(Self::over(exporter, settings.sample)))
    }

    /// Makes one over something that takes batches.
    pub(super) fn over(exporter: impl SpanExporter + 'static, sample: f64) -> Self {
        let counts = Arc::new(Counts::default());
        let provider = SdkTracerProvider::builder()
            .with_resource(resource())
            // Nothing begins a span but what is sampled.
            .with_sampler(Sampler::AlwaysOn)
            .with_span_processor(Gate::new(exporter, counts.clone()))
            .build();
        let tracer = provider.tracer("chaski");
        Self {
            traces: Traces::new(tracer, counts, sample),
            provider,
        }
    }

    /// What begins spans.
    pub(crate) fn traces(&self) -> Traces {
        self.traces.clone()
    }

    /// Sends what waits.
    #[cfg(test)]
    pub(super) fn flush(&self) {
        self.provider
            .force_flush()
            .expect("whoever takes it is there");
    }

    /// Sends what waits, for a short while.
    pub(crate) fn close(self, runtime: &Runtime) {
        // The connection lives on the runtime, which has to turn meanwhile.
        let ended = runtime.block_on(
            runtime.spawn_blocking(move || self.provider.shutdown_with_timeout(LAST_SPANS)),
        );
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last spans were not sent: the collector did not take them in time");
        }
    }
}

fn channel(endpoint: &str) -> Result<Channel, tonic::transport::Error> {
    let mut endpoint = Endpoint::from_shared(endpoint.to_owned())?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(EXPORT_TIMEOUT);
    if endpoint.uri().scheme() == Some(&Scheme::HTTPS) {
        endpoint = endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?;
    }
    Ok(endpoint.connect_lazy())
}

/// Who sends: nothing is read from the environment.
fn resource() -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "chaski"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", engine::accounts::random_name()),
        ])
        .build()
}

/// Reads headers for the collector: `NAME=VALUE`, several separated by commas.
pub(crate) fn parse_headers(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',') {
        let (name, value) = pair.split_once('=')?;
        let name: HeaderName = name.trim().parse().ok()?;
        // gRPC's own, and those that would be no text.
        if name.as_str().starts_with("grpc-") || name.as_str().ends_with("-bin") {
            return None;
        }
        let mut value: HeaderValue = value.trim().parse().ok()?;
        value.to_str().ok()?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Some(headers)
}

/// What became of spans.
#[derive(Debug, Default)]
pub(super) struct Counts {
    open: AtomicUsize,
    waiting: AtomicUsize,
    exported: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    pub(super) fn fates(&self) -> SpanFates {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SpanFates {
            exported: of(&self.exported),
            failed: of(&self.failed),
            dropped: of(&self.dropped),
        }
    }

    /// Notes a span that is not sent.
    pub(super) fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a place of an open span, if there is one.
    pub(super) fn open_one(&self) -> bool {
        self.take_place(&self.open, OPEN_MAX)
    }

    pub(super) fn close_one(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes one of `most` places; where there is none, a span is dropped.
    fn take_place(&self, taken: &AtomicUsize, most: usize) -> bool {
        let is_free = taken.fetch_add(1, Ordering::Relaxed) < most;
        if !is_free {
            taken.fetch_sub(1, Ordering::Relaxed);
            self.drop_one();
        }
        is_free
    }
}

/// The entrance of the queue: the SDK's own drops silently what is too much.
#[derive(Debug)]
struct Gate {
    queue: BatchSpanProcessor,
    counts: Arc<Counts>,
}

impl Gate {
    fn new(exporter: impl SpanExporter + 'static, counts: Arc<Counts>) -> Self {
        let counting = Counting {
            exporter,
            counts: counts.clone(),
            is_refused: AtomicBool::new(false),
        };
        let bounds = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING_MAX)
            .with_max_export_batch_size(BATCH_MAX)
            .with_scheduled_delay(BATCH_DELAY)
            .build();
        Self {
            queue: BatchSpanProcessor::new(counting, bounds),
            counts,
        }
    }
}

impl SpanProcessor for Gate {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.counts.take_place(&self.counts.waiting, WAITING_MAX) {
            self.queue.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

/// Counts what the collector takes, and says in the log when it begins to refuse and when it takes again.
#[derive(Debug)]
struct Counting<E> {
    exporter: E,
    counts: Arc<Counts>,
    is_refused: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Counting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.counts.waiting.fetch_sub(count, Ordering::Relaxed);
        let result = self.exporter.export(batch).await;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let was_refused = self.is_refused.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Ok(()) => {
                self.counts.exported.fetch_add(count, Ordering::Relaxed);
                if was_refused {
                    tracing::info!("the collector of traces takes spans again");
                }
            }
            Err(error) => {
                self.counts.failed.fetch_add(count, Ordering::Relaxed);
                if !was_refused {
                    tracing::warn!(%error, "the collector of traces takes no spans: they are lost until it does");
                }
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests;
