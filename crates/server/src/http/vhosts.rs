//! Virtual hosts, and what accounts may do in them by patterns of names.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use broker::access::Pattern;
use directory::{Change, Permission, TopicPermission};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::body::{InPath, JsonBody, Params};
use super::caller::{Caller, DEFAULT_VHOST};
use super::problem::Problem;
use crate::flaw::{Flaw, check_name};
use crate::management::made_by;

/// A virtual host.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VhostOut {
    /// Its name.
    name: String,
}

/// Virtual hosts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Vhosts {
    /// The virtual hosts, by name.
    items: Vec<VhostOut>,
}

/// Which permissions to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct PermissionListParams {
    /// Only those of this account.
    login: Option<String>,
    /// Only those in this virtual host.
    vhost: Option<String>,
}

/// Names that an account may work with, as regular expressions; empty is none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Patterns {
    /// What it may make and delete.
    #[schema(max_length = 1_024)]
    configure: String,
    /// What it may publish to.
    #[schema(max_length = 1_024)]
    write: String,
    /// What it may read.
    #[schema(max_length = 1_024)]
    read: String,
}

/// Routing keys that an account may use with a topic, as regular expressions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyPatterns {
    /// What it may publish with.
    #[schema(max_length = 1_024)]
    write: String,
    /// What it may bind with.
    #[schema(max_length = 1_024)]
    read: String,
}

/// What an account may do in a virtual host.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PermissionOut {
    /// The account.
    login: String,
    /// The virtual host.
    vhost: String,
    /// What it may make and delete.
    configure: String,
    /// What it may publish to.
    write: String,
    /// What it may read.
    read: String,
}

/// Which routing keys an account may use with a topic.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TopicPermissionOut {
    /// The account.
    login: String,
    /// The virtual host.
    vhost: String,
    /// The topic.
    topic: String,
    /// What it may publish with.
    write: String,
    /// What it may bind with.
    read: String,
}

/// Permissions by pattern.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Permissions {
    /// By virtual host and account.
    items: Vec<PermissionOut>,
    /// By virtual host, account and topic.
    topics: Vec<TopicPermissionOut>,
}

/// List virtual hosts
///
/// Those that you have any right in; administrators and accounts with the tag `monitoring` see all.
#[utoipa::path(get, path = "/v1/vhosts", tag = "virtual hosts",
    responses(
        (status = 200, description = "The virtual hosts, by name", body = Vhosts),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(State(web): State<Web>, caller: Caller) -> Result<Json<Vhosts>, Problem> {
    let engine = web.gateway().engine();
    let sees_all = engine.accounts().may_monitor(&caller.login);
    let mut names = engine.vhosts();
    names.retain(|name| sees_all || engine.access(&caller.login, name).is_some());
    names.sort();
    let items = names.iter().map(|name| VhostOut {
        name: name.to_string(),
    });
    Ok(Json(Vhosts {
        items: items.collect(),
    }))
}

/// Make a virtual host, in which you may do everything
#[utoipa::path(put, path = "/v1/vhosts/{vhost}", tag = "virtual hosts",
    params(("vhost" = String, Path, description = "Its name")),
    responses(
        (status = 201, description = "It is made", body = VhostOut),
        (status = 204, description = "It was there"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn create(
    State(web): State<Web>,
    caller: Caller,
    InPath(vhost): InPath<String>,
) -> Result<Response, Problem> {
    caller.check_administrator()?;
    check_name("vhost", &vhost)?;
    let engine = web.gateway().engine();
    if engine.has_vhost(&vhost) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let changes = made_by(&caller.login.name, vhost.clone());
    engine.commit_as(&caller.author(), changes.into()).await?;
    let made = Json(VhostOut { name: vhost });
    Ok((StatusCode::CREATED, made).into_response())
}

/// Delete a virtual host with everything in it
#[utoipa::path(delete, path = "/v1/vhosts/{vhost}", tag = "virtual hosts",
    params(("vhost" = String, Path, description = "The virtual host")),
    responses(
        (status = 204, description = "It is gone, with its queues and their messages"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn delete(
    State(web): State<Web>,
    caller: Caller,
    InPath(vhost): InPath<String>,
) -> Result<StatusCode, Problem> {
    caller.check_administrator()?;
    if vhost == DEFAULT_VHOST {
        return Err(Problem::conflict(
            "this interface and the chat work in the virtual host '/'; it stays",
        ));
    }
    caller
        .commit(&web, Change::VhostDeleted { name: vhost })
        .await
}

/// List what accounts may do by patterns of names
#[utoipa::path(get, path = "/v1/permissions", tag = "virtual hosts", params(PermissionListParams),
    responses(
        (status = 200, description = "The permissions", body = Permissions),
        (status = "4XX", description = "For administrators alone", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn permissions(
    State(web): State<Web>,
    caller: Caller,
    Params(params): Params<PermissionListParams>,
) -> Result<Json<Permissions>, Problem> {
    caller.check_administrator()?;
    let accounts = web.gateway().engine().accounts();
    let is_wanted = |login: &str, vhost: &str| {
        params.login.as_deref().is_none_or(|wanted| wanted == login)
            && params.vhost.as_deref().is_none_or(|wanted| wanted == vhost)
    };
    let items = accounts.permissions().into_iter();
    let topics = accounts.topic_permissions().into_iter();
    Ok(Json(Permissions {
        items: items
            .filter(|one| is_wanted(&one.login, &one.vhost))
            .map(PermissionOut::from)
            .collect(),
        topics: topics
            .filter(|one| is_wanted(&one.login, &one.vhost))
            .map(TopicPermissionOut::from)
            .collect(),
    }))
}

impl From<Permission> for PermissionOut {
    fn from(permission: Permission) -> Self {
        Self {
            login: permission.login,
            vhost: permission.vhost,
            configure: permission.configure,
            write: permission.write,
            read: permission.read,
        }
    }
}

impl From<TopicPermission> for TopicPermissionOut {
    fn from(permission: TopicPermission) -> Self {
        Self {
            login: permission.login,
            vhost: permission.vhost,
            topic: permission.exchange,
            write: permission.write,
            read: permission.read,
        }
    }
}

/// Refuses what is no regular expression: it would allow nothing, and nobody would know why.
fn check_pattern(field: &str, pattern: &str) -> Result<(), Flaw> {
    Pattern::compile(pattern)
        .map(drop)
        .map_err(|reason| Flaw::new(field, reason))
}

/// Say what an account may do in a virtual host
#[utoipa::path(put, path = "/v1/vhosts/{vhost}/permissions/{login}", tag = "virtual hosts",
    params(("vhost" = String, Path, description = "The virtual host"), ("login" = String, Path, description = "The account")),
    request_body = Patterns,
    responses(
        (status = 204, description = "It may"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn permit(
    State(web): State<Web>,
    caller: Caller,
    InPath((vhost, login)): InPath<(String, String)>,
    JsonBody(patterns): JsonBody<Patterns>,
) -> Result<StatusCode, Problem> {
    caller.check_administrator()?;
    check_pattern("configure", &patterns.configure)?;
    check_pattern("write", &patterns.write)?;
    check_pattern("read", &patterns.read)?;
    let permission = Permission {
        vhost,
        login,
        configure: patterns.configure,
        write: patterns.write,
        read: patterns.read,
    };
    let change = Change::PermissionSet(permission);
    caller.commit(&web, change).await
}

/// Take what an account may do in a virtual host by patterns
#[utoipa::path(delete, path = "/v1/vhosts/{vhost}/permissions/{login}", tag = "virtual hosts",
    params(("vhost" = String, Path, description = "The virtual host"), ("login" = String, Path, description = "The account")),
    responses(
        (status = 204, description = "What it owns and was granted is left to it"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn forbid(
    State(web): State<Web>,
    caller: Caller,
    InPath((vhost, login)): InPath<(String, String)>,
) -> Result<StatusCode, Problem> {
    caller.check_administrator()?;
    let accounts = web.gateway().engine().accounts();
    let mut known = accounts.permissions().into_iter();
    if !known.any(|one| one.vhost == vhost && one.login == login) {
        return Err(Problem::not_found(format!(
            "'{login}' has no permissions in the virtual host '{vhost}'"
        )));
    }
    let change = Change::PermissionCleared { vhost, login };
    caller.commit(&web, change).await
}

/// Say which routing keys an account may use with a topic
#[utoipa::path(put, path = "/v1/vhosts/{vhost}/topic-permissions/{login}/{topic}", tag = "virtual hosts",
    params(("vhost" = String, Path, description = "The virtual host"), ("login" = String, Path, description = "The account"),
        ("topic" = String, Path, description = "The topic")),
    request_body = KeyPatterns,
    responses(
        (status = 204, description = "These and no others"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn permit_topic(
    State(web): State<Web>,
    caller: Caller,
    InPath((vhost, login, exchange)): InPath<(String, String, String)>,
    JsonBody(patterns): JsonBody<KeyPatterns>,
) -> Result<StatusCode, Problem> {
    caller.check_administrator()?;
    check_pattern("write", &patterns.write)?;
    check_pattern("read", &patterns.read)?;
    let permission = TopicPermission {
        vhost,
        login,
        exchange,
        write: patterns.write,
        read: patterns.read,
    };
    let change = Change::TopicPermissionSet(permission);
    caller.commit(&web, change).await
}

/// Let an account use every routing key with a topic again
#[utoipa::path(delete, path = "/v1/vhosts/{vhost}/topic-permissions/{login}/{topic}", tag = "virtual hosts",
    params(("vhost" = String, Path, description = "The virtual host"), ("login" = String, Path, description = "The account"),
        ("topic" = String, Path, description = "The topic")),
    responses(
        (status = 204, description = "It is no more bound to some"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn free_topic(
    State(web): State<Web>,
    caller: Caller,
    InPath((vhost, login, topic)): InPath<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    caller.check_administrator()?;
    let accounts = web.gateway().engine().accounts();
    let mut known = accounts.topic_permissions().into_iter();
    if !known.any(|one| one.vhost == vhost && one.login == login && one.exchange == topic) {
        return Err(Problem::not_found(format!(
            "'{login}' may use every routing key with '{topic}' already"
        )));
    }
    let change = Change::TopicPermissionCleared {
        vhost,
        login,
        exchange: Some(topic),
    };
    caller.commit(&web, change).await
}
