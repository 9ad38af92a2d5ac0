//! One stage of a run, from the controlling thread: connect, warm up, measure, drain, stop.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock::nanos;
use super::context::{Books, Context};
use super::error::LoadError;
use super::mark::MARK_BYTES;
use super::options::RunLength;
use super::options::Target;
use super::report::{Connects, Count, Phase, Progress, Sample, StageReport, Usage};
use super::roles::{Cast, deal};
use super::shared::{Command, Counters};
use super::usage::{Tree, TreeUsage, own_cpu_s};
use super::web;
use super::worker::{StageSetup, Worker};

/// Time for all connections to open: a floor and a part for each.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT_EACH: Duration = Duration::from_millis(20);
/// How often the controlling thread looks.
const LOOK: Duration = Duration::from_millis(2);
const USAGE_EVERY_NS: u64 = 100_000_000;
const SAMPLE_EVERY_NS: u64 = 1_000_000_000;
/// Stillness after which no more messages are awaited.
const STILL_NS: u64 = 5_000_000_000;

/// What a display is told, and may answer with a wish to stop.
pub(crate) type Display<'a> = &'a mut dyn FnMut(&Progress) -> ControlFlow<()>;

/// A stage that is over.
pub(crate) struct Outcome {
    pub(crate) report: StageReport,
    pub(crate) books: Books,
    /// Totals, warm-up and drain included.
    pub(crate) total: Counters,
    /// Whether everything that was awaited arrived, or nothing moved any more.
    pub(crate) complete: bool,
}

/// One running stage.
pub(crate) struct Stage<'a, 'd> {
    name: &'static str,
    setup: &'a Arc<StageSetup>,
    cast: Cast,
    /// Messages that consumers will get for what earlier stages published.
    waiting: u64,
    display: Display<'d>,
    threads: Vec<JoinHandle<Result<Books, LoadError>>>,
    watch: Watch,
    stopped: bool,
}

/// What the controlling thread observes.
struct Watch {
    tree: Option<Tree>,
    rss_peak: u64,
    usage_at: u64,
    sampled_at: u64,
    sampled: Counters,
    samples: Vec<Sample>,
    origin: u64,
}

/// Both ends of what the figures cover.
struct Span {
    from: u64,
    until: u64,
    before: Counters,
    after: Counters,
    usage_before: TreeUsage,
    usage_after: TreeUsage,
    own_before: f64,
    own_after: f64,
}

impl<'a, 'd> Stage<'a, 'd> {
    /// Starts the threads.
    pub(crate) fn start(
        name: &'static str,
        setup: &'a Arc<StageSetup>,
        cast: Cast,
        waiting: u64,
        display: Display<'d>,
    ) -> Result<Self, LoadError> {
        let mut threads = Vec::new();
        for (number, deal) in deal(cast, &setup.options, &setup.plan)
            .into_iter()
            .enumerate()
        {
            let setup = Arc::clone(setup);
            let run = move || {
                let shared = Arc::clone(&setup.shared);
                let mut context = Context::new(Arc::clone(&shared), number);
                // Where some bodies have no room for a mark, rows have holes by nature.
                let is_marked = setup.options.size.min >= MARK_BYTES;
                let result = match setup.options.target {
                    Target::Web(_) => web::run(setup, context, number, cast),
                    Target::Amqp { .. } | Target::Relay(_) | Target::Nats(_) => {
                        if is_marked {
                            context.queues = deal.queues;
                        }
                        Worker::new(setup, context, deal.openings).and_then(Worker::run)
                    }
                };
                if let Err(error) = result {
                    shared.fail(error);
                    return Err(LoadError::Thread);
                }
                result
            };
            let thread = thread::Builder::new()
                .name(format!("load-{number}"))
                .spawn(run)
                .map_err(LoadError::system("starting a thread"))?;
            threads.push(thread);
        }
        let watch = Watch {
            tree: setup.options.server_pid.map(Tree::of),
            rss_peak: 0,
            usage_at: 0,
            sampled_at: 0,
            sampled: Counters::default(),
            samples: Vec::new(),
            origin: 0,
        };
        Ok(Self {
            name,
            setup,
            cast,
            waiting,
            display,
            threads,
            watch,
            stopped: false,
        })
    }

    /// Runs the stage to its end.
    pub(crate) fn finish(mut self) -> Result<Outcome, LoadError> {
        let result = self.conduct();
        self.setup.shared.say(Command::Stop);
        let mut books = Books::new();
        for thread in std::mem::take(&mut self.threads) {
            match thread.join() {
                Ok(Ok(part)) => books.add(part),
                Ok(Err(_)) => {}
                Err(_) => return Err(LoadError::Thread),
            }
        }
        let (span, complete) = result?;
        if let Some(error) = self.setup.shared.take_failure() {
            return Err(error);
        }
        let total = self.setup.shared.total();
        let report = self.report(&span, &mut books, total);
        Ok(Outcome {
            report,
            books,
            total,
            complete,
        })
    }

    fn conduct(&mut self) -> Result<(Span, bool), LoadError> {
        let idle = self.cast.idle > 0;
        let opening = self.usage();
        let own_before = own_cpu_s();
        let open_from = self.now();
        self.connect()?;
        if idle {
            return self.hold(opening, own_before, open_from);
        }
        self.setup.shared.say(Command::Run);
        let timed = match self.setup.options.length {
            RunLength::Time(duration) => Some(duration),
            RunLength::Messages(_) | RunLength::Backlog(_) | RunLength::Idle { .. } => None,
        };
        if timed.is_some() {
            let warm = self.setup.shared.start() + nanos(self.setup.options.warm_up);
            self.setup.shared.measure(u64::MAX, u64::MAX);
            self.watch_until(warm, Phase::WarmUp, warm)?;
        }
        let from = match timed {
            Some(_) => self.now(),
            None => self.setup.shared.start(),
        };
        self.setup.shared.measure(from, u64::MAX);
        self.watch.begin(from, self.setup.shared.total());
        let before = if timed.is_some() {
            self.setup.shared.total()
        } else {
            Counters::default()
        };
        let (usage_before, own_before) = (self.usage(), own_cpu_s());
        let arrived = match timed {
            Some(duration) => {
                let until = from + nanos(duration);
                self.watch_until(until, Phase::Measuring, until)?;
                false
            }
            None => self.watch_messages()?,
        };
        let after = self.setup.shared.total();
        let until = if timed.is_some() {
            self.now()
        } else {
            after.last_event.max(from + 1)
        };
        let (usage_after, own_after) = (self.usage(), own_cpu_s());
        self.setup.shared.measure(from, until.max(from + 1));
        let complete = arrived || self.drain()?;
        let span = Span {
            from,
            until,
            before,
            after,
            usage_before,
            usage_after,
            own_before,
            own_after,
        };
        Ok((span, complete))
    }

    /// Waits until every connection is ready.
    fn connect(&mut self) -> Result<(), LoadError> {
        let options = &self.setup.options;
        let producers = if self.cast.producers {
            options.producers
        } else {
            0
        };
        let consumers = if self.cast.consumers {
            options.consumers
        } else {
            0
        };
        let wanted = producers + consumers + self.cast.idle;
        let each = CONNECT_TIMEOUT_EACH * u32::try_from(wanted).unwrap_or(u32::MAX);
        let timeout = CONNECT_TIMEOUT + each;
        let deadline = self.now() + nanos(timeout);
        loop {
            let ready = self.setup.shared.total().ready;
            if ready >= wanted as u64 {
                return Ok(());
            }
            if self.now() > deadline {
                return Err(LoadError::Setup {
                    ready: usize::try_from(ready).unwrap_or(wanted),
                    wanted,
                    seconds: timeout.as_secs(),
                });
            }
            self.look(Phase::Connecting, ready as f64 / wanted as f64)?;
            if self.stopped {
                return Err(LoadError::Stopped);
            }
        }
    }

    /// Holds idle connections.
    fn hold(
        &mut self,
        usage_before: TreeUsage,
        own_before: f64,
        from: u64,
    ) -> Result<(Span, bool), LoadError> {
        let until = self.now();
        let hold = match self.setup.options.length {
            RunLength::Idle { hold, .. } => nanos(hold),
            RunLength::Time(_) | RunLength::Messages(_) | RunLength::Backlog(_) => 0,
        };
        self.watch.begin(until, self.setup.shared.total());
        self.watch_until(until + hold, Phase::Measuring, until + hold)?;
        let span = Span {
            from,
            until,
            before: Counters::default(),
            after: self.setup.shared.total(),
            usage_before,
            usage_after: self.usage(),
            own_before,
            own_after: own_cpu_s(),
        };
        Ok((span, true))
    }

    /// Watches until a moment, or until the display wants to stop.
    fn watch_until(&mut self, until: u64, phase: Phase, end: u64) -> Result<(), LoadError> {
        let from = self.now();
        loop {
            let now = self.now();
            if now >= until || self.stopped {
                return Ok(());
            }
            let done = (now - from) as f64 / (end - from).max(1) as f64;
            self.look(phase, done)?;
        }
    }

    /// Watches until all messages of a counted stage have gone through; true unless it was stopped early.
    fn watch_messages(&mut self) -> Result<bool, LoadError> {
        let patience = nanos(self.setup.options.drain_timeout);
        let wanted = self.wanted(self.cast.messages);
        let all = wanted.published + wanted.confirmed + wanted.delivered;
        loop {
            let total = self.setup.shared.total();
            let left = wanted.published.saturating_sub(total.published)
                + wanted.confirmed.saturating_sub(total.confirmed)
                + wanted.delivered.saturating_sub(total.delivered);
            if left == 0 {
                return Ok(true);
            }
            if self.stopped {
                return Ok(false);
            }
            let still = self
                .now()
                .saturating_sub(total.last_event.max(self.watch.origin));
            if still > patience {
                return Err(LoadError::Stalled {
                    seconds: still / 1_000_000_000,
                    delivered: total.delivered,
                    expected: wanted.delivered,
                });
            }
            self.look(Phase::Measuring, 1.0 - left as f64 / all as f64)?;
        }
    }

    /// Stops producers and waits for what is still under way; false when that never ended.
    fn drain(&mut self) -> Result<bool, LoadError> {
        self.setup.shared.say(Command::Drain);
        let from = self.now();
        let end = from + nanos(self.setup.options.drain_timeout);
        // Producers notice within one sleep; what they publish until then must be awaited too.
        let settled = from + 20_000_000;
        loop {
            let now = self.now();
            let total = self.setup.shared.total();
            let wanted = self.wanted(total.published);
            let all = total.confirmed >= wanted.confirmed && total.delivered >= wanted.delivered;
            if all && now > settled {
                return Ok(true);
            }
            if now.saturating_sub(total.last_event.max(from)) > STILL_NS {
                return Ok(true);
            }
            if now > end || self.stopped {
                return Ok(false);
            }
            let done = (now - from) as f64 / (end - from).max(1) as f64;
            self.look(Phase::Draining, done)?;
        }
    }

    /// What must have happened when so many publishes are through.
    fn wanted(&self, published: u64) -> Counters {
        let confirms = self.setup.options.confirms.is_some() && self.cast.producers;
        let published = if self.cast.producers { published } else { 0 };
        Counters {
            published,
            confirmed: if confirms { published } else { 0 },
            delivered: if self.cast.consumers {
                published * self.setup.plan.copies() + self.waiting
            } else {
                0
            },
            ..Counters::default()
        }
    }

    /// Sleeps a moment, notes rates and memory, tells the display.
    fn look(&mut self, phase: Phase, done: f64) -> Result<(), LoadError> {
        thread::sleep(LOOK);
        if let Some(error) = self.setup.shared.take_failure() {
            return Err(error);
        }
        let now = self.now();
        if now >= self.watch.usage_at + USAGE_EVERY_NS {
            self.watch.usage_at = now;
            self.usage();
        }
        if now >= self.watch.sampled_at + SAMPLE_EVERY_NS {
            let rates = self.watch.sample(now, self.setup.shared.total());
            let progress = Progress {
                stage: self.name,
                phase,
                done: done.clamp(0.0, 1.0),
                rates,
            };
            self.stopped |= (self.display)(&progress).is_break();
        }
        Ok(())
    }

    fn usage(&mut self) -> TreeUsage {
        let usage = self
            .watch
            .tree
            .as_ref()
            .map(Tree::usage)
            .unwrap_or_default();
        self.watch.rss_peak = self.watch.rss_peak.max(usage.rss);
        usage
    }

    fn now(&self) -> u64 {
        self.setup.shared.clock.now()
    }

    fn report(self, span: &Span, books: &mut Books, total: Counters) -> StageReport {
        let seconds = (span.until.saturating_sub(span.from)) as f64 / 1e9;
        let count = |of: fn(&Counters) -> u64| {
            let count = of(&span.after) - of(&span.before);
            Count {
                count,
                per_s: count as f64 / seconds,
            }
        };
        let delivered = count(|counters| counters.delivered);
        let published = count(|counters| counters.published);
        let options = &self.setup.options;
        let confirms = self.cast.producers && options.confirms.is_some();
        let body_bytes = if self.cast.consumers {
            count(|counters| counters.delivered_bytes)
        } else {
            count(|counters| counters.published_bytes)
        };
        let messages = if self.cast.consumers {
            delivered
        } else {
            published
        }
        .count;
        let server_usage = options.server_pid.map(|_| {
            let cpu_s = span.usage_after.cpu_s - span.usage_before.cpu_s;
            Usage {
                cpu_s,
                cpu_s_per_million: (messages > 0).then(|| cpu_s * 1e6 / messages as f64),
                rss_before: span.usage_before.rss,
                rss_after: span.usage_after.rss,
                rss_peak: self.watch.rss_peak,
            }
        });
        let connect = std::mem::take(&mut books.connect).summary();
        let connects = (self.cast.idle > 0).then(|| Connects {
            opened: total.ready,
            per_s: total.ready as f64 / seconds,
            latency: connect,
            dropped: total.dropped,
            server_bytes_each: server_usage.map(|usage| {
                (usage.rss_after as f64 - usage.rss_before as f64) / total.ready as f64
            }),
        });
        // Messages that were stored by an earlier stage have no meaningful age.
        let fresh = self.cast.producers && self.cast.consumers;
        let end_to_end = std::mem::take(&mut books.end_to_end).summary();
        StageReport {
            name: self.name,
            seconds,
            published,
            confirmed: confirms.then(|| count(|counters| counters.confirmed)),
            delivered,
            body_bytes_per_s: body_bytes.per_s,
            confirm_latency: std::mem::take(&mut books.confirm).summary(),
            end_to_end_latency: end_to_end.filter(|_| fresh),
            last_latency: None,
            connects,
            server_usage,
            generator_cpu_s: span.own_after - span.own_before,
            samples: self.watch.samples,
        }
    }
}

impl Watch {
    /// Begins what the figures cover.
    fn begin(&mut self, now: u64, counters: Counters) {
        self.origin = now;
        self.sampled_at = now;
        self.sampled = counters;
    }

    fn sample(&mut self, now: u64, counters: Counters) -> Sample {
        let seconds = (now - self.sampled_at) as f64 / 1e9;
        let rate = |of: fn(&Counters) -> u64| {
            of(&counters).saturating_sub(of(&self.sampled)) as f64 / seconds
        };
        let sample = Sample {
            at_s: (now as f64 - self.origin as f64) / 1e9,
            published_per_s: rate(|counters| counters.published),
            confirmed_per_s: rate(|counters| counters.confirmed),
            delivered_per_s: rate(|counters| counters.delivered),
        };
        if self.origin > 0 {
            self.samples.push(sample);
        }
        self.sampled_at = now;
        self.sampled = counters;
        if let Some(tree) = &mut self.tree {
            tree.look();
        }
        sample
    }
}
