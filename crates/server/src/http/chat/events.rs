//! Server-sent events: what is said somewhere, for a reader that needs nothing but HTTP.
//!
//! Events that are messages are named by their number, so a reader that comes back with the last one that it saw is first sent what it
//! missed: from the history as long as that is longer than what the chat sends to those who come back, then from the chat itself.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chat::{Command, Event, Language, MessageView, PageOf, Reply, Target};
use directory::chat::Cursor;
use futures_util::stream::unfold;
use serde::Deserialize;
use utoipa::IntoParams;

use super::talk::history;
use super::{Chatter, Over, over};
use crate::chat::json::{Bye, bye, event, event_name};
use crate::chat::{Heard, Listener};
use crate::http::Web;
use crate::http::body::{InPath, Params};
use crate::http::events::last_event_id;
use crate::http::problem::Problem;

/// How often a reader hears from where nobody says anything.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// When a reader whose connection broke is to come back.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// Where to begin.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct EventParams {
    /// Begin behind this message. Absent = with what is said from now on.
    after: Option<u64>,
    /// As the header Last-Event-ID, for readers that cannot set it; counts more than `after`.
    last_event_id: Option<String>,
}

/// Be sent what is said in a room
///
/// You are in the room as long as you read. The events are `message`, `changed` and `changed_room`, their data the objects of the
/// WebSocket; a message's `id` is its number. Whoever comes back with `Last-Event-ID`, as browsers do by themselves, misses nothing and
/// sees nothing twice. The last event is `left`, when you are not in the room any more, or `bye`, when the login does not hold, the server
/// stops, or you did not read fast enough.
#[utoipa::path(get, path = "/v1/rooms/{room}/events", tag = "chat",
    params(("room" = String, Path, description = "The room"), EventParams),
    responses(
        (status = 200, description = "Events without end", body = String, content_type = "text/event-stream"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn of_room(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(room): InPath<String>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    begin(web, chatter, Target::Room(room), params, &headers).await
}

/// Be sent what you and somebody else say to each other
///
/// As the events of a room; they are `message` and `changed`.
#[utoipa::path(get, path = "/v1/conversations/{login}/events", tag = "chat",
    params(("login" = String, Path, description = "The other account"), EventParams),
    responses(
        (status = 200, description = "Events without end", body = String, content_type = "text/event-stream"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn of_user(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(login): InPath<String>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    begin(web, chatter, Target::User(login), params, &headers).await
}

async fn begin(
    web: Web,
    chatter: Chatter,
    of: Target,
    params: EventParams,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let last = last_event_id(headers, params.last_event_id)?;
    let last = last.map(|id| id.parse()).transpose();
    let last = last.map_err(|_| Problem::bad_request("Last-Event-ID is no message's number"))?;
    let after = last.or(params.after);
    let cursor = after.map_or(Cursor::Before(u64::MAX), Cursor::After);
    let limit = after.map_or(1, |_| chat::limits::PAGE_MAX);
    // Also finds out whether the caller may read there at all.
    let page = history(&web, &chatter, &of, &PageOf { cursor, limit }).await?;
    let language = Language::default();
    let mut reader = Reader {
        over: over(&web, &chatter),
        web,
        chatter,
        of,
        place: page.place.clone(),
        seen: after.unwrap_or(page.head),
        language,
        listener: None,
        stage: Stage::Missed,
        ready: VecDeque::from([Sent::default().retry(RETRY_AFTER)]),
    };
    if after.is_some() {
        reader.pass_page(page.messages, page.has_more);
    } else {
        reader.stage = Stage::Entering;
    }
    let events = unfold(Box::new(reader), |mut reader| async {
        let sent = reader.next().await?;
        Some((Ok::<_, Infallible>(sent), reader))
    });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT);
    Ok(Sse::new(events).keep_alive(keep_alive).into_response())
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Reads the history up to its end.
    Missed,
    /// Is about to listen.
    Entering,
    /// Listens; reads what was said between the end of the history and that.
    Gap,
    /// Has everything, and hears what is new.
    Live,
    /// Hears nothing any more.
    Ended,
}

/// One reader.
struct Reader {
    web: Web,
    chatter: Chatter,
    of: Target,
    /// As the chat names it.
    place: Arc<str>,
    /// The newest message that it has been sent.
    seen: u64,
    language: Language,
    listener: Option<Listener>,
    stage: Stage,
    ready: VecDeque<Sent>,
    over: Over,
}

impl Reader {
    /// The next event; `None` after the last.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(sent) = self.ready.pop_front() {
                return Some(sent);
            }
            let step = match self.stage {
                Stage::Missed | Stage::Gap => self.read_page().await,
                Stage::Entering => self.enter().await,
                Stage::Live => {
                    self.hear().await;
                    Ok(())
                }
                Stage::Ended => return None,
            };
            if step.is_err() {
                // It can be asked for again, and the answer says why not.
                self.stage = Stage::Ended;
            }
        }
    }

    async fn read_page(&mut self) -> Result<(), Problem> {
        let page = PageOf {
            cursor: Cursor::After(self.seen),
            limit: chat::limits::PAGE_MAX,
        };
        let page = tokio::select! {
            biased;
            cause = &mut self.over => {
                self.end(cause);
                return Ok(());
            }
            page = history(&self.web, &self.chatter, &self.of, &page) => page?,
        };
        self.pass_page(page.messages, page.has_more);
        Ok(())
    }

    fn pass_page(&mut self, messages: Vec<MessageView>, has_more: bool) {
        let is_empty = messages.is_empty();
        for message in messages {
            self.pass(&Event::Message {
                place: self.place.clone(),
                message: message.into(),
                is_history: true,
            });
        }
        if has_more {
            if is_empty {
                // All of them are by somebody whom the reader does not want to hear.
                self.seen += u64::from(chat::limits::PAGE_MAX);
            }
            return;
        }
        self.stage = match self.stage {
            Stage::Missed => Stage::Entering,
            Stage::Gap | Stage::Entering | Stage::Live => Stage::Live,
            Stage::Ended => Stage::Ended,
        };
    }

    async fn enter(&mut self) -> Result<(), Problem> {
        let listener = self
            .chatter
            .listen(&self.web, "events", None, false)
            .await?;
        if let Target::Room(room) = &self.of {
            let join = Command::Join {
                room: room.clone(),
                after: Some(self.seen),
                is_only: false,
            };
            let Reply::Entered(entered) = listener.ask(join).await? else {
                return Err(Problem::internal());
            };
            if entered.skipped > 0 {
                // More than the chat sends at once, of which nothing was heard yet: the history has it all.
                self.stage = Stage::Missed;
                return Ok(());
            }
            self.stage = Stage::Live;
        } else {
            self.stage = Stage::Gap;
        }
        self.listener = Some(listener);
        Ok(())
    }

    async fn hear(&mut self) {
        let Some(listener) = &mut self.listener else {
            self.stage = Stage::Ended;
            return;
        };
        let heard = tokio::select! {
            heard = listener.hear() => heard,
            cause = &mut self.over => return self.end(cause),
        };
        match heard {
            Some(Heard::Event(event)) => self.take(&event),
            Some(Heard::End(farewell)) => self.end(farewell.into()),
            // Nobody said why: it was not fast enough to be told.
            None => self.end(Bye::Slow),
        }
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Message { place, message, .. } => {
                if **place == *self.place && message.seq > self.seen {
                    self.pass(event);
                }
            }
            Event::Changed { place, message } => {
                // What is newer is still to come, and comes as it is by then.
                if **place == *self.place && message.seq <= self.seen {
                    self.pass(event);
                }
            }
            Event::Room { place, .. } => {
                if **place == *self.place {
                    self.pass(event);
                }
            }
            Event::Entered(entered) => {
                if entered.room != *self.place {
                    self.leave(&Event::Left {
                        place: self.place.clone(),
                        cause: entered.cause.clone(),
                    });
                }
            }
            Event::Left { place, .. } => {
                if **place == *self.place {
                    self.leave(event);
                }
            }
            Event::Mentioned { .. }
            | Event::Presence { .. }
            | Event::Typing { .. }
            | Event::Read { .. } => {}
        }
    }

    fn leave(&mut self, left: &Event) {
        self.pass(left);
        self.stage = Stage::Ended;
        self.listener = None;
    }

    fn end(&mut self, cause: Bye) {
        let last = Sent::default().event("bye");
        self.ready.push_back(last.data(bye(cause, self.language)));
        self.stage = Stage::Ended;
        self.listener = None;
    }

    fn pass(&mut self, happened: &Event) {
        let mut sent = Sent::default().event(event_name(happened));
        if let Event::Message { message, .. } = happened {
            self.seen = message.seq;
            sent = sent.id(message.seq.to_string());
        }
        self.ready
            .push_back(sent.data(event(happened, self.language)));
    }
}
