//! Deadlines: the handshake's, the heartbeat's both ways, the close's.

use broker::Port;
use codec::amqp::content::HEARTBEAT_FRAME;

use crate::limits;
use crate::session::Session;
use crate::state::State;

#[cfg(test)]
mod tests;

/// The moments of one connection. Units: milliseconds.
#[derive(Debug)]
pub(crate) struct Timers {
    now_ms: u64,
    handshake_until_ms: u64,
    heard_ms: u64,
    /// 0 is off.
    heartbeat_ms: u64,
    beat_at_ms: u64,
    /// All output up to the last beat, to see whether anything went out since.
    total_at_beat: u64,
    close_until_ms: u64,
    resume_at_ms: Option<u64>,
    /// How many more times.
    resumes_left: u8,
}

impl Timers {
    pub(crate) const fn new(now_ms: u64, handshake_timeout_ms: u64) -> Self {
        Self {
            now_ms,
            handshake_until_ms: now_ms.saturating_add(handshake_timeout_ms),
            heard_ms: now_ms,
            heartbeat_ms: 0,
            beat_at_ms: 0,
            total_at_beat: 0,
            close_until_ms: 0,
            resume_at_ms: None,
            resumes_left: 0,
        }
    }

    /// Takes the time; it never goes back.
    pub(crate) fn tick(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// The time so many milliseconds from now.
    pub(crate) const fn time_in(&self, milliseconds: u64) -> u64 {
        self.now_ms.saturating_add(milliseconds)
    }

    /// The peer is alive.
    pub(crate) fn heard(&mut self, now_ms: u64) {
        self.tick(now_ms);
        self.heard_ms = self.now_ms;
    }

    /// Starts to beat.
    pub(crate) fn start_heartbeat(&mut self, heartbeat_s: u16, now_ms: u64) {
        self.heard(now_ms);
        self.heartbeat_ms = u64::from(heartbeat_s) * 1_000;
        self.beat_at_ms = self.now_ms + self.heartbeat_ms / 2;
    }

    /// Starts to wait for close-ok; a peer that never got through the handshake has no longer than that.
    pub(crate) fn start_close(&mut self, is_handshake: bool) {
        let until_ms = self.now_ms.saturating_add(limits::CLOSE_TIMEOUT_MS);
        self.close_until_ms = if is_handshake {
            until_ms.min(self.handshake_until_ms)
        } else {
            until_ms
        };
    }

    /// Serves consumers with shared credit once more in a moment.
    pub(crate) fn resume_again(&mut self) {
        let at_ms = self.now_ms.saturating_add(limits::RESUME_AGAIN_MS);
        self.resume_at_ms.get_or_insert(at_ms);
        self.resumes_left = limits::RESUMES_AGAIN;
    }

    const fn silent_at_ms(&self) -> u64 {
        self.heard_ms.saturating_add(2 * self.heartbeat_ms)
    }

    /// A generated consumer tag must differ from those of other connections; the moment of birth helps.
    pub(crate) const fn birth(&self) -> u64 {
        self.handshake_until_ms
    }
}

impl Session {
    /// Does what is due: heartbeats, and the end of peers that are silent or do not answer.
    pub fn handle_timeout<P: Port>(&mut self, now_ms: u64, mut port: Option<&mut P>) {
        self.timers.tick(now_ms);
        let now_ms = self.timers.now_ms;
        match self.state {
            State::Header
            | State::Start
            | State::Authenticating
            | State::Tune
            | State::Open
            | State::Opening => {
                if now_ms >= self.timers.handshake_until_ms {
                    self.state = State::Closed;
                }
            }
            State::Running => {
                self.handle_heartbeat(now_ms);
                if self.timers.resume_at_ms.is_some_and(|at| now_ms >= at)
                    && let Some(port) = port.as_deref_mut()
                {
                    self.timers.resumes_left = self.timers.resumes_left.saturating_sub(1);
                    let next_ms = now_ms.saturating_add(limits::RESUME_AGAIN_MS);
                    self.timers.resume_at_ms = (self.timers.resumes_left > 0).then_some(next_ms);
                    self.resume_shared(port);
                }
                self.output.release();
            }
            State::Closing { .. } => {
                if now_ms >= self.timers.close_until_ms {
                    self.state = State::Closed;
                }
            }
            State::Closed => {}
        }
        self.release_if_over(port);
    }

    fn handle_heartbeat(&mut self, now_ms: u64) {
        if self.timers.heartbeat_ms == 0 {
            return;
        }
        if self.is_paused() {
            // Nobody listens at the moment, so silence means nothing.
            self.timers.heard_ms = now_ms;
        }
        if now_ms >= self.timers.silent_at_ms() {
            self.state = State::Closed;
            return;
        }
        if now_ms >= self.timers.beat_at_ms {
            // Output that waits is a sign of life of its own, and a peer that does not read gets no more of them.
            if self.output.is_empty() && self.output.total() == self.timers.total_at_beat {
                self.output.buffer().extend_from_slice(&HEARTBEAT_FRAME);
            }
            self.timers.total_at_beat = self.output.total();
            self.timers.beat_at_ms = now_ms + self.timers.heartbeat_ms / 2;
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let timers = &self.timers;
        match self.state {
            State::Header
            | State::Start
            | State::Authenticating
            | State::Tune
            | State::Open
            | State::Opening => Some(timers.handshake_until_ms),
            State::Running => {
                let beat =
                    (timers.heartbeat_ms > 0).then(|| timers.beat_at_ms.min(timers.silent_at_ms()));
                beat.into_iter().chain(timers.resume_at_ms).min()
            }
            State::Closing { .. } => Some(timers.close_until_ms),
            State::Closed => None,
        }
    }

    /// Takes note that the caller itself does not read at the moment, so that the peer does not count as silent.
    pub fn touch(&mut self, now_ms: u64) {
        self.timers.heard(now_ms);
    }
}
