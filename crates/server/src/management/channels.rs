//! Channels: those on which somebody consumes. Of the others the engine knows the number alone, which their connection shows.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use broker::ConnectionId;
use engine::ConnectionView;
use serde::Serialize;

use super::body::InPath;
use super::connections::{self, PeerOut};
use super::failure::Failure;
use super::view::View;
use super::visitor::Visitor;
use super::{NODE, Site};

/// A channel as it is shown.
#[derive(Debug, Serialize)]
struct ChannelOut {
    name: String,
    number: u16,
    node: &'static str,
    user: String,
    vhost: String,
    state: &'static str,
    consumer_count: u32,
    connection_details: ConnectionDetails,
}

#[derive(Debug, Serialize)]
struct ConnectionDetails {
    name: String,
    #[serde(flatten)]
    peer: PeerOut,
}

/// Names a channel by its connection and its number.
pub(super) fn name(connection: &str, number: u16) -> String {
    format!("{connection} ({number})")
}

async fn of(site: &Site, connections: Vec<ConnectionView>) -> Vec<ChannelOut> {
    let mut counts: BTreeMap<(ConnectionId, u16), u32> = BTreeMap::new();
    for consumer in site.engine().consumers().await {
        *counts
            .entry((consumer.connection, consumer.channel))
            .or_default() += 1;
    }
    let mut rows = Vec::new();
    for view in &connections {
        let connection = connections::name(site, view);
        let of_connection = counts.range((view.id, 0)..=(view.id, u16::MAX));
        rows.extend(of_connection.map(|((_, number), consumers)| ChannelOut {
            name: name(&connection, *number),
            number: *number,
            node: NODE,
            user: view.info.login.to_string(),
            vhost: view.info.vhost.to_string(),
            state: "running",
            consumer_count: *consumers,
            connection_details: ConnectionDetails {
                name: connection.clone(),
                peer: PeerOut::of(view),
            },
        }));
    }
    rows
}

pub(super) async fn list(
    State(site): State<Site>,
    visitor: Visitor,
    view: View,
) -> Result<Response, Failure> {
    view.list(of(&site, connections::seen(&site, &visitor)).await)
}

pub(super) async fn of_vhost(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(vhost): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    visitor.sight_of(&site, &vhost)?;
    let mut seen = connections::seen(&site, &visitor);
    seen.retain(|connection| *connection.info.vhost == *vhost);
    view.list(of(&site, seen).await)
}

pub(super) async fn of_connection(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(name): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    let connection = connections::find(&site, &visitor, &name)?;
    view.list(of(&site, vec![connection]).await)
}

pub(super) async fn show(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(name): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    let all = of(&site, connections::seen(&site, &visitor)).await;
    let mut all = all.into_iter();
    let found = all.find(|channel| channel.name == name);
    view.one(found.ok_or_else(Failure::no_object)?)
}
