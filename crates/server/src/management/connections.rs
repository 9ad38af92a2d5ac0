//! Connections: listed, and closed.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::ConnectionView;
use serde::Serialize;
use serde_json::{Map, Value};

use super::body::InPath;
use super::failure::Failure;
use super::view::View;
use super::visitor::Visitor;
use super::{NODE, Site};

/// The header that says why a connection is closed.
const REASON: &str = "x-reason";
/// What clients are told otherwise.
const REASON_DEFAULT: &str = "Closed via management plugin";
/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 200;

/// A connection as it is shown.
#[derive(Debug, Serialize)]
struct ConnectionOut {
    name: String,
    user: String,
    vhost: String,
    node: &'static str,
    protocol: String,
    #[serde(rename = "type")]
    kind: &'static str,
    state: &'static str,
    channels: u32,
    ssl: bool,
    #[serde(flatten)]
    peer: PeerOut,
    host: String,
    port: u16,
    connected_at: u64,
    client_properties: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_provided_name: Option<String>,
    user_who_performed_action: String,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PeerOut {
    peer_host: String,
    peer_port: u16,
}

impl ConnectionOut {
    fn of(site: &Site, view: &ConnectionView) -> Self {
        let info = &view.info;
        let (host, port) = split(site.address_of(info.protocol));
        let is_blocked = site.engine().alarms().is_raised();
        let properties = [("product", &info.client), ("connection_name", &info.name)];
        let properties = properties
            .into_iter()
            .filter_map(|(key, text)| Some((key.to_owned(), Value::from(text.clone()?))));
        Self {
            name: name(site, view),
            user: info.login.to_string(),
            vhost: info.vhost.to_string(),
            node: NODE,
            protocol: match info.protocol {
                "amqp" | "amqps" => "AMQP 0-9-1".to_owned(),
                door => door.to_owned(),
            },
            kind: "network",
            state: if is_blocked { "blocking" } else { "running" },
            channels: info.channels.load(Ordering::Relaxed),
            ssl: info.protocol.ends_with('s'),
            peer: PeerOut::of(view),
            host,
            port,
            connected_at: info.connected_at_ms,
            client_properties: properties.collect(),
            user_provided_name: info.name.clone(),
            user_who_performed_action: info.login.to_string(),
        }
    }
}

impl PeerOut {
    pub(super) fn of(view: &ConnectionView) -> Self {
        let (peer_host, peer_port) = split(&view.info.peer);
        Self {
            peer_host,
            peer_port,
        }
    }
}

/// Names a connection by both its ends. Several of HTTP's may share them, so these have their number, too.
pub(super) fn name(site: &Site, view: &ConnectionView) -> String {
    let info = &view.info;
    let ends = format!("{} -> {}", info.peer, site.address_of(info.protocol));
    match info.protocol {
        "amqp" | "amqps" => ends,
        _ => format!("{ends} #{}", view.id.0),
    }
}

fn split(address: &str) -> (String, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (host.to_owned(), port.parse().unwrap_or_default())
}

/// The connections that the visitor sees: its own, or all.
pub(super) fn seen(site: &Site, visitor: &Visitor) -> Vec<ConnectionView> {
    let mut all = site.engine().connections();
    all.retain(|view| visitor.is_monitor() || *view.info.login == *visitor.login());
    all
}

/// Finds a connection that the visitor sees.
pub(super) fn find(
    site: &Site,
    visitor: &Visitor,
    wanted: &str,
) -> Result<ConnectionView, Failure> {
    let mut seen = seen(site, visitor).into_iter();
    seen.find(|view| name(site, view) == wanted)
        .ok_or_else(Failure::no_object)
}

fn shown(
    site: &Site,
    view: &View,
    connections: impl Iterator<Item = ConnectionView>,
) -> Result<Response, Failure> {
    view.list(connections.map(|connection| ConnectionOut::of(site, &connection)))
}

pub(super) async fn list(
    State(site): State<Site>,
    visitor: Visitor,
    view: View,
) -> Result<Response, Failure> {
    shown(&site, &view, seen(&site, &visitor).into_iter())
}

pub(super) async fn of_vhost(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(vhost): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    visitor.sight_of(&site, &vhost)?;
    let seen = seen(&site, &visitor).into_iter();
    shown(&site, &view, seen.filter(|one| *one.info.vhost == *vhost))
}

pub(super) async fn of_user(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(login): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    let seen = seen(&site, &visitor).into_iter();
    shown(&site, &view, seen.filter(|one| *one.info.login == *login))
}

pub(super) async fn show(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(name): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    view.one(ConnectionOut::of(&site, &find(&site, &visitor, &name)?))
}

pub(super) async fn close(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(name): InPath<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let found = find(&site, &visitor, &name)?;
    close_all(&site, &visitor, &headers, vec![found])
}

pub(super) async fn close_of_user(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(login): InPath<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let mut found = seen(&site, &visitor);
    found.retain(|view| *view.info.login == *login);
    close_all(&site, &visitor, &headers, found)
}

fn close_all(
    site: &Site,
    visitor: &Visitor,
    headers: &HeaderMap,
    connections: Vec<ConnectionView>,
) -> Result<StatusCode, Failure> {
    // Whoever may only look closes what is their own.
    let is_own = |view: &ConnectionView| *view.info.login == *visitor.login();
    if !visitor.is_administrator() && !connections.iter().all(is_own) {
        let reason = "User not authorised to access object";
        return Err(Failure::not_authorised(reason));
    }
    let reason = headers
        .get(REASON)
        .map(|reason| String::from_utf8_lossy(reason.as_bytes()))
        .filter(|reason| !reason.is_empty())
        .map(|reason| reason.chars().take(REASON_CHARS_MAX).collect());
    let reason: String = reason.unwrap_or_else(|| REASON_DEFAULT.to_owned());
    for connection in connections {
        // One that has gone in the meantime is closed as well.
        let _ = site
            .engine()
            .close_connections(Some(connection.id), &reason);
    }
    Ok(StatusCode::NO_CONTENT)
}
