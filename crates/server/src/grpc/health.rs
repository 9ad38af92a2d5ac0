//! The service of health: what `/readyz` says, for those who speak gRPC.

use std::time::Duration;

use futures_util::stream::{BoxStream, unfold};
use tokio::sync::watch;
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::SERVICES;
use super::status::{Subject, not_found};
use crate::http::Web;

/// How often a watcher looks. The alarms look as often at memory and disk.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The service.
pub(super) struct Readiness(pub(super) Web);

/// Somebody who wants to hear of every change.
struct Watcher {
    web: Web,
    stopping: watch::Receiver<bool>,
    is_known: bool,
    told: Option<ServingStatus>,
}

#[async_trait]
impl Health for Readiness {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        if !is_known(&service) {
            let detail = format!("there is no service '{service}'");
            return Err(not_found(Subject::Several, detail));
        }
        Ok(Response::new(answer(status(&self.0))))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let watcher = Watcher {
            web: self.0.clone(),
            stopping: self.0.stopping(),
            is_known: is_known(&request.into_inner().service),
            told: None,
        };
        let answers = unfold(watcher, |mut watcher| async move {
            let status = watcher.next().await?;
            Some((Ok(answer(status)), watcher))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Watcher {
    /// Waits for another status; `None` once the server stops and that was told.
    async fn next(&mut self) -> Option<ServingStatus> {
        loop {
            // The protocol has a watch for services that may come.
            let now = if self.is_known {
                status(&self.web)
            } else {
                ServingStatus::ServiceUnknown
            };
            if self.told != Some(now) {
                self.told = Some(now);
                return Some(now);
            }
            if *self.stopping.borrow() {
                return None;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = self.stopping.changed() => {}
            }
        }
    }
}

fn is_known(service: &str) -> bool {
    // The empty name is the server as a whole.
    service.is_empty() || SERVICES.contains(&service)
}

fn status(web: &Web) -> ServingStatus {
    match web.why_not_ready() {
        None => ServingStatus::Serving,
        Some(_) => ServingStatus::NotServing,
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
