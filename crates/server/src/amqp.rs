//! One AMQP connection: its socket, its session and its end of the engine, driven by one task.
//!
//! Each time the task runs it handles what has come from the engine, writes, reads one batch and handles that; then it starts again
//! until nothing moves. It reads only while its session takes input, so a peer that publishes faster than it may is slowed by TCP.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use broker::shard::Crowd;
use broker::{OutboxGauge, Refusal};
use bytes::{Bytes, BytesMut};
use engine::sessions::{Credentials, Origin};
use engine::{Batch, Connection, ConnectionInfo, Shard};
use session::{Action, Denied, Login, Session, Settings};
use tokio::time::{Instant, Sleep};

use crate::traces::{Place, Traces, Watch, Watched};
use crate::transport::Transport;

mod reads;
mod stall;

use reads::{READ_BYTES_MAX, READ_BYTES_MIN, read_bytes_max, room_for};
use stall::Stall;

/// How long the last words of a connection may take to be read, in milliseconds.
const LINGER_MS: u64 = 2_000;
/// How long a publisher waits for the consumers of a queue that it has crowded to take more, in milliseconds: those that take less
/// than [`broker::limits::OUTBOX_BYTES_RESUME`] in this time are left behind.
const PACE_MS: u64 = 2;
/// Rounds of one turn; then other connections have theirs.
const ROUNDS_MAX: usize = 8;

type Verdict =
    Pin<Box<dyn Future<Output = Result<engine::accounts::Login, engine::accounts::Denied>>>>;

/// Who is connected, and by which door.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) listener: &'static str,
}

/// Everything of one connection.
struct Driver {
    transport: Transport,
    session: Session,
    shard: Rc<Shard>,
    connection: Option<Connection>,
    traces: Option<Traces>,
    /// Present while messages are traced and the connection is open.
    watch: Option<Box<Watch>>,
    gauge: Arc<OutboxGauge>,
    peer: Peer,
    login: Option<engine::accounts::Login>,
    verdict: Option<Verdict>,
    /// Bytes read and not handled: a part of a frame, or what waits behind a pause.
    input: Bytes,
    read_bytes: usize,
    /// The most that `read_bytes` may become.
    read_bytes_max: usize,
    /// Delivered bytes that were encoded and not yet written whole.
    unwritten: usize,
    stall: Stall,
    alarm: Pin<Box<Sleep>>,
    alarm_at_ms: u64,
    /// When a connection that is over is given up, although its peer has not read everything.
    linger_until_ms: Option<u64>,
    /// A queue that the last batch crowded, and until when its consumers have to move.
    pace: Option<(Crowd, u64)>,
    is_end: bool,
    /// The number of open channels, for listings.
    channels: Arc<AtomicU32>,
}

/// Serves one connection until it is closed.
pub(crate) async fn drive(
    transport: Transport,
    peer: Peer,
    shard: Rc<Shard>,
    settings: Arc<Settings>,
    traces: Option<Traces>,
) {
    let gauge = Arc::new(OutboxGauge::default());
    let now_ms = shard.now_ms();
    let mut driver = Driver {
        transport,
        session: Session::new(settings, gauge.clone(), now_ms),
        shard,
        connection: None,
        traces,
        watch: None,
        gauge,
        peer,
        login: None,
        verdict: None,
        input: Bytes::new(),
        read_bytes: READ_BYTES_MIN,
        read_bytes_max: READ_BYTES_MAX,
        unwritten: 0,
        stall: Stall::default(),
        alarm: Box::pin(tokio::time::sleep_until(Instant::now())),
        alarm_at_ms: 0,
        linger_until_ms: None,
        pace: None,
        channels: Arc::default(),
        is_end: false,
    };
    let outcome = std::future::poll_fn(|context| driver.poll(context)).await;
    if let Err(error) = &outcome {
        let connection = driver.connection.as_ref().map(|open| open.id().0);
        tracing::debug!(connection, peer = %driver.peer.address, %error, "connection lost");
    }
    driver.close();
    // What the session said last is to be read before the socket closes.
    if outcome.is_ok() {
        let farewell = std::future::poll_fn(|context| driver.transport.poll_shutdown(context));
        let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS), farewell).await;
    }
}

impl Driver {
    /// Runs until nothing moves; ready when the connection is over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..ROUNDS_MAX {
            let now_ms = self.shard.now_ms();
            let mut moved = self.check_time(context, now_ms);
            if self.is_end {
                return Poll::Ready(Ok(()));
            }
            moved |= self.poll_verdict(context, now_ms);
            moved |= self.handle_events(context, now_ms);
            moved |= self.poll_write(context, now_ms)?;
            if self.session.is_closed() && self.session.output().is_empty() {
                return self.transport.poll_flush(context);
            }
            let has_input = self.poll_input(context, now_ms)?;
            if self.is_end {
                return Poll::Ready(Ok(()));
            }
            // After each batch of a publisher its consumers have their turn: what flows need not wait in queues.
            if has_input && self.session.has_published() {
                break;
            }
            moved |= has_input;
            if !moved {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does what is due, and sets the alarm for what is next.
    fn check_time(&mut self, context: &mut Context<'_>, now_ms: u64) -> bool {
        let is_over = self.session.is_closed();
        let lingers = is_over.then(|| *self.linger_until_ms.get_or_insert(now_ms + LINGER_MS));
        self.is_end |= lingers.is_some_and(|until| until <= now_ms);
        let output = self.session.output();
        if self.stall.is_due(output.len(), now_ms) {
            output.detach();
        }
        let Some(deadline) = lingers.or_else(|| self.next_deadline()) else {
            return false;
        };
        let mut is_due = false;
        if deadline <= now_ms {
            is_due = true;
            let mut batch = self.connection.as_mut().map(Connection::batch);
            let watch = self.watch.as_deref_mut();
            let mut port = batch.as_mut().map(|batch| Watched::new(batch, watch));
            self.session.handle_timeout(now_ms, port.as_mut());
            if let Some(batch) = batch {
                batch.finish();
            }
        }
        // The alarm moves only when it has rung or is late: traffic puts the deadline off at every turn.
        let deadline = lingers.or_else(|| self.next_deadline()).unwrap_or(deadline);
        if self.alarm_at_ms <= now_ms || deadline < self.alarm_at_ms {
            is_due |= self.set_alarm(context, deadline, now_ms);
        }
        is_due
    }

    /// Has the task woken at a time; true when it has come.
    fn set_alarm(&mut self, context: &mut Context<'_>, at_ms: u64, now_ms: u64) -> bool {
        self.alarm_at_ms = at_ms;
        let ahead = Duration::from_millis(at_ms.saturating_sub(now_ms).max(1));
        self.alarm.as_mut().reset(Instant::now() + ahead);
        self.alarm.as_mut().poll(context).is_ready()
    }

    fn next_deadline(&self) -> Option<u64> {
        let session = self.session.next_deadline();
        session.into_iter().chain(self.stall.deadline()).min()
    }

    fn poll_verdict(&mut self, context: &mut Context<'_>, now_ms: u64) -> bool {
        let Some(verdict) = &mut self.verdict else {
            return false;
        };
        let Poll::Ready(checked) = verdict.as_mut().poll(context) else {
            return false;
        };
        self.verdict = None;
        match checked {
            Ok(login) => {
                let accepted = Login {
                    name: login.name.clone(),
                    impersonator: login.impersonator,
                };
                self.login = Some(login);
                self.session.authenticated(Ok(accepted), now_ms);
            }
            Err(denied) => {
                tracing::info!(peer = %self.peer.address, %denied, "login refused");
                self.session.authenticated(Err(Denied), now_ms);
            }
        }
        true
    }

    fn handle_events(&mut self, context: &mut Context<'_>, now_ms: u64) -> bool {
        let Some(connection) = &mut self.connection else {
            return false;
        };
        let mut events = connection.take_events(Some(context.waker()));
        if events.is_empty() {
            connection.give_back(events);
            return false;
        }
        Watch::see_all(&mut self.watch, &events);
        let mut batch = connection.batch();
        let mut port = Watched::new(&mut batch, self.watch.as_deref_mut());
        for event in events.drain(..) {
            self.session.handle_event(event, now_ms, Some(&mut port));
        }
        self.session.flush_confirms();
        batch.finish();
        connection.run_requests();
        connection.give_back(events);
        true
    }

    fn poll_write(&mut self, context: &mut Context<'_>, now_ms: u64) -> io::Result<bool> {
        self.unwritten += self.session.take_gauge_bytes();
        let mut moved = false;
        while !self.session.output().is_empty() {
            match self
                .transport
                .poll_write(context, self.session.output().chunks())
            {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => self.session.output().advance(count),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.stall.block(moved, self.session.output().len(), now_ms);
                    return Ok(moved);
                }
            }
            moved = true;
        }
        self.stall = Stall::Flowing;
        if self.unwritten > 0 {
            let written = std::mem::take(&mut self.unwritten);
            if let Some(connection) = &mut self.connection {
                connection.written(written);
            }
        }
        match self.transport.poll_flush(context) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(moved),
        }
    }

    /// Reads and handles one batch; false when there is nothing to read or it may not be read now.
    fn poll_input(&mut self, context: &mut Context<'_>, now_ms: u64) -> io::Result<bool> {
        if self.session.is_paused() || self.session.is_closed() {
            return Ok(false);
        }
        let must_wait = self.shard.must_publishers_wait();
        let quota = self.connection.as_mut().and_then(Connection::publish_wait);
        let is_open = self.session.is_open();
        self.session
            .hold_publishes((must_wait || quota.is_some()) && is_open);
        if self.is_paced(context, now_ms) {
            return Ok(false);
        }
        if self.session.is_holding() {
            if must_wait {
                self.shard.wake_when_unblocked(context.waker());
            }
            if let Some(quota) = quota {
                self.wake_at(context, quota.until_ms, now_ms);
            }
            self.session.touch(now_ms);
            return Ok(false);
        }
        // What waited behind a pause comes first.
        if !self.input.is_empty() {
            let before = self.input.len();
            self.handle_input(now_ms);
            if self.input.len() < before || self.session.is_paused() || self.session.is_holding() {
                return Ok(true);
            }
        }
        let mut buffer = BytesMut::new();
        let held = std::mem::take(&mut self.input);
        let frame_max = self.session.frame_max();
        let (room, wanted) = room_for(held.len(), self.read_bytes, frame_max, is_open);
        if !held.is_empty() {
            buffer.reserve(room);
            buffer.extend_from_slice(&held);
        }
        let before = buffer.len();
        match self.transport.poll_read(context, &mut buffer, wanted) {
            Poll::Pending => {
                // The buffer goes, even if the socket gave it away only after a second look: whoever is silent keeps none.
                self.input = held;
                return Ok(false);
            }
            Poll::Ready(Ok(0)) => {
                self.is_end = true;
                return Ok(true);
            }
            Poll::Ready(Ok(count)) => self.adapt(count),
            Poll::Ready(Err(error)) => return Err(error),
        }
        debug_assert!(buffer.len() > before, "a read that ended gave bytes");
        self.input = buffer.freeze();
        self.handle_input(now_ms);
        Ok(true)
    }

    /// Says whether consumers are to catch up before more is read. What flows past them would go to the disk and back.
    fn is_paced(&mut self, context: &mut Context<'_>, now_ms: u64) -> bool {
        let Some((before, mut until_ms)) = self.pace.take() else {
            return false;
        };
        let Some(crowd) = self.shard.crowd(before.queue, context.waker()) else {
            return false;
        };
        if crowd != before {
            until_ms = now_ms + PACE_MS;
        } else if until_ms < now_ms {
            return false;
        }
        self.pace = Some((crowd, until_ms));
        self.wake_at(context, until_ms + 1, now_ms);
        true
    }

    /// Has the task woken at a time, unless it is woken sooner.
    fn wake_at(&mut self, context: &mut Context<'_>, at_ms: u64, now_ms: u64) {
        let is_late = self.alarm_at_ms <= now_ms || at_ms < self.alarm_at_ms;
        if is_late && self.set_alarm(context, at_ms, now_ms) {
            context.waker().wake_by_ref();
        }
    }

    /// Reads more at once while reads come back full, less when they come back nearly empty.
    fn adapt(&mut self, count: usize) {
        if count >= self.read_bytes {
            self.read_bytes = (self.read_bytes * 2).min(self.read_bytes_max);
        } else if count < self.read_bytes / 4 {
            self.read_bytes = (self.read_bytes / 2).max(READ_BYTES_MIN);
        }
    }

    fn handle_input(&mut self, now_ms: u64) {
        let published = self.session.published();
        let consumed = match &mut self.connection {
            Some(connection) => {
                let mut batch = connection.batch();
                let mut port = Watched::new(&mut batch, self.watch.as_deref_mut());
                let consumed = self
                    .session
                    .handle_input(&self.input, now_ms, Some(&mut port));
                let crowd = batch.finish();
                connection.run_requests();
                self.pace = crowd.map(|crowd| (crowd, now_ms + PACE_MS));
                consumed
            }
            None => self
                .session
                .handle_input::<Watched<'_, Batch<'_>>>(&self.input, now_ms, None),
        };
        let published = self.session.published() - published;
        if let Some(connection) = &self.connection {
            connection.note_published(published);
        }
        if let Some(most) = read_bytes_max(consumed, published) {
            self.read_bytes_max = most;
            self.read_bytes = self.read_bytes.min(most);
        }
        self.input = if consumed >= self.input.len() {
            Bytes::new()
        } else {
            self.input.slice(consumed..)
        };
        let channels = u32::try_from(self.session.channel_count()).unwrap_or(u32::MAX);
        self.channels.store(channels, Ordering::Relaxed);
        while let Some(action) = self.session.poll_action() {
            self.act(action, now_ms);
        }
    }

    fn act(&mut self, action: Action, now_ms: u64) {
        match action {
            Action::Authenticate { login, password } => {
                let engine = self.shard.handle();
                let origin = Origin {
                    door: self.peer.listener,
                    address: self.peer.address.ip(),
                    client: None,
                };
                self.verdict = Some(Box::pin(async move {
                    let password = String::from_utf8(password).unwrap_or_default();
                    let credentials = Credentials::Password {
                        login: &login,
                        password: &password,
                    };
                    engine.log_in(credentials, &origin).await
                }));
            }
            // A password opened the connection and does not run out; a new secret changes nothing for it.
            Action::UpdateSecret { secret: _ } => self.session.secret_updated(true, now_ms),
            Action::Open { vhost } => {
                let outcome = self.open(&vhost);
                self.session.opened(outcome, now_ms);
            }
        }
    }

    fn open(&mut self, vhost: &str) -> Result<(), Refusal> {
        let Some(login) = self.login.clone() else {
            return Err(Refusal::new(
                broker::RefusalKind::NotAllowed,
                "log in first",
            ));
        };
        let description = self.session.description();
        let info = ConnectionInfo {
            login: login.name.clone(),
            vhost: vhost.into(),
            peer: self.peer.address.to_string(),
            protocol: self.peer.listener,
            name: description.connection_name.map(str::to_owned),
            client: description.product.map(str::to_owned),
            connected_at_ms: self.shard.now_ms(),
            channels: self.channels.clone(),
        };
        let place = Place {
            door: info.protocol,
            vhost: info.vhost.clone(),
        };
        self.connection = Some(self.shard.connect(login, vhost, info, self.gauge.clone())?);
        let traces = self.traces.take();
        self.watch = traces.map(|traces| Box::new(Watch::of_connection(traces, place)));
        Ok(())
    }

    /// Gives back what the connection held: unacked messages, consumers, exclusive queues.
    fn close(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let now_ms = self.shard.now_ms();
        let mut events = connection.take_events(None);
        Watch::see_all(&mut self.watch, &events);
        let mut batch = connection.batch();
        let mut port = Watched::new(&mut batch, self.watch.as_deref_mut());
        for event in events.drain(..) {
            self.session.handle_event(event, now_ms, Some(&mut port));
        }
        self.session.close(&mut port);
        batch.finish();
        connection.close();
    }
}
