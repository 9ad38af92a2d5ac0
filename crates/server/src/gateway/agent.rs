//! A link's end on its shard: one task that carries commands to the engine's connection and events back.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use broker::OutboxGauge;
use engine::Connection;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, Sleep};

use super::command::Command;
use super::desk::Desk;
use super::publishing::Sender;
use crate::traces::{Watch, Watched};

/// Commands that are carried out in one batch.
const COMMANDS_PER_BATCH: usize = 64;
/// Rounds of one turn; then other tasks have theirs.
const ROUNDS_MAX: usize = 8;

/// Everything of one link on its shard.
pub(super) struct Agent {
    connection: Connection,
    commands: mpsc::Receiver<Command>,
    desk: Desk,
    leases_held: Arc<AtomicUsize>,
    /// Present while messages are traced.
    watch: Option<Box<Watch>>,
    /// Publishes that wait until the log takes some again.
    held_back: VecDeque<Command>,
    alarm: Pin<Box<Sleep>>,
    alarm_at_ms: u64,
    is_over: bool,
}

impl Agent {
    pub(super) fn new(
        connection: Connection,
        gauge: Arc<OutboxGauge>,
        sender: Sender,
        commands: mpsc::Receiver<Command>,
        leases_held: Arc<AtomicUsize>,
        watch: Option<Box<Watch>>,
    ) -> Self {
        Self {
            connection,
            commands,
            desk: Desk::new(gauge, sender),
            leases_held,
            watch,
            held_back: VecDeque::new(),
            alarm: Box::pin(tokio::time::sleep_until(Instant::now())),
            alarm_at_ms: 0,
            is_over: false,
        }
    }

    /// Serves the link until its last clone is dropped or the engine closes it.
    pub(super) async fn run(mut self) {
        std::future::poll_fn(|context| self.poll(context)).await;
        self.close();
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS_MAX {
            let mut moved = self.handle_events(context);
            moved |= self.handle_commands(context);
            moved |= self.check_time(context);
            self.leases_held
                .store(self.desk.leases_held(), Ordering::Relaxed);
            if self.is_over || self.desk.is_over() {
                return Poll::Ready(());
            }
            if !moved {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn handle_events(&mut self, context: &mut Context<'_>) -> bool {
        let mut events = self.connection.take_events(Some(context.waker()));
        let has_any = !events.is_empty();
        if has_any {
            Watch::see_all(&mut self.watch, &events);
            let mut batch = self.connection.batch();
            let now_ms = batch.now_ms();
            let mut port = Watched::new(&mut batch, self.watch.as_deref_mut());
            for event in events.drain(..) {
                self.desk.handle_event(event, &mut port, now_ms);
            }
            batch.finish();
            self.after_batch();
        }
        self.connection.give_back(events);
        has_any
    }

    fn handle_commands(&mut self, context: &mut Context<'_>) -> bool {
        let must_wait = self.connection.shard().must_publishers_wait();
        let mut due = Vec::new();
        if must_wait {
            self.connection.shard().wake_when_unblocked(context.waker());
        } else {
            due.extend(self.held_back.drain(..));
        }
        while due.len() < COMMANDS_PER_BATCH {
            match self.commands.poll_recv(context) {
                Poll::Ready(Some(command)) if must_wait && command.is_publish() => {
                    self.held_back.push_back(command);
                }
                Poll::Ready(Some(command)) => due.push(command),
                Poll::Ready(None) => {
                    self.is_over = true;
                    break;
                }
                Poll::Pending => break,
            }
        }
        if due.is_empty() {
            return false;
        }
        // Whoever asks over HTTP is told of a quota at once, and when to try again; AMQP's connections are slowed down instead.
        let wait = self.connection.publish_wait();
        let published = self.desk.published();
        let mut batch = self.connection.batch();
        let now_ms = batch.now_ms();
        let mut port = Watched::new(&mut batch, self.watch.as_deref_mut());
        for command in due {
            match (&wait, command.is_publish()) {
                (Some(wait), true) => command.refuse(&wait.refusal),
                (Some(_), false) | (None, _) => {
                    self.desk.handle_command(command, &mut port, now_ms);
                }
            }
        }
        batch.finish();
        self.connection
            .note_published(self.desk.published() - published);
        self.after_batch();
        true
    }

    /// Does what is due, and sets the alarm for what is next.
    fn check_time(&mut self, context: &mut Context<'_>) -> bool {
        let Some(deadline_ms) = self.desk.next_deadline_ms() else {
            return false;
        };
        let now_ms = self.connection.shard().now_ms();
        if deadline_ms <= now_ms {
            let mut batch = self.connection.batch();
            let mut port = Watched::new(&mut batch, self.watch.as_deref_mut());
            self.desk.handle_timeout(&mut port, now_ms);
            batch.finish();
            self.after_batch();
            return true;
        }
        if self.alarm_at_ms != deadline_ms {
            self.alarm_at_ms = deadline_ms;
            let ahead = Duration::from_millis(deadline_ms - now_ms);
            self.alarm.as_mut().reset(Instant::now() + ahead);
        }
        self.alarm.as_mut().poll(context).is_ready()
    }

    fn after_batch(&mut self) {
        self.connection.run_requests();
        let written = self.desk.take_written();
        self.connection.written(written);
        self.desk.release();
    }

    fn close(mut self) {
        let mut events = self.connection.take_events(None);
        Watch::see_all(&mut self.watch, &events);
        let mut batch = self.connection.batch();
        let now_ms = batch.now_ms();
        let mut port = Watched::new(&mut batch, self.watch.as_deref_mut());
        for event in events.drain(..) {
            self.desk.handle_event(event, &mut port, now_ms);
        }
        self.desk.close(&mut port);
        batch.finish();
        self.desk.release();
        self.leases_held.store(0, Ordering::Relaxed);
        self.connection.close();
    }
}
