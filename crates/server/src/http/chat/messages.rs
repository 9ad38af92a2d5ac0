//! What is said in rooms.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chat::Target;

use super::talk::{Edit, HistoryParams, NewMessage, NotifyLevel, ReadUpTo};
use super::{Chatter, talk};
use crate::chat::json::{HistoryForm, MessageForm};
use crate::http::Web;
use crate::http::body::{InPath, JsonBody, Params};
use crate::http::problem::Problem;

/// Read what was said in a room
///
/// Pages go backwards by `before`, forwards by `after`. With `wait_s` the answer waits until there is a message after `after`.
#[utoipa::path(get, path = "/v1/rooms/{room}/messages", tag = "chat",
    params(("room" = String, Path, description = "The room"), HistoryParams),
    responses(
        (status = 200, description = "A page of messages, oldest first", body = HistoryForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn list(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(room): InPath<String>,
    Params(params): Params<HistoryParams>,
) -> Result<Response, Problem> {
    talk::list(&web, &chatter, Target::Room(room), params).await
}

/// Say something in a room
///
/// It is on disk when this answers. Sent again under the same `sent_id`, it is still one message.
#[utoipa::path(post, path = "/v1/rooms/{room}/messages", tag = "chat",
    params(("room" = String, Path, description = "The room")),
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
    InPath(room): InPath<String>,
    JsonBody(message): JsonBody<NewMessage>,
) -> Result<Response, Problem> {
    talk::say(&web, &chatter, Target::Room(room), message).await
}

/// Look at a message
#[utoipa::path(get, path = "/v1/rooms/{room}/messages/{seq}", tag = "chat",
    params(("room" = String, Path, description = "The room"), ("seq" = u64, Path, description = "The message's number")),
    responses(
        (status = 200, description = "The message", body = MessageForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn show(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((room, seq)): InPath<(String, u64)>,
) -> Result<Response, Problem> {
    talk::show(&web, &chatter, Target::Room(room), seq).await
}

/// Change what your own message says
#[utoipa::path(put, path = "/v1/rooms/{room}/messages/{seq}", tag = "chat",
    params(("room" = String, Path, description = "The room"), ("seq" = u64, Path, description = "The message's number")),
    request_body = Edit,
    responses(
        (status = 200, description = "The message as it is now", body = MessageForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn edit(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((room, seq)): InPath<(String, u64)>,
    JsonBody(edit): JsonBody<Edit>,
) -> Result<Response, Problem> {
    talk::edit(&web, &chatter, Target::Room(room), seq, edit).await
}

/// Take a message back: its author, the room's creator and administrators
#[utoipa::path(delete, path = "/v1/rooms/{room}/messages/{seq}", tag = "chat",
    params(("room" = String, Path, description = "The room"), ("seq" = u64, Path, description = "The message's number")),
    responses(
        (status = 204, description = "Its text is gone"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn delete(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((room, seq)): InPath<(String, u64)>,
) -> Result<StatusCode, Problem> {
    talk::delete(&web, &chatter, Target::Room(room), seq).await
}

/// Put an emoji under a message
#[utoipa::path(put, path = "/v1/rooms/{room}/messages/{seq}/reactions/{emoji}", tag = "chat",
    params(("room" = String, Path, description = "The room"), ("seq" = u64, Path, description = "The message's number"), ("emoji" = String, Path, description = "The emoji")),
    responses(
        (status = 200, description = "The message as it is now", body = MessageForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn react(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((room, seq, emoji)): InPath<(String, u64, String)>,
) -> Result<Response, Problem> {
    talk::react(&web, &chatter, Target::Room(room), (seq, emoji), true).await
}

/// Take your emoji away from a message
#[utoipa::path(delete, path = "/v1/rooms/{room}/messages/{seq}/reactions/{emoji}", tag = "chat",
    params(("room" = String, Path, description = "The room"), ("seq" = u64, Path, description = "The message's number"), ("emoji" = String, Path, description = "The emoji")),
    responses(
        (status = 200, description = "The message as it is now", body = MessageForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn unreact(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((room, seq, emoji)): InPath<(String, u64, String)>,
) -> Result<Response, Problem> {
    talk::react(&web, &chatter, Target::Room(room), (seq, emoji), false).await
}

/// Note how far you have read in a room
#[utoipa::path(put, path = "/v1/rooms/{room}/read", tag = "chat",
    params(("room" = String, Path, description = "The room")),
    request_body = ReadUpTo,
    responses(
        (status = 204, description = "Noted"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn read(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(room): InPath<String>,
    JsonBody(read): JsonBody<ReadUpTo>,
) -> Result<StatusCode, Problem> {
    talk::read(&web, &chatter, Target::Room(room), read).await
}

/// Choose what you want to be told of a room
#[utoipa::path(put, path = "/v1/rooms/{room}/notify", tag = "chat",
    params(("room" = String, Path, description = "The room")),
    request_body = NotifyLevel,
    responses(
        (status = 204, description = "Noted"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn notify(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(room): InPath<String>,
    JsonBody(level): JsonBody<NotifyLevel>,
) -> Result<StatusCode, Problem> {
    talk::notify(&web, &chatter, Target::Room(room), level).await
}
