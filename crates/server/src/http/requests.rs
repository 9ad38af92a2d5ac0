//! Requests to workers: sent to a queue, answered by whoever takes them there, through any door.
//!
//! A synchronous request has a direct reply address and waits. An asynchronous one has a queue of its own for the reply, which anybody who
//! knows its name may answer to, which outlives a restart, and which goes when the reply was fetched or nobody came for an hour.

use std::time::Duration;

use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use broker::Request;
use codec::amqp::field::Table;
use codec::amqp::properties::{Properties, PropertiesRef};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::body::{InPath, Params};
use super::caller::{Caller, DEFAULT_VHOST};
use super::message::{Address, Attributes, HEADER_PREFIX};
use super::problem::Problem;
use super::publish::{message_of, publish_one};
use super::queues::find_as;
use crate::gateway::{self, Delivered, Link, Outgoing, Pull, PullFrom};

/// How long a request waits for its reply when nothing else was asked for, in milliseconds.
const WAIT_MS_DEFAULT: u64 = 30_000;
/// The longest wait, in milliseconds.
const WAIT_MS_MAX: u64 = 600_000;
/// How long a reply is kept that nobody fetches, in milliseconds.
const REPLY_KEPT_MS: u64 = 3_600_000;
/// How long a reply is leased while it is handed over, in milliseconds.
const REPLY_LEASE_MS: u64 = 30_000;
/// What the queues of replies are called, before a name that nobody can guess.
const REPLY_PREFIX: &str = "reply.";

/// How to ask.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct RequestParams {
    /// How many milliseconds to wait for the reply.
    #[param(minimum = 1, maximum = 600_000, default = 30_000)]
    wait_ms: Option<u64>,
    /// Do not wait: answer with the place where the reply can be fetched.
    r#async: bool,
    /// Refuse at once if no worker consumes from the queue.
    fail_without_worker: bool,
}

/// How to fetch a reply.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct FetchParams {
    /// How many milliseconds to wait for it.
    #[param(maximum = 60_000, default = 0)]
    wait_ms: u64,
}

/// A request that was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    /// The request.
    id: String,
    /// Where its reply can be fetched, once.
    location: String,
}

/// Send a request to a queue and get the worker's reply
///
/// The body of the request is the message's, of any content type; so is the reply's. The message carries `reply_to` and
/// `correlation_id`; a worker answers by publishing to the queue that `reply_to` names, with the same `correlation_id`, or by
/// `POST /v1/leases/{lease}/reply`.
#[utoipa::path(post, path = "/v1/requests/{queue}", tag = "requests",
    params(("queue" = String, Path, description = "The queue that workers consume from"), RequestParams),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The request, of any content type"),
    responses(
        (status = 200, description = "The worker's reply, with its content type", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 202, description = "It is sent; its reply can be fetched", body = Accepted),
        (status = "4XX", description = "It was not sent", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "No worker, or none that answered in time", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn ask(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(params): Params<RequestParams>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let wait_ms = params.wait_ms.unwrap_or(WAIT_MS_DEFAULT);
    if !(1..=WAIT_MS_MAX).contains(&wait_ms) {
        return Err(Problem::invalid(format!(
            "wait_ms is from 1 to {WAIT_MS_MAX}"
        )));
    }
    if params.fail_without_worker {
        check_worker(&web, &caller, &queue).await?;
    }
    let is_async = params.r#async || prefers_async(request.headers());
    let address = Address {
        exchange: String::new(),
        routing_key: queue,
    };
    let message = message_of(&web, request, Attributes::default(), address).await?;
    if is_async {
        return send(&web, &caller, message).await;
    }
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let call = gateway::Request::of(message);
    let reply = tokio::time::timeout(Duration::from_millis(wait_ms), link.call(call)).await;
    let reply = reply.map_err(|_| {
        Problem::timeout(format!(
            "no worker answered within {wait_ms} milliseconds; the request may still be worked on"
        ))
    })?;
    Ok(reply_response(&reply?))
}

/// Fetch the reply to a request that did not wait
///
/// The reply can be fetched once.
#[utoipa::path(get, path = "/v1/requests/{queue}/{id}", tag = "requests",
    params(
        ("queue" = String, Path, description = "The queue that the request was sent to"),
        ("id" = String, Path, description = "The request"),
        FetchParams,
    ),
    responses(
        (status = 200, description = "The worker's reply, with its content type", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 204, description = "There is none yet"),
        (status = "4XX", description = "There is no such request, or its reply was fetched", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn fetch(
    State(web): State<Web>,
    caller: Caller,
    InPath(path): InPath<(String, String)>,
    Params(params): Params<FetchParams>,
) -> Result<Response, Problem> {
    let (_, id) = path;
    let queue = format!("{REPLY_PREFIX}{id}");
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let gone = |_| {
        Problem::not_found("there is no such request of yours, or its reply was fetched already")
    };
    find_as(&web, &access, &queue).await.map_err(gone)?;
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let pull = Pull {
        queue: queue.clone(),
        max: 1,
        wait_ms: params.wait_ms.min(60_000),
        lease_ms: REPLY_LEASE_MS,
        from: PullFrom::Queue,
        no_ack: false,
        hold: None,
    };
    let Some(reply) = link.pull(pull).await?.pop() else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let response = reply_response(&reply);
    let delete = Request::QueueDelete {
        name: queue,
        if_unused: false,
        if_empty: false,
    };
    link.request(delete).await?;
    Ok(response)
}

/// Answer a request that was pulled: its lease is acknowledged with the reply
#[utoipa::path(post, path = "/v1/leases/{lease}/reply", tag = "requests",
    params(("lease" = String, Path, description = "The lease of the request")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The reply, of any content type"),
    responses(
        (status = 204, description = "The reply is on its way, the request is done with"),
        (status = "4XX", description = "The lease is not held, or the message wants no reply", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn reply(
    State(web): State<Web>,
    caller: Caller,
    InPath(lease): InPath<String>,
    request: HttpRequest,
) -> Result<StatusCode, Problem> {
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let not_held = || Problem::not_found(format!("the lease '{lease}' is not held"));
    let id = link.lease_of(&lease).ok_or_else(not_held)?;
    let asked = link.look(id).await?.ok_or_else(not_held)?;
    let asked = properties_of(asked.properties());
    let reply_to = asked.reply_to.ok_or_else(|| {
        Problem::conflict("this message wants no reply: it carries no reply_to; acknowledge it")
    })?;
    let address = Address {
        exchange: String::new(),
        routing_key: reply_to,
    };
    let attributes = Attributes {
        correlation_id: asked.correlation_id,
        ..Attributes::default()
    };
    let message = message_of(&web, request, attributes, address).await?;
    // Whoever asked may have given up: then there is no queue for the reply, and the request is done with all the same.
    let published = publish_one(&web, &caller, message).await;
    if let Err(problem) = published
        && !problem.is_not_found()
    {
        return Err(problem);
    }
    let settle = gateway::Settle {
        lease: id,
        kind: gateway::SettleKind::Ack,
    };
    link.settle(vec![settle]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a request whose reply is fetched later.
async fn send(web: &Web, caller: &Caller, mut message: Outgoing) -> Result<Response, Problem> {
    let id = engine::accounts::random_name();
    let reply_queue = format!("{REPLY_PREFIX}{id}");
    let link = caller.link(web, DEFAULT_VHOST).await?;
    make_reply_queue(&link, &reply_queue).await?;
    let mut properties = properties_of(&message.properties);
    properties.reply_to = Some(reply_queue.clone());
    properties.correlation_id = Some(id.clone());
    message.properties.clear();
    properties.encode(&mut message.properties);
    let location = format!("/v1/requests/{}/{id}", escape(&message.routing_key));
    if let Err(problem) = publish_one(web, caller, message).await {
        let delete = Request::QueueDelete {
            name: reply_queue,
            if_unused: false,
            if_empty: false,
        };
        // Unused, it would go by itself.
        let _ = link.request(delete).await;
        return Err(problem);
    }
    let place = HeaderValue::from_str(&location)
        .map_err(|_| Problem::invalid("the queue's name cannot be written in a location"))?;
    let accepted = axum::Json(Accepted { id, location });
    let mut response = (StatusCode::ACCEPTED, accepted).into_response();
    response.headers_mut().insert(header::LOCATION, place);
    Ok(response)
}

async fn make_reply_queue(link: &Link, name: &str) -> Result<(), Problem> {
    let mut arguments = Table::default();
    arguments.insert(
        "x-expires",
        i64::try_from(REPLY_KEPT_MS).unwrap_or(i64::MAX),
    );
    arguments.insert("x-max-length", 1_i64);
    arguments.insert(broker::limits::REPLY_ADDRESS_ARGUMENT, true);
    link.request(Request::QueueDeclare {
        name: name.to_owned(),
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments,
    })
    .await?;
    Ok(())
}

async fn check_worker(web: &Web, caller: &Caller, queue: &str) -> Result<(), Problem> {
    let access = caller.access(web, DEFAULT_VHOST)?;
    let consumers = find_as(web, &access, queue).await?.statistics.consumers;
    if consumers == 0 {
        return Err(Problem::unavailable(format!(
            "no worker consumes from '{queue}' at the moment"
        )));
    }
    Ok(())
}

fn prefers_async(headers: &HeaderMap) -> bool {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|wish| wish.trim().eq_ignore_ascii_case("respond-async"))
}

fn properties_of(raw: &[u8]) -> Properties {
    PropertiesRef::parse(raw)
        .ok()
        .and_then(|properties| properties.to_owned().ok())
        .unwrap_or_default()
}

/// Writes a name for a path.
pub(super) fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Writes a reply as a response: its body, its content type, its headers as far as HTTP can carry them.
fn reply_response(reply: &Delivered) -> Response {
    let properties = properties_of(reply.message.properties());
    let body = reply.message.shared_body().map_or_else(
        || bytes::Bytes::copy_from_slice(reply.message.body()),
        Clone::clone,
    );
    let mut response = body.into_response();
    let headers = response.headers_mut();
    let kind = properties.content_type.as_deref();
    let kind = kind.unwrap_or("application/octet-stream");
    if let Ok(value) = HeaderValue::from_str(kind) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    for (name, value) in properties.headers.iter().flat_map(Table::iter) {
        let name = HeaderName::try_from(format!("{HEADER_PREFIX}{name}"));
        let text = value
            .as_str()
            .map(str::to_owned)
            .or_else(|| Some(value.as_i64()?.to_string()))
            .or_else(|| Some(value.as_bool()?.to_string()));
        let text = text.and_then(|text| HeaderValue::from_str(&text).ok());
        if let (Ok(name), Some(text)) = (name, text) {
            headers.append(name, text);
        }
    }
    // A reply is a worker's, not ours: a browser is not to take it for a page.
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    response
}
