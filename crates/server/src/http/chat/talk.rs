//! What can be done with messages, in a room as in a private conversation.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use chat::{Command, Event, History, PageOf, Reason, Refusal, Reply, Target};
use directory::chat::Cursor;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::{Chatter, shown, unexpected};
use crate::chat::json::{HistoryForm, MessageForm, level_of, page_of};
use crate::chat::{Farewell, Heard, Listener};
use crate::http::Web;
use crate::http::problem::Problem;

/// How long a request may wait for messages, in seconds.
const WAIT_S_MAX: u32 = 60;

/// Which messages are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct HistoryParams {
    /// Those before this number, the newest of them. Without `before` and `after`, the newest of all.
    before: Option<u64>,
    /// Those after this number, the oldest of them.
    after: Option<u64>,
    /// At most so many, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// With `after`: wait for so many seconds until there is a message after it.
    #[param(maximum = 60, default = 0)]
    wait_s: Option<u32>,
}

/// A message to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewChatMessage)]
pub(in crate::http) struct NewMessage {
    /// What to say, at most 8,192 bytes.
    #[schema(min_length = 1, max_length = 8192)]
    text: String,
    /// Your own name for it: sent again under the same one it is still one message.
    #[schema(max_length = 64)]
    sent_id: Option<String>,
    /// The message of the same place that it answers.
    reply_to: Option<u64>,
    /// It says what you do.
    #[serde(default)]
    action: bool,
}

/// What a message is to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChatMessageEdit)]
pub(in crate::http) struct Edit {
    /// What it says now, at most 8,192 bytes.
    #[schema(min_length = 1, max_length = 8192)]
    text: String,
}

/// How far you have read.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChatRead)]
pub(in crate::http) struct ReadUpTo {
    /// The newest message that you have read.
    seq: u64,
}

/// What you want to be told of a room.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChatNotify)]
pub(in crate::http) struct NotifyLevel {
    /// `all`, `mentions` or `nothing`.
    #[schema(pattern = "^(all|mentions|nothing)$")]
    level: String,
}

/// A page of what was said; waits for it, if that is asked for.
pub(super) async fn list(
    web: &Web,
    chatter: &Chatter,
    of: Target,
    params: HistoryParams,
) -> Result<Response, Problem> {
    let page = page_of(params.before, params.after, params.limit).map_err(Problem::invalid)?;
    if page.limit > chat::limits::PAGE_MAX {
        return Err(Problem::invalid(format!(
            "limit is from 1 to {}",
            chat::limits::PAGE_MAX
        )));
    }
    let wait_s = params.wait_s.unwrap_or_default();
    if wait_s > WAIT_S_MAX {
        return Err(Problem::invalid(format!("wait_s is at most {WAIT_S_MAX}")));
    }
    if wait_s > 0 && params.after.is_none() {
        return Err(Problem::invalid(
            "wait_s waits for what comes after a message: say which by after",
        ));
    }
    let mut history = history(web, chatter, &of, &page).await?;
    if history.messages.is_empty() && wait_s > 0 {
        let until = Instant::now() + Duration::from_secs(u64::from(wait_s));
        history = wait(web, chatter, &of, &page, history, until).await?;
    }
    Ok(shown(StatusCode::OK, &HistoryForm::of(&history)))
}

/// Asks for a page.
pub(super) async fn history(
    web: &Web,
    chatter: &Chatter,
    of: &Target,
    page: &PageOf,
) -> Result<History, Problem> {
    let command = Command::History {
        of: of.clone(),
        page: page.clone(),
    };
    match web.chat().ask(chatter.actor(), command).await {
        Ok(Reply::History(history)) => Ok(history),
        Ok(_) => Err(unexpected()),
        Err(refusal) => nothing_said(web, of, &refusal).ok_or_else(|| refusal.into()),
    }
}

/// What was said to somebody to whom nothing was said yet.
pub(crate) fn nothing_said(web: &Web, of: &Target, refusal: &Refusal) -> Option<History> {
    let (Target::User(login), Reason::NoTalk(_)) = (of, &refusal.reason) else {
        return None;
    };
    let account = web.gateway().engine().account(login)?;
    Some(History {
        place: format!("@{}", account.login).into(),
        messages: Vec::new(),
        has_more: false,
        head: 0,
    })
}

/// Waits until a page that was empty is not.
async fn wait(
    web: &Web,
    chatter: &Chatter,
    of: &Target,
    page: &PageOf,
    empty: History,
    until: Instant,
) -> Result<History, Problem> {
    let mut stopping = web.stopping();
    let stopped = async {
        let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
    };
    let waited = async {
        match of {
            Target::Room(_) => wait_for_room(web, chatter, of, page, &empty).await,
            Target::User(_) => wait_for_user(web, chatter, of, page, &empty).await,
        }
    };
    tokio::select! {
        waited = timeout_at(until, waited) => match waited {
            Ok(found) => found,
            // Once more: news may have been missed.
            Err(_) => history(web, chatter, of, page).await,
        },
        () = web.gateway().engine().until_void(&chatter.caller.login) => {
            Err(void())
        }
        () = stopped => Ok(empty.clone()),
    }
}

async fn wait_for_room(
    web: &Web,
    chatter: &Chatter,
    of: &Target,
    page: &PageOf,
    empty: &History,
) -> Result<History, Problem> {
    let mut news = web.news().of(web.chat(), &empty.place);
    loop {
        let found = history(web, chatter, of, page).await?;
        if !found.messages.is_empty() || news.changed().await.is_err() {
            return Ok(found);
        }
    }
}

/// What is private reaches those alone whom it is for, so that one has to be there to hear of it.
async fn wait_for_user(
    web: &Web,
    chatter: &Chatter,
    of: &Target,
    page: &PageOf,
    empty: &History,
) -> Result<History, Problem> {
    let mut listener = chatter.listen(web, "poll", None, false).await?;
    loop {
        let found = history(web, chatter, of, page).await?;
        if !found.messages.is_empty() {
            return Ok(found);
        }
        match hears_message(&mut listener, &empty.place).await {
            None => {}
            Some(Farewell::Revoked) => return Err(void()),
            Some(Farewell::Shutdown | Farewell::Slow) => return Ok(found),
        }
    }
}

fn void() -> Problem {
    Problem::unauthorized("the login does not hold any more")
}

/// Waits for a message somewhere; why there will be none if the listener hears nothing any more.
async fn hears_message(listener: &mut Listener, somewhere: &str) -> Option<Farewell> {
    loop {
        match listener.hear().await {
            Some(Heard::Event(event)) => {
                if let Event::Message { place, .. } = &*event
                    && **place == *somewhere
                {
                    return None;
                }
            }
            Some(Heard::End(farewell)) => return Some(farewell),
            None => return Some(Farewell::Slow),
        }
    }
}

/// Says something.
pub(super) async fn say(
    web: &Web,
    chatter: &Chatter,
    to: Target,
    message: NewMessage,
) -> Result<Response, Problem> {
    let command = Command::Say {
        to,
        text: message.text,
        is_action: message.action,
        sent_id: message.sent_id,
        reply_to: message.reply_to,
    };
    let Reply::Posted(posted) = chatter.ask(web, command).await? else {
        return Err(unexpected());
    };
    let status = if posted.is_duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let form = MessageForm::of(Some(&posted.place), &posted.message);
    Ok(shown(status, &form))
}

/// One message.
pub(super) async fn show(
    web: &Web,
    chatter: &Chatter,
    of: Target,
    seq: u64,
) -> Result<Response, Problem> {
    let page = PageOf {
        cursor: Cursor::After(seq.saturating_sub(1)),
        limit: 1,
    };
    let history = history(web, chatter, &of, &page).await?;
    let message = history.messages.first();
    let Some(message) = message.filter(|message| message.seq == seq) else {
        return Err(Refusal::new(Reason::NoMessage(seq)).into());
    };
    let form = MessageForm::of(Some(&history.place), message);
    Ok(shown(StatusCode::OK, &form))
}

/// Changes what a message says.
pub(super) async fn edit(
    web: &Web,
    chatter: &Chatter,
    of: Target,
    seq: u64,
    edit: Edit,
) -> Result<Response, Problem> {
    let text = edit.text;
    change(web, chatter, Command::Edit { of, seq, text }).await
}

/// Takes a message back.
pub(super) async fn delete(
    web: &Web,
    chatter: &Chatter,
    of: Target,
    seq: u64,
) -> Result<StatusCode, Problem> {
    change(web, chatter, Command::Delete { of, seq }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts an emoji under a message, or takes it away.
pub(super) async fn react(
    web: &Web,
    chatter: &Chatter,
    of: Target,
    (seq, emoji): (u64, String),
    is_on: bool,
) -> Result<Response, Problem> {
    let command = Command::React {
        of,
        seq,
        emoji,
        is_on,
    };
    change(web, chatter, command).await
}

/// Asks for something that makes a message another one.
async fn change(web: &Web, chatter: &Chatter, command: Command) -> Result<Response, Problem> {
    let Reply::Message { place, message } = chatter.ask(web, command).await? else {
        return Err(unexpected());
    };
    let form = MessageForm::of(Some(&place), &message);
    Ok(shown(StatusCode::OK, &form))
}

/// Notes how far somebody has read.
pub(super) async fn read(
    web: &Web,
    chatter: &Chatter,
    of: Target,
    read: ReadUpTo,
) -> Result<StatusCode, Problem> {
    let seq = read.seq;
    chatter.order(web, Command::Read { of, seq }).await
}

/// Notes what somebody wants to be told of.
pub(super) async fn notify(
    web: &Web,
    chatter: &Chatter,
    of: Target,
    notify: NotifyLevel,
) -> Result<StatusCode, Problem> {
    let level = level_of(notify.level).map_err(Problem::invalid)?;
    chatter.order(web, Command::Notify { of, level }).await
}
