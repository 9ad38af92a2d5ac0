//! Exchanges.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use broker::Request;
use broker::access::Resource;
use engine::ExchangeView;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::body::{InPath, JsonBody, flag, object, optional_flag};
use super::failure::Failure;
use super::view::View;
use super::visitor::{Sight, Visitor};
use super::{Site, done};
use crate::json::{map_of_table, table_of_json};

/// What paths call the default exchange, whose name is empty.
const DEFAULT: &str = "amq.default";

/// An exchange as it is shown.
#[derive(Debug, Serialize)]
struct ExchangeOut {
    name: String,
    vhost: String,
    #[serde(rename = "type")]
    kind: &'static str,
    durable: bool,
    auto_delete: bool,
    internal: bool,
    arguments: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    user_who_performed_action: String,
}

/// An exchange to be made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ExchangeWish {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(deserialize_with = "optional_flag")]
    durable: Option<bool>,
    #[serde(deserialize_with = "flag")]
    auto_delete: bool,
    #[serde(deserialize_with = "flag")]
    internal: bool,
    #[serde(deserialize_with = "object")]
    arguments: Map<String, Value>,
}

/// An exchange in definitions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ExchangeRow {
    pub(super) name: String,
    /// Missing in the definitions of one virtual host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) vhost: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "flag")]
    durable: bool,
    #[serde(default, deserialize_with = "flag")]
    auto_delete: bool,
    #[serde(default, deserialize_with = "flag")]
    internal: bool,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
}

/// When to delete an exchange.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DeleteParams {
    #[serde(rename = "if-unused")]
    if_unused: Option<String>,
}

impl ExchangeOut {
    fn of(view: ExchangeView) -> Self {
        let owner = view.owner.map(|owner| owner.to_string());
        Self {
            name: view.name.to_string(),
            vhost: view.vhost.to_string(),
            kind: view.kind.name(),
            durable: view.durable,
            auto_delete: view.auto_delete,
            internal: view.internal,
            arguments: map_of_table(&view.arguments).into(),
            policy: view.policy,
            user_who_performed_action: owner.unwrap_or_else(|| "rmq-internal".to_owned()),
        }
    }
}

impl ExchangeRow {
    /// An exchange that somebody declared; `None` for the broker's own.
    pub(super) fn of(view: &ExchangeView, has_vhost: bool) -> Option<Self> {
        if view.name.is_empty() || view.name.starts_with("amq.") {
            return None;
        }
        Some(Self {
            name: view.name.to_string(),
            vhost: has_vhost.then(|| view.vhost.to_string()),
            kind: view.kind.name().to_owned(),
            durable: view.durable,
            auto_delete: view.auto_delete,
            internal: view.internal,
            arguments: map_of_table(&view.arguments),
        })
    }

    /// The request that makes it.
    pub(super) fn declaration(&self) -> Result<Request, Failure> {
        let wish = ExchangeWish {
            kind: Some(self.kind.clone()),
            durable: Some(self.durable),
            auto_delete: self.auto_delete,
            internal: self.internal,
            arguments: self.arguments.clone(),
        };
        wish.declaration(self.name.clone())
    }
}

impl ExchangeWish {
    fn declaration(self, name: String) -> Result<Request, Failure> {
        Ok(Request::ExchangeDeclare {
            name,
            kind: self.kind.unwrap_or_else(|| "direct".to_owned()),
            passive: false,
            durable: self.durable.unwrap_or(false),
            auto_delete: self.auto_delete,
            internal: self.internal,
            arguments: table_of_json(&self.arguments).map_err(Failure::bad_request)?,
        })
    }
}

/// The exchange that a name in a path stands for.
pub(super) fn in_path(name: &str) -> &str {
    if name == DEFAULT { "" } else { name }
}

/// Every exchange that the visitor sees.
pub(super) fn seen(site: &Site, sights: &[(String, Sight)]) -> Vec<ExchangeView> {
    let of_host = |(vhost, sight): &(String, Sight)| {
        let mut views = site.engine().exchanges(Some(vhost));
        views.retain(|view| sight.shows(Resource::Exchange, &view.name, view.owner.as_deref()));
        views.sort_by(|one, other| one.name.cmp(&other.name));
        views
    };
    sights.iter().flat_map(of_host).collect()
}

/// Finds an exchange that the visitor sees.
pub(super) fn find(
    site: &Site,
    visitor: &Visitor,
    vhost: &str,
    name: &str,
) -> Result<ExchangeView, Failure> {
    let sights = visitor.sights(site, Some(vhost))?;
    let mut seen = seen(site, &sights).into_iter();
    seen.find(|view| *view.name == *in_path(name))
        .ok_or_else(Failure::no_object)
}

pub(super) async fn list(
    State(site): State<Site>,
    visitor: Visitor,
    view: View,
) -> Result<Response, Failure> {
    let sights = visitor.sights(&site, None)?;
    view.list(seen(&site, &sights).into_iter().map(ExchangeOut::of))
}

pub(super) async fn of_vhost(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(vhost): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    let sights = visitor.sights(&site, Some(&vhost))?;
    view.list(seen(&site, &sights).into_iter().map(ExchangeOut::of))
}

pub(super) async fn show(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
    view: View,
) -> Result<Response, Failure> {
    let found = find(&site, &visitor, &vhost, &name)?;
    view.one(ExchangeOut::of(found))
}

pub(super) async fn put(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
    JsonBody(wish): JsonBody<ExchangeWish>,
) -> Result<StatusCode, Failure> {
    visitor.sight_of(&site, &vhost)?;
    let is_new = find(&site, &visitor, &vhost, &name).is_err();
    let link = visitor.link(&site, &vhost).await?;
    let declaration = wish.declaration(in_path(&name).to_owned())?;
    link.request(declaration).await?;
    Ok(done(is_new))
}

pub(super) async fn delete(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
    Query(params): Query<DeleteParams>,
) -> Result<StatusCode, Failure> {
    let found = find(&site, &visitor, &vhost, &name)?;
    let request = Request::ExchangeDelete {
        name: found.name.to_string(),
        if_unused: params.if_unused.is_some_and(|text| text == "true"),
    };
    visitor.link(&site, &vhost).await?.request(request).await?;
    Ok(StatusCode::NO_CONTENT)
}
