//! One thread of the generator: an epoll loop over its connections.
//!
//! Producers with something to send are pumped, then arrived bytes are read, in turns; the thread sleeps only when
//! neither is possible, until a socket or a due time wakes it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::conn::{Conn, State};
use super::context::{Books, Context};
use super::error::LoadError;
use super::options::LoadOptions;
use super::plan::Plan;
use super::producer::Pumped;
use super::roles::{Opening, Role};
use super::shared::{Command, Shared};
use super::transport::{Tls, Transport};
use crate::nats;

/// Room for what one read may bring, and a frame that it may cut.
const SCRATCH_BYTES: usize = 1 << 20;
/// Connections of one thread that are opened at the same time.
const OPENING_MAX: usize = 32;
const EVENTS_MAX: usize = 1_024;
/// The longest sleep: how soon a thread notices what the controlling thread says.
const SLEEP_NS_MAX: u64 = 5_000_000;
/// The sleep while consumers on other threads must catch up.
const BACKLOG_SLEEP_NS: u64 = 200_000;
/// How long closing may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

// A message that is not whole yet must leave room to read its rest.
const _: () = assert!(nats::LINE_MAX + nats::PAYLOAD_MAX < SCRATCH_BYTES);

/// What all threads of a stage know.
pub(crate) struct StageSetup {
    pub(crate) options: LoadOptions,
    pub(crate) plan: Plan,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Tls,
    pub(crate) shared: Arc<Shared>,
}

/// One thread.
pub(crate) struct Worker {
    setup: Arc<StageSetup>,
    context: Context,
    epoll: OwnedFd,
    conns: Vec<Conn>,
    to_open: VecDeque<Opening>,
    opening: usize,
    /// Producers that may have something to send.
    runnable: Vec<usize>,
    /// Producers that wait for consumers.
    stalled: Vec<usize>,
    /// Producers that wait for their next message's due time.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    scratch: Vec<u8>,
}

impl Worker {
    /// Prepares a thread with its connections still to be opened.
    pub(crate) fn new(
        setup: Arc<StageSetup>,
        context: Context,
        to_open: VecDeque<Opening>,
    ) -> Result<Self, LoadError> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)
            .map_err(|errno| LoadError::system("creating an epoll instance")(errno.into()))?;
        Ok(Self {
            setup,
            context,
            epoll,
            conns: Vec::with_capacity(to_open.len()),
            to_open,
            opening: 0,
            runnable: Vec::new(),
            stalled: Vec::new(),
            due: BinaryHeap::new(),
            scratch: vec![0; SCRATCH_BYTES],
        })
    }

    /// Runs until told to stop, then closes the connections.
    pub(crate) fn run(mut self) -> Result<Books, LoadError> {
        // Due times are met to the microsecond; the default slack is fifty. Without it the run is less exact, not wrong.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).ok();
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let mut last = Command::Connect;
        loop {
            let command = self.setup.shared.command();
            if command != last {
                self.obey(command)?;
                last = command;
            }
            if command == Command::Stop {
                break;
            }
            self.open_more()?;
            self.context.measured = self.setup.shared.measured();
            let sleep = self.pump()?;
            self.context.report();
            self.wait(&mut events, sleep)?;
            for event in events.drain(..) {
                self.handle_event(event)?;
            }
        }
        self.close()?;
        Ok(self.context.into_books())
    }

    /// Acts on a new command of the controlling thread.
    fn obey(&mut self, command: Command) -> Result<(), LoadError> {
        match command {
            Command::Connect => {}
            Command::Run => {
                for at in 0..self.conns.len() {
                    self.list(at);
                }
            }
            Command::Drain => {
                for at in 0..self.conns.len() {
                    if let Role::Producer(producer) = &mut self.conns[at].role {
                        producer.stop();
                    }
                    self.list(at);
                }
            }
            Command::Stop => {
                for at in 0..self.conns.len() {
                    self.conns[at].ack_rest();
                    self.conns[at].flush()?;
                }
            }
        }
        Ok(())
    }

    /// Puts a producer into the list of those to pump.
    #[inline]
    fn list(&mut self, at: usize) {
        let conn = &mut self.conns[at];
        if !conn.listed && conn.is_ready() && matches!(conn.role, Role::Producer(_)) {
            conn.listed = true;
            self.runnable.push(at);
        }
    }

    /// Lets producers send; gives the time until there is more to do.
    fn pump(&mut self) -> Result<u64, LoadError> {
        if self.setup.shared.command() == Command::Connect {
            return Ok(SLEEP_NS_MAX);
        }
        self.runnable.append(&mut self.stalled);
        self.list_due();
        let mut again = Vec::new();
        for at in std::mem::take(&mut self.runnable) {
            self.conns[at].listed = false;
            if !self.write_output(at)? {
                continue;
            }
            let conn = &mut self.conns[at];
            let Role::Producer(producer) = &mut conn.role else {
                continue;
            };
            let pumped = producer.pump(&mut conn.transport, &mut self.context)?;
            if pumped != Pumped::Socket && !self.write_output(at)? {
                continue;
            }
            let conn = &mut self.conns[at];
            match pumped {
                Pumped::More => {
                    conn.listed = true;
                    again.push(at);
                }
                Pumped::Socket => self.await_room(at, true)?,
                Pumped::Due(time) => self.due.push(Reverse((time, at))),
                Pumped::Backlog => {
                    conn.listed = true;
                    self.stalled.push(at);
                }
                Pumped::Window | Pumped::Done => {}
            }
        }
        self.runnable = again;
        if !self.runnable.is_empty() {
            return Ok(0);
        }
        let limit = if self.stalled.is_empty() {
            SLEEP_NS_MAX
        } else {
            BACKLOG_SLEEP_NS
        };
        let until_due = self.due.peek().map_or(limit, |Reverse((time, _))| {
            time.saturating_sub(self.setup.shared.clock.now())
        });
        Ok(until_due.min(limit))
    }

    /// Writes what a producer's connection has to say beside messages; false when the socket is full.
    #[inline]
    fn write_output(&mut self, at: usize) -> Result<bool, LoadError> {
        if !self.conns[at].has_output() || self.conns[at].flush()? {
            return Ok(true);
        }
        // The producer goes on when there is room again.
        self.await_room(at, true)?;
        Ok(false)
    }

    /// Lists the producers whose next message is due.
    fn list_due(&mut self) {
        if self.due.is_empty() {
            return;
        }
        let now = self.setup.shared.clock.now();
        while let Some(&Reverse((time, at))) = self.due.peek() {
            if time > now {
                break;
            }
            self.due.pop();
            self.list(at);
        }
    }

    fn wait(&self, events: &mut Vec<Event>, sleep: u64) -> Result<(), LoadError> {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::try_from(sleep.min(SLEEP_NS_MAX)).unwrap_or(0),
        };
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(LoadError::system("waiting for sockets")(errno.into())),
        }
    }

    fn handle_event(&mut self, event: Event) -> Result<(), LoadError> {
        let at = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
        let flags = event.flags;
        if at >= self.conns.len() || self.conns[at].state == State::Closed {
            return Ok(());
        }
        if flags.intersects(EventFlags::OUT | EventFlags::ERR | EventFlags::HUP) {
            self.handle_room(at)?;
        }
        if flags.intersects(EventFlags::IN | EventFlags::ERR | EventFlags::HUP) {
            self.handle_bytes(at)?;
        }
        Ok(())
    }

    /// The socket is connected, or takes more.
    fn handle_room(&mut self, at: usize) -> Result<(), LoadError> {
        if self.conns[at].state == State::Connecting {
            self.begin(at)?;
        }
        let all = self.conns[at].flush()?;
        self.await_room(at, !all)?;
        if all {
            self.list(at);
        }
        Ok(())
    }

    fn handle_bytes(&mut self, at: usize) -> Result<(), LoadError> {
        let was_opening = self.conns[at].is_opening();
        let conn = &mut self.conns[at];
        if let Err(error) = conn.read(&mut self.scratch, &mut self.context) {
            // At the end, a relay closes consumers' connections when other threads have closed producers'.
            let ending = self.setup.shared.command() == Command::Stop;
            // Idle connections may fall; the report counts them.
            let idle = matches!(conn.role, Role::Idle) && conn.is_ready();
            if !ending && !idle {
                return Err(error);
            }
            conn.state = State::Closed;
            epoll::delete(&self.epoll, &conn.transport).ok();
            self.context.counters.dropped += u64::from(!ending);
            return Ok(());
        }
        if was_opening && conn.is_ready() {
            self.opening -= 1;
            self.context.counters.ready += 1;
            let latency = self.context.now.saturating_sub(conn.opened_at);
            self.context.books.connect.record(latency);
            let setup = &self.setup;
            let frame_max = conn.frame_max();
            if let Role::Producer(producer) = &mut conn.role {
                producer.prepare(frame_max, &setup.options, &setup.plan);
            }
        }
        if !conn.flush()? {
            self.await_room(at, true)?;
        }
        if self.setup.shared.command() != Command::Connect {
            self.list(at);
        }
        Ok(())
    }

    /// Opens further connections, a few at a time.
    fn open_more(&mut self) -> Result<(), LoadError> {
        while self.opening < OPENING_MAX {
            let Some(opening) = self.to_open.pop_front() else {
                return Ok(());
            };
            self.context.tick();
            let fail = |error| self.connect_error(error);
            let transport =
                Transport::begin_connect(self.setup.address, &self.setup.tls).map_err(fail)?;
            let data = EventData::new_u64(self.conns.len() as u64);
            epoll::add(
                &self.epoll,
                &transport,
                data,
                EventFlags::IN | EventFlags::OUT,
            )
            .map_err(|errno| LoadError::system("watching a socket")(errno.into()))?;
            self.conns
                .push(Conn::new(transport, opening, self.context.now));
            self.opening += 1;
        }
        Ok(())
    }

    /// Greets the server over a new connection.
    fn begin(&mut self, at: usize) -> Result<(), LoadError> {
        self.conns[at]
            .transport
            .finish_connect()
            .map_err(|error| self.connect_error(error))?;
        self.conns[at].begin();
        Ok(())
    }

    fn connect_error(&self, error: std::io::Error) -> LoadError {
        let address = self.setup.address.to_string();
        self.setup.options.target.unreachable(address, error)
    }

    /// Watches for room in a socket, or no longer.
    fn await_room(&mut self, at: usize, await_room: bool) -> Result<(), LoadError> {
        let conn = &mut self.conns[at];
        if conn.awaits_room == await_room {
            return Ok(());
        }
        conn.awaits_room = await_room;
        let flags = if await_room {
            EventFlags::IN | EventFlags::OUT
        } else {
            EventFlags::IN
        };
        epoll::modify(
            &self.epoll,
            &conn.transport,
            EventData::new_u64(at as u64),
            flags,
        )
        .map_err(|errno| LoadError::system("watching a socket")(errno.into()))
    }

    /// Says goodbye on every connection and waits for the answers.
    fn close(&mut self) -> Result<(), LoadError> {
        let deadline = std::time::Instant::now() + CLOSE_TIMEOUT;
        let mut open = 0;
        for at in 0..self.conns.len() {
            if self.conns[at].is_ready() && self.conns[at].say_goodbye() {
                open += 1;
                let all = self.conns[at].flush().unwrap_or(true);
                self.await_room(at, !all)?;
            }
        }
        let mut events = Vec::with_capacity(EVENTS_MAX);
        while open > 0 && std::time::Instant::now() < deadline {
            self.wait(&mut events, SLEEP_NS_MAX)?;
            for event in events.drain(..) {
                let at = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                if !self.conns.get(at).is_some_and(Conn::is_ready) {
                    continue;
                }
                let conn = &mut self.conns[at];
                let all = conn.flush().unwrap_or(true);
                if conn.read_goodbye(&mut self.scratch) {
                    conn.state = State::Closed;
                    epoll::delete(&self.epoll, &conn.transport).ok();
                    open -= 1;
                } else {
                    self.await_room(at, !all)?;
                }
            }
        }
        Ok(())
    }
}
