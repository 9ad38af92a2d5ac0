//! A whole run: its stages one after the other, and what is checked at the end.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::clock::Clock;
use super::error::LoadError;
use super::options::{LoadOptions, RunLength, Target};
use super::plan::Plan;
use super::report::{Checks, LoadReport, Progress, StageReport};
use super::roles::Cast;
use super::shared::Shared;
use super::stage::{Outcome, Stage};
use super::topology::{self, Topology};
use super::transport::Tls;
use super::worker::StageSetup;
use crate::amqp::{client_config, server_name};
use crate::descriptors;

/// Runs a load and reports what it found.
///
/// `display` is told about once a second how it goes; what it answers may end the run early.
/// Queues and exchange are removed at the end, also after a failure, unless they are to be kept.
///
/// *Concurrency*: blocks the calling thread; the load has threads of its own. Not for use within an async runtime.
///
/// # Errors
///
/// Fails when the options contradict themselves, the server cannot be reached, it closes a connection or
/// breaks the protocol, or no message moves for the drain timeout.
pub fn run(
    options: &LoadOptions,
    mut display: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<LoadReport, LoadError> {
    options.check().map_err(LoadError::Options)?;
    descriptors::raise_limit();
    let mut run = Run {
        options: options.clone(),
        plan: Plan::new(options),
        address: resolve(&options.target)?,
        tls: prepare_tls(&options.target)?,
        clock: Clock::start(),
        stages: Vec::new(),
        checks: Checks::default(),
        complete: true,
    };
    let mut plan = run.plan.clone();
    if matches!(options.length, RunLength::Idle { .. }) {
        plan.queues = 0;
    }
    let mut topology = topology::create(&run.options, &plan)?;
    run.conduct(topology.as_mut(), &mut display)?;
    let server = topology.server();
    run.check(topology.as_mut())?;
    topology.remove()?;
    let target = match &options.target {
        Target::Amqp { url, .. } => url.to_string(),
        Target::Relay(address) => format!("relay://{address}"),
        Target::Nats(url) => url.to_string(),
        Target::Web(target) => target.url.to_string(),
    };
    Ok(LoadReport {
        target,
        server: format!("{} {}", server.product, server.version)
            .trim()
            .to_owned(),
        stages: run.stages,
        checks: run.checks,
    })
}

struct Run {
    options: LoadOptions,
    plan: Plan,
    address: SocketAddr,
    tls: Tls,
    clock: Clock,
    stages: Vec<StageReport>,
    checks: Checks,
    complete: bool,
}

impl Run {
    fn conduct(
        &mut self,
        topology: &mut dyn Topology,
        display: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), LoadError> {
        let both = Cast {
            producers: true,
            consumers: self.plan.consumers > 0,
            idle: 0,
            messages: u64::MAX,
        };
        match self.options.length {
            RunLength::Time(_) => {
                self.stage("load", both, 0, display)?;
            }
            RunLength::Messages(messages) => {
                self.stage("load", Cast { messages, ..both }, 0, display)?;
            }
            RunLength::Idle { connections, .. } => {
                let cast = Cast {
                    producers: false,
                    consumers: false,
                    idle: connections,
                    messages: 0,
                };
                self.stage("idle", cast, 0, display)?;
            }
            RunLength::Backlog(messages) => {
                let fill = Cast {
                    consumers: false,
                    messages,
                    ..both
                };
                let filled = self.stage("fill", fill, 0, display)?;
                let waiting = filled * self.plan.copies();
                if self.options.confirms.is_none() {
                    await_depth(topology, waiting, &self.options)?;
                }
                let drain = Cast {
                    producers: false,
                    messages: 0,
                    ..both
                };
                self.stage("drain", drain, waiting, display)?;
            }
        }
        Ok(())
    }

    /// Runs one stage and gives what it published.
    fn stage(
        &mut self,
        name: &'static str,
        cast: Cast,
        waiting: u64,
        display: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<u64, LoadError> {
        let setup = Arc::new(StageSetup {
            options: self.options.clone(),
            plan: self.plan.clone(),
            address: self.address,
            tls: self.tls.clone(),
            shared: Arc::new(Shared::new(self.clock, self.options.threads)),
        });
        let outcome = Stage::start(name, &setup, cast, waiting, display)?.finish()?;
        let published = outcome.total.published;
        self.book(&outcome, cast);
        self.stages.push(outcome.report);
        Ok(published)
    }

    fn book(&mut self, outcome: &Outcome, cast: Cast) {
        let (checks, books) = (&mut self.checks, &outcome.books);
        if cast.producers && self.plan.consumers > 0 {
            let through = if self.options.confirms.is_some() {
                outcome.total.confirmed - books.refused
            } else {
                outcome.total.published
            };
            checks.expected += through * self.plan.copies();
        }
        checks.received += outcome.total.delivered;
        checks.lost += books.findings.missing;
        checks.duplicated += books.findings.duplicates;
        checks.out_of_order += books.findings.out_of_order;
        checks.foreign += books.findings.foreign;
        checks.refused += books.refused;
        checks.returned += books.returned;
        checks.blocked += books.blocked;
        // A publisher that the server made wait still has messages in its socket.
        self.complete &= outcome.complete && books.blocked == 0;
    }

    /// Judges what did not arrive: it lies in a queue or is lost.
    fn check(&mut self, topology: &mut dyn Topology) -> Result<(), LoadError> {
        let checks = &mut self.checks;
        let distinct = checks.received - checks.duplicated.min(checks.received);
        let absent = checks.expected.saturating_sub(distinct + checks.returned);
        if absent == 0 {
            checks.lost = 0;
            return Ok(());
        }
        checks.left = topology.depth()?.min(absent);
        if self.complete {
            checks.lost = checks.lost.max(absent - checks.left);
        } else {
            // What was under way when the run gave up is neither.
            checks.left = absent - checks.lost.min(absent);
        }
        Ok(())
    }
}

/// Waits until so many messages lie in the queues.
fn await_depth(
    topology: &mut dyn Topology,
    wanted: u64,
    options: &LoadOptions,
) -> Result<(), LoadError> {
    let clock = Clock::start();
    let patience = super::clock::nanos(options.drain_timeout);
    let (mut before, mut moved_at) = (0, 0);
    loop {
        let depth = topology.depth()?;
        if depth >= wanted {
            return Ok(());
        }
        if depth != before {
            (before, moved_at) = (depth, clock.now());
        }
        if clock.now() - moved_at > patience {
            return Err(LoadError::Stalled {
                seconds: patience / 1_000_000_000,
                delivered: depth,
                expected: wanted,
            });
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn resolve(target: &Target) -> Result<SocketAddr, LoadError> {
    let authority = match target {
        Target::Amqp { url, .. } => url.authority(),
        Target::Relay(address) => address.clone(),
        Target::Nats(url) => url.authority(),
        Target::Web(target) => target.url.authority(),
    };
    look_up(&authority).map_err(|source| target.unreachable(authority, source))
}

/// Finds an address for `host:port`.
pub(super) fn look_up(authority: &str) -> io::Result<SocketAddr> {
    let mut addresses = authority.to_socket_addrs()?.collect::<Vec<_>>();
    // Servers that listen on loopback often do so on IPv4 alone.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let first = addresses.first().copied();
    first.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

fn prepare_tls(target: &Target) -> Result<Tls, LoadError> {
    let Target::Amqp { url, connect } = target else {
        return Ok(None);
    };
    if !url.tls {
        return Ok(None);
    }
    let trust = connect.overlaid(url).trust;
    let config = client_config(&trust).map_err(LoadError::client("connecting"))?;
    let name = server_name(&url.host).map_err(LoadError::client("connecting"))?;
    Ok(Some((config, name)))
}
