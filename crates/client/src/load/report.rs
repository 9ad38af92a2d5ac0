//! What a load run found, as plain data for JSON and tables.

use serde::Serialize;

/// The figures of one run.
#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    /// Where the load went, without password.
    pub target: String,
    /// Name and version that the server gave.
    pub server: String,
    /// One entry, or two for a backlog (`fill`, `drain`).
    pub stages: Vec<StageReport>,
    /// Whether everything that was sent arrived, once and in order.
    pub checks: Checks,
}

/// The figures of one stage.
#[derive(Clone, Debug, Serialize)]
pub struct StageReport {
    /// `load`, `fill`, `drain`, `idle`, or of a chat `talk` and `reconnect`.
    pub name: &'static str,
    /// Seconds that the figures cover.
    pub seconds: f64,
    /// Publishes handed to the system.
    pub published: Count,
    /// Publishes confirmed; absent without confirms.
    pub confirmed: Option<Count>,
    /// Messages that consumers got.
    pub delivered: Count,
    /// Body bytes delivered per second, or published when nobody consumes.
    pub body_bytes_per_s: f64,
    /// From a publish's due time until its confirm.
    pub confirm_latency: Option<Latency>,
    /// From a publish's due time until its delivery.
    pub end_to_end_latency: Option<Latency>,
    /// From a message's due time until the last of its room's members has it; only of a chat.
    pub last_latency: Option<Latency>,
    /// What opening connections took; only of an idle run.
    pub connects: Option<Connects>,
    /// The server's processor time and memory; absent without its process id.
    pub server_usage: Option<Usage>,
    /// The generator's own processor seconds.
    pub generator_cpu_s: f64,
    /// Rates second by second.
    pub samples: Vec<Sample>,
}

/// A number of events and their rate.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Count {
    /// How many.
    pub count: u64,
    /// How many per second.
    pub per_s: f64,
}

/// A distribution of latencies.
///
/// *Units*: microseconds, three significant digits.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Values it is made of.
    pub count: u64,
    /// Half are at most this.
    pub p50_us: f64,
    /// Nine of ten are at most this.
    pub p90_us: f64,
    /// All but one in a hundred.
    pub p99_us: f64,
    /// All but one in a thousand.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// The average.
    pub mean_us: f64,
}

/// What opening connections took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Connects {
    /// Connections with an open channel.
    pub opened: u64,
    /// Opened per second.
    pub per_s: f64,
    /// From TCP connect until the channel is open.
    pub latency: Option<Latency>,
    /// Connections that the server closed while they were held.
    pub dropped: u64,
    /// Growth of the server's memory for each connection; absent without its process id.
    pub server_bytes_each: Option<f64>,
}

/// What a process and its children used.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Usage {
    /// Processor seconds, user and system.
    pub cpu_s: f64,
    /// Processor seconds for a million messages: deliveries, or publishes when nobody consumes.
    pub cpu_s_per_million: Option<f64>,
    /// Resident memory at the start, in bytes.
    pub rss_before: u64,
    /// Resident memory at the end.
    pub rss_after: u64,
    /// The most resident memory seen, looked at ten times a second.
    pub rss_peak: u64,
}

/// The rates of one second.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Sample {
    /// Seconds since the stage's figures began.
    pub at_s: f64,
    /// Publishes per second.
    pub published_per_s: f64,
    /// Confirms per second.
    pub confirmed_per_s: f64,
    /// Deliveries per second.
    pub delivered_per_s: f64,
}

/// Whether everything that was sent arrived, once and in order.
///
/// Loss, duplicates and order are only known for bodies of 16 bytes and more; for shorter ones only the counts speak.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Checks {
    /// Messages that should have been delivered over the whole run, warm-up and drain included.
    pub expected: u64,
    /// Messages that were.
    pub received: u64,
    /// Messages that still lay in queues when the run gave up waiting.
    pub left: u64,
    /// Messages that are nowhere.
    pub lost: u64,
    /// Messages that came more than once.
    pub duplicated: u64,
    /// Messages that came after later ones of the same producer, on queues with one consumer.
    pub out_of_order: u64,
    /// Messages that the run did not send.
    pub foreign: u64,
    /// Publishes that the server refused (`basic.nack`).
    pub refused: u64,
    /// Publishes that came back unroutable.
    pub returned: u64,
    /// Times that the server asked publishers to wait (`connection.blocked`).
    pub blocked: u64,
}

impl Checks {
    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.lost == 0
            && self.duplicated == 0
            && self.out_of_order == 0
            && self.foreign == 0
            && self.refused == 0
            && self.returned == 0
    }
}

/// How a stage goes on, for a display.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The stage's name.
    pub stage: &'static str,
    /// What happens now.
    pub phase: Phase,
    /// How much of the phase is done, from 0 to 1.
    pub done: f64,
    /// The latest rates.
    pub rates: Sample,
}

/// What a stage does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Connections are opened.
    Connecting,
    /// Load runs, figures do not count yet.
    WarmUp,
    /// Figures count.
    Measuring,
    /// Producers have stopped; the last messages arrive.
    Draining,
}
