//! Groups that read streams: listed, set to a place, forgotten.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use broker::access::{Resource, Right};
use broker::arguments::QueueKind;
use engine::QueueParts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Web;
use super::body::{InPath, JsonBody, Params};
use super::caller::{Caller, DEFAULT_VHOST};
use super::page::{ListParams, Page};
use super::problem::Problem;
use super::pull::parse_offset;
use crate::gateway::GroupView;

/// A group of a stream.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupOut {
    /// Its name.
    name: String,
    /// Consumers among whom the partitions are divided.
    members: usize,
    /// Messages that it is not done with.
    lag: u64,
    /// How far it came in each partition, in their order; in the stream itself, if that is not split.
    partitions: Vec<ProgressOut>,
}

/// How far a group came.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProgressOut {
    /// The first offset that is not done with; absent for a group that begins at a time and has not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// The offset that the next message will have.
    end_offset: u64,
    /// Somebody reads it, or has messages of it.
    held: bool,
}

/// Where a group is to go on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupPlace {
    /// first, last, next, an offset, or a time as @SECONDS since 1970; in each partition.
    offset: String,
}

impl GroupOut {
    fn of(view: GroupView) -> Self {
        let partitions: Vec<_> = view
            .partitions
            .into_iter()
            .map(|progress| ProgressOut {
                next_offset: progress.next_offset,
                end_offset: progress.end_offset,
                held: progress.is_held,
            })
            .collect();
        let lags = partitions.iter().map(|one| {
            one.end_offset
                .saturating_sub(one.next_offset.unwrap_or_default())
        });
        Self {
            name: view.name,
            members: view.members,
            lag: lags.sum(),
            partitions,
        }
    }
}

/// List the groups that read a stream
#[utoipa::path(get, path = "/v1/queues/{queue}/groups", tag = "queues",
    params(("queue" = String, Path, description = "The stream"), ListParams),
    responses(
        (status = 200, description = "A page of groups, by name", body = Page<GroupOut>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(params): Params<ListParams>,
) -> Result<Json<Page<GroupOut>>, Problem> {
    let parts = stream(&web, &caller, &queue)?;
    let (contains, page) = params.page()?;
    let mut views = web.gateway().groups().list(DEFAULT_VHOST, &parts).await;
    views.retain(|view| view.name.contains(&contains) && page.is_behind_cursor(&view.name));
    views.truncate(page.limit() + 1);
    Ok(Json(page.cut(
        views,
        |view| view.name.clone(),
        GroupOut::of,
    )))
}

/// Look at a group
#[utoipa::path(get, path = "/v1/queues/{queue}/groups/{group}", tag = "queues",
    params(("queue" = String, Path, description = "The stream"), ("group" = String, Path, description = "The group")),
    responses(
        (status = 200, description = "The group", body = GroupOut),
        (status = "4XX", description = "There is none that you have a right on", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(web): State<Web>,
    caller: Caller,
    InPath((queue, group)): InPath<(String, String)>,
) -> Result<Json<GroupOut>, Problem> {
    let parts = stream(&web, &caller, &queue)?;
    find(&web, &parts, &queue, &group).await.map(Json)
}

/// Set where a group goes on to read
///
/// A group that does not exist is made. Nobody may read by it meanwhile.
#[utoipa::path(put, path = "/v1/queues/{queue}/groups/{group}", tag = "queues",
    params(("queue" = String, Path, description = "The stream"), ("group" = String, Path, description = "The group")),
    request_body = GroupPlace,
    responses(
        (status = 200, description = "The group", body = GroupOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn seek(
    State(web): State<Web>,
    caller: Caller,
    InPath((queue, group)): InPath<(String, String)>,
    JsonBody(place): JsonBody<GroupPlace>,
) -> Result<Json<GroupOut>, Problem> {
    let parts = stream(&web, &caller, &queue)?;
    let to = parse_offset(&place.offset)?;
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let groups = web.gateway().groups();
    let is_set = groups
        .seek(&link, DEFAULT_VHOST, &parts, &group, to)
        .await?;
    if !is_set {
        return Err(in_use(&group));
    }
    find(&web, &parts, &queue, &group).await.map(Json)
}

/// Forget a group
#[utoipa::path(delete, path = "/v1/queues/{queue}/groups/{group}", tag = "queues",
    params(("queue" = String, Path, description = "The stream"), ("group" = String, Path, description = "The group")),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn delete(
    State(web): State<Web>,
    caller: Caller,
    InPath((queue, group)): InPath<(String, String)>,
) -> Result<StatusCode, Problem> {
    let parts = stream(&web, &caller, &queue)?;
    find(&web, &parts, &queue, &group).await?;
    let groups = web.gateway().groups();
    if !groups.delete(DEFAULT_VHOST, &parts, &group).await? {
        return Err(in_use(&group));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn in_use(group: &str) -> Problem {
    Problem::conflict(format!(
        "somebody reads by the group '{group}'; stop them first"
    ))
}

async fn find(
    web: &Web,
    parts: &QueueParts,
    queue: &str,
    group: &str,
) -> Result<GroupOut, Problem> {
    let views = web.gateway().groups().list(DEFAULT_VHOST, parts).await;
    let found = views.into_iter().find(|view| view.name == group);
    found
        .map(GroupOut::of)
        .ok_or_else(|| Problem::not_found(format!("no group '{group}' reads '{queue}'")))
}

/// Finds a stream that the caller may read.
fn stream(web: &Web, caller: &Caller, queue: &str) -> Result<QueueParts, Problem> {
    let access = caller.access(web, DEFAULT_VHOST)?;
    let engine = web.gateway().engine();
    engine.check_right(&access, Right::Read, Resource::Queue, queue)?;
    let parts = engine.queue_parts(DEFAULT_VHOST, queue);
    parts
        .filter(|parts| parts.kind == QueueKind::Stream)
        .ok_or_else(|| {
            Problem::invalid(format!("'{queue}' is no stream: only streams have groups"))
        })
}
