//! The server as a whole: the overview, its one node, what it offers.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

use super::body::InPath;
use super::failure::Failure;
use super::view::View;
use super::visitor::{Monitor, Visitor};
use super::{COMPATIBLE_VERSION, NODE, Site, connections, exchanges, queues};

const CLUSTER: &str = NODE;
const EXCHANGE_TYPES: [&str; 4] = ["direct", "fanout", "headers", "topic"];

/// The whole at one glance.
#[derive(Debug, Serialize)]
struct Overview {
    management_version: &'static str,
    rabbitmq_version: &'static str,
    product_name: &'static str,
    product_version: &'static str,
    cluster_name: &'static str,
    rates_mode: &'static str,
    disable_stats: bool,
    enable_queue_totals: bool,
    exchange_types: Vec<Value>,
    message_stats: Value,
    queue_totals: QueueTotals,
    object_totals: ObjectTotals,
    statistics_db_event_queue: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listeners: Option<Vec<Listener>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contexts: Option<Vec<Value>>,
}

#[derive(Debug, Serialize)]
struct QueueTotals {
    messages: u64,
    messages_ready: u64,
    messages_unacknowledged: u64,
}

#[derive(Debug, Serialize)]
struct ObjectTotals {
    channels: u64,
    connections: u64,
    consumers: u64,
    exchanges: u64,
    queues: u64,
}

/// Where the server listens.
#[derive(Debug, Serialize)]
struct Listener {
    node: &'static str,
    protocol: String,
    ip_address: String,
    port: u16,
    socket_opts: Value,
}

/// The one node.
#[derive(Debug, Serialize)]
struct Node {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    running: bool,
    being_drained: bool,
    os_pid: String,
    uptime: u64,
    processors: usize,
    mem_used: u64,
    mem_limit: u64,
    mem_alarm: bool,
    disk_free: u64,
    disk_free_limit: u64,
    disk_free_alarm: bool,
    rates_mode: &'static str,
    exchange_types: Vec<Value>,
    auth_mechanisms: Vec<Value>,
    applications: Vec<Value>,
    contexts: Vec<Value>,
    enabled_plugins: Vec<String>,
    partitions: Vec<String>,
    db_dir: String,
}

impl Node {
    fn of(site: &Site) -> Self {
        let alarms = site.engine().alarms();
        let reason = alarms.reason().unwrap_or_default();
        let facts = site.facts();
        Self {
            name: NODE,
            kind: "disc",
            running: true,
            being_drained: false,
            os_pid: std::process::id().to_string(),
            uptime: site.uptime_ms(),
            processors: std::thread::available_parallelism().map_or(1, Into::into),
            mem_used: alarms.resident_bytes(),
            mem_limit: facts.memory_high_bytes,
            mem_alarm: reason.contains("memory"),
            disk_free: alarms.free_bytes(),
            disk_free_limit: facts.disk_free_low_bytes,
            disk_free_alarm: reason.contains("disk"),
            rates_mode: "none",
            exchange_types: named(&EXCHANGE_TYPES),
            auth_mechanisms: named(&["PLAIN", "AMQPLAIN"]),
            applications: vec![json!({
                "name": "chaski",
                "description": "Chaski",
                "version": env!("CARGO_PKG_VERSION"),
            })],
            contexts: contexts(site),
            enabled_plugins: Vec::new(),
            partitions: Vec::new(),
            db_dir: facts.data.display().to_string(),
        }
    }
}

fn named(names: &[&str]) -> Vec<Value> {
    let named = names
        .iter()
        .map(|name| json!({"name": name, "description": "", "enabled": true}));
    named.collect()
}

fn contexts(site: &Site) -> Vec<Value> {
    let of_http = site
        .listeners()
        .filter(|(door, _, _)| matches!(*door, "http" | "https" | "management"));
    of_http
        .map(|(door, ip, port)| {
            json!({
                "node": NODE,
                "description": "Chaski Management",
                "path": "/",
                "ip": ip,
                "port": port.to_string(),
                "ssl_opts": if door == "https" { json!({}) } else { json!([]) },
            })
        })
        .collect()
}

pub(super) async fn overview(
    State(site): State<Site>,
    visitor: Visitor,
    view: View,
) -> Result<Response, Failure> {
    let sights = visitor.sights(&site, None)?;
    let queues = queues::seen(&site, &sights).await;
    let connections = connections::seen(&site, &visitor);
    let ready = queues.iter().map(|queue| queue.statistics.ready).sum();
    let unacked = queues.iter().map(|queue| queue.statistics.unacked).sum();
    let is_monitor = visitor.is_monitor();
    let listeners = || {
        let all = site.listeners();
        let rows = all.map(|(door, ip_address, port)| Listener {
            node: NODE,
            protocol: super::health::protocol(door).to_owned(),
            ip_address,
            port,
            socket_opts: json!({}),
        });
        rows.collect()
    };
    view.one(Overview {
        management_version: COMPATIBLE_VERSION,
        rabbitmq_version: COMPATIBLE_VERSION,
        product_name: "Chaski",
        product_version: env!("CARGO_PKG_VERSION"),
        cluster_name: CLUSTER,
        rates_mode: "none",
        disable_stats: false,
        enable_queue_totals: true,
        exchange_types: named(&EXCHANGE_TYPES),
        message_stats: json!({}),
        queue_totals: QueueTotals {
            messages: ready + unacked,
            messages_ready: ready,
            messages_unacknowledged: unacked,
        },
        object_totals: ObjectTotals {
            channels: connections
                .iter()
                .map(|view| u64::from(view.info.channels.load(Ordering::Relaxed)))
                .sum(),
            connections: connections.len() as u64,
            consumers: queues
                .iter()
                .map(|queue| u64::from(queue.statistics.consumers))
                .sum(),
            exchanges: exchanges::seen(&site, &sights).len() as u64,
            queues: queues.len() as u64,
        },
        statistics_db_event_queue: 0,
        node: is_monitor.then_some(NODE),
        listeners: is_monitor.then(listeners),
        contexts: is_monitor.then(|| contexts(&site)),
    })
}

pub(super) async fn nodes(
    State(site): State<Site>,
    _: Monitor,
    view: View,
) -> Result<Response, Failure> {
    view.list([Node::of(&site)])
}

pub(super) async fn node(
    State(site): State<Site>,
    _: Monitor,
    InPath(name): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    if name != NODE {
        return Err(Failure::no_object());
    }
    view.one(Node::of(&site))
}

pub(super) async fn cluster_name(_: Visitor) -> Json<Value> {
    Json(json!({"name": CLUSTER}))
}

/// Extensions of the web interface: there are none.
pub(super) async fn extensions(_: Visitor) -> Json<Value> {
    Json(json!([]))
}

/// How browsers log in, told to everybody.
pub(super) async fn auth() -> Json<Value> {
    Json(
        json!({"enable_uaa": false, "oauth_enabled": false, "uaa_client_id": "", "uaa_location": ""}),
    )
}

/// Features that an operator may switch on: there are none.
pub(super) async fn feature_flags(_: Visitor) -> Json<Value> {
    Json(json!([]))
}

/// Spreading queue leaders over nodes, which has nothing to do on one.
pub(super) async fn rebalance(_: super::visitor::Administrator) -> StatusCode {
    StatusCode::NO_CONTENT
}
