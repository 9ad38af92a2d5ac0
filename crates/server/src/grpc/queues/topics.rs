//! Topics, and what leads from them to queues and other topics.

use broker::ExchangeKind;
use broker::Request;
use broker::access::Access;
use broker::topology::BindingView;
use engine::{ExchangeView, Handle};
use rpc::v1;
use rpc::v1::binding::Destination;
use tonic::Status;

use super::page;
use super::queue::not_declared;
use crate::flaw::{Flaw, check_name};
use crate::grpc::call::Call;
use crate::grpc::status::{Subject, flawed, not_found, refused};
use crate::grpc::value::{fields_of, table_of};

/// Bindings of a page when nothing else was asked for.
const BINDINGS_DEFAULT: usize = 100;
/// The most bindings of a page.
const BINDINGS_MAX: usize = 1_000;
/// The longest routing key.
const KEY_BYTES_MAX: usize = 255;

/// Makes a topic.
pub(super) async fn create(
    call: &Call,
    request: v1::CreateTopicRequest,
) -> Result<v1::CreateTopicResponse, Status> {
    let name = request.name;
    check_name("name", &name).map_err(flawed)?;
    let kind = match v1::TopicKind::try_from(request.kind) {
        Ok(v1::TopicKind::Unspecified | v1::TopicKind::Topic) => ExchangeKind::Topic,
        Ok(v1::TopicKind::Direct) => ExchangeKind::Direct,
        Ok(v1::TopicKind::Fanout) => ExchangeKind::Fanout,
        Ok(v1::TopicKind::Headers) => ExchangeKind::Headers,
        Ok(v1::TopicKind::ConsistentHash) => ExchangeKind::ConsistentHash,
        Err(_) => return Err(flawed(Flaw::new("kind", "there is no such kind"))),
    };
    let arguments = table_of(request.arguments, "arguments").map_err(flawed)?;
    let was_there = find(call, &name).is_ok();
    let link = call.link().await?;
    let declared = link
        .request(Request::ExchangeDeclare {
            name: name.clone(),
            kind: kind.name().to_owned(),
            passive: false,
            durable: request.durable.unwrap_or(true),
            auto_delete: request.auto_delete,
            internal: request.internal,
            arguments,
        })
        .await;
    declared.map_err(|refusal| not_declared(refusal, Subject::Topic(&name), was_there))?;
    Ok(v1::CreateTopicResponse {
        topic: Some(written(find(call, &name)?)),
        is_new: !was_there,
    })
}

/// Lists topics.
pub(super) fn list(
    call: &Call,
    request: v1::ListTopicsRequest,
) -> Result<v1::ListTopicsResponse, Status> {
    let page = page(request.page_size, request.page_token)?;
    let Some(access) = call.access() else {
        return Ok(v1::ListTopicsResponse::default());
    };
    let is_wanted =
        |name: &str| page.is_behind_cursor(name) && name.contains(&request.name_contains);
    let engine = call.web.gateway().engine();
    let views = engine.exchanges_seen_by(&access, is_wanted, page.limit() + 1);
    let (views, next) = page.split(views, |view| view.name.to_string());
    Ok(v1::ListTopicsResponse {
        topics: views.into_iter().map(written).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

/// Deletes a topic.
pub(super) async fn delete(call: &Call, request: v1::DeleteTopicRequest) -> Result<(), Status> {
    find(call, &request.name)?;
    let link = call.link().await?;
    let deleted = link
        .request(Request::ExchangeDelete {
            name: request.name.clone(),
            if_unused: request.if_unused,
        })
        .await;
    deleted.map_err(|refusal| refused(refusal, Subject::Topic(&request.name)))?;
    Ok(())
}

/// Makes or undoes a binding.
pub(super) async fn bind(
    call: &Call,
    binding: Option<v1::Binding>,
    unbind: bool,
) -> Result<(), Status> {
    let missing = || flawed(Flaw::new("binding", "say what to bind"));
    let binding = binding.ok_or_else(missing)?;
    let (destination, to_exchange) = match binding.destination {
        Some(Destination::ToQueue(queue)) => (queue, false),
        Some(Destination::ToTopic(topic)) => (topic, true),
        None => {
            let detail = "say where messages go: to_queue or to_topic";
            return Err(flawed(Flaw::new("binding.destination", detail)));
        }
    };
    if binding.routing_key.len() > KEY_BYTES_MAX {
        let detail = format!("a key has at most {KEY_BYTES_MAX} bytes");
        return Err(flawed(Flaw::new("binding.routing_key", detail)));
    }
    let arguments = table_of(binding.arguments, "binding.arguments").map_err(flawed)?;
    let request = Request::Bind {
        unbind,
        source: binding.topic.clone(),
        destination: destination.clone(),
        to_exchange,
        routing_key: binding.routing_key,
        arguments,
    };
    let link = call.link().await?;
    let bound = link.request(request).await;
    bound.map_err(|refusal| {
        // Which of the two is missing is not in the refusal.
        let subject = if find(call, &binding.topic).is_err() {
            Subject::Topic(&binding.topic)
        } else if to_exchange {
            Subject::Topic(&destination)
        } else {
            Subject::Queue(&destination)
        };
        refused(refusal, subject)
    })?;
    Ok(())
}

/// Lists bindings.
pub(super) fn list_bindings(
    call: &Call,
    request: &v1::ListBindingsRequest,
) -> Result<v1::ListBindingsResponse, Status> {
    let limit = match usize::try_from(request.page_size).unwrap_or(usize::MAX) {
        0 => BINDINGS_DEFAULT,
        limit if limit <= BINDINGS_MAX => limit,
        _ => {
            let detail = format!("a page has from 1 to {BINDINGS_MAX} items");
            return Err(flawed(Flaw::new("page_size", detail)));
        }
    };
    let from = match request.page_token.as_str() {
        "" => 0,
        token => token.parse().map_err(|_| {
            let detail = "the token is none that a page gave; begin without one";
            flawed(Flaw::new("page_token", detail))
        })?,
    };
    let Some(access) = call.access() else {
        return Ok(v1::ListBindingsResponse::default());
    };
    let seen = bindings(call.web.gateway().engine(), &access, &request.topic);
    let is_wanted = |view: &BindingView| {
        request.queue.is_empty() || (!view.to_exchange && *view.destination == *request.queue)
    };
    let mut wanted = seen.into_iter().filter(is_wanted).skip(from);
    let bindings: Vec<_> = wanted.by_ref().take(limit).map(binding).collect();
    let has_more = wanted.next().is_some();
    Ok(v1::ListBindingsResponse {
        next_page_token: if has_more {
            (from + bindings.len()).to_string()
        } else {
            String::new()
        },
        bindings,
    })
}

fn bindings(engine: &Handle, access: &Access, topic: &str) -> Vec<BindingView> {
    let topics =
        engine.exchanges_seen_by(access, |name| topic.is_empty() || name == topic, usize::MAX);
    let each = topics.iter();
    each.flat_map(|topic| engine.bindings_seen_by(access, &topic.name))
        .collect()
}

/// Finds a topic that the caller has a right on.
pub(in crate::grpc) fn find(call: &Call, topic: &str) -> Result<ExchangeView, Status> {
    let found = call.access().map(|access| {
        let engine = call.web.gateway().engine();
        engine.exchanges_seen_by(&access, |name| name == topic, 1)
    });
    found
        .and_then(|found| found.into_iter().next())
        .ok_or_else(|| {
            let detail = format!("there is no topic '{topic}' that you have a right on");
            not_found(Subject::Topic(topic), detail)
        })
}

fn written(view: ExchangeView) -> v1::Topic {
    let kind = match view.kind {
        ExchangeKind::Direct => v1::TopicKind::Direct,
        ExchangeKind::Fanout => v1::TopicKind::Fanout,
        ExchangeKind::Topic => v1::TopicKind::Topic,
        ExchangeKind::Headers => v1::TopicKind::Headers,
        ExchangeKind::ConsistentHash => v1::TopicKind::ConsistentHash,
    };
    v1::Topic {
        name: view.name.to_string(),
        kind: kind.into(),
        durable: view.durable,
        auto_delete: view.auto_delete,
        internal: view.internal,
        arguments: fields_of(&view.arguments),
    }
}

fn binding(view: BindingView) -> v1::Binding {
    let destination = view.destination.to_string();
    v1::Binding {
        topic: view.source.to_string(),
        destination: Some(if view.to_exchange {
            Destination::ToTopic(destination)
        } else {
            Destination::ToQueue(destination)
        }),
        routing_key: view.routing_key.to_string(),
        arguments: fields_of(&view.arguments),
    }
}
