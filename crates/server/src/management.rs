//! RabbitMQ's management interface, so that its tools work here: paths, JSON, status codes and rights are as in its version 3.10.
//!
//! It lists what the engine knows and commits an operator's changes. Whatever concerns queues, exchanges, bindings and messages goes
//! through a [`Link`](crate::gateway::Link) as the account that asks, so that the engine decides about it; an account's tags decide
//! about the rest. Figures that nobody counts here are left out. It must never invent one.
//!
//! Start reading at [`router`], then [`visitor`].

mod bindings;
mod body;
mod channels;
mod connections;
mod consumers;
mod definitions;
mod exchanges;
mod failure;
mod health;
mod messages;
mod overview;
mod permissions;
mod policies;
mod queues;
mod users;
mod vhosts;
mod view;
mod visitor;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::routing::{MethodRouter, delete, get, post, put};
use directory::Change;
use engine::Handle;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::admin::{self, Plan};
use crate::http::Web;
use failure::Failure;

/// The one node.
const NODE: &str = "chaski@localhost";
/// The version of RabbitMQ whose interface this is; tools choose by it what they ask for.
const COMPATIBLE_VERSION: &str = "3.10.8";

/// What is known of the server when it starts.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Its doors: name and address.
    pub(crate) listeners: Vec<(String, String)>,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Memory above which publishers wait.
    pub(crate) memory_high_bytes: u64,
    /// Free disk space below which publishers wait.
    pub(crate) disk_free_low_bytes: u64,
}

pub(crate) use vhosts::made_by;

/// What every handler may use; cheap to clone.
#[derive(Clone)]
struct Site(Arc<Shared>);

struct Shared {
    web: Web,
    facts: Facts,
    started_at_ms: u64,
}

impl Site {
    fn web(&self) -> &Web {
        &self.0.web
    }

    fn facts(&self) -> &Facts {
        &self.0.facts
    }

    fn engine(&self) -> &Handle {
        self.0.web.gateway().engine()
    }

    fn uptime_ms(&self) -> u64 {
        self.engine().now_ms().saturating_sub(self.0.started_at_ms)
    }

    /// The doors: name, IP address and port.
    fn listeners(&self) -> impl Iterator<Item = (&str, String, u16)> {
        self.0.facts.listeners.iter().filter_map(|(name, address)| {
            let address: std::net::SocketAddr = address.parse().ok()?;
            Some((name.as_str(), address.ip().to_string(), address.port()))
        })
    }

    /// Where a door is; its own name if it is none of this server's.
    fn address_of<'a>(&'a self, door: &'a str) -> &'a str {
        let mut listeners = self.0.facts.listeners.iter();
        listeners
            .find(|(name, _)| name == door)
            .map_or(door, |(_, address)| address)
    }

    fn policy_definition(&self, vhost: &str, name: &str) -> Option<serde_json::Value> {
        let policies = self.engine().policies();
        let found = policies
            .into_iter()
            .find(|policy| policy.vhost == vhost && policy.name == name)?;
        Some(policies::PolicyRow::of(found).definition())
    }

    /// Makes changes durable, all or none.
    async fn commit(&self, changes: Vec<Change>) -> Result<(), Failure> {
        if changes.is_empty() {
            return Ok(());
        }
        self.engine().commit(changes).await.map_err(Failure::from)
    }

    /// Carries out what an operator could ask of the command line.
    async fn operate(&self, request: admin::Request) -> Result<(), Failure> {
        let changes = engine::aside(move || changes_of(&request)).await?;
        self.commit(changes).await
    }
}

/// The changes that a request of an operator's leads to.
fn changes_of(request: &admin::Request) -> Result<Vec<Change>, Failure> {
    match admin::plan(request)? {
        Plan::Change(changes) => Ok(changes),
        Plan::Read(_) | Plan::Live => Ok(Vec::new()),
    }
}

/// The status of a PUT.
const fn done(is_new: bool) -> StatusCode {
    if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::NO_CONTENT
    }
}

/// Everything below `/api`.
pub(crate) fn router(web: Web, facts: Facts) -> Router {
    let started_at_ms = web.gateway().engine().now_ms();
    let site = Site(Arc::new(Shared {
        web,
        facts,
        started_at_ms,
    }));
    let mut router = Router::new();
    for routes in [server_routes, account_routes, object_routes, message_routes] {
        for (path, methods) in routes() {
            router = router.route(path, methods);
        }
    }
    let no_sniff = SetResponseHeaderLayer::overriding(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    router
        .fallback(|| async { Failure::no_object() })
        .method_not_allowed_fallback(|| async { Failure::no_such_method() })
        .layer(no_sniff)
        .with_state(site)
}

type Routes = Vec<(&'static str, MethodRouter<Site>)>;

fn server_routes() -> Routes {
    vec![
        ("/overview", get(overview::overview)),
        ("/cluster-name", get(overview::cluster_name)),
        ("/nodes", get(overview::nodes)),
        ("/nodes/{name}", get(overview::node)),
        ("/extensions", get(overview::extensions)),
        ("/auth", get(overview::auth)),
        ("/feature-flags", get(overview::feature_flags)),
        ("/rebalance/queues", post(overview::rebalance)),
        (
            "/definitions",
            get(definitions::export).post(definitions::import),
        ),
        (
            "/definitions/{vhost}",
            get(definitions::export_vhost).post(definitions::import_vhost),
        ),
        ("/healthchecks/node", get(health::alarms)),
        ("/health/checks/alarms", get(health::alarms)),
        ("/health/checks/local-alarms", get(health::alarms)),
        (
            "/health/checks/port-listener/{port}",
            get(health::port_listener),
        ),
        (
            "/health/checks/protocol-listener/{protocol}",
            get(health::protocol_listener),
        ),
        ("/health/checks/virtual-hosts", get(health::always)),
        (
            "/health/checks/node-is-mirror-sync-critical",
            get(health::single_node),
        ),
        (
            "/health/checks/node-is-quorum-critical",
            get(health::single_node),
        ),
        ("/aliveness-test/{vhost}", get(health::aliveness)),
    ]
}

fn account_routes() -> Routes {
    vec![
        ("/whoami", get(users::whoami)),
        ("/users", get(users::list)),
        (
            "/users/without-permissions",
            get(users::without_permissions),
        ),
        ("/users/bulk-delete", post(users::delete_many)),
        (
            "/users/{user}",
            get(users::show).put(users::put).delete(users::delete),
        ),
        ("/users/{user}/permissions", get(permissions::of_user)),
        (
            "/users/{user}/topic-permissions",
            get(permissions::topics_of_user),
        ),
        ("/vhosts", get(vhosts::list)),
        (
            "/vhosts/{vhost}",
            get(vhosts::show).put(vhosts::put).delete(vhosts::delete),
        ),
        ("/vhosts/{vhost}/permissions", get(permissions::of_vhost)),
        (
            "/vhosts/{vhost}/topic-permissions",
            get(permissions::topics_of_vhost),
        ),
        ("/vhosts/{vhost}/connections", get(connections::of_vhost)),
        ("/vhosts/{vhost}/channels", get(channels::of_vhost)),
        ("/permissions", get(permissions::list)),
        (
            "/permissions/{vhost}/{user}",
            get(permissions::show)
                .put(permissions::put)
                .delete(permissions::delete),
        ),
        ("/topic-permissions", get(permissions::topics)),
        (
            "/topic-permissions/{vhost}/{user}",
            get(permissions::show_topics)
                .put(permissions::put_topic)
                .delete(permissions::delete_topics),
        ),
        (
            "/topic-permissions/{vhost}/{user}/{exchange}",
            delete(permissions::delete_topic),
        ),
        ("/policies", get(policies::list)),
        ("/policies/{vhost}", get(policies::of_vhost)),
        (
            "/policies/{vhost}/{name}",
            get(policies::show)
                .put(policies::put)
                .delete(policies::delete),
        ),
        ("/operator-policies", get(policies::no_operator_policies)),
        (
            "/operator-policies/{vhost}",
            get(policies::no_operator_policies),
        ),
        ("/operator-policies/{vhost}/{name}", put(policies::refuse)),
        ("/parameters", get(policies::no_parameters)),
        ("/parameters/{component}", get(policies::no_parameters)),
        (
            "/parameters/{component}/{vhost}",
            get(policies::no_parameters),
        ),
        (
            "/parameters/{component}/{vhost}/{name}",
            put(policies::refuse),
        ),
        ("/global-parameters", get(policies::no_parameters)),
        ("/vhost-limits", get(policies::no_limits)),
        ("/user-limits", get(policies::no_limits)),
    ]
}

fn object_routes() -> Routes {
    let one_binding = || get(bindings::show).delete(bindings::delete);
    vec![
        ("/exchanges", get(exchanges::list)),
        ("/exchanges/{vhost}", get(exchanges::of_vhost)),
        (
            "/exchanges/{vhost}/{name}",
            get(exchanges::show)
                .put(exchanges::put)
                .delete(exchanges::delete),
        ),
        (
            "/exchanges/{vhost}/{name}/bindings/source",
            get(bindings::from_exchange),
        ),
        (
            "/exchanges/{vhost}/{name}/bindings/destination",
            get(bindings::to_exchange),
        ),
        ("/queues", get(queues::list)),
        ("/queues/{vhost}", get(queues::of_vhost)),
        (
            "/queues/{vhost}/{name}",
            get(queues::show).put(queues::put).delete(queues::delete),
        ),
        ("/queues/{vhost}/{name}/bindings", get(bindings::of_queue)),
        ("/queues/{vhost}/{name}/contents", delete(queues::purge)),
        ("/queues/{vhost}/{name}/actions", post(queues::act)),
        ("/bindings", get(bindings::list)),
        ("/bindings/{vhost}", get(bindings::of_vhost)),
        (
            "/bindings/{vhost}/e/{source}/{kind}/{destination}",
            get(bindings::between).post(bindings::create),
        ),
        (
            "/bindings/{vhost}/e/{source}/{kind}/{destination}/{properties}",
            one_binding(),
        ),
    ]
}

fn message_routes() -> Routes {
    vec![
        ("/exchanges/{vhost}/{name}/publish", post(messages::publish)),
        ("/queues/{vhost}/{name}/get", post(messages::take)),
        ("/connections", get(connections::list)),
        (
            "/connections/{name}",
            get(connections::show).delete(connections::close),
        ),
        (
            "/connections/username/{user}",
            get(connections::of_user).delete(connections::close_of_user),
        ),
        ("/connections/{name}/channels", get(channels::of_connection)),
        ("/channels", get(channels::list)),
        ("/channels/{name}", get(channels::show)),
        ("/consumers", get(consumers::list)),
        ("/consumers/{vhost}", get(consumers::of_vhost)),
    ]
}
