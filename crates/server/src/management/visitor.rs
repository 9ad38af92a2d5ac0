//! Who asks, and what the tags of an account let it see and do.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use broker::access::{Access, Office, Pattern, Resource};

use super::Site;
use super::failure::Failure;
use crate::gateway::Link;
use crate::http::Caller;

/// The tags that let an account in, the least first.
const MANAGEMENT: &str = "management";
const POLICYMAKER: &str = "policymaker";
const MONITORING: &str = "monitoring";
const ADMINISTRATOR: &str = "administrator";

/// An account that the management interface lets in.
pub(super) struct Visitor {
    caller: Caller,
    tags: Vec<String>,
}

/// One that may read everything.
pub(super) struct Monitor;

/// One that may change policies.
pub(super) struct PolicyMaker(pub(super) Visitor);

/// One that may change accounts, virtual hosts and rights.
pub(super) struct Administrator(pub(super) Visitor);

impl FromRequestParts<Site> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, site.web())
            .await
            .map_err(|problem| Failure::login(problem.into_response().status()))?;
        let account = site.engine().accounts().account(&caller.login.name);
        let tags = account.map(|account| account.tags).unwrap_or_default();
        let visitor = Self { caller, tags };
        if !visitor.has_any(&[MANAGEMENT, POLICYMAKER, MONITORING, ADMINISTRATOR]) {
            return Err(Failure::not_authorised("Not management user"));
        }
        Ok(visitor)
    }
}

impl FromRequestParts<Site> for Monitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Failure> {
        let visitor = Visitor::from_request_parts(parts, site).await?;
        if !visitor.is_monitor() {
            return Err(Failure::not_authorised("Not monitor user"));
        }
        Ok(Self)
    }
}

impl FromRequestParts<Site> for PolicyMaker {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Failure> {
        let visitor = Visitor::from_request_parts(parts, site).await?;
        if !visitor.has_any(&[POLICYMAKER, ADMINISTRATOR]) {
            let reason = "User not authorised to access object";
            return Err(Failure::not_authorised(reason));
        }
        Ok(Self(visitor))
    }
}

impl FromRequestParts<Site> for Administrator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Failure> {
        let visitor = Visitor::from_request_parts(parts, site).await?;
        if !visitor.is_administrator() {
            return Err(Failure::not_authorised("Not administrator user"));
        }
        Ok(Self(visitor))
    }
}

impl Visitor {
    pub(super) fn login(&self) -> &str {
        &self.caller.login.name
    }

    pub(super) fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Says whether the account may read what belongs to others.
    pub(super) fn is_monitor(&self) -> bool {
        self.has_any(&[MONITORING, ADMINISTRATOR])
    }

    /// Says whether the account may change what belongs to others.
    pub(super) fn is_administrator(&self) -> bool {
        self.has_any(&[ADMINISTRATOR])
    }

    fn has_any(&self, wanted: &[&str]) -> bool {
        self.tags.iter().any(|tag| wanted.contains(&&**tag))
    }

    /// What the account sees of a virtual host; `None` when it sees nothing of it.
    pub(super) fn sight(&self, site: &Site, vhost: &str) -> Option<Sight> {
        if !site.engine().has_vhost(vhost) {
            return None;
        }
        if self.is_monitor() {
            return Some(Sight(Arc::new(everything(self.login(), vhost))));
        }
        let accounts = site.engine().accounts();
        accounts.access(&self.caller.login, vhost).map(Sight)
    }

    /// What the account sees of a virtual host that a path names.
    pub(super) fn sight_of(&self, site: &Site, vhost: &str) -> Result<Sight, Failure> {
        self.sight(site, vhost).ok_or_else(|| {
            // Only whoever sees all of them is told that there is none.
            if self.is_monitor() {
                Failure::no_object()
            } else {
                Failure::not_authorised("User not authorised to access virtual host")
            }
        })
    }

    /// What the account sees of every virtual host of which it sees anything, or of one.
    pub(super) fn sights(
        &self,
        site: &Site,
        vhost: Option<&str>,
    ) -> Result<Vec<(String, Sight)>, Failure> {
        if let Some(vhost) = vhost {
            return Ok(vec![(vhost.to_owned(), self.sight_of(site, vhost)?)]);
        }
        let mut hosts = site.engine().vhosts();
        hosts.sort();
        let sights = hosts.iter().filter_map(|host| {
            let sight = self.sight(site, host)?;
            Some((host.to_string(), sight))
        });
        Ok(sights.collect())
    }

    /// The account's own way into a virtual host: what it does there is for the engine to decide.
    pub(super) async fn link(&self, site: &Site, vhost: &str) -> Result<Link, Failure> {
        let link = self.caller.open_link(site.web(), vhost).await;
        link.map_err(Failure::from)
    }
}

/// What may be shown of a virtual host. It is for listings alone, and opens nothing.
pub(super) struct Sight(Arc<Access>);

impl Sight {
    pub(super) fn access(&self) -> &Access {
        &self.0
    }

    pub(super) fn shows(&self, resource: Resource, name: &str, owner: Option<&str>) -> bool {
        self.0.check_any(resource, name, owner).is_ok()
    }
}

fn everything(login: &str, vhost: &str) -> Access {
    let all = Pattern::compile(".*").unwrap_or(Pattern::NOTHING);
    Access {
        login: login.into(),
        vhost: vhost.into(),
        configure: all.clone(),
        write: all.clone(),
        read: all,
        topics: Vec::new(),
        impersonator: false,
        is_member: false,
        grants: Arc::default(),
        key: None,
        office: Office::Administrator,
    }
}
