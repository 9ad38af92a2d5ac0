//! `chaski status` and `chaski reload`, and what every request to the server shares.

use server::admin::{self, Request, Response, Status};

use crate::context::Context;
use crate::exit::{CommandError, Exit};
use crate::output;

/// Asks the running server, or the data directory when none runs and that suffices.
pub(crate) fn ask(context: &Context, request: &Request) -> anyhow::Result<Response> {
    Ok(admin::run(&context.data_dir()?, request)?)
}

/// Has something changed and says nothing, as a Unix command does, but for scripts.
pub(crate) fn change(context: &Context, request: &Request) -> anyhow::Result<()> {
    let Response::Done = ask(context, request)? else {
        return Err(unexpected());
    };
    if context.json {
        output::json(&serde_json::json!({ "done": true }))?;
    }
    Ok(())
}

/// The error for an answer to another question.
pub(crate) fn unexpected() -> anyhow::Error {
    let message =
        "the server answered another question; are `chaski` and the server of one version?";
    CommandError::new(Exit::Failed, message).into()
}

/// Shows how the server is.
pub(crate) fn run(context: &Context) -> anyhow::Result<()> {
    let Response::Status(status) = ask(context, &Request::Status)? else {
        return Err(unexpected());
    };
    if context.json {
        return output::json(&status);
    }
    show(&status)
}

/// Has the certificates loaded again.
pub(crate) fn reload(context: &Context) -> anyhow::Result<()> {
    change(context, &Request::Reload)
}

fn show(status: &Status) -> anyhow::Result<()> {
    let counts = &status.counts;
    output::line(&format!(
        "Chaski {}, process {}, up {}",
        status.version,
        status.pid,
        duration(status.uptime_s)
    ))?;
    for (name, address) in &status.listeners {
        output::line(&format!("  {name:<12} {address}"))?;
    }
    let lines = [
        ("connections", counts.connections),
        ("channels", counts.channels),
        ("consumers", counts.consumers),
        ("queues", counts.queues),
        ("exchanges", counts.exchanges),
        ("ready", counts.messages_ready),
        ("unacked", counts.messages_unacked),
    ];
    for (name, count) in lines {
        output::line(&format!("  {name:<12} {count}"))?;
    }
    output::line(&format!(
        "  {:<12} {}",
        "memory",
        bytes(status.memory_bytes)
    ))?;
    output::line(&format!(
        "  {:<12} {} free",
        "disk",
        bytes(status.disk_free_bytes)
    ))?;
    for alarm in &status.alarms {
        output::line(&format!(
            "  ALARM: {}; publishers are paused",
            alarm.as_str()
        ))?;
    }
    Ok(())
}

/// Writes seconds as people say them.
fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Writes a number of bytes as people say it.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    UNITS.iter().find(|(_, unit)| count >= *unit).map_or_else(
        || format!("{count} B"),
        |(name, unit)| format!("{}.{} {name}", count / unit, count % unit * 10 / unit),
    )
}

#[cfg(test)]
mod tests;
