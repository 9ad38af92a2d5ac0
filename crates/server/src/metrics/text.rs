//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::catalogue::Family;

/// What a family's numbers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They only grow, until the process starts again.
    Counter,
    /// They go up and down.
    Gauge,
    /// They count durations by size.
    Histogram,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A page of metrics that is being written.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, family: &'static Family) -> Samples<'_> {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(self.0, "# HELP {} {}", family.name, family.help);
        let _ = writeln!(self.0, "# TYPE {} {}", family.name, family.kind.name());
        Samples { page: self, family }
    }

    /// A family of one number.
    pub(super) fn number(&mut self, family: &'static Family, value: impl Display) {
        self.family(family).sample(&[], value);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// The samples of one family.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    page: &'a mut Page,
    family: &'static Family,
}

impl Samples<'_> {
    /// Writes one number; `labels` are the values of the family's labels, in their order.
    pub(super) fn sample(&mut self, labels: &[&str], value: impl Display) {
        self.suffixed("", labels, None, value);
    }

    /// Writes a histogram: how many were at most each bound, all of them, and their sum.
    pub(super) fn histogram(&mut self, labels: &[&str], bounds: &[f64], counts: &[u64], sum: f64) {
        let mut below = 0;
        for (bound, count) in bounds.iter().zip(counts) {
            below += count;
            self.suffixed("_bucket", labels, Some(&bound.to_string()), below);
        }
        let all: u64 = counts.iter().sum();
        self.suffixed("_bucket", labels, Some("+Inf"), all);
        self.suffixed("_sum", labels, None, sum);
        self.suffixed("_count", labels, None, all);
    }

    fn suffixed(
        &mut self,
        suffix: &str,
        labels: &[&str],
        bound: Option<&str>,
        value: impl Display,
    ) {
        debug_assert_eq!(
            labels.len(),
            self.family.labels.len(),
            "{}",
            self.family.name
        );
        let out = &mut self.page.0;
        out.push_str(self.family.name);
        out.push_str(suffix);
        let named = self
            .family
            .labels
            .iter()
            .copied()
            .zip(labels.iter().copied());
        let mut separator = '{';
        for (name, value) in named.chain(bound.map(|bound| ("le", bound))) {
            out.push(separator);
            separator = ',';
            out.push_str(name);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        if separator == ',' {
            out.push('}');
        }
        let _ = writeln!(out, " {value}");
    }
}

fn escape(value: &str, out: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push(character),
        }
    }
}
