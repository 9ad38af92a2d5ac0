//! The server as a whole, for those who look after it, and its alarms.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::Alarm;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Web;
use super::body::InPath;
use super::caller::Caller;
use super::problem::Problem;
use super::samples::{Rates, Samples};
use crate::history::POINTS_MAX;

/// How the server is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Overview {
    /// The program.
    server: Program,
    /// What happened per second in the last five seconds.
    rates: Rates,
    /// What there is.
    totals: Sums,
    /// Memory of the process.
    memory: Memory,
    /// The disk of the data directory.
    disk: Disk,
    /// Why publishers have to wait; none when they need not.
    alarms: Vec<AlarmOut>,
    /// How it was lately: a sample every five seconds, for twelve minutes.
    history: Samples,
}

/// The program that runs.
#[derive(Debug, Serialize, ToSchema)]
struct Program {
    /// Its version.
    version: &'static str,
    /// When it began, in milliseconds since 1970.
    started_ms: u64,
    /// How long it has been running.
    uptime_ms: u64,
}

/// What there is in the whole server.
#[derive(Debug, Serialize, ToSchema)]
struct Sums {
    /// Virtual hosts.
    vhosts: usize,
    /// Queues and streams.
    queues: usize,
    /// Topics, which are AMQP's exchanges.
    topics: usize,
    /// Bindings.
    bindings: usize,
    /// Open connections.
    connections: u64,
    /// Their channels.
    channels: u64,
    /// Consumers.
    consumers: u32,
    /// Messages that wait.
    messages_ready: u64,
    /// Messages that were delivered and not settled.
    messages_unacknowledged: u64,
    /// Bytes of the bodies of those that wait.
    message_bytes: u64,
}

/// Memory of the process.
#[derive(Debug, Serialize, ToSchema)]
struct Memory {
    /// What it has.
    used_bytes: u64,
    /// From here on publishers have to wait.
    high_bytes: u64,
}

/// The disk of the data directory.
#[derive(Debug, Serialize, ToSchema)]
struct Disk {
    /// What is free.
    free_bytes: u64,
    /// Below this publishers have to wait.
    low_bytes: u64,
}

/// An alarm in force.
#[derive(Debug, Serialize, ToSchema)]
struct AlarmOut {
    /// What is scarce.
    cause: AlarmWord,
    /// An operator raised it by hand; otherwise it ends by itself.
    by_hand: bool,
}

/// What may be scarce.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AlarmWord {
    /// Memory.
    Memory,
    /// The disk.
    Disk,
}

impl AlarmWord {
    const fn by_hand(self) -> Alarm {
        match self {
            Self::Memory => Alarm::OperatorMemory,
            Self::Disk => Alarm::OperatorDisk,
        }
    }
}

/// See how the server is doing
///
/// For administrators and accounts with the tag `monitoring`.
#[utoipa::path(get, path = "/v1/overview", tag = "server",
    responses(
        (status = 200, description = "How it is doing", body = Overview),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn overview(
    State(web): State<Web>,
    caller: Caller,
) -> Result<Json<Overview>, Problem> {
    let engine = web.gateway().engine();
    if !engine.accounts().may_monitor(&caller.login) {
        return Err(Problem::forbidden(
            "the overview is for administrators and for accounts with the tag monitoring",
        ));
    }
    let (totals, now_ms) = (engine.totals().await, engine.now_ms());
    let points = web.history().of_server(POINTS_MAX, now_ms);
    let newest = points.last().map(|point| point.of_queues.rates);
    let alarms = engine.alarms();
    let started_ms = web.observer().started_ms();
    let in_force = [
        (Alarm::Memory, AlarmWord::Memory, false),
        (Alarm::Disk, AlarmWord::Disk, false),
        (Alarm::OperatorMemory, AlarmWord::Memory, true),
        (Alarm::OperatorDisk, AlarmWord::Disk, true),
    ];
    let in_force = in_force.into_iter().filter_map(|(alarm, cause, by_hand)| {
        let is_in_force = alarms.is_in_force(alarm);
        is_in_force.then_some(AlarmOut { cause, by_hand })
    });
    Ok(Json(Overview {
        server: Program {
            version: env!("CARGO_PKG_VERSION"),
            started_ms,
            uptime_ms: now_ms.saturating_sub(started_ms),
        },
        rates: newest.map(Rates::from).unwrap_or_default(),
        totals: Sums {
            vhosts: totals.census.vhosts,
            queues: totals.census.queues,
            topics: totals.census.exchanges,
            bindings: totals.census.bindings,
            connections: totals.connections.values().sum(),
            channels: totals.channels,
            consumers: totals.queues.consumers,
            messages_ready: totals.queues.ready,
            messages_unacknowledged: totals.queues.unacked,
            message_bytes: totals.queues.ready_bytes,
        },
        memory: Memory {
            used_bytes: alarms.resident_bytes(),
            high_bytes: web.settings().memory_high_bytes,
        },
        disk: Disk {
            free_bytes: alarms.free_bytes(),
            low_bytes: web.settings().disk_free_low_bytes,
        },
        alarms: in_force.collect(),
        history: Samples::of_server(&points),
    }))
}

/// Raise an alarm by hand: publishers wait until it is cleared
#[utoipa::path(put, path = "/v1/alarms/{alarm}", tag = "server",
    params(("alarm" = AlarmWord, Path, description = "As if this were scarce")),
    responses(
        (status = 204, description = "Publishers wait"),
        (status = "4XX", description = "For administrators alone", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn raise_alarm(
    State(web): State<Web>,
    caller: Caller,
    InPath(alarm): InPath<AlarmWord>,
) -> Result<StatusCode, Problem> {
    set_alarm(&web, &caller, alarm, true)
}

/// Clear an alarm that was raised by hand
#[utoipa::path(delete, path = "/v1/alarms/{alarm}", tag = "server",
    params(("alarm" = AlarmWord, Path, description = "The alarm")),
    responses(
        (status = 204, description = "It is cleared; one that the server raised by itself stays"),
        (status = "4XX", description = "For administrators alone", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn clear_alarm(
    State(web): State<Web>,
    caller: Caller,
    InPath(alarm): InPath<AlarmWord>,
) -> Result<StatusCode, Problem> {
    set_alarm(&web, &caller, alarm, false)
}

fn set_alarm(
    web: &Web,
    caller: &Caller,
    alarm: AlarmWord,
    is_raised: bool,
) -> Result<StatusCode, Problem> {
    caller.check_administrator()?;
    let engine = web.gateway().engine();
    engine.set_alarm(alarm.by_hand(), is_raised);
    Ok(StatusCode::NO_CONTENT)
}
