//! Latencies as they are collected: a histogram behind a run-length stage.

use hdrhistogram::Histogram;

use super::report::Latency;

/// A minute; longer waits count as a minute.
const NANOS_MAX: u64 = 60_000_000_000;

/// Collects latencies to three significant digits.
///
/// Messages of one batch share stamp and arrival, so equal values are counted first and recorded once.
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
    value: u64,
    count: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Latencies {
    /// Begins empty.
    pub(crate) fn new() -> Self {
        Self {
            histogram: Histogram::new_with_bounds(1_000, NANOS_MAX, 3)
                .expect("the bounds are in order and three digits are supported"),
            value: 0,
            count: 0,
        }
    }

    /// Adds one latency in nanoseconds.
    #[inline]
    pub(crate) fn record(&mut self, nanos: u64) {
        if nanos == self.value {
            self.count += 1;
            return;
        }
        self.settle();
        self.value = nanos;
        self.count = 1;
    }

    /// Adds another thread's.
    pub(crate) fn add(&mut self, mut other: Self) {
        self.settle();
        other.settle();
        self.histogram
            .add(&other.histogram)
            .expect("both have the same bounds");
    }

    /// Sums up; nothing when nothing was recorded.
    pub(crate) fn summary(mut self) -> Option<Latency> {
        self.settle();
        if self.histogram.is_empty() {
            return None;
        }
        let at = |quantile: f64| micros(self.histogram.value_at_quantile(quantile));
        Some(Latency {
            count: self.histogram.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: micros(self.histogram.max()),
            mean_us: self.histogram.mean() / 1e3,
        })
    }

    fn settle(&mut self) {
        if self.count > 0 {
            self.histogram
                .record_n(self.value.min(NANOS_MAX), self.count)
                .expect("the value is below the upper bound");
            self.count = 0;
        }
    }
}

/// Sums up values in nanoseconds.
pub(crate) fn summarize(nanos: &[u64]) -> Option<Latency> {
    let mut latencies = Latencies::new();
    for &value in nanos {
        latencies.record(value);
    }
    latencies.summary()
}

fn micros(nanos: u64) -> f64 {
    // Three digits are kept; the sum of a minute's nanoseconds is exact in a double.
    nanos as f64 / 1e3
}
