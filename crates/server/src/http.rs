//! HTTP: the REST interface under `/v1`, its description and the server's health, on threads of their own.
//!
//! Handlers read a request, ask the engine through the [`Gateway`] as the caller, and write the answer: rights are the engine's to
//! decide. Every error is a problem document (RFC 9457). What is public is described by the OpenAPI document that the handlers'
//! annotations make.
//!
//! Start reading at [`router`].

mod body;
mod caller;
mod health;
mod leases;
mod message;
mod openapi;
mod page;
mod problem;
mod publish;
mod pull;
mod queues;
mod serve;

use std::sync::Arc;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::Gateway;

pub(crate) use caller::Caller;
pub(crate) use serve::{HttpDoor, serve};

/// What every handler may use; cheap to clone.
#[derive(Clone)]
pub(crate) struct Web(Arc<Shared>);

struct Shared {
    gateway: Gateway,
    limits: HttpLimits,
}

/// Bounds of requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpLimits {
    /// The greatest body of one message, in bytes.
    pub(crate) message_bytes_max: usize,
}

impl Web {
    pub(crate) fn new(gateway: Gateway, limits: HttpLimits) -> Self {
        Self(Arc::new(Shared { gateway, limits }))
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    pub(crate) fn limits(&self) -> &HttpLimits {
        &self.0.limits
    }
}

/// Everything that HTTP serves.
pub(crate) fn router(web: Web) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(queues::list))
        .routes(routes!(queues::create, queues::show, queues::delete))
        .routes(routes!(queues::purge))
        .routes(routes!(publish::to_queue))
        .routes(routes!(publish::batch_to_queue))
        .routes(routes!(pull::pull))
        .routes(routes!(leases::settle_many))
        .routes(routes!(leases::ack, leases::extend))
        .routes(routes!(leases::nack))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .split_for_parts();
    router
        .merge(openapi::routes(document))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .with_state(web)
}
