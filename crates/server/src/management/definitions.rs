//! Definitions: what exists and who may do what, in one JSON document that this server and RabbitMQ's tools write and read.
//!
//! An import reads everything first and refuses what it cannot use. Then accounts, virtual hosts, rights and policies are committed
//! together; exchanges, queues and bindings follow, declared as the account that imports. What is there already in the same form stays.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use directory::{Account, Change};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bindings::{self, BindingRow};
use super::body::{self, InPath};
use super::exchanges::{self, ExchangeRow};
use super::failure::Failure;
use super::permissions::{PermissionRow, TopicRow};
use super::policies::PolicyRow;
use super::queues::{self, QueueRow};
use super::users::{UserIn, UserOut};
use super::vhosts::{self, VhostRow};
use super::view::View;
use super::visitor::{Administrator, Visitor};
use super::{COMPATIBLE_VERSION, Site, changes_of};
use crate::gateway::Link;

/// The greatest document.
const BYTES_MAX: usize = 32 << 20;
/// Declarations under way at once, so that they share the directory's transactions.
const DECLARATIONS_AT_ONCE: usize = 64;

/// What is exported.
#[derive(Serialize)]
struct Export {
    rabbit_version: &'static str,
    rabbitmq_version: &'static str,
    product_name: &'static str,
    product_version: &'static str,
    #[serde(flatten)]
    whole: Option<ExportedAccounts>,
    parameters: [Value; 0],
    policies: Vec<PolicyRow>,
    queues: Vec<QueueRow>,
    exchanges: Vec<ExchangeRow>,
    bindings: Vec<BindingRow>,
}

/// What of an export belongs to no virtual host alone.
#[derive(Serialize)]
struct ExportedAccounts {
    users: Vec<UserOut>,
    vhosts: Vec<VhostRow>,
    permissions: Vec<PermissionRow>,
    topic_permissions: Vec<TopicRow>,
    global_parameters: [Value; 0],
}

/// What is imported; members that nobody here knows are passed over.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Import {
    users: Vec<UserIn>,
    vhosts: Vec<VhostRow>,
    permissions: Vec<PermissionRow>,
    topic_permissions: Vec<TopicRow>,
    policies: Vec<PolicyRow>,
    queues: Vec<QueueRow>,
    exchanges: Vec<ExchangeRow>,
    bindings: Vec<BindingRow>,
}

/// A declaration and what to call it when it is refused.
struct Declaration {
    vhost: String,
    what: String,
    request: broker::Request,
}

impl Export {
    async fn of(site: &Site, visitor: &Visitor, vhost: Option<&str>) -> Result<Self, Failure> {
        let sights = visitor.sights(site, vhost)?;
        let is_whole = vhost.is_none();
        let exchanges = exchanges::seen(site, &sights);
        let queues = queues::seen(site, &sights).await;
        let bindings = bindings::seen(site, visitor, &sights).await;
        // What goes with its connection cannot be made again; the default exchange's bindings are the queues themselves.
        let is_lasting = |name: &str| {
            queues
                .iter()
                .all(|queue| !queue.exclusive || *queue.name != *name)
        };
        let policies = site.engine().policies().into_iter();
        Ok(Self {
            rabbit_version: COMPATIBLE_VERSION,
            rabbitmq_version: COMPATIBLE_VERSION,
            product_name: "Chaski",
            product_version: env!("CARGO_PKG_VERSION"),
            whole: is_whole.then(|| ExportedAccounts::of(site)),
            parameters: [],
            policies: policies
                .filter(|policy| vhost.is_none_or(|vhost| policy.vhost == vhost))
                .map(PolicyRow::of)
                .collect(),
            bindings: bindings
                .iter()
                .filter(|view| !view.source.is_empty())
                .filter(|view| view.to_exchange || is_lasting(&view.destination))
                .map(|view| BindingRow::of(view, is_whole))
                .collect(),
            queues: queues
                .iter()
                // Partitions are made with the queue that they are of.
                .filter(|view| !view.exclusive && view.partition_of.is_none())
                .map(|view| QueueRow::of(view, is_whole))
                .collect(),
            exchanges: exchanges
                .iter()
                .filter_map(|view| ExchangeRow::of(view, is_whole))
                .collect(),
        })
    }
}

impl ExportedAccounts {
    fn of(site: &Site) -> Self {
        let accounts = site.engine().accounts();
        let vhosts = site.engine().vhosts().into_iter();
        let permissions = accounts.permissions().into_iter();
        let topics = accounts.topic_permissions().into_iter();
        Self {
            users: accounts.all().iter().map(UserOut::of).collect(),
            vhosts: vhosts
                .map(|name| VhostRow {
                    name: name.to_string(),
                })
                .collect(),
            permissions: permissions.map(PermissionRow::of).collect(),
            topic_permissions: topics.map(TopicRow::of).collect(),
            global_parameters: [],
        }
    }
}

impl Import {
    /// The changes to accounts, virtual hosts, rights and policies. It hashes passwords: not on a thread that has others to serve.
    fn changes(&self, known: &Known, vhost: Option<&str>) -> Result<Vec<Change>, Failure> {
        let mut changes = Vec::new();
        let mut made = Vec::new();
        for row in &self.vhosts {
            if !known.vhosts.contains(&row.name) && !made.contains(&row.name) {
                changes.extend(vhosts::made_by(&known.importer, row.name.clone()));
                made.push(row.name.clone());
            }
        }
        for row in &self.users {
            let account = known.accounts.iter().find(|one| one.login == row.name);
            let wish = row.wish.clone();
            let of_row = wish.changes(&row.name, account, known.now_ms);
            changes.extend(of_row.map_err(|failure| failure.of(&format!("user '{}'", row.name)))?);
        }
        let rights = self.permissions.iter().map(|row| row.clone().wish());
        let topics = self.topic_permissions.iter().map(|row| row.clone().wish());
        for request in rights.chain(topics) {
            changes.extend(changes_of(&request)?);
        }
        for row in &self.policies {
            let of = |failure: Failure| failure.of(&format!("policy '{}'", row.name));
            let vhost = place(row.vhost.as_deref(), vhost).map_err(of)?;
            let request = row.clone().wish(vhost).map_err(of)?;
            changes.extend(changes_of(&request).map_err(of)?);
        }
        Ok(changes)
    }

    /// The declarations: each step needs what the one before it made.
    fn declarations(&self, vhost: Option<&str>) -> Result<[Vec<Declaration>; 2], Failure> {
        let exchanges = self.exchanges.iter().map(|row| {
            let what = format!("exchange '{}'", row.name);
            Declaration::new(row.vhost.as_deref(), vhost, what, row.declaration())
        });
        let queues = self.queues.iter().map(|row| {
            let what = format!("queue '{}'", row.name);
            Declaration::new(row.vhost.as_deref(), vhost, what, row.declaration())
        });
        let bindings = self.bindings.iter().map(|row| {
            let what = format!("binding of '{}' to '{}'", row.destination, row.source);
            Declaration::new(row.vhost.as_deref(), vhost, what, row.declaration())
        });
        Ok([
            exchanges.chain(queues).collect::<Result<_, _>>()?,
            bindings.collect::<Result<_, _>>()?,
        ])
    }
}

impl Declaration {
    fn new(
        own: Option<&str>,
        common: Option<&str>,
        what: String,
        request: Result<broker::Request, Failure>,
    ) -> Result<Self, Failure> {
        let vhost = place(own, common).map_err(|failure| failure.of(&what))?;
        let request = request.map_err(|failure| failure.of(&what))?;
        Ok(Self {
            vhost,
            what,
            request,
        })
    }
}

/// The virtual host of an entry: the document's only one, or its own.
fn place(own: Option<&str>, common: Option<&str>) -> Result<String, Failure> {
    common
        .or(own)
        .map(str::to_owned)
        .ok_or_else(|| Failure::bad_request("key_missing: vhost"))
}

/// What there is before an import.
struct Known {
    importer: String,
    accounts: Vec<Account>,
    vhosts: Vec<String>,
    now_ms: u64,
}

pub(super) async fn export(
    State(site): State<Site>,
    Administrator(visitor): Administrator,
    view: View,
) -> Result<Response, Failure> {
    view.one(Export::of(&site, &visitor, None).await?)
}

pub(super) async fn export_vhost(
    State(site): State<Site>,
    Administrator(visitor): Administrator,
    InPath(vhost): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    view.one(Export::of(&site, &visitor, Some(&vhost)).await?)
}

pub(super) async fn import(
    State(site): State<Site>,
    Administrator(visitor): Administrator,
    request: Request,
) -> Result<StatusCode, Failure> {
    take_over(&site, &visitor, None, request).await
}

pub(super) async fn import_vhost(
    State(site): State<Site>,
    Administrator(visitor): Administrator,
    InPath(vhost): InPath<String>,
    request: Request,
) -> Result<StatusCode, Failure> {
    if !site.engine().has_vhost(&vhost) {
        return Err(Failure::not_found("vhost_not_found"));
    }
    take_over(&site, &visitor, Some(vhost), request).await
}

async fn take_over(
    site: &Site,
    visitor: &Visitor,
    vhost: Option<String>,
    request: Request,
) -> Result<StatusCode, Failure> {
    let bytes = body::read(request, BYTES_MAX).await?;
    let engine = site.engine();
    let known = Known {
        importer: visitor.login().to_owned(),
        accounts: engine.accounts().all(),
        vhosts: engine.vhosts().iter().map(ToString::to_string).collect(),
        now_ms: engine.now_ms(),
    };
    let read = move || {
        let mut import: Import = body::parse(&bytes)?;
        if vhost.is_some() {
            // Of one virtual host, only what lies in it.
            import.users.clear();
            import.vhosts.clear();
            import.permissions.clear();
            import.topic_permissions.clear();
        }
        let changes = import.changes(&known, vhost.as_deref())?;
        Ok::<_, Failure>((changes, import.declarations(vhost.as_deref())?))
    };
    let (changes, declarations) = engine::aside(read).await?;
    site.commit(changes)
        .await
        .map_err(Failure::into_bad_request)?;
    for step in declarations {
        declare(site, visitor, step).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn declare(
    site: &Site,
    visitor: &Visitor,
    declarations: Vec<Declaration>,
) -> Result<(), Failure> {
    let mut links: Vec<(String, Link)> = Vec::new();
    for declaration in &declarations {
        let vhost = &declaration.vhost;
        if !links.iter().any(|(known, _)| known == vhost) {
            if !site.engine().has_vhost(vhost) {
                let reason = format!("{}: no_such_vhost '{vhost}'", declaration.what);
                return Err(Failure::bad_request(reason));
            }
            let link = visitor.link(site, vhost).await;
            let link = link.map_err(|failure| failure.of(&declaration.what))?;
            links.push((vhost.clone(), link));
        }
    }
    let links = &links;
    let made = declarations.into_iter().map(|declaration| async move {
        let Declaration {
            vhost,
            what,
            request,
        } = declaration;
        let link = links.iter().find(|(known, _)| *known == vhost);
        if let Some((_, link)) = link {
            let outcome = link.request(request).await;
            outcome.map_err(|refusal| Failure::from(refusal).into_bad_request().of(&what))?;
        }
        Ok(())
    });
    futures_util::stream::iter(made)
        .buffered(DECLARATIONS_AT_ONCE)
        .try_collect()
        .await
}

#[cfg(test)]
mod tests;
