//! Sharing: what other accounts, and programs without one, may do with a queue or a topic.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use broker::access::{Resource, Right};
use directory::{Change, Grant, QueueKey, ResourceKind};
use engine::QueueKeyView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Web;
use super::body::{InPath, JsonBody};
use super::caller::{Caller, DEFAULT_VHOST};
use super::problem::Problem;

/// What an account may do with a queue or a topic.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rights {
    /// Rename it, delete it, and share it.
    configure: bool,
    /// Publish to it, and bind it.
    write: bool,
    /// Take from it, empty it, and bind others to it.
    read: bool,
}

/// What one account may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GrantOut {
    /// The account.
    login: String,
    /// What it may do.
    #[serde(flatten)]
    rights: Rights,
}

/// What accounts may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Grants {
    /// One for each account.
    items: Vec<GrantOut>,
}

/// A key to be made.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct KeyWish {
    /// It lets publish to the queue.
    write: bool,
    /// It lets take from the queue.
    read: bool,
    /// What it is for.
    #[schema(max_length = 256)]
    note: String,
    /// When it ends, in milliseconds since 1970.
    expires_ms: Option<u64>,
}

/// A key of a queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyOut {
    /// The name by which it is deleted.
    id: String,
    /// It lets publish to the queue.
    write: bool,
    /// It lets take from the queue.
    read: bool,
    /// What it is for.
    note: String,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    /// When it was made, in milliseconds since 1970.
    created_ms: u64,
    /// When it ends, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    /// The secret, when the key was just made; it is not shown again. Show it as `Authorization: Bearer`, or over AMQP as the
    /// password of the user `:key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// The keys of a queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Keys {
    /// The keys.
    items: Vec<KeyOut>,
}

impl KeyOut {
    fn of(key: QueueKeyView, secret: Option<String>) -> Self {
        Self {
            id: key.id,
            write: key.write,
            read: key.read,
            note: key.note,
            created_by: key.created_by,
            created_ms: key.created_ms,
            expires_ms: key.expires_ms,
            secret,
        }
    }
}

/// List what accounts may do with a queue
#[utoipa::path(get, path = "/v1/queues/{queue}/grants", tag = "sharing",
    params(("queue" = String, Path, description = "The queue")),
    responses(
        (status = 200, description = "The grants", body = Grants),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn queue_grants(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
) -> Result<Json<Grants>, Problem> {
    grants(&web, &caller, ResourceKind::Queue, &queue)
}

/// Let an account do something with a queue
#[utoipa::path(put, path = "/v1/queues/{queue}/grants/{login}", tag = "sharing",
    params(("queue" = String, Path, description = "The queue"), ("login" = String, Path, description = "The account")),
    request_body = Rights,
    responses(
        (status = 204, description = "It may"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn grant_queue(
    State(web): State<Web>,
    caller: Caller,
    InPath(path): InPath<(String, String)>,
    JsonBody(rights): JsonBody<Rights>,
) -> Result<StatusCode, Problem> {
    grant(&web, &caller, ResourceKind::Queue, path, rights).await
}

/// Take an account's rights on a queue away
#[utoipa::path(delete, path = "/v1/queues/{queue}/grants/{login}", tag = "sharing",
    params(("queue" = String, Path, description = "The queue"), ("login" = String, Path, description = "The account")),
    responses(
        (status = 204, description = "It may not any more"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn revoke_queue(
    State(web): State<Web>,
    caller: Caller,
    InPath(path): InPath<(String, String)>,
) -> Result<StatusCode, Problem> {
    revoke(&web, &caller, ResourceKind::Queue, path).await
}

/// List what accounts may do with a topic
#[utoipa::path(get, path = "/v1/topics/{topic}/grants", tag = "sharing",
    params(("topic" = String, Path, description = "The topic")),
    responses(
        (status = 200, description = "The grants", body = Grants),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn topic_grants(
    State(web): State<Web>,
    caller: Caller,
    InPath(topic): InPath<String>,
) -> Result<Json<Grants>, Problem> {
    grants(&web, &caller, ResourceKind::Exchange, &topic)
}

/// Let an account do something with a topic
#[utoipa::path(put, path = "/v1/topics/{topic}/grants/{login}", tag = "sharing",
    params(("topic" = String, Path, description = "The topic"), ("login" = String, Path, description = "The account")),
    request_body = Rights,
    responses(
        (status = 204, description = "It may"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn grant_topic(
    State(web): State<Web>,
    caller: Caller,
    InPath(path): InPath<(String, String)>,
    JsonBody(rights): JsonBody<Rights>,
) -> Result<StatusCode, Problem> {
    grant(&web, &caller, ResourceKind::Exchange, path, rights).await
}

/// Take an account's rights on a topic away
#[utoipa::path(delete, path = "/v1/topics/{topic}/grants/{login}", tag = "sharing",
    params(("topic" = String, Path, description = "The topic"), ("login" = String, Path, description = "The account")),
    responses(
        (status = 204, description = "It may not any more"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn revoke_topic(
    State(web): State<Web>,
    caller: Caller,
    InPath(path): InPath<(String, String)>,
) -> Result<StatusCode, Problem> {
    revoke(&web, &caller, ResourceKind::Exchange, path).await
}

/// Make a key of a queue: a secret that lets a program without an account write or read it
#[utoipa::path(post, path = "/v1/queues/{queue}/keys", tag = "sharing",
    params(("queue" = String, Path, description = "The queue")),
    request_body = KeyWish,
    responses(
        (status = 201, description = "The key with its secret", body = KeyOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn make_key(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    JsonBody(wish): JsonBody<KeyWish>,
) -> Result<(StatusCode, Json<KeyOut>), Problem> {
    check_owner(&web, &caller, ResourceKind::Queue, &queue)?;
    if !wish.write && !wish.read {
        return Err(Problem::invalid(
            "say what the key lets do: write, read or both",
        ));
    }
    let engine = web.gateway().engine();
    let secret = directory::token::generate(engine::sessions::QUEUE_KEY_PREFIX)
        .map_err(|error| Problem::unavailable(format!("no random numbers: {error}")))?;
    let key = QueueKey {
        id: engine::accounts::random_name(),
        vhost: DEFAULT_VHOST.to_owned(),
        queue,
        secret_hash: directory::token::hash(&secret),
        write: wish.write,
        read: wish.read,
        note: wish.note,
        created_by: Some(caller.login.name.to_string()),
        created_ms: engine.now_ms(),
        expires_ms: wish.expires_ms,
    };
    caller
        .commit(&web, Change::QueueKeyAdded(key.clone()))
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(KeyOut::of(key.into(), Some(secret))),
    ))
}

/// List the keys of a queue
#[utoipa::path(get, path = "/v1/queues/{queue}/keys", tag = "sharing",
    params(("queue" = String, Path, description = "The queue")),
    responses(
        (status = 200, description = "The keys, without their secrets", body = Keys),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn keys(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
) -> Result<Json<Keys>, Problem> {
    check_owner(&web, &caller, ResourceKind::Queue, &queue)?;
    let keys = web.gateway().engine().queue_keys(DEFAULT_VHOST, &queue);
    let items = keys.into_iter().map(|key| KeyOut::of(key, None));
    Ok(Json(Keys {
        items: items.collect(),
    }))
}

/// Delete a key: what it opened closes
#[utoipa::path(delete, path = "/v1/queues/{queue}/keys/{key}", tag = "sharing",
    params(("queue" = String, Path, description = "The queue"), ("key" = String, Path, description = "The key's id")),
    responses(
        (status = 204, description = "It opens nothing any more"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn delete_key(
    State(web): State<Web>,
    caller: Caller,
    InPath(path): InPath<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (queue, id) = path;
    check_owner(&web, &caller, ResourceKind::Queue, &queue)?;
    let known = web.gateway().engine().queue_keys(DEFAULT_VHOST, &queue);
    if !known.iter().any(|key| key.id == id) {
        return Err(Problem::not_found(format!("the queue has no key '{id}'")));
    }
    caller.commit(&web, Change::QueueKeyDeleted { id }).await
}

fn grants(
    web: &Web,
    caller: &Caller,
    resource: ResourceKind,
    name: &str,
) -> Result<Json<Grants>, Problem> {
    check_owner(web, caller, resource, name)?;
    let grants = web.gateway().engine().grants(DEFAULT_VHOST, resource, name);
    let items = grants.into_iter().map(|grant| GrantOut {
        login: grant.login,
        rights: Rights {
            configure: grant.configure,
            write: grant.write,
            read: grant.read,
        },
    });
    Ok(Json(Grants {
        items: items.collect(),
    }))
}

async fn grant(
    web: &Web,
    caller: &Caller,
    resource: ResourceKind,
    (name, login): (String, String),
    rights: Rights,
) -> Result<StatusCode, Problem> {
    check_owner(web, caller, resource, &name)?;
    let grant = Grant {
        vhost: DEFAULT_VHOST.to_owned(),
        resource,
        name,
        login,
        configure: rights.configure,
        write: rights.write,
        read: rights.read,
    };
    caller.commit(web, Change::GrantSet(grant)).await
}

async fn revoke(
    web: &Web,
    caller: &Caller,
    resource: ResourceKind,
    (name, login): (String, String),
) -> Result<StatusCode, Problem> {
    check_owner(web, caller, resource, &name)?;
    let change = Change::GrantCleared {
        vhost: DEFAULT_VHOST.to_owned(),
        resource,
        name,
        login,
    };
    caller.commit(web, change).await
}

/// Refuses whoever may not configure the thing; an administrator may share everything. The same for what does not exist.
fn check_owner(
    web: &Web,
    caller: &Caller,
    resource: ResourceKind,
    name: &str,
) -> Result<(), Problem> {
    let access = caller.access(web, DEFAULT_VHOST)?;
    let engine = web.gateway().engine();
    let resource = match resource {
        ResourceKind::Queue => Resource::Queue,
        ResourceKind::Exchange => Resource::Exchange,
    };
    if caller.login.is_administrator() {
        return engine
            .exists(DEFAULT_VHOST, resource, name)
            .then_some(())
            .ok_or_else(|| Problem::not_found(format!("there is no '{name}'")));
    }
    engine.check_right(&access, Right::Configure, resource, name)?;
    Ok(())
}
