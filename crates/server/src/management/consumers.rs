//! Consumers.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use broker::ConnectionId;
use broker::shard::ConsumerView;
use engine::ConnectionView;
use serde::Serialize;
use serde_json::{Map, Value};

use super::body::InPath;
use super::channels;
use super::connections::{self, PeerOut};
use super::failure::Failure;
use super::view::View;
use super::visitor::{Sight, Visitor};
use super::{NODE, Site, queues};

/// A consumer as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct ConsumerOut {
    arguments: Map<String, Value>,
    ack_required: bool,
    active: bool,
    activity_status: &'static str,
    channel_details: ChannelDetails,
    consumer_tag: String,
    exclusive: bool,
    prefetch_count: u32,
    queue: QueueName,
}

/// The channel that a consumer is on.
#[derive(Debug, Serialize)]
struct ChannelDetails {
    connection_name: String,
    name: String,
    node: &'static str,
    number: u16,
    #[serde(flatten)]
    peer: Option<PeerOut>,
    user: String,
}

#[derive(Debug, Serialize)]
struct QueueName {
    name: String,
    vhost: String,
}

/// The open connections, to say whose a consumer is.
struct Book(HashMap<ConnectionId, ConnectionView>);

impl Book {
    fn of(site: &Site) -> Self {
        let all = site.engine().connections().into_iter();
        Self(all.map(|view| (view.id, view)).collect())
    }

    fn details(&self, site: &Site, consumer: &ConsumerView) -> ChannelDetails {
        let connection = self.0.get(&consumer.connection);
        // One that has just gone has no name any more.
        let name = connection.map_or_else(String::new, |view| connections::name(site, view));
        ChannelDetails {
            name: channels::name(&name, consumer.channel),
            connection_name: name,
            node: NODE,
            number: consumer.channel,
            peer: connection.map(PeerOut::of),
            user: connection.map_or_else(String::new, |view| view.info.login.to_string()),
        }
    }

    fn row(&self, site: &Site, consumer: &ConsumerView) -> ConsumerOut {
        ConsumerOut {
            arguments: Map::new(),
            ack_required: !consumer.no_ack,
            active: consumer.active,
            activity_status: if consumer.active {
                "up"
            } else {
                "single_active"
            },
            channel_details: self.details(site, consumer),
            consumer_tag: consumer.tag.to_string(),
            exclusive: consumer.exclusive,
            prefetch_count: consumer.prefetch,
            queue: QueueName {
                name: consumer.queue.to_string(),
                vhost: consumer.vhost.to_string(),
            },
        }
    }
}

/// The consumers of one queue.
pub(super) async fn of_queue(site: &Site, vhost: &str, queue: &str) -> Vec<ConsumerOut> {
    let book = Book::of(site);
    let all = site.engine().consumers().await;
    all.iter()
        .filter(|consumer| *consumer.vhost == *vhost && *consumer.queue == *queue)
        .map(|consumer| book.row(site, consumer))
        .collect()
}

async fn shown(site: &Site, sights: &[(String, Sight)], view: &View) -> Result<Response, Failure> {
    let seen: std::collections::HashSet<_> = queues::seen(site, sights)
        .await
        .into_iter()
        .map(|queue| (queue.vhost, queue.name))
        .collect();
    let book = Book::of(site);
    let mut consumers = site.engine().consumers().await;
    consumers.retain(|one| seen.contains(&(one.vhost.clone(), one.queue.clone())));
    view.list(consumers.iter().map(|one| book.row(site, one)))
}

pub(super) async fn list(
    State(site): State<Site>,
    visitor: Visitor,
    view: View,
) -> Result<Response, Failure> {
    shown(&site, &visitor.sights(&site, None)?, &view).await
}

pub(super) async fn of_vhost(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(vhost): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    shown(&site, &visitor.sights(&site, Some(&vhost))?, &view).await
}
