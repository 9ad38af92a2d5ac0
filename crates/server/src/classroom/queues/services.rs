//! The queues of worker services, which no user owns: made before anybody can take their names, and used by whoever asks for a service
//! or is one.

use axum::http::StatusCode;
use broker::Refusal;
use codec::amqp::properties::Properties;
use engine::sessions::Origin;
use serde::{Deserialize, Serialize};

use super::super::GRPC;
use super::super::json::Answer;
use super::super::users::{NoUser, SERVICES as OWNER, origin};
use super::{Opened, Queues, declare, publish, pull, settle};
use crate::gateway::{Link, SettleKind};
use crate::http::DEFAULT_VHOST;

/// The worker services that there are.
const SERVICES: [&str; 2] = ["1", "2"];
/// What the name of a worker service's queue begins with.
const SERVICE_PREFIX: &str = "service-";
/// What lies in a worker service's queue and is no request: so much of it is thrown away at once.
const REJECTED_MAX: usize = 100;

/// What waits in a worker service's queue.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::classroom) struct Work {
    pub(in crate::classroom) username: String,
    pub(in crate::classroom) queue_name: String,
    pub(in crate::classroom) api_key: String,
    pub(in crate::classroom) service: String,
}

/// Why the worker services have no queues. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// The name of their owner is somebody's.
    #[error(
        "older clients' worker services need the account '{OWNER}', and somebody has that name. Start without --classroom, make another account in its place, delete it with `chaski user delete {OWNER}`, and start again"
    )]
    Account,
    /// There is a queue of that name already.
    #[error(
        "older clients' worker services need the queue '{0}', and it is not the account '{OWNER}' that made it. Start without --classroom, take out what is needed, delete it with `chaski queue delete {0}`, and start again"
    )]
    Queue(String),
    /// The broker says no.
    #[error("the queues of older clients' worker services cannot be made: {0}")]
    Refused(String),
}

impl Queues {
    /// Puts a request into the queue of a worker service.
    ///
    /// *Durability*: it is on disk on return.
    pub(in crate::classroom) async fn ask(
        &self,
        queue: &Opened,
        work: Work,
        from: &Origin,
    ) -> Result<(), Answer> {
        let service = service_queue(&work.service)?;
        let link = self.service_link(&service, from).await?;
        let body = serde_json::to_vec(&work).unwrap_or_default();
        let properties = Properties {
            content_type: Some("application/json".to_owned()),
            reply_to: Some(queue.name.clone()).filter(|name| name.len() <= 255),
            app_id: Some("classroom".to_owned()),
            ..Properties::default()
        };
        publish(&link, service, body.into(), properties).await
    }

    /// Takes the next request for a worker service; `None` when there is none.
    pub(in crate::classroom) async fn next(
        &self,
        service: &str,
        from: &Origin,
    ) -> Result<Option<Work>, Answer> {
        let queue = service_queue(service)?;
        let link = self.service_link(&queue, from).await?;
        for _ in 0..REJECTED_MAX {
            let Some(one) = pull(&link, &queue, 1).await?.pop() else {
                return Ok(None);
            };
            let work = serde_json::from_slice(one.message.body()).ok();
            let kind = if work.is_some() {
                SettleKind::Ack
            } else {
                SettleKind::Reject
            };
            link.settle(settle(&one, kind).into_iter().collect())
                .await?;
            if work.is_some() {
                return Ok(work);
            }
        }
        Ok(None)
    }

    /// A link to work on the queue of a worker service, which no user owns; makes the queue if need be.
    async fn service_link(&self, queue: &str, from: &Origin) -> Result<Link, Answer> {
        self.open_service(queue, from).await.map_err(|obstacle| {
            tracing::error!(%obstacle, "no worker service is asked");
            Answer::refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "The queue of this service cannot be used; the server's log says why",
            )
        })
    }

    /// Makes the queues of the worker services if need be, so that nobody else makes them.
    ///
    /// *Durability*: they are on disk on return.
    ///
    /// # Errors
    /// [`Obstacle`].
    pub(in crate::classroom) async fn open_services(&self) -> Result<(), Obstacle> {
        for service in SERVICES {
            let queue = format!("{SERVICE_PREFIX}{service}");
            self.open_service(&queue, &origin(GRPC, None)).await?;
        }
        Ok(())
    }

    async fn open_service(&self, queue: &str, from: &Origin) -> Result<Link, Obstacle> {
        let owner = self.users.services().await.map_err(|reason| match reason {
            NoUser::Taken => Obstacle::Account,
            NoUser::Unknown | NoUser::Name(_) | NoUser::Full | NoUser::Unavailable => {
                Obstacle::Refused(format!("the account '{OWNER}' cannot be made"))
            }
        })?;
        let refused = |refusal: Refusal| Obstacle::Refused(refusal.detail);
        let link = self.link(&owner.login, from).await.map_err(refused)?;
        if !self.exists(queue) {
            declare(&link, queue).await.map_err(refused)?;
        }
        let engine = self.web.gateway().engine();
        // Whoever owns it reads what is asked, with the keys in it.
        if !engine.owns_queue(&owner.login.name, DEFAULT_VHOST, queue) {
            return Err(Obstacle::Queue(queue.to_owned()));
        }
        Ok(link)
    }
}

fn service_queue(service: &str) -> Result<String, Answer> {
    if SERVICES.contains(&service) {
        return Ok(format!("{SERVICE_PREFIX}{service}"));
    }
    Err(Answer::refused(
        StatusCode::BAD_REQUEST,
        "service is 1 or 2",
    ))
}
