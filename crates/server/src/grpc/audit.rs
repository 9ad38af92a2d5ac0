//! The service of the audit log.

use directory::{AuditEntry, AuditFilter};
use futures_util::stream::unfold;
use rpc::v1;
use rpc::v1::AuditOutcome;
use rpc::v1::audit_service_server::AuditService;
use tokio::sync::watch;
use tonic::{Request, Response, Status, async_trait};

use super::call::{Answers, Call};
use super::queues::page;
use super::status::{flawed, forbidden, logged_out, unavailable};
use super::value::signed;
use crate::flaw::Flaw;
use crate::http::Web;

/// Entries that are read at once.
const TOGETHER_MAX: usize = 1_000;

/// How often the log is read for one page; what was not found by then is looked for by the next page.
const READS_MAX: usize = 16;

/// The service.
pub(super) struct Audit(pub(super) Web);

#[async_trait]
impl AuditService for Audit {
    type TailAuditStream = Answers<v1::TailAuditResponse>;

    async fn list_audit(
        &self,
        request: Request<v1::ListAuditRequest>,
    ) -> Result<Response<v1::ListAuditResponse>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        list(&call, request.into_inner()).await.map(Response::new)
    }

    async fn tail_audit(
        &self,
        request: Request<v1::TailAuditRequest>,
    ) -> Result<Response<Self::TailAuditStream>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        let tail = Tail::begin(call.clone(), request.into_inner()).await?;
        let entries = unfold(Some(tail), |tail| async move {
            let mut tail = tail?;
            match tail.next().await {
                Ok(entry) => {
                    let entry = Some(written(entry));
                    Some((Ok(v1::TailAuditResponse { entry }), Some(tail)))
                }
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(Response::new(call.in_time(entries)))
    }
}

/// Which entries are meant: what the log looks for, and what is looked for here.
struct Wish {
    filter: AuditFilter,
    action_prefix: String,
    outcome: AuditOutcome,
}

impl Wish {
    fn of(call: &Call, wish: Option<v1::AuditFilter>) -> Result<Self, Status> {
        let wish = wish.unwrap_or_default();
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        let own = call.caller.login.name.to_string();
        let actor = match text(wish.login) {
            actor if call.caller.login.is_administrator() => actor,
            Some(actor) if actor != own => return Err(forbidden("you see what you did yourself")),
            Some(_) | None => Some(own),
        };
        let moment = |ms: i64| u64::try_from(ms).unwrap_or(0);
        let unknown = |_| flawed(Flaw::new("filter.outcome", "there is no such outcome"));
        Ok(Self {
            filter: AuditFilter {
                actor,
                object: text(wish.target),
                since_ms: wish.from_ms.map(moment),
                until_ms: wish.to_ms.map(moment),
                limit: TOGETHER_MAX,
                ..AuditFilter::default()
            },
            action_prefix: wish.action_prefix,
            outcome: AuditOutcome::try_from(wish.outcome).map_err(unknown)?,
        })
    }

    fn wants(&self, entry: &AuditEntry) -> bool {
        let is_outcome = self.outcome == AuditOutcome::Unspecified
            || self.outcome == outcome(&entry.record.outcome);
        is_outcome && entry.record.action.starts_with(&self.action_prefix)
    }
}

fn outcome(text: &str) -> AuditOutcome {
    match text {
        "refused" => AuditOutcome::Refused,
        "failed" => AuditOutcome::Failed,
        _ => AuditOutcome::Done,
    }
}

async fn list(call: &Call, request: v1::ListAuditRequest) -> Result<v1::ListAuditResponse, Status> {
    let page = page(request.page_size, String::new())?;
    let mut wish = Wish::of(call, request.filter)?;
    wish.filter.newest_first = true;
    wish.filter.before_id = match request.page_token.as_str() {
        "" => None,
        token => Some(token.parse().map_err(|_| {
            let detail = "the token is none that a page gave; begin without one";
            flawed(Flaw::new("page_token", detail))
        })?),
    };
    let mut entries = Vec::new();
    let mut is_last = false;
    for _ in 0..READS_MAX {
        let read = read(call, wish.filter.clone()).await?;
        is_last = read.len() < TOGETHER_MAX;
        wish.filter.before_id = read.last().map(|entry| entry.id).or(wish.filter.before_id);
        entries.extend(read.into_iter().filter(|entry| wish.wants(entry)));
        if is_last || entries.len() > page.limit() {
            break;
        }
    }
    let next = if entries.len() > page.limit() {
        entries.truncate(page.limit());
        entries.last().map(|entry| entry.id)
    } else {
        wish.filter.before_id.filter(|_| !is_last)
    };
    Ok(v1::ListAuditResponse {
        next_page_token: next.map(|number| number.to_string()).unwrap_or_default(),
        entries: entries.into_iter().map(written).collect(),
    })
}

/// One reader that follows the log.
struct Tail {
    call: Call,
    wish: Wish,
    changes: watch::Receiver<u64>,
    /// What was read and not yet sent, the oldest last.
    ready: Vec<AuditEntry>,
}

impl Tail {
    async fn begin(call: Call, request: v1::TailAuditRequest) -> Result<Self, Status> {
        let mut wish = Wish::of(&call, request.filter)?;
        let changes = call.engine().audit_changes();
        wish.filter.after_id = match request.after_number {
            Some(number) => number,
            None => {
                let newest = AuditFilter {
                    limit: 1,
                    newest_first: true,
                    ..AuditFilter::default()
                };
                let newest = read(&call, newest).await?;
                newest.first().map_or(0, |entry| entry.id)
            }
        };
        Ok(Self {
            call,
            wish,
            changes,
            ready: Vec::new(),
        })
    }

    async fn next(&mut self) -> Result<AuditEntry, Status> {
        loop {
            if let Some(entry) = self.ready.pop() {
                return Ok(entry);
            }
            self.changes.mark_unchanged();
            let mut read = read(&self.call, self.wish.filter.clone()).await?;
            if let Some(last) = read.last() {
                self.wish.filter.after_id = last.id;
                read.retain(|entry| self.wish.wants(entry));
                read.reverse();
                self.ready = read;
                continue;
            }
            let engine = self.call.engine();
            tokio::select! {
                changed = self.changes.changed() => {
                    changed.map_err(|_| unavailable("the server is shutting down"))?;
                }
                () = engine.until_void(&self.call.caller.login) => return Err(logged_out()),
            }
        }
    }
}

async fn read(call: &Call, filter: AuditFilter) -> Result<Vec<AuditEntry>, Status> {
    let entries = call.engine().audit_entries(filter).await;
    entries.map_err(|failure| {
        tracing::error!(error = &failure as &dyn std::error::Error, "the audit log");
        unavailable("the audit log cannot be read; the server's log says why")
    })
}

fn written(entry: AuditEntry) -> v1::AuditEntry {
    let record = entry.record;
    v1::AuditEntry {
        number: entry.id,
        at_ms: signed(record.at_ms),
        login: record.actor,
        session_id: String::new(),
        door: record.door,
        address: record.address,
        outcome: outcome(&record.outcome).into(),
        action: record.action,
        target: record.object,
        detail: record.detail,
    }
}
