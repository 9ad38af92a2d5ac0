//! All members: one epoll loop over their connections.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::super::clock::Clock;
use super::super::error::LoadError;
use super::super::latency::Latencies;
use super::super::transport::Transport;
use super::dialect::{self, Books, Ears};
use super::member::{Member, Read, State};
use super::room::Room;
use super::script::Script;
use crate::api::ApiError;

/// Room for what one read may bring, and for what it may cut.
const SCRATCH_BYTES: usize = 1 << 20;
const EVENTS_MAX: usize = 1_024;
/// The longest sleep.
pub(super) const SLEEP_NS_MAX: u64 = 5_000_000;

/// All members, and what they heard.
pub(super) struct Crowd {
    pub(super) script: Rc<Script>,
    pub(super) clock: Clock,
    pub(super) rooms: Vec<Room>,
    pub(super) books: Books,
    /// When bytes came last.
    pub(super) moved_at: u64,
    /// Members that are where they belong.
    pub(super) ready: usize,
    /// Connections that the server closed.
    pub(super) dropped: u64,
    /// Members that the server did not let in and that try again.
    pub(super) again: Vec<usize>,
    /// From connecting until a member was where it belongs.
    pub(super) entered: Latencies,
    address: SocketAddr,
    epoll: OwnedFd,
    members: Vec<Option<Member>>,
    /// Members on their way.
    opening: usize,
    events: Vec<Event>,
    scratch: Vec<u8>,
}

impl Crowd {
    /// Nobody is there yet.
    pub(super) fn new(
        script: Rc<Script>,
        address: SocketAddr,
        members: usize,
        rooms: Vec<Room>,
    ) -> Result<Self, LoadError> {
        // Due times are met to the microsecond; the default slack is fifty. Without it the run is less exact, not wrong.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).ok();
        let epoll = epoll::create(CreateFlags::CLOEXEC)
            .map_err(|errno| LoadError::system("creating an epoll instance")(errno.into()))?;
        Ok(Self {
            script,
            clock: Clock::start(),
            rooms,
            books: Books::default(),
            moved_at: 0,
            ready: 0,
            dropped: 0,
            again: Vec::new(),
            entered: Latencies::new(),
            address,
            epoll,
            members: (0..members).map(|_| None).collect(),
            opening: 0,
            events: Vec::with_capacity(EVENTS_MAX),
            scratch: vec![0; SCRATCH_BYTES],
        })
    }

    /// Begins to connect members, those that try again first, until `together` of them are on their way.
    pub(super) fn open(
        &mut self,
        next: &mut impl Iterator<Item = usize>,
        together: usize,
    ) -> Result<(), LoadError> {
        while self.opening < together {
            let Some(at) = self.again.pop().or_else(|| next.next()) else {
                return Ok(());
            };
            let fail = |error| self.connect_error(&error);
            let transport = Transport::begin_connect(self.address, &None).map_err(fail)?;
            let flags = EventFlags::IN | EventFlags::OUT;
            epoll::add(
                &self.epoll,
                &transport,
                EventData::new_u64(at as u64),
                flags,
            )
            .map_err(|errno| LoadError::system("watching a socket")(errno.into()))?;
            let dialect = dialect::of(&self.script, at);
            self.members[at] = Some(Member::new(transport, dialect, self.clock.now()));
            self.opening += 1;
        }
        Ok(())
    }

    /// Drops all connections without a word.
    pub(super) fn drop_all(&mut self) {
        self.members.fill_with(|| None);
        self.again.clear();
        (self.ready, self.opening) = (0, 0);
    }

    /// Lets a member say something.
    pub(super) fn say(&mut self, at: usize, text: &[u8]) -> Result<(), LoadError> {
        if let Some(member) = &mut self.members[at] {
            member.say(text);
        }
        self.flush(at)
    }

    /// Waits for bytes, not longer than `sleep` nanoseconds, and lets members read them.
    pub(super) fn turn(&mut self, sleep: u64) -> Result<(), LoadError> {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::try_from(sleep.min(SLEEP_NS_MAX)).unwrap_or(0),
        };
        let mut events = std::mem::take(&mut self.events);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(LoadError::system("waiting for sockets")(errno.into())),
        }
        for event in events.drain(..) {
            self.handle(event)?;
        }
        self.events = events;
        Ok(())
    }

    /// Members that have been let in, in numbers of the run.
    pub(super) fn everybody(&self) -> Range<usize> {
        0..self.members.len()
    }

    fn handle(&mut self, event: Event) -> Result<(), LoadError> {
        let at = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
        let flags = event.flags;
        // An event of a connection that was dropped meanwhile.
        let Some(Some(member)) = self.members.get_mut(at) else {
            return Ok(());
        };
        let is_wrong = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        if is_wrong || flags.contains(EventFlags::OUT) {
            if member.state == State::Connecting
                && let Err(error) = member.begin()
            {
                return Err(self.connect_error(&error));
            }
            self.flush(at)?;
        }
        if is_wrong || flags.contains(EventFlags::IN) {
            self.read(at)?;
        }
        Ok(())
    }

    fn read(&mut self, at: usize) -> Result<(), LoadError> {
        let Some(member) = &mut self.members[at] else {
            return Ok(());
        };
        if member.state == State::Closed {
            return Ok(());
        }
        let now = self.clock.now();
        self.moved_at = now;
        let was_ready = member.state == State::Ready;
        let mut ears = Ears {
            speech: &self.script.speech,
            room: &mut self.rooms[self.script.room_of(at)],
            books: &mut self.books,
            member: u32::try_from(at).unwrap_or(u32::MAX),
            now,
        };
        if member.read(&mut self.scratch, &mut ears)? == Read::End {
            self.dropped += 1;
            if was_ready {
                // It misses what is said, and the checks tell.
                member.state = State::Closed;
                epoll::delete(&self.epoll, &*member).ok();
            } else {
                self.members[at] = None;
                self.opening -= 1;
                self.again.push(at);
            }
            return Ok(());
        }
        if !was_ready && member.state == State::Ready {
            self.opening -= 1;
            self.ready += 1;
            self.entered.record(now.saturating_sub(member.opened_at));
        }
        self.flush(at)
    }

    /// Writes what a member has to say, and watches for room if the socket is full.
    fn flush(&mut self, at: usize) -> Result<(), LoadError> {
        let Some(member) = &mut self.members[at] else {
            return Ok(());
        };
        if matches!(member.state, State::Connecting | State::Closed) {
            return Ok(());
        }
        let awaits_room = !member.flush()?;
        if member.awaits_room == awaits_room {
            return Ok(());
        }
        member.awaits_room = awaits_room;
        let mut flags = EventFlags::IN;
        flags.set(EventFlags::OUT, awaits_room);
        epoll::modify(&self.epoll, &*member, EventData::new_u64(at as u64), flags)
            .map_err(|errno| LoadError::system("watching a socket")(errno.into()))
    }

    fn connect_error(&self, error: &std::io::Error) -> LoadError {
        LoadError::api("connecting")(ApiError::Unreachable {
            url: self.address.to_string(),
            reason: error.to_string(),
        })
    }
}
