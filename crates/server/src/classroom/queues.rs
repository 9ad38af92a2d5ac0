//! Users' queues with their keys, and the queues of worker services: queues of the broker, named so that everybody else finds them.

mod services;

use axum::http::StatusCode;
use broker::access::Resource;
use broker::{Refusal, RefusalKind, Request};
use bytes::Bytes;
use codec::amqp::field::Table;
use codec::amqp::properties::Properties;
use directory::{Change, CommitError};
use engine::accounts::Login;
use engine::audit::Author;
use engine::sessions::Origin;

use super::json::Answer;
use super::keys::Keys;
use super::users::{User, Users};
use crate::gateway::{self, Delivered, Draft, Link, Pull, PullFrom, Settle, SettleKind};
use crate::http::{DEFAULT_VHOST, Web};

pub(crate) use services::Obstacle;
pub(super) use services::Work;

/// The longest name of a user's queue, in bytes: behind a user's name it is one of the broker's.
const NAME_BYTES_MAX: usize = 160;
/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 256;
/// The longest request or response, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Queues that one listing shows.
const LISTED_MAX: usize = 10_000;
/// Responses that are taken at once, in all, and their bytes.
const TAKEN_AT_ONCE: u32 = 16;
const TAKEN_MAX: usize = 1_000;
const TAKEN_BYTES_MAX: usize = 8 << 20;
/// For how long what is taken is held until it is on its way.
const LEASE_MS: u64 = 30_000;

/// Works on queues; cheap to clone.
#[derive(Clone)]
pub(super) struct Queues {
    web: Web,
    users: Users,
    keys: Keys,
    /// Held while a queue gets its key, so that it gets one.
    keying: std::sync::Arc<tokio::sync::Mutex<()>>,
}

/// A queue whose key was shown.
pub(super) struct Opened {
    user: User,
    /// Its name in the broker.
    name: String,
}

impl Queues {
    pub(super) fn new(web: Web, users: Users) -> Self {
        Self {
            keys: Keys::new(web.gateway().engine().clone()),
            web,
            users,
            keying: std::sync::Arc::default(),
        }
    }

    /// Makes a queue with its key.
    ///
    /// *Durability*: both are on disk on return. A queue that was left without a key is given one.
    pub(super) async fn create(
        &self,
        user: &str,
        queue: &str,
        key: &str,
        from: &Origin,
    ) -> Result<(), Answer> {
        let user = self.users.find(user)?;
        check_key(key)?;
        let name = new_broker_name(&user, queue)?;
        let _keying = self.keying.lock().await;
        let is_there = self.exists(&name);
        if is_there && !self.keys.of(&name).is_empty() {
            return Err(Answer::refused(
                StatusCode::CONFLICT,
                "Queue already exists",
            ));
        }
        let link = self.link(&user.login, from).await?;
        declare(&link, &name).await?;
        let key = self.keys.make(&name, &user.login.name, key).await;
        self.commit(&user, from, vec![Change::QueueKeyAdded(key)])
            .await
    }

    /// Checks that a user has a queue, and that this is its key.
    pub(super) async fn open(&self, user: &str, queue: &str, key: &str) -> Result<Opened, Answer> {
        let user = self.users.find(user)?;
        let name = broker_name(&user, queue)?;
        if !self.exists(&name) {
            return Err(Answer::refused(
                StatusCode::NOT_FOUND,
                "Queue does not exist",
            ));
        }
        if key.len() > KEY_BYTES_MAX || !self.keys.check(&name, key).await {
            return Err(Answer::refused(StatusCode::UNAUTHORIZED, "Wrong api_key"));
        }
        Ok(Opened { user, name })
    }

    /// Gives a queue another name, another key or both.
    pub(super) async fn update(
        &self,
        queue: Opened,
        new_name: Option<&str>,
        new_key: Option<&str>,
        from: &Origin,
    ) -> Result<(), Answer> {
        new_key.map(check_key).transpose()?;
        let mut name = queue.name;
        if let Some(wanted) = new_name {
            let wanted = new_broker_name(&queue.user, wanted)?;
            if wanted != name {
                if self.exists(&wanted) {
                    return Err(Answer::refused(
                        StatusCode::CONFLICT,
                        "Queue already exists",
                    ));
                }
                let engine = self.web.gateway().engine();
                let access = engine.access(&queue.user.login, DEFAULT_VHOST);
                let access = access.ok_or_else(void)?;
                let author = Author::of(&queue.user.login, from);
                engine
                    .rename_queue(&access, &name, &wanted, &author)
                    .await?;
                name = wanted;
            }
        }
        let Some(key) = new_key else { return Ok(()) };
        let _keying = self.keying.lock().await;
        let old = self.keys.of(&name).into_iter();
        let made = self.keys.make(&name, &queue.user.login.name, key).await;
        let changes = old.map(|key| Change::QueueKeyDeleted { id: key.id });
        let changes = changes.chain([Change::QueueKeyAdded(made)]).collect();
        self.commit(&queue.user, from, changes).await
    }

    /// Deletes a queue with what waits in it.
    pub(super) async fn delete(&self, queue: Opened, from: &Origin) -> Result<(), Answer> {
        let link = self.link(&queue.user.login, from).await?;
        let delete = Request::QueueDelete {
            name: queue.name,
            if_unused: false,
            if_empty: false,
        };
        link.request(delete).await?;
        Ok(())
    }

    /// The names of a user's queues, in order.
    pub(super) async fn list(&self, user: &str) -> Result<Vec<String>, Answer> {
        let user = self.users.find(user)?;
        let engine = self.web.gateway().engine();
        let access = engine.access(&user.login, DEFAULT_VHOST).ok_or_else(void)?;
        let prefix = format!("{}.", user.login.name);
        let is_wanted = |name: &str| name.starts_with(&prefix);
        let views = engine.queues_seen_by(&access, |queue| is_wanted(&queue.name), LISTED_MAX);
        let views = views.await.into_iter();
        let own = views.filter(|view| view.owner.as_deref() == Some(&*user.login.name));
        let mut names: Vec<_> = own
            .filter(|view| !self.keys.of(&view.name).is_empty())
            .filter_map(|view| Some(view.name.strip_prefix(&prefix)?.to_owned()))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Puts a response into a user's queue.
    ///
    /// *Durability*: it is on disk on return.
    pub(super) async fn respond(
        &self,
        queue: Opened,
        response: String,
        from: &Origin,
    ) -> Result<(), Answer> {
        let link = self.link(&queue.user.login, from).await?;
        let properties = Properties {
            content_type: Some("text/plain; charset=utf-8".to_owned()),
            app_id: Some("classroom".to_owned()),
            ..Properties::default()
        };
        publish(&link, queue.name, response.into(), properties).await
    }

    /// Takes what waits in a user's queue, the oldest first.
    pub(super) async fn take(&self, queue: Opened, from: &Origin) -> Result<Vec<String>, Answer> {
        let link = self.link(&queue.user.login, from).await?;
        let (mut texts, mut bytes, mut settles) = (Vec::new(), 0, Vec::new());
        while texts.len() < TAKEN_MAX && bytes < TAKEN_BYTES_MAX {
            let taken = pull(&link, &queue.name, TAKEN_AT_ONCE).await?;
            if taken.is_empty() {
                break;
            }
            for one in taken {
                let body = one.message.body();
                bytes += body.len();
                texts.push(String::from_utf8_lossy(body).into_owned());
                settles.extend(settle(&one, SettleKind::Ack));
            }
        }
        // Only now: whoever is interrupted finds them again.
        link.settle(settles).await?;
        Ok(texts)
    }

    async fn link(&self, login: &Login, from: &Origin) -> Result<Link, Refusal> {
        let origin = gateway::Origin {
            peer: from.address.to_string(),
            door: from.door,
            client: None,
        };
        let gateway = self.web.gateway();
        gateway.link(login, DEFAULT_VHOST, &origin).await
    }

    fn exists(&self, queue: &str) -> bool {
        let engine = self.web.gateway().engine();
        engine.exists(DEFAULT_VHOST, Resource::Queue, queue)
    }

    async fn commit(&self, user: &User, from: &Origin, changes: Vec<Change>) -> Result<(), Answer> {
        let engine = self.web.gateway().engine();
        let author = Author::of(&user.login, from);
        engine
            .commit_as(&author, changes)
            .await
            .map_err(|error| match error {
                CommitError::Refused(refused) => {
                    Answer::refused(StatusCode::CONFLICT, refused.to_string())
                }
                CommitError::Failure(failure) => {
                    tracing::error!(
                        error = &failure as &dyn std::error::Error,
                        "a change could not be stored"
                    );
                    Answer::refused(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "It cannot be stored at the moment",
                    )
                }
            })
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::AccessRefused | RefusalKind::NotAllowed => StatusCode::FORBIDDEN,
            RefusalKind::PreconditionFailed | RefusalKind::ResourceLocked => StatusCode::CONFLICT,
            RefusalKind::CommandInvalid | RefusalKind::NotImplemented => StatusCode::BAD_REQUEST,
            RefusalKind::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::refused(status, refusal.detail)
    }
}

/// The name that a user's queue has in the broker.
fn broker_name(user: &User, queue: &str) -> Result<String, Answer> {
    let is_plain = !queue.chars().any(char::is_control);
    if queue.is_empty() || queue.len() > NAME_BYTES_MAX || !is_plain {
        return Err(Answer::refused(
            StatusCode::BAD_REQUEST,
            format!("queue_name has 1 to {NAME_BYTES_MAX} bytes and no control characters"),
        ));
    }
    Ok(format!("{}.{queue}", user.login.name))
}

/// The name that a user's new queue gets in the broker. A user whose own name has a dot could make it another user's; what such a user
/// has already stays.
fn new_broker_name(user: &User, queue: &str) -> Result<String, Answer> {
    if user.login.name.contains('.') {
        return Err(Answer::refused(
            StatusCode::BAD_REQUEST,
            "A user whose name has a '.' cannot have more queues: a dot parts a user's name from a queue's",
        ));
    }
    broker_name(user, queue)
}

fn check_key(key: &str) -> Result<(), Answer> {
    if key.len() <= KEY_BYTES_MAX {
        return Ok(());
    }
    Err(Answer::refused(
        StatusCode::BAD_REQUEST,
        format!("api_key has at most {KEY_BYTES_MAX} bytes"),
    ))
}

fn void() -> Answer {
    Answer::refused(
        StatusCode::FORBIDDEN,
        "The user has no rights here any more",
    )
}

async fn declare(link: &Link, name: &str) -> Result<(), Refusal> {
    let declare = Request::QueueDeclare {
        name: name.to_owned(),
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments: Table::default(),
    };
    link.request(declare).await.map(drop)
}

async fn publish(
    link: &Link,
    queue: String,
    body: Bytes,
    properties: Properties,
) -> Result<(), Answer> {
    let draft = Draft {
        routing_key: queue,
        properties,
        persistent: true,
        body,
        ..Draft::default()
    };
    let message = draft
        .finish(BODY_BYTES_MAX)
        .map_err(|flaw| Answer::refused(StatusCode::BAD_REQUEST, flaw.detail))?;
    let outcome = link.publish(vec![message]).await?.pop();
    let outcome = outcome.unwrap_or_else(|| Ok(gateway::PublishOutcome::default()))?;
    if outcome.is_rejected {
        return Err(Answer::refused(
            StatusCode::INSUFFICIENT_STORAGE,
            "The queue is full",
        ));
    }
    if !outcome.is_routed {
        return Err(Answer::refused(
            StatusCode::NOT_FOUND,
            "Queue does not exist",
        ));
    }
    Ok(())
}

async fn pull(link: &Link, queue: &str, max: u32) -> Result<Vec<Delivered>, Refusal> {
    let pull = Pull {
        queue: queue.to_owned(),
        max,
        wait_ms: 0,
        lease_ms: LEASE_MS,
        from: PullFrom::Queue,
        no_ack: false,
        hold: None,
    };
    link.pull(pull).await
}

fn settle(one: &Delivered, kind: SettleKind) -> Option<Settle> {
    let lease = one.lease?;
    Some(Settle { lease, kind })
}
