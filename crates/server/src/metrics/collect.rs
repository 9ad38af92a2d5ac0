//! Reading the numbers.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use broker::{QueueStatistics, Reason};
use engine::{Alarm, Handle, QueueView, Totals};

use super::Observer;
use super::catalogue as of;
use super::requests::BOUNDS_S;
use super::text::Page;
use crate::chat::{COMMIT_BOUNDS_S, Numbers};
use crate::files::{FileCounts, Files, RelayCounts};
use crate::traces::Traces;

/// Writes the page of totals.
///
/// # Concurrency
/// Every shard adds up its own queues, one after the other; nothing is locked meanwhile.
pub(crate) async fn totals(
    engine: &Handle,
    chat: &Numbers,
    files: &Files,
    observer: &Observer,
) -> String {
    let totals = engine.totals().await;
    let mut page = Page::default();
    let version = env!("CARGO_PKG_VERSION");
    page.family(&of::BUILD_INFO).sample(&[version], 1);
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 need 41 bits"
    )]
    page.number(&of::START_TIME, observer.started_ms() as f64 / 1_000.0);
    let alarms = engine.alarms();
    page.number(&of::RESIDENT_BYTES, alarms.resident_bytes());
    page.number(&of::DISK_FREE_BYTES, alarms.free_bytes());
    let mut causes = page.family(&of::ALARM);
    for (cause, alarm) in [
        ("memory", Alarm::Memory),
        ("disk", Alarm::Disk),
        ("operator_memory", Alarm::OperatorMemory),
        ("operator_disk", Alarm::OperatorDisk),
    ] {
        causes.sample(&[cause], u8::from(alarms.is_in_force(alarm)));
    }
    write_topology(&mut page, &totals);
    write_messages(&mut page, &totals);
    write_chat(&mut page, chat);
    write_requests(&mut page, observer);
    write_files(&mut page, files);
    let spans = observer.traces().map(Traces::spans).unwrap_or_default();
    let mut fates = page.family(&of::TRACE_SPANS);
    fates.sample(&["exported"], spans.exported);
    fates.sample(&["failed"], spans.failed);
    fates.sample(&["dropped"], spans.dropped);
    page.finish()
}

fn write_topology(page: &mut Page, totals: &Totals) {
    page.number(&of::VHOSTS, totals.census.vhosts);
    page.number(&of::EXCHANGES, totals.census.exchanges);
    page.number(&of::QUEUES, totals.census.queues);
    page.number(&of::BINDINGS, totals.census.bindings);
    let mut connections = page.family(&of::CONNECTIONS);
    for (protocol, count) in &totals.connections {
        connections.sample(&[protocol], count);
    }
    page.number(&of::CHANNELS, totals.channels);
    page.number(&of::CONSUMERS, totals.queues.consumers);
}

fn write_messages(page: &mut Page, totals: &Totals) {
    let queues = &totals.queues;
    page.number(&of::READY, queues.ready);
    page.number(&of::UNACKED, queues.unacked);
    page.number(&of::READY_BYTES, queues.ready_bytes);
    page.number(&of::MEMORY_BYTES, queues.resident_bytes);
    page.number(&of::SEGMENT_BYTES, queues.disk_bytes);
    let messages = &totals.messages;
    page.number(&of::PUBLISHED, messages.published);
    page.number(&of::UNROUTABLE, messages.unroutable);
    let mut delivered = page.family(&of::DELIVERED);
    delivered.sample(&["consume"], messages.delivered);
    delivered.sample(&["get"], messages.got);
    page.number(&of::REDELIVERED, messages.redelivered);
    let mut settled = page.family(&of::SETTLED);
    settled.sample(&["acked"], messages.acked);
    settled.sample(&["rejected"], messages.rejected);
    settled.sample(&["requeued"], messages.requeued);
    let mut died = page.family(&of::DIED);
    for reason in Reason::ALL {
        died.sample(&[reason.name()], totals.deaths.of(reason));
    }
    page.number(&of::DEAD_LETTERED, messages.dead_lettered);
}

fn write_chat(page: &mut Page, chat: &Numbers) {
    page.number(&of::CHAT_ROOMS, chat.rooms);
    let mut sessions = page.family(&of::CHAT_SESSIONS);
    for (door, count) in &chat.sessions {
        sessions.sample(&[door], count);
    }
    page.number(&of::CHAT_SAID, chat.said);
    page.number(&of::CHAT_DELIVERED, chat.delivered);
    let mut refused = page.family(&of::CHAT_REFUSED);
    refused.sample(&["flood"], chat.refused_flood);
    refused.sample(&["slow"], chat.refused_slow);
    page.family(&of::CHAT_COMMIT_SECONDS).histogram(
        &[],
        &COMMIT_BOUNDS_S,
        &chat.commits,
        chat.commit_seconds,
    );
}

fn write_files(page: &mut Page, files: &Files) {
    let none = FileCounts::default();
    let counts = files.counts().unwrap_or(&none);
    for (family, count) in [
        (&of::PEERS, &counts.live),
        (&of::FILES, &counts.files),
        (&of::FILE_SEARCHES, &counts.searches),
        (&of::FILE_TICKETS, &counts.tickets),
        (&of::FILE_OFFERS, &counts.offers),
        (&of::FILE_REPORTS, &counts.reports),
    ] {
        page.number(family, count.load(Ordering::Relaxed));
    }
    let none = RelayCounts::default();
    let relay = files.relay().map_or(&none, |relay| relay.counts());
    for (family, count) in [
        (&of::RELAY_LINES, &relay.lines),
        (&of::RELAY_CALLS, &relay.calls),
        (&of::RELAY_BYTES, &relay.bytes),
        (&of::RELAY_REFUSED, &relay.refused),
    ] {
        page.number(family, count.load(Ordering::Relaxed));
    }
}

fn write_requests(page: &mut Page, observer: &Observer) {
    let counted = observer.requests().counted();
    let mut requests = page.family(&of::REQUESTS);
    for series in &counted.routes {
        for (status, count) in &series.statuses {
            requests.sample(&[series.method, &series.route, &status.to_string()], count);
        }
    }
    let mut durations = page.family(&of::REQUEST_SECONDS);
    for series in &counted.routes {
        let labels = [series.method, &series.route];
        durations.histogram(&labels, &BOUNDS_S, &series.durations, series.seconds);
    }
    page.number(&of::REQUESTS_IN_FLIGHT, counted.in_flight);
    page.number(&of::REQUESTS_GIVEN_UP, counted.given_up);
}

/// Writes the page of queues, one series each.
pub(crate) async fn queues(engine: &Handle) -> String {
    write_queues(&engine.queues(None).await)
}

pub(super) fn write_queues(views: &[QueueView]) -> String {
    let mut page = Page::default();
    // A name is seen once, whatever happened while the list was made.
    let rows: BTreeMap<_, _> = views
        .iter()
        .map(|view| ((&*view.vhost, &*view.name), &view.statistics))
        .collect();
    let mut write = |family, value: fn(&QueueStatistics) -> u64| {
        let mut samples = page.family(family);
        for ((vhost, queue), statistics) in &rows {
            samples.sample(&[vhost, queue], value(statistics));
        }
    };
    write(&of::QUEUE_READY, |queue| queue.ready);
    write(&of::QUEUE_UNACKED, |queue| queue.unacked);
    write(&of::QUEUE_READY_BYTES, |queue| queue.ready_bytes);
    write(&of::QUEUE_CONSUMERS, |queue| queue.consumers.into());
    page.finish()
}
