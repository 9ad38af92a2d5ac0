//! Rooms: made, listed, looked at, changed, deleted.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chat::{Command, Reply, RoomSettings};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Chatter, shown, unexpected};
use crate::chat::json::{MemberForm, RoomForm};
use crate::http::Web;
use crate::http::body::{InPath, JsonBody};
use crate::http::problem::Problem;

/// A room to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewChatRoom)]
pub(in crate::http) struct NewRoom {
    /// Its name: letters of one script, digits, `-` and `_`; case is kept, but tells no two rooms apart.
    #[schema(min_length = 1, max_length = 64)]
    room: String,
    /// It stays when you go, where the server allows that.
    #[serde(default)]
    keep: bool,
}

/// What is to change of a room; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ChatRoomPatch)]
pub(in crate::http) struct RoomPatch {
    /// The topic line.
    #[schema(max_length = 300)]
    topic: Option<String>,
    /// It stays when its creator goes.
    keep: Option<bool>,
    /// Seconds between two messages of one account; 0 is no bound.
    #[schema(maximum = 3_600)]
    slow_s: Option<u32>,
}

/// All rooms.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatRooms)]
pub(in crate::http) struct RoomList<'a> {
    /// The rooms: the default one first, then by name.
    rooms: Vec<RoomForm<'a>>,
}

/// Who is in a room.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatMembers)]
pub(in crate::http) struct MemberList<'a> {
    /// The room.
    room: &'a str,
    /// Who, by login.
    members: Vec<MemberForm<'a>>,
}

/// List the chat's rooms
#[utoipa::path(get, path = "/v1/rooms", tag = "chat",
    responses(
        (status = 200, description = "All rooms", body = RoomList),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn list(
    State(web): State<Web>,
    chatter: Chatter,
) -> Result<Response, Problem> {
    let Reply::Rooms(views) = chatter.ask(&web, Command::Rooms).await? else {
        return Err(unexpected());
    };
    let rooms = views.iter().map(RoomForm::of).collect();
    Ok(shown(StatusCode::OK, &RoomList { rooms }))
}

/// Make a room
///
/// It is yours: you may change it, send people out and delete it. Unless it stays, it goes when your last connection to the chat ends.
#[utoipa::path(post, path = "/v1/rooms", tag = "chat", request_body = NewRoom,
    responses(
        (status = 201, description = "It is made", body = RoomForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn create(
    State(web): State<Web>,
    chatter: Chatter,
    JsonBody(wish): JsonBody<NewRoom>,
) -> Result<Response, Problem> {
    let command = Command::Create {
        room: wish.room,
        keep: wish.keep,
        is_only: false,
    };
    room(&web, &chatter, command, StatusCode::CREATED).await
}

/// Look at a room
#[utoipa::path(get, path = "/v1/rooms/{room}", tag = "chat",
    params(("room" = String, Path, description = "The room")),
    responses(
        (status = 200, description = "The room, with how much of it you have not read", body = RoomForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn show(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(name): InPath<String>,
) -> Result<Response, Problem> {
    let command = Command::Room { room: name };
    room(&web, &chatter, command, StatusCode::OK).await
}

/// Change a room: its creator and administrators
#[utoipa::path(patch, path = "/v1/rooms/{room}", tag = "chat",
    params(("room" = String, Path, description = "The room")),
    request_body = RoomPatch,
    responses(
        (status = 200, description = "The room as it is now", body = RoomForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn update(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(name): InPath<String>,
    JsonBody(patch): JsonBody<RoomPatch>,
) -> Result<Response, Problem> {
    let command = Command::Set {
        room: name,
        settings: RoomSettings {
            topic: patch.topic,
            keep: patch.keep,
            slow_s: patch.slow_s,
        },
    };
    room(&web, &chatter, command, StatusCode::OK).await
}

/// Delete a room: its creator and administrators
///
/// Whoever is in it goes to the default room and is told why.
#[utoipa::path(delete, path = "/v1/rooms/{room}", tag = "chat",
    params(("room" = String, Path, description = "The room")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn delete(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(name): InPath<String>,
) -> Result<StatusCode, Problem> {
    let command = Command::DeleteRoom { room: name };
    chatter.order(&web, command).await
}

/// List who is in a room
#[utoipa::path(get, path = "/v1/rooms/{room}/members", tag = "chat",
    params(("room" = String, Path, description = "The room")),
    responses(
        (status = 200, description = "Who is in it", body = MemberList),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn members(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(room): InPath<String>,
) -> Result<Response, Problem> {
    let Reply::Members { place, members } = chatter.ask(&web, Command::Members { room }).await?
    else {
        return Err(unexpected());
    };
    let members = members.iter().map(MemberForm::of).collect();
    let list = MemberList {
        room: &place,
        members,
    };
    Ok(shown(StatusCode::OK, &list))
}

async fn room(
    web: &Web,
    chatter: &Chatter,
    command: Command,
    status: StatusCode,
) -> Result<Response, Problem> {
    let Reply::Room(view) = chatter.ask(web, command).await? else {
        return Err(unexpected());
    };
    Ok(shown(status, &RoomForm::of(&view)))
}
