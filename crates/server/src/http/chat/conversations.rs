//! Private conversations: what is said to one account alone.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chat::{Command, Reply, Target};
use serde::Serialize;
use utoipa::ToSchema;

use super::talk::{Edit, HistoryParams, NewMessage, NotifyLevel, ReadUpTo};
use super::{Chatter, shown, talk, unexpected};
use crate::chat::json::{ConversationForm, HistoryForm, MessageForm};
use crate::http::Web;
use crate::http::body::{InPath, JsonBody, Params};
use crate::http::problem::Problem;

/// All private conversations.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatConversations)]
pub(in crate::http) struct ConversationList<'a> {
    /// The conversations, the one with the newest message first.
    conversations: Vec<ConversationForm<'a>>,
}

/// List your private conversations
#[utoipa::path(get, path = "/v1/conversations", tag = "chat",
    responses(
        (status = 200, description = "Your conversations, with how much of each you have not read", body = ConversationList),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn conversations(
    State(web): State<Web>,
    chatter: Chatter,
) -> Result<Response, Problem> {
    let Reply::Conversations(views) = chatter.ask(&web, Command::Conversations).await? else {
        return Err(unexpected());
    };
    let conversations = views.iter().map(ConversationForm::of).collect();
    let list = ConversationList { conversations };
    Ok(shown(StatusCode::OK, &list))
}

/// Read what you and somebody else said to each other
///
/// Nobody else can. Pages go backwards by `before`, forwards by `after`. With `wait_s` the answer waits until there is a message after `after`.
#[utoipa::path(get, path = "/v1/conversations/{login}/messages", tag = "chat",
    params(("login" = String, Path, description = "The other account"), HistoryParams),
    responses(
        (status = 200, description = "A page of messages, oldest first", body = HistoryForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn list(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(login): InPath<String>,
    Params(params): Params<HistoryParams>,
) -> Result<Response, Problem> {
    talk::list(&web, &chatter, Target::User(login), params).await
}

/// Say something to somebody alone
///
/// It is on disk when this answers, reaches all sessions of both and waits for whoever is away. Sent again under the same `sent_id`, it is still one message.
#[utoipa::path(post, path = "/v1/conversations/{login}/messages", tag = "chat",
    params(("login" = String, Path, description = "The other account")),
    request_body = NewMessage,
    responses(
        (status = 201, description = "It was said", body = MessageForm),
        (status = 200, description = "It had been said before under the same `sent_id`", body = MessageForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn say(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(login): InPath<String>,
    JsonBody(message): JsonBody<NewMessage>,
) -> Result<Response, Problem> {
    talk::say(&web, &chatter, Target::User(login), message).await
}

/// Look at a private message
#[utoipa::path(get, path = "/v1/conversations/{login}/messages/{seq}", tag = "chat",
    params(("login" = String, Path, description = "The other account"), ("seq" = u64, Path, description = "The message's number")),
    responses(
        (status = 200, description = "The message", body = MessageForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn show(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((login, seq)): InPath<(String, u64)>,
) -> Result<Response, Problem> {
    talk::show(&web, &chatter, Target::User(login), seq).await
}

/// Change what your own private message says
#[utoipa::path(put, path = "/v1/conversations/{login}/messages/{seq}", tag = "chat",
    params(("login" = String, Path, description = "The other account"), ("seq" = u64, Path, description = "The message's number")),
    request_body = Edit,
    responses(
        (status = 200, description = "The message as it is now", body = MessageForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn edit(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((login, seq)): InPath<(String, u64)>,
    JsonBody(edit): JsonBody<Edit>,
) -> Result<Response, Problem> {
    talk::edit(&web, &chatter, Target::User(login), seq, edit).await
}

/// Take your own private message back
#[utoipa::path(delete, path = "/v1/conversations/{login}/messages/{seq}", tag = "chat",
    params(("login" = String, Path, description = "The other account"), ("seq" = u64, Path, description = "The message's number")),
    responses(
        (status = 204, description = "Its text is gone"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn delete(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((login, seq)): InPath<(String, u64)>,
) -> Result<StatusCode, Problem> {
    talk::delete(&web, &chatter, Target::User(login), seq).await
}

/// Put an emoji under a private message
#[utoipa::path(put, path = "/v1/conversations/{login}/messages/{seq}/reactions/{emoji}", tag = "chat",
    params(("login" = String, Path, description = "The other account"), ("seq" = u64, Path, description = "The message's number"), ("emoji" = String, Path, description = "The emoji")),
    responses(
        (status = 200, description = "The message as it is now", body = MessageForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn react(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((login, seq, emoji)): InPath<(String, u64, String)>,
) -> Result<Response, Problem> {
    talk::react(&web, &chatter, Target::User(login), (seq, emoji), true).await
}

/// Take your emoji away from a private message
#[utoipa::path(delete, path = "/v1/conversations/{login}/messages/{seq}/reactions/{emoji}", tag = "chat",
    params(("login" = String, Path, description = "The other account"), ("seq" = u64, Path, description = "The message's number"), ("emoji" = String, Path, description = "The emoji")),
    responses(
        (status = 200, description = "The message as it is now", body = MessageForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn unreact(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((login, seq, emoji)): InPath<(String, u64, String)>,
) -> Result<Response, Problem> {
    talk::react(&web, &chatter, Target::User(login), (seq, emoji), false).await
}

/// Note how far you have read of a private conversation
#[utoipa::path(put, path = "/v1/conversations/{login}/read", tag = "chat",
    params(("login" = String, Path, description = "The other account")),
    request_body = ReadUpTo,
    responses(
        (status = 204, description = "Noted"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn read(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(login): InPath<String>,
    JsonBody(read): JsonBody<ReadUpTo>,
) -> Result<StatusCode, Problem> {
    talk::read(&web, &chatter, Target::User(login), read).await
}

/// Choose what you want to be told of a private conversation
#[utoipa::path(put, path = "/v1/conversations/{login}/notify", tag = "chat",
    params(("login" = String, Path, description = "The other account")),
    request_body = NotifyLevel,
    responses(
        (status = 204, description = "Noted"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn notify(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(login): InPath<String>,
    JsonBody(level): JsonBody<NotifyLevel>,
) -> Result<StatusCode, Problem> {
    talk::notify(&web, &chatter, Target::User(login), level).await
}
