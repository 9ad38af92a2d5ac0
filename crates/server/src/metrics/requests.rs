//! The requests of HTTP, counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;

use super::Observer;

/// Bounds of the durations that are told apart, in seconds. A pull may wait for a minute.
pub(super) const BOUNDS_S: [f64; 14] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];
/// The counts of durations: one for each bound, one for what is longer.
const COUNTS: usize = BOUNDS_S.len() + 1;

/// All requests so far.
///
/// # Concurrency
/// The lock is a leaf, held to add one request or to copy the counts.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    in_flight: AtomicI64,
    given_up: AtomicU64,
    /// By route, then by method. Routes are templates of the program's own, so that there are not many.
    routes: Mutex<HashMap<String, BTreeMap<&'static str, Series>>>,
}

#[derive(Debug, Clone, Default)]
struct Series {
    statuses: BTreeMap<u16, u64>,
    durations: [u64; COUNTS],
    seconds: f64,
}

/// The counts of one method on one route.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) route: String,
    pub(crate) method: &'static str,
    /// By status, in order.
    pub(crate) statuses: Vec<(u16, u64)>,
    /// Not added up: by the bound that the duration is at most.
    pub(super) durations: [u64; COUNTS],
    pub(super) seconds: f64,
}

/// The counts of all requests at one moment.
#[derive(Debug)]
pub(crate) struct AllCounted {
    pub(crate) in_flight: i64,
    pub(crate) given_up: u64,
    /// By route and method.
    pub(crate) routes: Vec<Counted>,
}

impl Requests {
    fn answered(&self, method: &'static str, route: &str, status: u16, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let bucket = BOUNDS_S.iter().position(|bound| seconds <= *bound);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let methods = match routes.get_mut(route) {
            Some(known) => known,
            None => routes.entry(route.to_owned()).or_default(),
        };
        let series = methods.entry(method).or_default();
        *series.statuses.entry(status).or_default() += 1;
        series.seconds += seconds;
        if let Some(count) = series.durations.get_mut(bucket.unwrap_or(BOUNDS_S.len())) {
            *count += 1;
        }
    }

    /// Copies what was counted.
    pub(crate) fn counted(&self) -> AllCounted {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = routes
            .iter()
            .flat_map(|(route, methods)| methods.iter().map(move |each| (route, each)))
            .map(|(route, (method, series))| Counted {
                route: route.clone(),
                method,
                statuses: series.statuses.iter().map(|(s, n)| (*s, *n)).collect(),
                durations: series.durations,
                seconds: series.seconds,
            })
            .collect();
        drop(routes);
        all.sort_by(|one, other| (&one.route, one.method).cmp(&(&other.route, other.method)));
        AllCounted {
            in_flight: self.in_flight.load(Ordering::Relaxed),
            given_up: self.given_up.load(Ordering::Relaxed),
            routes: all,
        }
    }
}

/// A request that was not answered yet.
#[derive(Debug)]
pub(crate) struct UnderWay(Observer);

impl UnderWay {
    pub(super) fn new(observer: Observer) -> Self {
        let in_flight = &observer.requests().in_flight;
        in_flight.fetch_add(1, Ordering::Relaxed);
        Self(observer)
    }

    /// Counts the answer.
    pub(crate) fn answered(
        self,
        method: &'static str,
        route: &str,
        status: u16,
        elapsed: Duration,
    ) {
        let requests = self.0.requests();
        requests.answered(method, route, status, elapsed);
    }

    /// Counts that nobody waits for the answer any more.
    pub(crate) fn given_up(self) {
        let given_up = &self.0.requests().given_up;
        given_up.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let in_flight = &self.0.requests().in_flight;
        in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A method's name for logs and metrics; one that nobody serves is like another.
pub(crate) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        _ => "other",
    }
}
