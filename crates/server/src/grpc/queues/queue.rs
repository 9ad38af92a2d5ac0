//! Queues: made, found, listed, renamed, emptied, deleted.

use broker::arguments::QueueKind;
use broker::topology::QueueEntry;
use broker::{Refusal, RefusalKind, Request};
use engine::QueueView;
use rpc::v1;
use tonic::Status;

use super::page;
use super::settings::{arguments, settings_of};
use crate::flaw::{Flaw, check_name};
use crate::grpc::call::Call;
use crate::grpc::status::{Subject, exists, flawed, refused};
use crate::http::DEFAULT_VHOST;

/// Makes a queue.
pub(super) async fn create(
    call: &Call,
    request: v1::CreateQueueRequest,
) -> Result<v1::CreateQueueResponse, Status> {
    let name = request.name;
    check_name("name", &name).map_err(flawed)?;
    let settings = request.settings.unwrap_or_default();
    let arguments = arguments(settings, request.kind).map_err(flawed)?;
    let was_there = call.find_queue(&name).await.is_ok();
    let link = call.link().await?;
    let declared = link
        .request(Request::QueueDeclare {
            name: name.clone(),
            passive: false,
            durable: request.durable.unwrap_or(true),
            exclusive: false,
            auto_delete: request.auto_delete,
            arguments,
        })
        .await;
    declared.map_err(|refusal| not_declared(refusal, Subject::Queue(&name), was_there))?;
    Ok(v1::CreateQueueResponse {
        queue: Some(find(call, &name).await?),
        is_new: !was_there,
    })
}

/// AMQP has one refusal for settings that differ from what is there and for settings that cannot be; here they are told apart.
pub(super) fn not_declared(refusal: Refusal, subject: Subject<'_>, was_there: bool) -> Status {
    match refusal.kind {
        RefusalKind::PreconditionFailed if was_there => exists(subject, refusal.detail),
        RefusalKind::PreconditionFailed => flawed(Flaw::new("settings", refusal.detail)),
        RefusalKind::NotFound
        | RefusalKind::AccessRefused
        | RefusalKind::ResourceLocked
        | RefusalKind::NotAllowed
        | RefusalKind::CommandInvalid
        | RefusalKind::NotImplemented
        | RefusalKind::LimitExceeded
        | RefusalKind::Unavailable => refused(refusal, subject),
    }
}

/// Finds a queue.
pub(super) async fn find(call: &Call, name: &str) -> Result<v1::Queue, Status> {
    call.find_queue(name).await.map(written)
}

/// Lists queues.
pub(super) async fn list(
    call: &Call,
    request: v1::ListQueuesRequest,
) -> Result<v1::ListQueuesResponse, Status> {
    let page = page(request.page_size, request.page_token)?;
    let Some(access) = call.access() else {
        return Ok(v1::ListQueuesResponse::default());
    };
    let is_wanted = |queue: &QueueEntry| {
        let is_named = queue.partition_of.is_none() && queue.name.contains(&request.name_contains);
        is_named && page.is_behind_cursor(&queue.name)
    };
    let engine = call.web.gateway().engine();
    let views = engine
        .queues_seen_by(&access, is_wanted, page.limit() + 1)
        .await;
    let (views, next) = page.split(views, |view| view.name.to_string());
    Ok(v1::ListQueuesResponse {
        queues: views.into_iter().map(written).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

/// Renames a queue.
pub(super) async fn update(
    call: &Call,
    request: v1::UpdateQueueRequest,
) -> Result<v1::Queue, Status> {
    if let Some(count) = request.partitions {
        let access = call.access().ok_or_else(|| call.why_closed())?;
        call.find_queue(&request.name).await?;
        let gateway = call.web.gateway();
        let author = call.caller.author();
        let raised = gateway.raise_partitions(&access, &request.name, count, &author);
        let subject = Subject::Queue(&request.name);
        raised.await.map_err(|refusal| refused(refusal, subject))?;
    }
    let Some(new) = request.new_name else {
        return find(call, &request.name).await;
    };
    check_name("new_name", &new).map_err(flawed)?;
    call.find_queue(&request.name).await?;
    let access = call.access().ok_or_else(|| call.why_closed())?;
    let engine = call.web.gateway().engine();
    let author = call.caller.author();
    let renamed = engine
        .rename_queue(&access, &request.name, &new, &author)
        .await;
    if let Err(refusal) = renamed {
        let is_taken = call.find_queue(&new).await.is_ok();
        let is_conflict = refusal.kind == RefusalKind::PreconditionFailed && is_taken;
        return Err(if is_conflict {
            exists(Subject::Queue(&new), refusal.detail)
        } else {
            refused(refusal, Subject::Queue(&request.name))
        });
    }
    find(call, &new).await
}

/// Deletes a queue; says how many messages went with it.
pub(super) async fn delete(call: &Call, request: v1::DeleteQueueRequest) -> Result<u64, Status> {
    // RabbitMQ's answer for a queue that is missing is that it is deleted; here one is told.
    let queue = call.find_queue(&request.name).await?;
    let link = call.link().await?;
    let gateway = call.web.gateway();
    let deleted = gateway.delete(&link, &queue, request.if_unused, request.if_empty);
    let subject = Subject::Queue(&request.name);
    deleted.await.map_err(|refusal| refused(refusal, subject))
}

/// Drops the messages of a queue; says how many they were.
pub(super) async fn purge(call: &Call, request: v1::PurgeQueueRequest) -> Result<u64, Status> {
    call.find_queue(&request.name).await?;
    let link = call.link().await?;
    let gateway = call.web.gateway();
    let purged = gateway.purge(&link, DEFAULT_VHOST, &request.name).await;
    purged.map_err(|refusal| refused(refusal, Subject::Queue(&request.name)))
}

fn written(view: QueueView) -> v1::Queue {
    let kind = match view.kind {
        QueueKind::Classic => v1::QueueKind::Classic,
        QueueKind::Quorum => v1::QueueKind::Quorum,
        QueueKind::Stream => v1::QueueKind::Stream,
    };
    v1::Queue {
        name: view.name.to_string(),
        kind: kind.into(),
        durable: view.durable,
        auto_delete: view.auto_delete,
        settings: Some(v1::QueueSettings {
            partitions: Some(view.partitions).filter(|count| *count > 0),
            ..settings_of(&view.arguments)
        }),
        owner: view
            .owner
            .map(|owner| owner.to_string())
            .unwrap_or_default(),
        messages_ready: view.statistics.ready,
        messages_unacked: view.statistics.unacked,
        consumers: view.statistics.consumers,
    }
}
