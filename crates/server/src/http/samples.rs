//! How things did lately, as clients see it, and what they may do with what they see.

use broker::access::{Access, Resource, Right};
use engine::Handle;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::caller::DEFAULT_VHOST;
use crate::history::{self, POINTS_MAX, Point, STEP};

/// Samples beside each queue of a list.
pub(super) const BRIEF_POINTS: usize = 30;

/// What the caller may do.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct OwnRights {
    /// Change and delete it.
    configure: bool,
    /// Publish to it.
    write: bool,
    /// Take messages out of it, look at them, purge it.
    read: bool,
}

/// What happened per second, of late.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub(super) struct Rates {
    /// Messages that came in.
    published: f32,
    /// Deliveries.
    delivered: f32,
    /// Messages that left: acknowledged, most of all; of a queue also those that expired, were dropped or purged.
    settled: f32,
}

/// How it was at one time, with the rates since the time before.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Sample {
    /// When, in milliseconds since 1970.
    at_ms: u64,
    /// Messages that waited.
    ready: u64,
    /// Messages that were delivered and not settled.
    unacknowledged: u64,
    /// What happened per second.
    #[serde(flatten)]
    rates: Rates,
    /// Memory of the process, of samples of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    /// Free disk space, of samples of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_free_bytes: Option<u64>,
}

/// How it was lately.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Samples {
    /// The time between samples, in milliseconds.
    step_ms: u64,
    /// The samples, the oldest first.
    points: Vec<Sample>,
}

/// How a queue was lately, for a line that is drawn in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Sparkline {
    /// The time between samples, in milliseconds.
    step_ms: u64,
    /// Messages that waited, the oldest first.
    depth: Vec<u64>,
    /// Messages that came in per second.
    published: Vec<f32>,
    /// Deliveries per second.
    delivered: Vec<f32>,
}

/// How many samples.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct SampleParams {
    /// At most so many of the newest, 1 to 144. Default all: twelve minutes.
    #[param(minimum = 1, maximum = 144)]
    points: Option<usize>,
    /// The virtual host. Default `/`.
    vhost: Option<String>,
}

/// Where something is.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct VhostParams {
    /// The virtual host. Default `/`.
    pub(super) vhost: Option<String>,
}

impl SampleParams {
    /// How many, and of which virtual host.
    pub(super) fn read(self) -> Result<(usize, String), Problem> {
        let points = self.points.unwrap_or(POINTS_MAX);
        if !(1..=POINTS_MAX).contains(&points) {
            let detail = format!("points is from 1 to {POINTS_MAX}");
            return Err(Problem::invalid(detail));
        }
        Ok((points, vhost_of(self.vhost)))
    }
}

/// The virtual host that a request names, or the usual one.
pub(super) fn vhost_of(named: Option<String>) -> String {
    named.unwrap_or_else(|| DEFAULT_VHOST.to_owned())
}

fn step_ms() -> u64 {
    u64::try_from(STEP.as_millis()).unwrap_or(u64::MAX)
}

impl OwnRights {
    /// Asks what somebody may do with a queue or an exchange.
    pub(super) fn of(engine: &Handle, access: &Access, resource: Resource, name: &str) -> Self {
        let may = |right| engine.check_right(access, right, resource, name).is_ok();
        Self {
            configure: may(Right::Configure),
            write: may(Right::Write),
            read: may(Right::Read),
        }
    }

    /// Refuses whoever may neither read nor change it.
    pub(super) fn check_insight(self) -> Result<(), Problem> {
        if self.read || self.configure {
            return Ok(());
        }
        Err(Problem::forbidden(
            "this is for those who may read the queue or change it",
        ))
    }
}

impl From<history::Rates> for Rates {
    fn from(rates: history::Rates) -> Self {
        let history::Rates {
            published,
            delivered,
            settled,
        } = rates;
        Self {
            published,
            delivered,
            settled,
        }
    }
}

impl From<&Point> for Sample {
    fn from(point: &Point) -> Self {
        Self {
            at_ms: point.at_ms,
            ready: point.ready,
            unacknowledged: point.unacked,
            rates: point.rates.into(),
            memory_bytes: None,
            disk_free_bytes: None,
        }
    }
}

impl Samples {
    pub(super) fn of(points: &[Point]) -> Self {
        Self {
            step_ms: step_ms(),
            points: points.iter().map(Sample::from).collect(),
        }
    }

    pub(super) fn of_server(points: &[history::ServerPoint]) -> Self {
        let sample = |point: &history::ServerPoint| Sample {
            memory_bytes: Some(point.memory_bytes),
            disk_free_bytes: Some(point.disk_free_bytes),
            ..Sample::from(&point.of_queues)
        };
        Self {
            step_ms: step_ms(),
            points: points.iter().map(sample).collect(),
        }
    }
}

impl Sparkline {
    pub(super) fn of(points: &[Point]) -> Self {
        Self {
            step_ms: step_ms(),
            depth: points.iter().map(|point| point.ready).collect(),
            published: points.iter().map(|point| point.rates.published).collect(),
            delivered: points.iter().map(|point| point.rates.delivered).collect(),
        }
    }
}
