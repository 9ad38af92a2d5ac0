//! A collector of OpenTelemetry that keeps what it is sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::server::wait_until;

/// It listens until it is dropped.
pub(super) struct Collector {
    pub(super) address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Kept {
    spans: Vec<Span>,
    heads: Vec<MetadataMap>,
    /// Every text in what came, as Rust prints it.
    text: String,
}

struct Service(Arc<Mutex<Kept>>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock().unwrap();
        kept.heads.push(request.metadata().clone());
        let text = format!("{request:?}");
        kept.text.push_str(&text);
        for resource in request.into_inner().resource_spans {
            for scope in resource.scope_spans {
                kept.spans.extend(scope.spans);
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let _context = runtime.enter();
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let service = TraceServiceServer::new(Service(kept.clone()));
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming);
        runtime.spawn(serving);
        drop(_context);
        Self {
            address,
            kept,
            _runtime: runtime,
        }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans so far, the earliest first.
    pub(super) fn spans(&self) -> Vec<Span> {
        let mut spans = self.kept.lock().unwrap().spans.clone();
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans
    }

    /// Waits until there are so many spans of a name, and returns all there are.
    pub(super) fn wait_for(&self, name: &str, count: usize) -> Vec<Span> {
        wait_until(&format!("{count} spans '{name}'"), || {
            named(&self.spans(), name).len() >= count
        });
        self.spans()
    }

    pub(super) fn text(&self) -> String {
        self.kept.lock().unwrap().text.clone()
    }

    /// The metadata of the first batch.
    pub(super) fn head(&self) -> MetadataMap {
        self.kept.lock().unwrap().heads[0].clone()
    }
}

/// The spans of a name, in their order.
pub(super) fn named(spans: &[Span], name: &str) -> Vec<Span> {
    let found = spans.iter().filter(|span| span.name == name);
    found.cloned().collect()
}

/// A text, a number or a truth value of a span.
pub(super) fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|known| known.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(truth) => Some(truth.to_string()),
        other => panic!("{other:?}"),
    }
}
