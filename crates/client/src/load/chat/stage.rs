//! What is done with a crowd: it comes, talks, holds still, or is dropped and comes back.

use std::ops::ControlFlow;
use std::time::Duration;

use super::super::clock::nanos;
use super::super::error::LoadError;
use super::super::report::{Phase, Progress, Sample};
use super::super::usage::{Tree, TreeUsage, own_cpu_s};
use super::crowd::{Crowd, SLEEP_NS_MAX};
use super::options::ChatOptions;

/// Members that log in at the same time, when time does not count.
const TOGETHER: usize = 64;
/// All members must be where they belong within this time, and so much for each.
const ENTER_TIMEOUT: Duration = Duration::from_secs(30);
const ENTER_TIMEOUT_EACH: Duration = Duration::from_millis(100);
/// All must be back within this time.
const COME_BACK_TIMEOUT: Duration = Duration::from_secs(60);
/// Nothing has come for so long: the crowd is quiet.
const QUIET: Duration = Duration::from_millis(500);
/// So long it is waited for at most.
const QUIET_TIMEOUT: Duration = Duration::from_secs(30);
/// After so long without a delivery, what is missing does not come any more.
const STILL: Duration = Duration::from_secs(3);
/// The most deliveries under way: beyond it senders wait, and their messages' latencies count that.
const UNDELIVERED_MAX: u64 = 1 << 20;
/// So long after the end messages are sent that were due before it.
const LATE: Duration = Duration::from_secs(1);
/// The sleep while deliveries hold up senders.
const HELD_UP_NS: u64 = 200_000;
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Who watches the run, and may end it.
pub(super) type Display<'a> = &'a mut dyn FnMut(&Progress) -> ControlFlow<()>;

/// Totals of a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    pub(super) at: u64,
    pub(super) sent: u64,
    pub(super) delivered: u64,
    pub(super) server: TreeUsage,
    pub(super) own_cpu_s: f64,
}

/// A crowd at work.
pub(super) struct Stage<'a> {
    pub(super) crowd: Crowd,
    pub(super) sent: u64,
    /// Deliveries that all messages make.
    pub(super) expected: u64,
    pub(super) samples: Vec<Sample>,
    /// The most memory that the server had.
    pub(super) rss_peak: u64,
    options: &'a ChatOptions,
    tree: Option<Tree>,
    display: Display<'a>,
    name: &'static str,
    sampled: Moment,
    /// Where the samples' time begins; none before figures count.
    origin: Option<u64>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        name: &'static str,
        crowd: Crowd,
        options: &'a ChatOptions,
        display: Display<'a>,
    ) -> Self {
        Self {
            crowd,
            sent: 0,
            expected: 0,
            samples: Vec::new(),
            rss_peak: 0,
            options,
            tree: options.server_pid.map(Tree::of),
            display,
            name,
            sampled: Moment::default(),
            origin: None,
        }
    }

    /// Lets everybody in: who makes a room first, `together` at the same time.
    pub(super) fn enter(&mut self) -> Result<(), LoadError> {
        let script = self.crowd.script.clone();
        let (makers, others): (Vec<usize>, Vec<usize>) = self
            .crowd
            .everybody()
            .partition(|&member| script.makes_room(member));
        let each = ENTER_TIMEOUT_EACH * u32::try_from(others.len()).unwrap_or(u32::MAX);
        self.enter_some(makers, TOGETHER, ENTER_TIMEOUT)?;
        self.enter_some(others, TOGETHER, ENTER_TIMEOUT + each)
    }

    /// Drops everybody at once and lets them come back at once.
    pub(super) fn come_back(&mut self) -> Result<(), LoadError> {
        self.crowd.script.has_rooms.set(true);
        self.crowd.drop_all();
        let everybody: Vec<usize> = self.crowd.everybody().collect();
        let count = everybody.len();
        self.enter_some(everybody, count, COME_BACK_TIMEOUT)
    }

    /// Lets these in, `together` at the same time.
    fn enter_some(
        &mut self,
        members: Vec<usize>,
        together: usize,
        timeout: Duration,
    ) -> Result<(), LoadError> {
        let wanted = self.crowd.ready + members.len();
        let deadline = self.now() + nanos(timeout);
        let mut next = members.into_iter();
        while self.crowd.ready < wanted {
            self.crowd.open(&mut next, together)?;
            self.crowd.turn(SLEEP_NS_MAX)?;
            if self.now() > deadline {
                return Err(LoadError::Setup {
                    ready: self.crowd.ready,
                    wanted,
                    seconds: timeout.as_secs(),
                });
            }
            self.look(Phase::Connecting, self.crowd.ready as f64 / wanted as f64)?;
        }
        Ok(())
    }

    /// Waits until nothing comes any more.
    pub(super) fn settle(&mut self) -> Result<(), LoadError> {
        let from = self.now();
        self.crowd.moved_at = from;
        loop {
            let now = self.now();
            if now > self.crowd.moved_at + nanos(QUIET) || now > from + nanos(QUIET_TIMEOUT) {
                return Ok(());
            }
            self.crowd.turn(SLEEP_NS_MAX)?;
            self.look(Phase::WarmUp, 0.0)?;
        }
    }

    /// Talks at the offered rate; gives the moments between which figures count.
    pub(super) fn talk(
        &mut self,
        warm_up: Duration,
        duration: Duration,
    ) -> Result<(Moment, Moment), LoadError> {
        let mut talkers = Talkers::new(self.options, &self.crowd);
        let start = self.now();
        let from = start + nanos(warm_up);
        let until = from + nanos(duration);
        (self.crowd.books.from, self.crowd.books.until) = (from, until);
        let interval = 1e9 / self.options.rate;
        let mut before = None;
        loop {
            let now = self.now();
            if before.is_none() && now >= from {
                self.origin = Some(now);
                self.sampled = self.moment();
                before = Some(self.sampled);
            }
            let due_of = |number: u64| start + (number as f64 * interval) as u64;
            let mut due = due_of(self.sent);
            while due <= now && due < until && self.undelivered() < UNDELIVERED_MAX {
                self.expected += u64::from(talkers.say_next(&mut self.crowd, due)?);
                self.sent += 1;
                due = due_of(self.sent);
            }
            let is_over = now >= until && (due >= until || now >= until + nanos(LATE));
            if is_over {
                break;
            }
            let sleep = if due <= now {
                HELD_UP_NS
            } else {
                due.min(until).saturating_sub(now)
            };
            self.crowd.turn(sleep)?;
            let phase = before.map_or(Phase::WarmUp, |_| Phase::Measuring);
            self.look(phase, (now - start) as f64 / (until - start) as f64)?;
        }
        let after = self.moment();
        Ok((before.unwrap_or(after), after))
    }

    /// Waits for what is still under way, or until nothing of it comes any more.
    pub(super) fn drain(&mut self) -> Result<(), LoadError> {
        let from = self.now();
        let (mut delivered, mut moved_at) = (self.crowd.books.delivered, from);
        loop {
            self.crowd.turn(SLEEP_NS_MAX)?;
            let now = self.now();
            if self.crowd.books.delivered > delivered {
                (delivered, moved_at) = (self.crowd.books.delivered, now);
            }
            let is_late = now > from + nanos(self.options.drain_timeout);
            if self.undelivered() == 0 || is_late || now > moved_at + nanos(STILL) {
                break;
            }
            self.look(Phase::Draining, delivered as f64 / self.expected as f64)?;
        }
        // What would come again comes soon.
        self.settle()
    }

    /// What was sent and delivered, and used for it, until now.
    pub(super) fn moment(&mut self) -> Moment {
        let server = self.tree.as_ref().map(Tree::usage).unwrap_or_default();
        self.rss_peak = self.rss_peak.max(server.rss);
        Moment {
            at: self.now(),
            sent: self.sent,
            delivered: self.crowd.books.delivered,
            server,
            own_cpu_s: own_cpu_s(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.crowd.clock.now()
    }

    fn undelivered(&self) -> u64 {
        self.expected.saturating_sub(self.crowd.books.delivered)
    }

    /// Notes rates and tells the display, once a second.
    fn look(&mut self, phase: Phase, done: f64) -> Result<(), LoadError> {
        let now = self.now();
        if now < self.sampled.at + nanos(SAMPLE_EVERY) {
            return Ok(());
        }
        let moment = self.moment();
        let seconds = (moment.at - self.sampled.at) as f64 / 1e9;
        let rates = Sample {
            at_s: self
                .origin
                .map_or(0.0, |origin| (moment.at - origin) as f64 / 1e9),
            published_per_s: (moment.sent - self.sampled.sent) as f64 / seconds,
            confirmed_per_s: 0.0,
            delivered_per_s: (moment.delivered - self.sampled.delivered) as f64 / seconds,
        };
        self.sampled = moment;
        if phase == Phase::Measuring {
            self.samples.push(rates);
        }
        let progress = Progress {
            stage: self.name,
            phase,
            done: done.clamp(0.0, 1.0),
            rates,
        };
        if (self.display)(&progress).is_break() {
            return Err(LoadError::Stopped);
        }
        Ok(())
    }
}

/// Who talks next: one room after the other, and in each one sender after the other.
struct Talkers {
    /// Member, room, and the number of its next message.
    talkers: Vec<(usize, usize, u32)>,
    next: usize,
    text: Vec<u8>,
}

impl Talkers {
    fn new(options: &ChatOptions, crowd: &Crowd) -> Self {
        let places = (0..options.senders)
            .flat_map(|place| (0..options.rooms).map(move |room| (place, room)));
        Self {
            talkers: places
                .map(|(place, room)| (crowd.script.members_of(room).start + place, room, 0))
                .collect(),
            next: 0,
            text: Vec::new(),
        }
    }

    /// Says the next message; gives how many shall hear it.
    fn say_next(&mut self, crowd: &mut Crowd, due: u64) -> Result<u32, LoadError> {
        let count = self.talkers.len();
        let (member, room, number) = &mut self.talkers[self.next];
        let sender = u32::try_from(*member).unwrap_or(u32::MAX);
        crowd
            .script
            .speech
            .write(&mut self.text, sender, *number, due);
        crowd.say(*member, &self.text)?;
        *number += 1;
        self.next = (self.next + 1) % count;
        Ok(crowd.rooms[*room].listeners())
    }
}
