//! The chat over a WebSocket: everything that happens, and every command, as `docs/chat.md` says.
//!
//! Thousands of them are idle at a time, so that each keeps only what it needs while it is: no buffer of its own, no queue of answers.

use std::pin::pin;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use chat::{Command, Event, Language, Refusal, Reply};
use futures_util::{FutureExt as _, SinkExt as _};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until, timeout};
use utoipa::IntoParams;

use super::pipeline::{Outcome, Pipeline};
use super::{Chatter, Over, READ_PATIENCE, accepted, over};
use crate::chat::json::{
    self, Bye, Hello, Ref, Word, answer, bye, entered, event, hello, now_us, parse,
};
use crate::chat::{Heard, Listener};
use crate::http::Web;
use crate::http::body::Params;
use crate::http::problem::Problem;
use crate::http::websocket::{await_close, check_origin};

/// The greatest word of a client: the longest text may be written with six bytes for each of its own.
const WORD_BYTES_MAX: usize = 64 << 10;
/// How long a client may be silent until it is asked whether it is there.
const IDLE: Duration = Duration::from_secs(30);
/// How often it may leave that unanswered.
const PINGS_MAX: u32 = 2;
/// Events that go out together.
const GATHERED_MAX: usize = 128;
/// What is read from a socket at once. Words are short; the buffer is there as long as the socket is.
const READ_BUFFER_BYTES: usize = 1 << 10;
/// What is gathered before it is written: more than that waits only for a client that does not read.
const WRITE_BUFFER_BYTES: usize = 8 << 10;

/// How to be in the chat.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct SocketParams {
    /// Enter the default room at once. Clients that come back do not: they join their rooms with `after`.
    #[param(default = true)]
    enter: bool,
    /// In which language to be told things until the account has chosen one: `en` or `es`. Default is that of `Accept-Language`.
    lang: Option<String>,
}

impl Default for SocketParams {
    fn default() -> Self {
        Self {
            enter: true,
            lang: None,
        }
    }
}

/// Chat over a WebSocket
///
/// Each frame is one JSON object. You say `{"type":"say","room":"lobby","text":"hello","ref":1}` and are answered
/// `{"type":"sent",...,"ref":1}`; what happens in your rooms comes as it happens, `{"type":"message","room":"lobby",...}` and others.
/// The project's document on the chat lists them all.
#[utoipa::path(get, path = "/v1/chat", tag = "chat", params(SocketParams),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn open(
    State(web): State<Web>,
    chatter: Chatter,
    Params(params): Params<SocketParams>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    check_origin(&headers)?;
    let wished = match params.lang.as_deref() {
        Some(code) => Some(Language::of(code).ok_or_else(|| Problem::invalid("lang is en or es"))?),
        None => accepted(&headers),
    };
    let listener = chatter
        .listen(&web, "websocket", wished, params.enter)
        .await?;
    let language = listener.language().await?;
    let language = language.unwrap_or_else(|| web.chat_door().language);
    let conversation = Conversation {
        over: over(&web, &chatter),
        web,
        listener,
        language,
        pipeline: Pipeline::default(),
        unanswered: 0,
        heard_at: Instant::now(),
    };
    let upgrade = upgrade
        .max_message_size(WORD_BYTES_MAX)
        .max_frame_size(WORD_BYTES_MAX)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES);
    Ok(upgrade
        .on_upgrade(|socket| Box::pin(conversation.hold(socket)))
        .into_response())
}

/// Why a conversation ends.
enum End {
    /// The client went.
    Gone,
    /// It closes in good order.
    Closed {
        /// It does not mean to come back in a moment.
        is_goodbye: bool,
    },
    /// It said what a WebSocket of text cannot carry.
    Misused(&'static str),
    /// The server ends it.
    Bye(Bye),
}

/// One open socket.
struct Conversation {
    web: Web,
    listener: Listener,
    language: Language,
    pipeline: Pipeline<Option<Ref>>,
    unanswered: u32,
    heard_at: Instant,
    over: Over,
}

impl Conversation {
    async fn hold(mut self, mut socket: WebSocket) {
        let end = match self.greet(&mut socket).await {
            Ok(()) => self.talk(&mut socket).await,
            Err(end) => end,
        };
        let Self {
            listener, language, ..
        } = self;
        let (code, last) = match end {
            End::Gone => return,
            End::Closed { is_goodbye } => {
                if is_goodbye {
                    listener.part();
                }
                return await_close(socket).await;
            }
            End::Misused(reason) => (close_code::UNSUPPORTED, Err(reason)),
            End::Bye(cause) => (code_of(cause), Ok(bye(cause, language))),
        };
        // It is not in the chat any more, however long it takes to read the rest.
        drop(listener);
        let reason = last.as_ref().err().copied().unwrap_or_default();
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        let farewell = async {
            if let Ok(text) = last {
                socket.feed(Message::Text(text.into())).await?;
            }
            socket.send(Message::Close(Some(frame))).await
        };
        // The client may be gone already, or may never read it.
        if let Ok(Ok(())) = timeout(READ_PATIENCE, farewell).await {
            await_close(socket).await;
        }
    }

    async fn greet(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let actor = self.listener.actor();
        let text = hello(Hello {
            login: &actor.login,
            version: env!("CARGO_PKG_VERSION"),
            time_ms: self.web.gateway().engine().now_ms(),
            default_room: &self.web.chat_door().default_room,
            lang: self.language.code(),
            session: None,
            idle_ms: u64::try_from(IDLE.as_millis()).unwrap_or(u64::MAX),
        });
        self.put(socket, text).await?;
        self.flush(socket).await
    }

    async fn talk(&mut self, socket: &mut WebSocket) -> End {
        let mut idle = pin!(sleep_until(self.heard_at + IDLE));
        loop {
            let may_hear = self.pipeline.may_hear();
            let step = tokio::select! {
                word = socket.recv(), if may_hear => match word {
                    None | Some(Err(_)) => return End::Gone,
                    Some(Ok(word)) => self.hear(word, socket).await,
                },
                outcome = self.pipeline.outcome() => self.tell(outcome, socket).await,
                heard = self.listener.hear() => self.pass(heard, socket).await,
                cause = &mut self.over => return End::Bye(cause),
                () = &mut idle => {
                    let asked = self.ask_whether_there(socket).await;
                    idle.as_mut().reset(self.heard_at.max(Instant::now()) + IDLE);
                    asked
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Pings a client that was silent for long.
    async fn ask_whether_there(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        // While nothing is read, nothing can have been heard.
        if !self.pipeline.may_hear() || self.heard_at.elapsed() < IDLE {
            return Ok(());
        }
        if self.unanswered >= PINGS_MAX {
            return Err(End::Bye(Bye::Silent));
        }
        self.unanswered += 1;
        self.feed(socket, Message::Ping(Vec::new().into())).await?;
        self.flush(socket).await
    }

    /// Takes what the client says.
    async fn hear(&mut self, word: Message, socket: &mut WebSocket) -> Result<(), End> {
        let t2_us = now_us();
        self.unanswered = 0;
        self.heard_at = Instant::now();
        let text = match &word {
            Message::Text(text) => text.as_str(),
            // Answered before more is read: who pings and never reads is to wait, not to fill our memory with pongs.
            Message::Ping(_) => return self.flush(socket).await,
            Message::Pong(_) => return Ok(()),
            Message::Close(frame) => {
                let code = frame.as_ref().map(|frame| frame.code);
                let is_goodbye = code == Some(close_code::NORMAL);
                return Err(End::Closed { is_goodbye });
            }
            Message::Binary(_) => return Err(End::Misused("send text, not bytes")),
        };
        match parse(text) {
            Ok((reference, Word::Time { t1_us })) => {
                let text = json::time(reference.as_ref(), t1_us, t2_us, now_us());
                self.put(socket, text).await?;
                return self.flush(socket).await;
            }
            Ok((reference, Word::Command(command))) => self.take(reference, command),
            Err(refused) => self.pipeline.refuse(None, json::refused(&refused)),
        }
        Ok(())
    }

    /// Asks the chat, now or when what was said before is answered.
    fn take(&mut self, reference: Option<Ref>, command: Command) {
        if let Command::Speak { language } = command {
            self.language = language;
        }
        let actor = self.listener.actor();
        self.pipeline
            .take(self.web.chat(), actor, reference, command);
    }

    /// Tells what came of something that the client said, and of all that is answered already.
    async fn tell(
        &mut self,
        first: Outcome<Option<Ref>>,
        socket: &mut WebSocket,
    ) -> Result<(), End> {
        let mut next = Some(first);
        while let Some((reference, answered)) = next {
            self.answer(reference, answered, socket).await?;
            next = self.pipeline.outcome().now_or_never();
        }
        self.pipeline.go_on(self.web.chat(), self.listener.actor());
        self.gather(socket).await?;
        self.flush(socket).await
    }

    async fn answer(
        &mut self,
        reference: Option<Ref>,
        answered: Result<Result<Reply, Refusal>, String>,
        socket: &mut WebSocket,
    ) -> Result<(), End> {
        let answered = match answered {
            Ok(answered) => answered,
            Err(refused) => return self.put(socket, refused).await,
        };
        if matches!(answered, Ok(Reply::Entered(_))) {
            // The event is the answer; it is there, behind what was missed.
            while self.pipeline.awaits_entry() {
                let heard = self.listener.hear().await;
                self.pass_one(heard, socket).await?;
            }
            self.pipeline.end_entry();
            return Ok(());
        }
        self.pipeline.end_entry();
        let text = answer(reference.as_ref(), &answered, self.language);
        self.put(socket, text).await
    }

    /// Passes on what happened, and all that has happened already.
    async fn pass(&mut self, first: Option<Heard>, socket: &mut WebSocket) -> Result<(), End> {
        self.pass_one(first, socket).await?;
        self.gather(socket).await?;
        self.flush(socket).await
    }

    async fn gather(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        for _ in 0..GATHERED_MAX {
            let Some(heard) = self.listener.hear().now_or_never() else {
                break;
            };
            self.pass_one(heard, socket).await?;
        }
        Ok(())
    }

    async fn pass_one(&mut self, heard: Option<Heard>, socket: &mut WebSocket) -> Result<(), End> {
        let happened = match heard {
            Some(Heard::Event(event)) => event,
            Some(Heard::End(farewell)) => return Err(End::Bye(farewell.into())),
            // Nobody said why: there was no room to say so.
            None => return Err(End::Bye(Bye::Slow)),
        };
        let text = if let Event::Entered(room) = &*happened
            && let Some(reference) = self.pipeline.entered(room)
        {
            entered(reference.as_ref(), room, self.language)
        } else {
            event(&happened, self.language)
        };
        self.put(socket, text).await
    }

    /// Puts a text into what is written next.
    async fn put(&mut self, socket: &mut WebSocket, text: String) -> Result<(), End> {
        self.feed(socket, Message::Text(text.into())).await
    }

    async fn feed(&mut self, socket: &mut WebSocket, message: Message) -> Result<(), End> {
        self.patiently(socket.feed(message)).await
    }

    async fn flush(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        self.patiently(socket.flush()).await
    }

    /// Waits for a client to read, but not for ever, and not when it has to go anyway.
    async fn patiently(
        &mut self,
        writing: impl Future<Output = Result<(), axum::Error>>,
    ) -> Result<(), End> {
        let mut writing = pin!(writing);
        let written = match writing.as_mut().now_or_never() {
            Some(written) => written,
            None => tokio::select! {
                written = timeout(READ_PATIENCE, writing) => match written {
                    Ok(written) => written,
                    Err(_) => return Err(End::Bye(Bye::Slow)),
                },
                cause = &mut self.over => return Err(End::Bye(cause)),
            },
        };
        written.map_err(|_| End::Gone)
    }
}

/// The code of the closing frame.
const fn code_of(cause: Bye) -> u16 {
    match cause {
        Bye::Shutdown => close_code::AWAY,
        Bye::Revoked | Bye::Slow | Bye::Silent => close_code::POLICY,
        Bye::Asked => close_code::NORMAL,
    }
}
