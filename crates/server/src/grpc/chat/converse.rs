//! One stream to join, talk and listen.
//!
//! A conversation is a task of its own, so that it ends when it has to while its client reads nothing: what is told waits in a bounded
//! channel, and what happens in the listener's buffer. The stream owns the task and ends it when it is dropped.

use chat::{Command, Event, Language, Reply};
use futures_util::stream::unfold;
use futures_util::{FutureExt as _, Stream};
use rpc::v1;
use rpc::v1::chat_answer::Result as Answered;
use rpc::v1::converse_request::Word;
use rpc::v1::converse_response::Event as Told;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::{form, say};
use crate::chat::json::{Bye, now_us, target};
use crate::chat::{Heard, Listener};
use crate::grpc::call::Call;
use crate::grpc::status::{chat_refused, logged_out, too_slow, unavailable};
use crate::grpc::value::signed;
use crate::http::{Chatter, Outcome, Over, Pipeline, READ_PATIENCE, over};

/// What is told and may wait to be written.
const UNWRITTEN_MAX: usize = 64;
/// Events that are taken together.
const GATHERED_MAX: usize = 128;

/// What is said to a request that has no word.
const WORDS: &str =
    "each request is one word: say, join, leave, create, read, typing, away, back, time or lang";

/// What a request asks for.
enum Said {
    /// Something of the chat.
    Command(Command),
    /// The server's time.
    Clock { t1_us: i64 },
    /// What cannot be.
    Wrong(&'static str),
}

/// Why a conversation ends.
enum End {
    /// Nobody reads any more.
    Gone,
    /// What the client sent cannot be read.
    Failed(Status),
    /// In good order.
    Bye(Bye),
}

/// The last that is told, and how the call ends.
type Ending = (Option<Told>, Result<(), Status>);

/// One conversation.
struct Conversation {
    call: Call,
    listener: Listener,
    language: Language,
    requests: Streaming<v1::ConverseRequest>,
    /// The client may still say something.
    is_heard: bool,
    pipeline: Pipeline<u64>,
    out: mpsc::Sender<Told>,
    over: Over,
}

/// What a client still has to be told.
enum Rest {
    /// The conversation goes on.
    Talking {
        told: mpsc::Receiver<Told>,
        task: JoinSet<Ending>,
    },
    /// All is told but why it ended.
    Failed(Status),
    /// Nothing.
    Nothing,
}

/// Begins a conversation.
pub(super) async fn converse(
    call: Call,
    chatter: Chatter,
    wished: Option<Language>,
    requests: Streaming<v1::ConverseRequest>,
) -> Result<impl Stream<Item = Result<v1::ConverseResponse, Status>>, Status> {
    let listener = chatter.listen(&call.web, "grpc", wished, false).await;
    let listener = listener.map_err(|refusal| chat_refused(&refusal))?;
    let language = listener.language().await;
    let language = language.map_err(|refusal| chat_refused(&refusal))?;
    let (out, told) = mpsc::channel(UNWRITTEN_MAX);
    let conversation = Conversation {
        over: over(&call.web, &chatter),
        language: language.unwrap_or_else(|| call.web.chat_door().language),
        call,
        listener,
        requests,
        is_heard: true,
        pipeline: Pipeline::default(),
        out,
    };
    let mut task = JoinSet::new();
    task.spawn(conversation.hold());
    Ok(unfold(Rest::Talking { told, task }, Rest::next))
}

impl Rest {
    async fn next(self) -> Option<(Result<v1::ConverseResponse, Status>, Self)> {
        let (event, rest) = match self {
            Self::Nothing => return None,
            Self::Failed(status) => return Some((Err(status), Self::Nothing)),
            Self::Talking { mut told, mut task } => match told.recv().await {
                Some(event) => (Some(event), Self::Talking { told, task }),
                None => match task.join_next().await {
                    Some(Ok((last, end))) => (last, end.map_or_else(Self::Failed, Self::nothing)),
                    Some(Err(_)) | None => {
                        let status = Status::internal("the conversation came to no end");
                        (None, Self::Failed(status))
                    }
                },
            },
        };
        match (event, rest) {
            (Some(event), rest) => {
                let response = v1::ConverseResponse { event: Some(event) };
                Some((Ok(response), rest))
            }
            (None, Self::Failed(status)) => Some((Err(status), Self::Nothing)),
            (None, Self::Nothing | Self::Talking { .. }) => None,
        }
    }

    const fn nothing((): ()) -> Self {
        Self::Nothing
    }
}

impl Conversation {
    async fn hold(mut self) -> Ending {
        let end = match self.greet().await {
            Ok(()) => self.talk().await,
            Err(end) => end,
        };
        let cause = match end {
            End::Gone => return (None, Ok(())),
            End::Failed(status) => return (None, Err(status)),
            End::Bye(cause) => cause,
        };
        let result = match cause {
            Bye::Asked => Ok(()),
            Bye::Revoked => Err(logged_out()),
            Bye::Slow | Bye::Silent => Err(too_slow()),
            Bye::Shutdown => Err(unavailable("the server stops; come back in a moment")),
        };
        if cause == Bye::Asked {
            self.listener.part();
        }
        (Some(form::bye(cause, self.language)), result)
    }

    async fn greet(&mut self) -> Result<(), End> {
        let door = self.call.web.chat_door();
        let hello = v1::ChatHello {
            login: self.listener.actor().login,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time_ms: signed(self.call.engine().now_ms()),
            default_room: door.default_room.clone(),
            lang: self.language.code().to_owned(),
        };
        self.put(Told::Hello(hello)).await
    }

    async fn talk(&mut self) -> End {
        loop {
            if !self.is_heard && self.pipeline.is_empty() {
                return End::Bye(Bye::Asked);
            }
            let may_hear = self.is_heard && self.pipeline.may_hear();
            let step = tokio::select! {
                request = self.requests.message(), if may_hear => self.hear(request).await,
                outcome = self.pipeline.outcome() => self.tell(outcome).await,
                heard = self.listener.hear() => self.pass(heard).await,
                cause = &mut self.over => Err(End::Bye(cause)),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Takes what the client says.
    async fn hear(
        &mut self,
        request: Result<Option<v1::ConverseRequest>, Status>,
    ) -> Result<(), End> {
        let t2_us = now_us();
        let request = match request {
            Ok(Some(request)) => request,
            Ok(None) => {
                self.is_heard = false;
                return Ok(());
            }
            Err(status) => return Err(End::Failed(status)),
        };
        let reference = request.r#ref;
        match request.word.map(said) {
            None => self.pipeline.refuse(reference, WORDS.to_owned()),
            // Nobody waits for the time, whatever else is under way.
            Some(Said::Clock { t1_us }) => {
                let t3_us = now_us();
                let time = v1::ChatTime {
                    t1_us,
                    t2_us,
                    t3_us,
                };
                self.answer(reference, Answered::Time(time)).await?;
            }
            Some(Said::Wrong(detail)) => self.pipeline.refuse(reference, detail.to_owned()),
            Some(Said::Command(command)) => self.take(reference, command),
        }
        Ok(())
    }

    fn take(&mut self, reference: u64, command: Command) {
        if let Command::Speak { language } = command {
            self.language = language;
        }
        let actor = self.listener.actor();
        self.pipeline
            .take(self.call.web.chat(), actor, reference, command);
    }

    /// Tells what came of something that the client said, and of all that is answered already.
    async fn tell(&mut self, first: Outcome<u64>) -> Result<(), End> {
        let mut next = Some(first);
        while let Some((reference, answered)) = next {
            match answered {
                Ok(Ok(Reply::Entered(_))) => self.await_entry().await?,
                Ok(Ok(reply)) => self.answer(reference, result_of(&reply)).await?,
                Ok(Err(refusal)) => {
                    let refused = form::refused(&refusal, self.language);
                    self.answer(reference, Answered::Error(refused)).await?;
                }
                Err(detail) => {
                    let refused = form::invalid(detail);
                    self.answer(reference, Answered::Error(refused)).await?;
                }
            }
            self.pipeline.end_entry();
            next = self.pipeline.outcome().now_or_never();
        }
        let actor = self.listener.actor();
        self.pipeline.go_on(self.call.web.chat(), actor);
        self.gather().await
    }

    /// The event is the answer; it is there, behind what was missed.
    async fn await_entry(&mut self) -> Result<(), End> {
        while self.pipeline.awaits_entry() {
            let heard = self.listener.hear().await;
            self.pass_one(heard).await?;
        }
        Ok(())
    }

    /// Passes on what happened, and all that has happened already.
    async fn pass(&mut self, first: Option<Heard>) -> Result<(), End> {
        self.pass_one(first).await?;
        self.gather().await
    }

    async fn gather(&mut self) -> Result<(), End> {
        for _ in 0..GATHERED_MAX {
            let Some(heard) = self.listener.hear().now_or_never() else {
                break;
            };
            self.pass_one(heard).await?;
        }
        Ok(())
    }

    async fn pass_one(&mut self, heard: Option<Heard>) -> Result<(), End> {
        let happened = match heard {
            Some(Heard::Event(event)) => event,
            Some(Heard::End(farewell)) => return Err(End::Bye(farewell.into())),
            // Nobody said why: there was no room to say so.
            None => return Err(End::Bye(Bye::Slow)),
        };
        if let Event::Entered(room) = &*happened
            && let Some(reference) = self.pipeline.entered(room)
        {
            let joined = form::joined(room, self.language);
            return self.answer(reference, Answered::Joined(joined)).await;
        }
        self.put(form::told(&happened, self.language)).await
    }

    async fn answer(&mut self, reference: u64, result: Answered) -> Result<(), End> {
        self.put(Told::Answered(v1::ChatAnswer {
            r#ref: reference,
            result: Some(result),
        }))
        .await
    }

    /// Waits for a client to read, but not for ever, and not when it has to go anyway.
    async fn put(&mut self, event: Told) -> Result<(), End> {
        let event = match self.out.try_send(event) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(End::Gone),
            Err(TrySendError::Full(event)) => event,
        };
        tokio::select! {
            sent = timeout(READ_PATIENCE, self.out.send(event)) => match sent {
                Ok(sent) => sent.map_err(|_| End::Gone),
                Err(_) => Err(End::Bye(Bye::Slow)),
            },
            cause = &mut self.over => Err(End::Bye(cause)),
        }
    }
}

/// What a word asks for.
fn said(word: Word) -> Said {
    Said::Command(match word {
        Word::Time(clock) => return Said::Clock { t1_us: clock.t1_us },
        Word::Lang(lang) => match Language::of(&lang.code) {
            Some(language) => Command::Speak { language },
            None => return Said::Wrong("the code of a language is en or es"),
        },
        Word::Say(words) => say(words),
        Word::Join(join) => Command::Join {
            room: join.room,
            after: join.after,
            is_only: join.only,
        },
        Word::Create(create) => Command::Create {
            room: create.room,
            keep: create.keep,
            is_only: false,
        },
        Word::Leave(leave) => Command::Leave {
            room: leave.room,
            to_default: false,
        },
        Word::Read(read) => Command::Read {
            of: target(&read.room),
            seq: read.seq,
        },
        Word::Typing(typing) => Command::Typing {
            of: target(&typing.room),
        },
        Word::Away(away) => Command::Away {
            is_away: true,
            note: away.note,
        },
        Word::Back(v1::ChatBack {}) => Command::Away {
            is_away: false,
            note: String::new(),
        },
    })
}

/// What is answered to a word that was taken.
fn result_of(reply: &Reply) -> Answered {
    match reply {
        Reply::Done => Answered::Done(v1::ChatDone {}),
        Reply::Posted(posted) => Answered::Posted(form::posted(posted)),
        Reply::Entered(_)
        | Reply::Room(_)
        | Reply::Rooms(_)
        | Reply::Conversations(_)
        | Reply::Users(_)
        | Reply::Members { .. }
        | Reply::History(_)
        | Reply::Found { .. }
        | Reply::Message { .. }
        | Reply::Sanctions { .. }
        | Reply::Blocked(_) => {
            let text = super::unexpected("done, posted or entered")
                .message()
                .to_owned();
            Answered::Error(v1::ChatError {
                code: "INTERNAL".to_owned(),
                text,
                retry_after_ms: 0,
            })
        }
    }
}
