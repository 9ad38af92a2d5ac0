//! What accounts may do in virtual hosts.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use directory::{Permission, TopicPermission};
use serde::{Deserialize, Serialize};

use super::body::{InPath, JsonBody};
use super::failure::Failure;
use super::view::View;
use super::visitor::Administrator;
use super::{Site, done};
use crate::admin::Request;

/// One account's patterns in one virtual host, in lists and definitions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PermissionRow {
    user: String,
    pub(super) vhost: String,
    #[serde(flatten)]
    patterns: Patterns,
}

/// Which names may be configured, written and read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Patterns {
    configure: String,
    write: String,
    read: String,
}

/// One account's patterns over the routing keys of one exchange, in lists and definitions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TopicRow {
    user: String,
    pub(super) vhost: String,
    #[serde(flatten)]
    patterns: TopicPatterns,
}

/// Which routing keys may be published and bound with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TopicPatterns {
    exchange: String,
    write: String,
    read: String,
}

impl PermissionRow {
    pub(super) fn of(permission: Permission) -> Self {
        Self {
            user: permission.login,
            vhost: permission.vhost,
            patterns: Patterns {
                configure: permission.configure,
                write: permission.write,
                read: permission.read,
            },
        }
    }

    /// The wish to have it so.
    pub(super) fn wish(self) -> Request {
        let Patterns {
            configure,
            write,
            read,
        } = self.patterns;
        Request::PermissionSet {
            login: self.user,
            vhost: self.vhost,
            configure,
            write,
            read,
        }
    }
}

impl TopicRow {
    pub(super) fn of(permission: TopicPermission) -> Self {
        Self {
            user: permission.login,
            vhost: permission.vhost,
            patterns: TopicPatterns {
                exchange: permission.exchange,
                write: permission.write,
                read: permission.read,
            },
        }
    }

    /// The wish to have it so.
    pub(super) fn wish(self) -> Request {
        let TopicPatterns {
            exchange,
            write,
            read,
        } = self.patterns;
        Request::TopicPermissionSet {
            login: self.user,
            vhost: self.vhost,
            exchange,
            write,
            read,
        }
    }
}

fn rows(site: &Site) -> impl Iterator<Item = PermissionRow> {
    let all = site.engine().accounts().permissions();
    all.into_iter().map(PermissionRow::of)
}

fn topic_rows(site: &Site) -> impl Iterator<Item = TopicRow> {
    let all = site.engine().accounts().topic_permissions();
    all.into_iter().map(TopicRow::of)
}

/// Refuses a path to an account or a virtual host that is missing.
fn check(site: &Site, vhost: Option<&str>, login: Option<&str>) -> Result<(), Failure> {
    let accounts = site.engine().accounts();
    let has_login = login.is_none_or(|login| accounts.account(login).is_some());
    if has_login && vhost.is_none_or(|vhost| site.engine().has_vhost(vhost)) {
        Ok(())
    } else {
        Err(Failure::no_object())
    }
}

pub(super) async fn list(
    State(site): State<Site>,
    _: Administrator,
    view: View,
) -> Result<Response, Failure> {
    view.all(rows(&site))
}

pub(super) async fn of_user(
    State(site): State<Site>,
    _: Administrator,
    InPath(login): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    check(&site, None, Some(&login))?;
    view.all(rows(&site).filter(|row| row.user == login))
}

pub(super) async fn of_vhost(
    State(site): State<Site>,
    _: Administrator,
    InPath(vhost): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    check(&site, Some(&vhost), None)?;
    view.all(rows(&site).filter(|row| row.vhost == vhost))
}

pub(super) async fn show(
    State(site): State<Site>,
    _: Administrator,
    InPath((vhost, login)): InPath<(String, String)>,
    view: View,
) -> Result<Response, Failure> {
    let found = rows(&site).find(|row| row.vhost == vhost && row.user == login);
    view.one(found.ok_or_else(Failure::no_object)?)
}

pub(super) async fn put(
    State(site): State<Site>,
    _: Administrator,
    InPath((vhost, user)): InPath<(String, String)>,
    JsonBody(patterns): JsonBody<Patterns>,
) -> Result<StatusCode, Failure> {
    check(&site, Some(&vhost), Some(&user))
        .map_err(|_| Failure::bad_request("vhost_or_user_not_found"))?;
    let is_new = !rows(&site).any(|row| row.vhost == vhost && row.user == user);
    let row = PermissionRow {
        user,
        vhost,
        patterns,
    };
    site.operate(row.wish()).await?;
    Ok(done(is_new))
}

pub(super) async fn delete(
    State(site): State<Site>,
    _: Administrator,
    InPath((vhost, login)): InPath<(String, String)>,
) -> Result<StatusCode, Failure> {
    if !rows(&site).any(|row| row.vhost == vhost && row.user == login) {
        return Err(Failure::no_object());
    }
    site.operate(Request::PermissionClear { login, vhost })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn topics(
    State(site): State<Site>,
    _: Administrator,
    view: View,
) -> Result<Response, Failure> {
    view.all(topic_rows(&site))
}

pub(super) async fn topics_of_user(
    State(site): State<Site>,
    _: Administrator,
    InPath(login): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    check(&site, None, Some(&login))?;
    view.all(topic_rows(&site).filter(|row| row.user == login))
}

pub(super) async fn topics_of_vhost(
    State(site): State<Site>,
    _: Administrator,
    InPath(vhost): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    check(&site, Some(&vhost), None)?;
    view.all(topic_rows(&site).filter(|row| row.vhost == vhost))
}

pub(super) async fn show_topics(
    State(site): State<Site>,
    _: Administrator,
    InPath((vhost, login)): InPath<(String, String)>,
    view: View,
) -> Result<Response, Failure> {
    check(&site, Some(&vhost), Some(&login))?;
    let of_both = topic_rows(&site).filter(|row| row.vhost == vhost && row.user == login);
    let found: Vec<_> = of_both.collect();
    if found.is_empty() {
        return Err(Failure::no_object());
    }
    view.all(found)
}

pub(super) async fn put_topic(
    State(site): State<Site>,
    _: Administrator,
    InPath((vhost, user)): InPath<(String, String)>,
    JsonBody(patterns): JsonBody<TopicPatterns>,
) -> Result<StatusCode, Failure> {
    check(&site, Some(&vhost), Some(&user))
        .map_err(|_| Failure::bad_request("vhost_or_user_not_found"))?;
    let mut known = topic_rows(&site).filter(|row| row.vhost == vhost && row.user == user);
    let is_new = !known.any(|row| row.patterns.exchange == patterns.exchange);
    drop(known);
    let row = TopicRow {
        user,
        vhost,
        patterns,
    };
    site.operate(row.wish()).await?;
    Ok(done(is_new))
}

pub(super) async fn delete_topics(
    State(site): State<Site>,
    _: Administrator,
    InPath((vhost, login)): InPath<(String, String)>,
) -> Result<StatusCode, Failure> {
    clear_topics(&site, vhost, login, None).await
}

pub(super) async fn delete_topic(
    State(site): State<Site>,
    _: Administrator,
    InPath((vhost, login, exchange)): InPath<(String, String, String)>,
) -> Result<StatusCode, Failure> {
    clear_topics(&site, vhost, login, Some(exchange)).await
}

async fn clear_topics(
    site: &Site,
    vhost: String,
    login: String,
    exchange: Option<String>,
) -> Result<StatusCode, Failure> {
    let mut known = topic_rows(site).filter(|row| row.vhost == vhost && row.user == login);
    let is_wanted = |row: TopicRow| {
        let wanted = exchange.as_deref();
        wanted.is_none_or(|exchange| row.patterns.exchange == exchange)
    };
    if !known.any(is_wanted) {
        return Err(Failure::no_object());
    }
    drop(known);
    site.operate(Request::TopicPermissionClear {
        login,
        vhost,
        exchange,
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
