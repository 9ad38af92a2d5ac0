//! From the protocol header to connection.open-ok.

use broker::{Refusal, RefusalKind};
use codec::amqp::field::TableRef;
use codec::amqp::frame::{self, FRAME_MIN_SIZE, Frame, FrameKind, PROTOCOL_HEADER};
use codec::amqp::method::{
    ConnectionCloseOk, ConnectionOpen, ConnectionOpenOk, ConnectionStart, ConnectionStartOk,
    ConnectionTune, ConnectionTuneOk, ConnectionUpdateSecretOk, Method,
};
use codec::amqp::reply::ReplyCode;

use crate::action::{Action, Denied, Login};
use crate::faults::{Cause, Fault, with_source};
use crate::sasl::{self, Mechanism};
use crate::session::Session;
use crate::state::State;

#[cfg(test)]
mod tests;

/// The one locale of reply texts.
const LOCALES: &[u8] = b"en_US";

impl Session {
    /// Reads the protocol header; anything else is answered by the right one and the end.
    pub(crate) fn handle_header(&mut self, rest: &[u8]) -> usize {
        let length = rest.len().min(PROTOCOL_HEADER.len());
        if rest.get(..length) != PROTOCOL_HEADER.get(..length) {
            self.output.buffer().extend_from_slice(&PROTOCOL_HEADER);
            self.state = State::Closed;
            return rest.len();
        }
        if length < PROTOCOL_HEADER.len() {
            return 0;
        }
        let properties = self.settings.server_properties().to_bytes();
        self.send(
            0,
            ConnectionStart {
                version_major: 0,
                version_minor: 9,
                server_properties: TableRef::new(&properties),
                mechanisms: sasl::MECHANISMS,
                locales: LOCALES,
            },
        );
        self.state = State::Start;
        length
    }

    /// Reads one frame of the negotiation.
    pub(crate) fn handle_handshake(&mut self, rest: &[u8]) -> usize {
        let (frame, used) = match frame::parse(rest, self.peer.frame_max) {
            Ok(Some(found)) => found,
            Ok(None) => return 0,
            Err(error) => {
                self.fail_garbled(&error);
                return rest.len();
            }
        };
        if let Err(fault) = self.handle_handshake_frame(&frame) {
            let cause = if frame.kind == FrameKind::Method {
                Cause::of(frame.payload)
            } else {
                Cause::NONE
            };
            self.fail_connection(cause, &fault);
        }
        used
    }

    fn handle_handshake_frame(&mut self, frame: &Frame<'_>) -> Result<(), Fault> {
        match (frame.kind, frame.channel) {
            (FrameKind::Heartbeat, 0) => return Ok(()),
            (FrameKind::Heartbeat, _) => {
                return Err(Fault::unexpected_frame(
                    "heartbeat on a channel other than 0",
                ));
            }
            (FrameKind::Header | FrameKind::Body, _) => {
                return Err(Fault::unexpected_frame(
                    "content before the connection is open",
                ));
            }
            (FrameKind::Method, 0) => {}
            (FrameKind::Method, _) => {
                return Err(Fault::connection(
                    ReplyCode::ChannelError,
                    "a channel was used before the connection is open",
                ));
            }
        }
        let method = decode(frame.payload)?;
        match (self.state, method) {
            (State::Start, Method::ConnectionStartOk(start)) => self.handle_start_ok(&start),
            (State::Tune, Method::ConnectionTuneOk(tune)) => self.handle_tune_ok(tune),
            (State::Open, Method::ConnectionOpen(open)) => {
                self.handle_open(&open);
                Ok(())
            }
            (_, Method::ConnectionClose(_)) => {
                self.send(0, ConnectionCloseOk {});
                self.state = State::Closed;
                Ok(())
            }
            (_, method) => Err(Fault::connection(
                ReplyCode::CommandInvalid,
                format!("{} came before the connection is open", method.name()),
            )),
        }
    }

    fn handle_start_ok(&mut self, start: &ConnectionStartOk<'_>) -> Result<(), Fault> {
        start
            .client_properties
            .validate()
            .map_err(|error| Fault::connection(error.reply_code(), error.to_string()))?;
        self.peer.introduce(start.client_properties);
        let Some(mechanism) = Mechanism::named(start.mechanism) else {
            let detail = format!("unknown authentication mechanism '{}'", start.mechanism);
            return Err(Fault::connection(ReplyCode::CommandInvalid, detail));
        };
        self.peer.mechanism = start.mechanism.to_owned();
        match mechanism.read(start.response) {
            Some(credentials) => {
                self.peer.login = Some(credentials.login.as_str().into());
                self.action = Some(Action::Authenticate {
                    login: credentials.login,
                    password: credentials.password,
                });
                self.state = State::Authenticating;
            }
            None => self.deny(),
        }
        Ok(())
    }

    /// Answers [`Action::Authenticate`].
    pub fn authenticated(&mut self, outcome: Result<Login, Denied>, now_ms: u64) {
        self.timers.heard(now_ms);
        if self.state != State::Authenticating {
            return;
        }
        match outcome {
            Ok(login) => {
                self.peer.login = Some(login.name);
                self.peer.is_impersonator = login.impersonator;
                self.send(
                    0,
                    ConnectionTune {
                        channel_max: self.settings.channel_max,
                        frame_max: self.settings.frame_max,
                        heartbeat: self.settings.heartbeat_s,
                    },
                );
                self.state = State::Tune;
            }
            Err(Denied) => self.deny(),
        }
    }

    /// Ends a connection whose login was refused; only a client that asked for it is told.
    fn deny(&mut self) {
        if !self.peer.takes_authentication_failure {
            self.state = State::Closed;
            return;
        }
        let detail = format!(
            "Login was refused using authentication mechanism {}. For details see the broker logfile.",
            self.peer.mechanism
        );
        // RabbitMQ blames no method for it.
        self.fail_connection(
            Cause::NONE,
            &Fault::connection(ReplyCode::AccessRefused, detail),
        );
    }

    fn handle_tune_ok(&mut self, tune: ConnectionTuneOk) -> Result<(), Fault> {
        let refuse = |field: &str, value: u32, relation: &str, limit: u32| {
            let detail =
                format!("negotiated {field} = {value} is {relation} allowed value ({limit})");
            Err(Fault::connection(ReplyCode::NotAllowed, detail))
        };
        let offered = self.settings.frame_max;
        if tune.frame_max != 0 && tune.frame_max < FRAME_MIN_SIZE {
            return refuse(
                "frame_max",
                tune.frame_max,
                "lower than the minimum",
                FRAME_MIN_SIZE,
            );
        }
        if offered != 0 && tune.frame_max > offered {
            return refuse(
                "frame_max",
                tune.frame_max,
                "higher than the maximum",
                offered,
            );
        }
        let offered = self.settings.channel_max;
        if offered != 0 && tune.channel_max > offered {
            return refuse(
                "channel_max",
                tune.channel_max.into(),
                "higher than the maximum",
                offered.into(),
            );
        }
        self.peer.frame_max = tune.frame_max;
        self.peer.channel_max = match (tune.channel_max, offered) {
            (0, 0) => u16::MAX,
            (0, offered) => offered,
            (agreed, _) => agreed,
        };
        self.peer.heartbeat_s = tune.heartbeat;
        self.state = State::Open;
        Ok(())
    }

    fn handle_open(&mut self, open: &ConnectionOpen<'_>) {
        let vhost = open.virtual_host.to_owned();
        self.peer.vhost = Some(vhost.clone());
        self.action = Some(Action::Open { vhost });
        self.state = State::Opening;
    }

    /// Answers [`Action::Open`].
    pub fn opened(&mut self, outcome: Result<(), Refusal>, now_ms: u64) {
        self.timers.heard(now_ms);
        if self.state != State::Opening {
            return;
        }
        match outcome {
            Ok(()) => {
                self.send(0, ConnectionOpenOk {});
                self.state = State::Running;
                self.timers.start_heartbeat(self.peer.heartbeat_s, now_ms);
            }
            Err(refusal) => {
                // Whatever stands against a virtual host is told by 530, as RabbitMQ does, unless it may pass.
                let code = match refusal.kind {
                    RefusalKind::Unavailable => ReplyCode::ResourceError,
                    RefusalKind::NotFound
                    | RefusalKind::AccessRefused
                    | RefusalKind::PreconditionFailed
                    | RefusalKind::ResourceLocked
                    | RefusalKind::NotAllowed
                    | RefusalKind::CommandInvalid
                    | RefusalKind::NotImplemented
                    | RefusalKind::LimitExceeded => ReplyCode::NotAllowed,
                };
                self.fail_connection(
                    Cause {
                        class_id: 10,
                        method_id: 40,
                    },
                    &Fault::connection(code, refusal.detail),
                );
            }
        }
    }

    /// Methods on channel 0 of an open connection.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever is not named is refused in the same words"
    )]
    pub(crate) fn handle_connection_method(&mut self, payload: &[u8]) -> Result<(), Fault> {
        match decode(payload)? {
            Method::ConnectionClose(_) => {
                self.flush_confirms();
                self.send(0, ConnectionCloseOk {});
                self.state = State::Closed;
                Ok(())
            }
            Method::ConnectionUpdateSecret(update) => {
                self.action = Some(Action::UpdateSecret {
                    secret: update.new_secret.to_vec(),
                });
                self.is_secret_pending = true;
                Ok(())
            }
            // Nothing was asked.
            Method::ConnectionCloseOk(_) => Ok(()),
            method => {
                let detail = format!(
                    "{} is not possible on channel 0 of an open connection",
                    method.name()
                );
                Err(Fault::connection(ReplyCode::CommandInvalid, detail))
            }
        }
    }

    /// Answers [`Action::UpdateSecret`].
    pub fn secret_updated(&mut self, is_ok: bool, now_ms: u64) {
        self.timers.heard(now_ms);
        if self.state != State::Running || !std::mem::take(&mut self.is_secret_pending) {
            return;
        }
        if is_ok {
            self.send(0, ConnectionUpdateSecretOk {});
        } else {
            let cause = Cause {
                class_id: 10,
                method_id: 70,
            };
            self.fail_connection(
                cause,
                &Fault::connection(
                    ReplyCode::NotAllowed,
                    "New secret was refused by one of the backends",
                ),
            );
        }
    }
}

/// Reads a method, or says what is wrong with it.
pub(crate) fn decode(payload: &[u8]) -> Result<Method<'_>, Fault> {
    Method::decode(payload)
        .map_err(|error| Fault::connection(error.reply_code(), with_source(&error)))
}
