//! The audit log: who did what, to what, when, from where, with what outcome.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use directory::{AuditEntry, AuditFilter};
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::body::Params;
use super::caller::Caller;
use super::events::Events;
use super::problem::Problem;

/// Entries of one page.
const LIMIT_MAX: u32 = 1_000;
/// How often a reader hears from a log in which nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Which entries.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// Only what this account did. Whoever is no administrator sees what it did itself.
    actor: Option<String>,
    /// Only this action, such as `login` or `queue.delete`.
    action: Option<String>,
    /// Only what was done to this object.
    object: Option<String>,
    /// Only from this time on, in milliseconds since 1970.
    since_ms: Option<u64>,
    /// Only before this time, in milliseconds since 1970.
    until_ms: Option<u64>,
    /// Only entries before this number: those that follow in a list.
    before: Option<u64>,
    /// Only entries behind this number.
    after: Option<u64>,
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<u32>,
}

/// One entry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryOut {
    /// Its number; numbers rise.
    id: u64,
    /// When, in milliseconds since 1970.
    at_ms: u64,
    /// Who.
    actor: String,
    /// By which interface.
    door: String,
    /// From where.
    address: String,
    /// What.
    action: String,
    /// To what kind of thing.
    object_kind: String,
    /// To which.
    object: String,
    /// What came of it.
    outcome: String,
    /// What else there is to say.
    detail: String,
}

/// Entries, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// The entries.
    items: Vec<EntryOut>,
    /// Ask with this as `before` for those that follow; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<u64>,
}

impl EntryOut {
    fn of(entry: AuditEntry) -> Self {
        let record = entry.record;
        Self {
            id: entry.id,
            at_ms: record.at_ms,
            actor: record.actor,
            door: record.door,
            address: record.address,
            action: record.action,
            object_kind: record.object_kind,
            object: record.object,
            outcome: record.outcome,
            detail: record.detail,
        }
    }
}

/// Read the audit log
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditParams),
    responses(
        (status = 200, description = "Entries, the newest first", body = AuditPage),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    Params(params): Params<AuditParams>,
) -> Result<Json<AuditPage>, Problem> {
    let filter = filter(&caller, params)?;
    let limit = filter.limit;
    let entries = read(&web, filter).await?;
    let is_last = entries.len() < limit;
    let next_before = entries.last().map(|entry| entry.id).filter(|_| !is_last);
    Ok(Json(AuditPage {
        items: entries.into_iter().map(EntryOut::of).collect(),
        next_before,
    }))
}

/// Follow the audit log
///
/// Each event's data is an entry as JSON, its id the entry's number; a reader that comes back with `Last-Event-ID` misses nothing.
#[utoipa::path(get, path = "/v1/audit/events", tag = "audit", params(AuditParams),
    responses(
        (status = 200, description = "Events without end", body = String, content_type = "text/event-stream"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn tail(
    State(web): State<Web>,
    caller: Caller,
    Params(params): Params<AuditParams>,
    headers: axum::http::HeaderMap,
) -> Result<Events, Problem> {
    let last = super::events::last_event_id(&headers, None)?;
    let last = last.map(|id| id.parse::<u64>()).transpose();
    let last = last.map_err(|_| Problem::bad_request("Last-Event-ID is no entry's number"))?;
    let has_start = last.is_some() || params.after.is_some();
    let mut filter = filter(&caller, params)?;
    filter.after_id = last.unwrap_or(filter.after_id);
    if !has_start {
        let newest = AuditFilter {
            limit: 1,
            ..filter.clone()
        };
        let newest = read(&web, newest).await?;
        filter.after_id = newest.first().map_or(0, |entry| entry.id);
    }
    filter.newest_first = false;
    let changes = web.gateway().engine().audit_changes();
    let tail = Tail {
        web,
        caller,
        filter,
        changes,
        ready: Vec::new(),
    };
    let stream = unfold(tail, async |mut tail| {
        let event = tail.next().await?;
        Some((Ok(event), tail))
    });
    Ok(Sse::new(stream.boxed()))
}

/// One reader that follows the log.
struct Tail {
    web: Web,
    caller: Caller,
    filter: AuditFilter,
    changes: tokio::sync::watch::Receiver<u64>,
    /// What was read and not yet sent, the oldest last.
    ready: Vec<AuditEntry>,
}

impl Tail {
    async fn next(&mut self) -> Option<Event> {
        if self.ready.is_empty() {
            self.changes.mark_unchanged();
            self.ready = read(&self.web, self.filter.clone()).await.ok()?;
            self.ready.reverse();
        }
        if let Some(entry) = self.ready.pop() {
            self.filter.after_id = entry.id;
            let event = Event::default().id(entry.id.to_string());
            return event.json_data(EntryOut::of(entry)).ok();
        }
        let engine = self.web.gateway().engine();
        tokio::select! {
            changed = self.changes.changed() => changed.ok()?,
            () = engine.until_void(&self.caller.login) => return None,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        Some(Event::default().comment(""))
    }
}

async fn read(web: &Web, filter: AuditFilter) -> Result<Vec<AuditEntry>, Problem> {
    let entries = web.gateway().engine().audit_entries(filter).await;
    entries.map_err(|failure| {
        tracing::error!(error = &failure as &dyn std::error::Error, "the audit log");
        Problem::unavailable("the audit log cannot be read; the server's log says why")
    })
}

fn filter(caller: &Caller, params: AuditParams) -> Result<AuditFilter, Problem> {
    let limit = params.limit.unwrap_or(100);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::invalid(format!("limit is from 1 to {LIMIT_MAX}")));
    }
    let own = caller.login.name.to_string();
    let actor = match params.actor {
        actor if caller.login.is_administrator() => actor,
        Some(actor) if actor != own => {
            return Err(Problem::forbidden("you see what you did yourself"));
        }
        _ => Some(own),
    };
    Ok(AuditFilter {
        after_id: params.after.unwrap_or_default(),
        before_id: params.before,
        actor,
        action: params.action,
        object: params.object,
        since_ms: params.since_ms,
        until_ms: params.until_ms,
        limit: limit as usize,
        newest_first: true,
    })
}
