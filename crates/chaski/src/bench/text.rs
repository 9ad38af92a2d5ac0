//! Reports of `chaski bench` as text for people.

use std::fmt::Write as _;

use client::disk::DiskReport;
use client::load::{Latency, LoadReport, StageReport};

/// Writes a report for people.
pub(super) fn describe(report: &LoadReport) -> String {
    let mut out = String::new();
    let server = match report.server.as_str() {
        "" => String::new(),
        server => format!(" ({server})"),
    };
    line(&mut out, &format!("{}{server}", report.target));
    for stage in &report.stages {
        describe_stage(&mut out, stage);
    }
    let checks = &report.checks;
    if checks.expected > 0 {
        let verdict = if checks.passed() {
            "nothing lost, doubled or out of order"
        } else {
            "FAILED"
        };
        line(
            &mut out,
            &format!(
                "  checks       {} of {} arrived: {verdict}",
                checks.received, checks.expected
            ),
        );
    }
    let counts = [
        ("lost", checks.lost),
        ("duplicated", checks.duplicated),
        ("out of order", checks.out_of_order),
        ("of others", checks.foreign),
        ("refused", checks.refused),
        ("returned", checks.returned),
        ("still queued", checks.left),
        ("times blocked", checks.blocked),
    ];
    for (name, count) in counts.into_iter().filter(|&(_, count)| count > 0) {
        line(&mut out, &format!("               {count} {name}"));
    }
    out
}

fn describe_stage(out: &mut String, stage: &StageReport) {
    line(out, &format!("{} ({:.1} s)", stage.name, stage.seconds));
    if let Some(connects) = &stage.connects {
        let text = format!(
            "  opened       {} connections, {}, {} dropped",
            connects.opened,
            rate(connects.per_s),
            connects.dropped
        );
        line(out, &text);
        if let Some(latency) = &connects.latency {
            line(out, &format!("  each         {}", percentiles(latency)));
        }
        if let Some(bytes) = connects.server_bytes_each {
            line(
                out,
                &format!("  memory       {:.1} KiB each", bytes / 1024.0),
            );
        }
    }
    let counts = [
        ("published", Some(stage.published)),
        ("confirmed", stage.confirmed),
        ("delivered", Some(stage.delivered)),
    ];
    for (name, count) in counts {
        if let Some(count) = count.filter(|count| count.count > 0) {
            line(
                out,
                &format!("  {name:<12} {:<10} {}", count.count, rate(count.per_s)),
            );
        }
    }
    if stage.body_bytes_per_s > 0.0 {
        line(
            out,
            &format!(
                "  bodies       {:.1} MiB/s",
                stage.body_bytes_per_s / 1_048_576.0
            ),
        );
    }
    if let Some(latency) = &stage.confirm_latency {
        line(out, &format!("  confirm      {}", percentiles(latency)));
    }
    if let Some(latency) = &stage.end_to_end_latency {
        line(out, &format!("  end to end   {}", percentiles(latency)));
    }
    if let Some(latency) = &stage.last_latency {
        line(out, &format!("  to the last  {}", percentiles(latency)));
    }
    if let Some(usage) = &stage.server_usage {
        let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
        let each = usage.cpu_s_per_million.map_or_else(String::new, |each| {
            format!(", {each:.2} per million messages")
        });
        let text = format!(
            "  server       {:.2} CPU s{each}; memory {:.0} -> {:.0} MiB, peak {:.0}",
            usage.cpu_s,
            mib(usage.rss_before),
            mib(usage.rss_after),
            mib(usage.rss_peak)
        );
        line(out, &text);
    }
    line(
        out,
        &format!("  generator    {:.2} CPU s", stage.generator_cpu_s),
    );
}

pub(super) fn describe_disk(report: &DiskReport) -> String {
    let mut out = String::new();
    let place = if report.append {
        "at the end of a file"
    } else {
        "within a file"
    };
    line(
        &mut out,
        &format!(
            "{}: {} bytes {place}, each synced{}",
            report.directory.display(),
            report.bytes,
            if report.loopback {
                " and asked for over a loopback connection"
            } else {
                ""
            }
        ),
    );
    line(
        &mut out,
        &format!("  writes       {}", rate(report.writes_per_s)),
    );
    line(
        &mut out,
        &format!("  each         {}", percentiles(&report.latency)),
    );
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn percentiles(latency: &Latency) -> String {
    let mut text = String::new();
    let values = [
        ("p50", latency.p50_us),
        ("p90", latency.p90_us),
        ("p99", latency.p99_us),
        ("p99.9", latency.p999_us),
        ("max", latency.max_us),
    ];
    for (name, micros) in values {
        let gap = if text.is_empty() { "" } else { "  " };
        // Writing to a string does not fail.
        write!(text, "{gap}{name} {}", duration_text(micros)).ok();
    }
    text
}

fn duration_text(micros: f64) -> String {
    match micros {
        micros if micros < 1e3 => format!("{micros:.0} µs"),
        micros if micros < 1e6 => format!("{:.2} ms", micros / 1e3),
        micros => format!("{:.2} s", micros / 1e6),
    }
}

pub(super) fn rate(per_s: f64) -> String {
    match per_s {
        per_s if per_s < 1e3 => format!("{per_s:.0}/s"),
        per_s if per_s < 1e6 => format!("{:.1} k/s", per_s / 1e3),
        per_s => format!("{:.2} M/s", per_s / 1e6),
    }
}
