//! A whole run: what is prepared, what the crowd does, and what is checked at the end.

use std::ops::ControlFlow;
use std::rc::Rc;

use super::super::error::LoadError;
use super::super::latency::Latencies;
use super::super::report::{
    Checks, Connects, Count, Latency, LoadReport, Progress, StageReport, Usage,
};
use super::super::run::look_up;
use super::accounts;
use super::crowd::Crowd;
use super::dialect::echoes;
use super::options::{ChatOptions, ChatProtocol, ChatWork};
use super::room::Room;
use super::script::Script;
use super::stage::{Moment, Stage};
use crate::api::ApiError;
use crate::descriptors;

/// Runs a chat's load and reports what it found.
///
/// `display` is told about once a second how it goes; what it answers may end the run.
///
/// *Concurrency*: blocks the calling thread, which drives all members. Not for use within an async runtime.
///
/// # Errors
///
/// Fails when the options contradict themselves, the server cannot be reached, or a member is not let in.
pub fn run(
    options: &ChatOptions,
    mut display: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<LoadReport, LoadError> {
    options.check().map_err(LoadError::Options)?;
    descriptors::raise_limit();
    let address = look_up(&options.address).map_err(|error| {
        LoadError::api("connecting")(ApiError::Unreachable {
            url: options.address.clone(),
            reason: error.to_string(),
        })
    })?;
    let script = Rc::new(Script::new(options, prepare(options)?));
    let crowd = Crowd::new(
        Rc::clone(&script),
        address,
        options.members,
        rooms(options, &script),
    )?;
    let (name, is_talk) = match options.work {
        ChatWork::Talk { .. } => ("talk", true),
        ChatWork::Idle => ("idle", false),
        ChatWork::Reconnect => ("reconnect", false),
    };
    let mut stage = Stage::new(name, crowd, options, &mut display);
    let before_all = stage.moment();
    stage.enter()?;
    let entered = stage.now();
    stage.settle()?;
    let (before, after) = match options.work {
        ChatWork::Talk { warm_up, duration } => {
            let span = stage.talk(warm_up, duration)?;
            stage.drain()?;
            span
        }
        ChatWork::Idle => {
            let after = stage.moment();
            (
                before_all,
                Moment {
                    at: entered,
                    ..after
                },
            )
        }
        ChatWork::Reconnect => {
            stage.crowd.entered = Latencies::new();
            let before = stage.moment();
            stage.come_back()?;
            (before, stage.moment())
        }
    };
    let checks = check(&stage);
    Ok(LoadReport {
        target: format!("{}://{}", scheme(options.protocol), options.address),
        server: String::new(),
        stages: vec![report(name, is_talk, stage, options, &before, &after)],
        checks,
    })
}

/// Makes accounts, and opens sessions where members show tokens.
fn prepare(options: &ChatOptions) -> Result<Vec<String>, LoadError> {
    let Some(admin) = &options.admin else {
        return Ok(Vec::new());
    };
    accounts::make(options, admin)?;
    accounts::open_sessions(options, admin)
}

fn rooms(options: &ChatOptions, script: &Script) -> Vec<Room> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    // Nobody talks elsewhere, and who says how often to whom need not be noted.
    let senders = match options.work {
        ChatWork::Talk { .. } => options.senders,
        ChatWork::Idle | ChatWork::Reconnect => 0,
    };
    (0..options.rooms)
        .map(|room| {
            let members = script.members_of(room);
            Room::new(
                number(members.start),
                number(members.len()),
                number(senders),
                echoes(options.protocol),
            )
        })
        .collect()
}

fn check(stage: &Stage<'_>) -> Checks {
    let mut checks = Checks {
        expected: stage.expected,
        received: stage.crowd.books.delivered,
        lost: stage.expected.saturating_sub(stage.crowd.books.delivered),
        refused: stage.crowd.books.refused,
        ..Checks::default()
    };
    for room in &stage.crowd.rooms {
        let found = room.findings();
        checks.duplicated += found.doubled;
        checks.out_of_order += found.out_of_order;
        checks.foreign += found.foreign;
    }
    checks
}

fn report(
    name: &'static str,
    is_talk: bool,
    mut stage: Stage<'_>,
    options: &ChatOptions,
    before: &Moment,
    after: &Moment,
) -> StageReport {
    let seconds = after.at.saturating_sub(before.at) as f64 / 1e9;
    let count = |count: u64| Count {
        count,
        per_s: count as f64 / seconds,
    };
    let delivered = count(after.delivered - before.delivered);
    let server_usage = options.server_pid.map(|_| {
        let cpu_s = after.server.cpu_s - before.server.cpu_s;
        Usage {
            cpu_s,
            cpu_s_per_million: (delivered.count > 0).then(|| cpu_s * 1e6 / delivered.count as f64),
            rss_before: before.server.rss,
            rss_after: after.server.rss,
            rss_peak: stage.rss_peak,
        }
    });
    let opened = stage.crowd.ready as u64;
    let entered: Option<Latency> = std::mem::take(&mut stage.crowd.entered).summary();
    let connects = (!is_talk).then(|| Connects {
        opened,
        per_s: opened as f64 / seconds,
        latency: entered,
        dropped: stage.crowd.dropped,
        server_bytes_each: server_usage
            .map(|usage| (usage.rss_after as f64 - usage.rss_before as f64) / opened as f64),
    });
    let books = &mut stage.crowd.books;
    StageReport {
        name,
        seconds,
        published: count(after.sent - before.sent),
        confirmed: None,
        delivered,
        body_bytes_per_s: delivered.per_s * options.size as f64,
        confirm_latency: None,
        end_to_end_latency: std::mem::take(&mut books.each).summary(),
        last_latency: std::mem::take(&mut books.last).summary(),
        connects,
        server_usage,
        generator_cpu_s: after.own_cpu_s - before.own_cpu_s,
        samples: stage.samples,
    }
}

fn scheme(protocol: ChatProtocol) -> &'static str {
    match protocol {
        ChatProtocol::Line => "line",
        ChatProtocol::WebSocket => "ws",
        ChatProtocol::Irc => "irc",
        ChatProtocol::Xmpp => "xmpp",
    }
}
