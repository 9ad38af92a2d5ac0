//! One connection's life: greeting, coming back, questions and answers, the clock, the watch for a dead peer.

use std::collections::HashMap;
use std::time::Instant;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Message as Frame};

use super::socket::{self, Fault, Socket};
use super::{End, Gone, Keeper, LinkCommand, LinkEvent};
use crate::chat::clock::{FIRST_EXCHANGES, INTERVAL, ServerClock};
use crate::chat::ledger::Outcome;
use crate::chat::limits::{CONNECT_TIMEOUT, DEAD, QUIET, WRITE_TIMEOUT};
use crate::chat::wire::{self, Ask, Hello, Said};

/// Who gets an answer.
enum Asker {
    /// Who called [`super::Link::ask`], with the number that they know.
    User(u64),
    /// A message under its sender's id.
    Say(String),
    /// The ledger, of a place.
    Ledger(String),
    /// The clock.
    Clock,
}

/// One open connection.
struct Session {
    socket: Socket,
    askers: HashMap<u64, Asker>,
    next: u64,
    exchanges: u32,
    exchanged_at: Instant,
    heard_at: Instant,
    is_asked: bool,
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Closed
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Keeper {
    /// Connects and serves until that ends.
    pub(super) async fn connect_and_serve(&mut self) -> End {
        let door = self.door.clone();
        let (socket, hello) = match self.meanwhile(greet(&door)).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(fault)) => return End::Fault(fault),
            Err(Gone) => return End::Closed,
        };
        let now = Instant::now();
        let mut session = Session {
            socket,
            askers: HashMap::new(),
            next: 0,
            exchanges: 0,
            exchanged_at: now,
            heard_at: now,
            is_asked: false,
        };
        let Err(end) = self.serve(&mut session, hello).await;
        // Whoever still waits for an answer is told that none comes.
        for asker in session.askers.into_values() {
            if let Asker::User(number) = asker
                && self.tell(LinkEvent::Unasked(number)).await.is_err()
            {
                return End::Closed;
            }
        }
        // Who says goodbye is not waited for; whoever comes back is.
        let goodbye = matches!(end, End::Closed).then(|| CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        });
        let _ = timeout(CONNECT_TIMEOUT / 10, session.socket.close(goodbye)).await;
        end
    }

    /// Waits for something while commands are taken as without a connection.
    async fn meanwhile<T>(&mut self, awaited: impl Future<Output = T>) -> Result<T, Gone> {
        let mut awaited = std::pin::pin!(awaited);
        loop {
            let command = tokio::select! {
                done = &mut awaited => return Ok(done),
                command = self.commands.recv() => command,
            };
            match command {
                None | Some(LinkCommand::Close) => return Err(Gone),
                Some(other) => self.offline(other).await?,
            }
        }
    }

    async fn serve(
        &mut self,
        session: &mut Session,
        hello: Hello,
    ) -> Result<std::convert::Infallible, End> {
        self.tell(LinkEvent::Up(hello)).await?;
        for ask in self.ledger.on_hello() {
            let asker = asker_of(&ask);
            session.send(&ask, asker).await?;
        }
        self.exchange(session).await?;
        let mut tick = interval(QUIET / 6);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                frame = session.socket.next() => self.on_frame(session, frame).await?,
                command = self.commands.recv() => self.on_command(session, command).await?,
                _ = tick.tick() => self.on_tick(session).await?,
            }
        }
    }

    async fn on_command(
        &mut self,
        session: &mut Session,
        command: Option<LinkCommand>,
    ) -> Result<(), End> {
        match command {
            None | Some(LinkCommand::Close) => Err(End::Closed),
            Some(LinkCommand::Retry) => Ok(()),
            Some(LinkCommand::Forget(room)) => {
                self.ledger.forget(&room);
                Ok(())
            }
            Some(LinkCommand::Ask(ask, number)) => {
                if let Ask::Leave { room } = &ask {
                    self.ledger.forget(room);
                }
                Ok(session.send(&ask, Asker::User(number)).await?)
            }
            Some(LinkCommand::Say(say)) => {
                if !self.keep(&say).await? {
                    return Ok(());
                }
                let asker = Asker::Say(say.sent_id.clone());
                Ok(session.send(&Ask::Say(say), asker).await?)
            }
        }
    }

    async fn on_frame(
        &mut self,
        session: &mut Session,
        frame: Option<Result<Frame, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<(), End> {
        session.heard_at = Instant::now();
        session.is_asked = false;
        match frame {
            None => Err(Fault::Lost("the server closed it".into()).into()),
            Some(Err(error)) => Err(Fault::Lost(error.to_string()).into()),
            Some(Ok(Frame::Text(text))) => self.on_object(session, &text).await,
            Some(Ok(Frame::Close(_))) => Err(Fault::Lost("the server closed it".into()).into()),
            // tungstenite answers pings by itself; the contract has no binary frames.
            Some(Ok(Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => {
                Ok(())
            }
        }
    }

    async fn on_object(&mut self, session: &mut Session, text: &str) -> Result<(), End> {
        let (reference, said) = wire::read(text).map_err(|error| {
            Fault::Lost(format!("the server said what cannot be read: {error}"))
        })?;
        if let Said::Bye { cause, text } = said {
            return Err(Fault::Bye { cause, text }.into());
        }
        let asker = reference.and_then(|reference| session.askers.remove(&reference));
        match asker {
            None => {
                let outcome = self.ledger.take(said);
                self.pass_on(session, outcome).await
            }
            Some(Asker::Clock) => self.on_time(session, &said).await,
            Some(Asker::Say(sent_id)) => self.on_said(sent_id, said).await,
            Some(Asker::Ledger(place)) => {
                let outcome = if let Said::History(mut history) = said {
                    history.room = place;
                    self.ledger.on_history(history)
                } else if let Said::Error(_) = said {
                    let mut outcome = self.ledger.on_refused(&place);
                    outcome.said.push(gone(place, said));
                    outcome
                } else {
                    self.ledger.take(said)
                };
                self.pass_on(session, outcome).await
            }
            Some(Asker::User(number)) => {
                if let Said::Joined(_) = said {
                    let outcome = self.ledger.take(said.clone());
                    self.pass_on(session, outcome).await?;
                }
                Ok(self.tell(LinkEvent::Answer(number, said)).await?)
            }
        }
    }

    async fn on_said(&mut self, sent_id: String, said: Said) -> Result<(), End> {
        let mut said = said;
        if let Said::Error(refused) = said {
            if refused.code == "unavailable" {
                // Nothing is wrong with what was said: it is said again when the server is well.
                return Err(Fault::Lost(refused.text).into());
            }
            self.ledger.settle(&sent_id);
            return Ok(self.tell(LinkEvent::Refused { sent_id, refused }).await?);
        }
        self.ledger.settle(&sent_id);
        if let Said::Sent { sent_id: told, .. } = &mut said {
            *told = Some(sent_id);
        }
        Ok(self.tell(LinkEvent::Said(said)).await?)
    }

    async fn pass_on(&mut self, session: &mut Session, outcome: Outcome) -> Result<(), End> {
        for said in outcome.said {
            self.tell(LinkEvent::Said(said)).await?;
        }
        if let Some(ask) = outcome.ask {
            let asker = asker_of(&ask);
            session.send(&ask, asker).await?;
        }
        Ok(())
    }

    async fn on_time(&mut self, session: &mut Session, said: &Said) -> Result<(), End> {
        if let Said::Time {
            t1_us,
            t2_us,
            t3_us,
        } = *said
        {
            self.time
                .with(|clock, server| server.take(t1_us, t2_us, t3_us, clock));
        }
        if session.exchanges < FIRST_EXCHANGES {
            self.exchange(session).await?;
        }
        Ok(())
    }

    async fn exchange(&mut self, session: &mut Session) -> Result<(), End> {
        session.exchanges += 1;
        session.exchanged_at = Instant::now();
        let t1_us = self.time.with(|clock, _| ServerClock::ask(clock));
        Ok(session.send(&Ask::Time { t1_us }, Asker::Clock).await?)
    }

    async fn on_tick(&mut self, session: &mut Session) -> Result<(), End> {
        let silence = session.heard_at.elapsed();
        if silence >= DEAD {
            return Err(Fault::Silent.into());
        }
        if silence >= QUIET && !session.is_asked {
            session.is_asked = true;
            session.write(Frame::Ping(Bytes::new())).await?;
        }
        if session.exchanged_at.elapsed() >= INTERVAL {
            self.exchange(session).await?;
        }
        Ok(())
    }
}

impl Session {
    async fn send(&mut self, ask: &Ask, asker: Asker) -> Result<(), Fault> {
        self.next += 1;
        self.askers.insert(self.next, asker);
        self.write(Frame::text(wire::write(ask, self.next))).await
    }

    async fn write(&mut self, frame: Frame) -> Result<(), Fault> {
        match timeout(WRITE_TIMEOUT, self.socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Fault::Lost(error.to_string())),
            Err(_) => Err(Fault::Silent),
        }
    }
}

/// Connects and waits for the server's first word.
async fn greet(door: &super::Door) -> Result<(Socket, Hello), Fault> {
    let mut socket = socket::open(door).await?;
    let first = async {
        loop {
            let lost = || Fault::Lost("the server closed it".into());
            let frame = socket.next().await.ok_or_else(lost)?;
            let frame = frame.map_err(|error| Fault::Lost(error.to_string()))?;
            let Frame::Text(text) = frame else { continue };
            match wire::read(&text) {
                Ok((_, Said::Hello(hello))) => return Ok(hello),
                Ok((_, Said::Bye { cause, text })) => return Err(Fault::Bye { cause, text }),
                Ok((_, Said::Error(refused))) => return Err(Fault::Login(refused.text)),
                Ok(_) => {}
                Err(error) => return Err(Fault::Lost(error.to_string())),
            }
        }
    };
    let hello = match timeout(CONNECT_TIMEOUT, first).await {
        Ok(hello) => hello?,
        Err(_) => return Err(Fault::Silent),
    };
    Ok((socket, hello))
}

/// Who gets the answer of what the ledger asks.
fn asker_of(ask: &Ask) -> Asker {
    if let Ask::Say(say) = ask {
        return Asker::Say(say.sent_id.clone());
    }
    let (Ask::Join { room, .. } | Ask::History { room, .. }) = ask else {
        return Asker::Ledger(String::new());
    };
    Asker::Ledger(room.clone())
}

/// What stands for a room that cannot be entered again.
fn gone(room: String, said: Said) -> Said {
    let Said::Error(wire::Refused { text, code, .. }) = said else {
        return said;
    };
    Said::Left {
        room,
        cause: code,
        by: None,
        text: Some(text),
    }
}
