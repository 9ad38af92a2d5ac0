//! Bindings. A path names one by its ends and a key made of its routing key and a digest of its arguments.

use std::collections::HashSet;
use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker::access::Resource;
use broker::topology::BindingView;
use broker::{Name, Request};
use codec::amqp::field::Table;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::body::{InPath, JsonBody, object};
use super::exchanges::{self, in_path};
use super::failure::Failure;
use super::view::View;
use super::visitor::{Sight, Visitor};
use super::{Site, queues};
use crate::json::{map_of_table, table_of_json};

/// A binding as it is shown.
#[derive(Debug, Serialize)]
struct BindingOut {
    #[serde(flatten)]
    row: BindingRow,
    properties_key: String,
}

/// A binding in definitions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BindingRow {
    pub(super) source: String,
    /// Missing in the definitions of one virtual host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) vhost: Option<String>,
    pub(super) destination: String,
    destination_type: Destination,
    #[serde(default)]
    routing_key: String,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
}

/// What a binding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Destination {
    Queue,
    Exchange,
}

/// A binding to be made between the ends in the path.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BindingWish {
    routing_key: String,
    #[serde(deserialize_with = "object")]
    arguments: Map<String, Value>,
}

/// The ends of bindings, as a path names them.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ends {
    vhost: String,
    source: String,
    /// `q` or `e`.
    kind: String,
    destination: String,
}

/// One binding, as a path names it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Named {
    #[serde(flatten)]
    ends: Ends,
    properties: String,
}

impl BindingRow {
    pub(super) fn of(view: &BindingView, has_vhost: bool) -> Self {
        Self {
            source: view.source.to_string(),
            vhost: has_vhost.then(|| view.vhost.to_string()),
            destination: view.destination.to_string(),
            destination_type: if view.to_exchange {
                Destination::Exchange
            } else {
                Destination::Queue
            },
            routing_key: view.routing_key.to_string(),
            arguments: map_of_table(&view.arguments),
        }
    }

    /// The request that makes it.
    pub(super) fn declaration(&self) -> Result<Request, Failure> {
        Ok(Request::Bind {
            unbind: false,
            source: self.source.clone(),
            destination: self.destination.clone(),
            to_exchange: self.destination_type == Destination::Exchange,
            routing_key: self.routing_key.clone(),
            arguments: table_of_json(&self.arguments).map_err(Failure::bad_request)?,
        })
    }
}

impl BindingOut {
    fn of(view: &BindingView) -> Self {
        Self {
            row: BindingRow::of(view, true),
            properties_key: properties_key(&view.routing_key, &view.arguments),
        }
    }
}

impl Ends {
    fn to_exchange(&self) -> Result<bool, Failure> {
        match self.kind.as_str() {
            "q" => Ok(false),
            "e" => Ok(true),
            _ => Err(Failure::no_object()),
        }
    }

    /// The bindings between the ends that the visitor sees; an error unless both ends are there.
    async fn between(&self, site: &Site, visitor: &Visitor) -> Result<Vec<BindingView>, Failure> {
        let to_exchange = self.to_exchange()?;
        let sight = visitor.sight_of(site, &self.vhost)?;
        exchanges::find(site, visitor, &self.vhost, &self.source)?;
        if to_exchange {
            exchanges::find(site, visitor, &self.vhost, &self.destination)?;
        } else {
            queues::find(site, &sight, &self.destination).await?;
        }
        let destination = if to_exchange {
            in_path(&self.destination)
        } else {
            &self.destination
        };
        let mut bindings = site.engine().bindings(Some(&self.vhost));
        bindings.retain(|view| {
            view.to_exchange == to_exchange
                && *view.source == *in_path(&self.source)
                && *view.destination == *destination
        });
        Ok(bindings)
    }
}

/// Names a binding between two ends: its routing key, quoted, and a digest of its arguments if it has any.
fn properties_key(routing_key: &str, arguments: &Table) -> String {
    let has_arguments = arguments.iter().next().is_some();
    if routing_key.is_empty() && !has_arguments {
        return "~".to_owned();
    }
    let mut key = quote(routing_key);
    if has_arguments {
        key.push('~');
        key.push_str(&digest(arguments));
    }
    key
}

fn quote(text: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                quoted.push(char::from(byte));
            }
            b' ' => quoted.push('+'),
            other => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "%{other:02X}");
            }
        }
    }
    quoted
}

/// FNV-1a: it names, and proves nothing.
fn digest(arguments: &Table) -> String {
    let hash = arguments
        .to_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    URL_SAFE_NO_PAD.encode(hash.to_be_bytes())
}

/// Says whether a path means this binding. Clients that quote once what RabbitMQ wants quoted twice are understood, too.
fn is_named(view: &BindingView, properties: &str) -> bool {
    let is_plain = view.arguments.iter().next().is_none();
    properties == properties_key(&view.routing_key, &view.arguments)
        || (is_plain && properties == &*view.routing_key)
}

/// Every binding that the visitor sees: whoever sees both of its ends.
pub(super) async fn seen(
    site: &Site,
    visitor: &Visitor,
    sights: &[(String, Sight)],
) -> Vec<BindingView> {
    let mut seen = Vec::new();
    for (vhost, sight) in sights {
        let mut bindings = site.engine().bindings(Some(vhost));
        if !visitor.is_monitor() {
            retain_seen(site, vhost, sight, &mut bindings).await;
        }
        seen.extend(bindings);
    }
    seen
}

async fn retain_seen(site: &Site, vhost: &str, sight: &Sight, bindings: &mut Vec<BindingView>) {
    let engine = site.engine();
    let queues = engine.queues_seen_by(sight.access(), |_| true, usize::MAX);
    let queues: HashSet<Name> = queues.await.into_iter().map(|queue| queue.name).collect();
    let exchanges: HashSet<Name> = engine
        .exchanges(Some(vhost))
        .into_iter()
        .filter(|view| sight.shows(Resource::Exchange, &view.name, view.owner.as_deref()))
        .map(|view| view.name)
        .collect();
    bindings.retain(|view| {
        let ends = if view.to_exchange {
            &exchanges
        } else {
            &queues
        };
        // The default exchange's bindings are the queues themselves.
        let has_source = view.source.is_empty() || exchanges.contains(&view.source);
        has_source && ends.contains(&view.destination)
    });
}

fn shown(view: &View, bindings: &[BindingView]) -> Result<Response, Failure> {
    view.list(bindings.iter().map(BindingOut::of))
}

pub(super) async fn list(
    State(site): State<Site>,
    visitor: Visitor,
    view: View,
) -> Result<Response, Failure> {
    let sights = visitor.sights(&site, None)?;
    shown(&view, &seen(&site, &visitor, &sights).await)
}

pub(super) async fn of_vhost(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(vhost): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    let sights = visitor.sights(&site, Some(&vhost))?;
    shown(&view, &seen(&site, &visitor, &sights).await)
}

pub(super) async fn of_queue(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, queue)): InPath<(String, String)>,
    view: View,
) -> Result<Response, Failure> {
    let sights = visitor.sights(&site, Some(&vhost))?;
    for (_, sight) in &sights {
        queues::find(&site, sight, &queue).await?;
    }
    let mut bindings = seen(&site, &visitor, &sights).await;
    bindings.retain(|binding| !binding.to_exchange && *binding.destination == *queue);
    shown(&view, &bindings)
}

pub(super) async fn from_exchange(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
    view: View,
) -> Result<Response, Failure> {
    let exchange = exchanges::find(&site, &visitor, &vhost, &name)?;
    let sights = visitor.sights(&site, Some(&vhost))?;
    let mut bindings = seen(&site, &visitor, &sights).await;
    bindings.retain(|binding| binding.source == exchange.name);
    shown(&view, &bindings)
}

pub(super) async fn to_exchange(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
    view: View,
) -> Result<Response, Failure> {
    let exchange = exchanges::find(&site, &visitor, &vhost, &name)?;
    let sights = visitor.sights(&site, Some(&vhost))?;
    let mut bindings = seen(&site, &visitor, &sights).await;
    bindings.retain(|binding| binding.to_exchange && binding.destination == exchange.name);
    shown(&view, &bindings)
}

pub(super) async fn between(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(ends): InPath<Ends>,
    view: View,
) -> Result<Response, Failure> {
    shown(&view, &ends.between(&site, &visitor).await?)
}

pub(super) async fn show(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(named): InPath<Named>,
    view: View,
) -> Result<Response, Failure> {
    let bindings = named.ends.between(&site, &visitor).await?;
    let mut bindings = bindings.iter();
    let found = bindings.find(|binding| is_named(binding, &named.properties));
    view.one(BindingOut::of(found.ok_or_else(Failure::no_object)?))
}

pub(super) async fn create(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(ends): InPath<Ends>,
    JsonBody(wish): JsonBody<BindingWish>,
) -> Result<Response, Failure> {
    let to_exchange = ends.to_exchange()?;
    visitor.sight_of(&site, &ends.vhost)?;
    let arguments = table_of_json(&wish.arguments).map_err(Failure::bad_request)?;
    let key = properties_key(&wish.routing_key, &arguments);
    let request = Request::Bind {
        unbind: false,
        source: in_path(&ends.source).to_owned(),
        destination: ends.destination.clone(),
        to_exchange,
        routing_key: wish.routing_key,
        arguments,
    };
    let link = visitor.link(&site, &ends.vhost).await?;
    link.request(request).await?;
    let place = format!("{}/{}", quote(&ends.destination), key.replace('%', "%25"));
    let mut response = StatusCode::CREATED.into_response();
    if let Ok(place) = HeaderValue::try_from(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

pub(super) async fn delete(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(named): InPath<Named>,
) -> Result<StatusCode, Failure> {
    let bindings = named.ends.between(&site, &visitor).await?;
    let mut bindings = bindings.into_iter();
    let found = bindings
        .find(|binding| is_named(binding, &named.properties))
        .ok_or_else(Failure::no_object)?;
    let request = Request::Bind {
        unbind: true,
        source: found.source.to_string(),
        destination: found.destination.to_string(),
        to_exchange: found.to_exchange,
        routing_key: found.routing_key.to_string(),
        arguments: found.arguments,
    };
    let link = visitor.link(&site, &named.ends.vhost).await?;
    link.request(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests;
