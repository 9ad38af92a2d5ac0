//! Health checks: 200 when all is well, 503 when it is not.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use broker::Request;
use bytes::Bytes;
use codec::amqp::field::Table;
use serde_json::{Value, json};

use super::body::InPath;
use super::failure::Failure;
use super::visitor::Visitor;
use super::{NODE, Site};
use crate::gateway::{Outgoing, Pull, PullFrom};

/// The queue that the liveness test leaves behind.
const ALIVENESS_QUEUE: &str = "aliveness-test";
const ALIVENESS_BODY: &[u8] = b"test_message";

fn ok() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

fn failed(reason: &str, more: Value) -> Response {
    let mut body = json!({"status": "failed", "reason": reason});
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

/// What RabbitMQ calls the protocol of a door.
pub(super) fn protocol(door: &str) -> &str {
    match door {
        "amqps" => "amqp/ssl",
        "management" => "http",
        other => other,
    }
}

pub(super) async fn alarms(State(site): State<Site>, _: Visitor) -> Response {
    let Some(reason) = site.engine().alarms().reason() else {
        return ok();
    };
    let raised = ["memory", "disk"]
        .into_iter()
        .filter(|resource| reason.contains(resource))
        .map(|resource| json!({"node": NODE, "resource": resource}));
    let raised: Vec<_> = raised.collect();
    failed(
        "There are alarms in effect in the cluster",
        json!({"alarms": raised}),
    )
}

pub(super) async fn port_listener(
    State(site): State<Site>,
    _: Visitor,
    InPath(port): InPath<String>,
) -> Result<Response, Failure> {
    let port: u16 = port
        .parse()
        .map_err(|_| Failure::bad_request("Invalid port"))?;
    let ports: Vec<_> = site.listeners().map(|(_, _, port)| port).collect();
    Ok(if ports.contains(&port) {
        Json(json!({"status": "ok", "port": port})).into_response()
    } else {
        failed(
            "No active listener",
            json!({"missing": port, "ports": ports}),
        )
    })
}

pub(super) async fn protocol_listener(
    State(site): State<Site>,
    _: Visitor,
    InPath(wanted): InPath<String>,
) -> Response {
    let listeners = site.listeners();
    let protocols: Vec<_> = listeners
        .map(|(door, _, _)| protocol(door).to_owned())
        .collect();
    let meant = match wanted.as_str() {
        "amqp091" | "amqp0.9.1" | "amqp0-9-1" => "amqp",
        "amqps" | "amqp-ssl" => "amqp/ssl",
        other => other,
    };
    if protocols.iter().any(|protocol| protocol == meant) {
        return Json(json!({"status": "ok", "protocol": wanted})).into_response();
    }
    failed(
        "No active listener",
        json!({"missing": wanted, "protocols": protocols}),
    )
}

/// Virtual hosts are served from the start or not at all.
pub(super) async fn always(_: Visitor) -> Response {
    ok()
}

pub(super) async fn single_node(_: Visitor) -> Response {
    Json(json!({"status": "ok", "reason": "single node cluster"})).into_response()
}

/// Declares a queue, sends a message through it and takes it out, as the caller.
pub(super) async fn aliveness(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(vhost): InPath<String>,
) -> Result<Response, Failure> {
    visitor.sight_of(&site, &vhost)?;
    let link = visitor.link(&site, &vhost).await?;
    link.request(Request::QueueDeclare {
        name: ALIVENESS_QUEUE.to_owned(),
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        arguments: Table::default(),
    })
    .await?;
    let message = Outgoing {
        routing_key: ALIVENESS_QUEUE.to_owned(),
        properties: vec![0, 0],
        body: Bytes::from_static(ALIVENESS_BODY),
        ..Outgoing::default()
    };
    for outcome in link.publish(vec![message]).await? {
        outcome?;
    }
    let pull = Pull {
        queue: ALIVENESS_QUEUE.to_owned(),
        max: 1,
        wait_ms: 0,
        lease_ms: 1_000,
        from: PullFrom::Queue,
        no_ack: true,
        hold: None,
    };
    let taken = link.pull(pull).await?;
    Ok(if taken.is_empty() {
        failed("the message did not come back", json!({}))
    } else {
        ok()
    })
}
