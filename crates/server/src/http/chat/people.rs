//! Who is there, whom one does not want to hear, what is found, what time it is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chat::{Command, Reply};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Chatter, shown, unexpected};
use crate::chat::json::{FoundForm, UserForm, now_us, page_of, target};
use crate::http::Web;
use crate::http::body::{InPath, Params};
use crate::http::problem::Problem;

/// Everyone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatUsers)]
pub(in crate::http) struct UserList<'a> {
    /// Everyone, by login.
    users: Vec<UserForm<'a>>,
}

/// Whom one does not want to hear.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatBlocks)]
pub(in crate::http) struct BlockList {
    /// Their logins.
    logins: Vec<String>,
}

/// What to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct SearchParams {
    /// The words; the last one may be the beginning of a word.
    #[param(min_length = 1, max_length = 256)]
    words: String,
    /// Only here: a room's name, or `@` and a login.
    room: Option<String>,
    /// Only messages with a lower id: the next page.
    before: Option<u64>,
    /// At most so many, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// When you ask.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct TimeParams {
    /// Your time, in microseconds since 1970.
    t1_us: Option<i64>,
}

/// What time it is. Microseconds since 1970, all of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatTime)]
pub(in crate::http) struct TimeForm {
    /// When you asked, as you said.
    #[serde(skip_serializing_if = "Option::is_none")]
    t1_us: Option<i64>,
    /// When the server heard.
    t2_us: i64,
    /// When it answered.
    t3_us: i64,
}

/// Search what you may read
#[utoipa::path(get, path = "/v1/search", tag = "chat", params(SearchParams),
    responses(
        (status = 200, description = "Messages that hold all the words, the newest first", body = FoundForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn search(
    State(web): State<Web>,
    chatter: Chatter,
    Params(params): Params<SearchParams>,
) -> Result<Response, Problem> {
    let page = page_of(params.before, None, params.limit).map_err(Problem::invalid)?;
    let command = Command::Search {
        words: params.words,
        of: params.room.as_deref().map(target),
        before: params.before,
        limit: page.limit,
    };
    let Reply::Found { found, has_more } = chatter.ask(&web, command).await? else {
        return Err(unexpected());
    };
    let form = FoundForm::of(&found, has_more);
    Ok(shown(StatusCode::OK, &form))
}

/// List everyone, and how present they are
#[utoipa::path(get, path = "/v1/users", tag = "chat",
    responses(
        (status = 200, description = "Everyone", body = UserList),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn users(
    State(web): State<Web>,
    chatter: Chatter,
) -> Result<Response, Problem> {
    let Reply::Users(views) = chatter.ask(&web, Command::Users).await? else {
        return Err(unexpected());
    };
    let users = views.iter().map(UserForm::of).collect();
    Ok(shown(StatusCode::OK, &UserList { users }))
}

/// List whom you do not want to hear
#[utoipa::path(get, path = "/v1/blocks", tag = "chat",
    responses(
        (status = 200, description = "Whom you have blocked", body = BlockList),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn blocks(
    State(web): State<Web>,
    chatter: Chatter,
) -> Result<Json<BlockList>, Problem> {
    let Reply::Blocked(logins) = chatter.ask(&web, Command::Blocked).await? else {
        return Err(unexpected());
    };
    Ok(Json(BlockList { logins }))
}

/// Do not hear somebody any more
#[utoipa::path(put, path = "/v1/blocks/{login}", tag = "chat",
    params(("login" = String, Path, description = "The account")),
    responses(
        (status = 204, description = "Blocked"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn block(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(login): InPath<String>,
) -> Result<StatusCode, Problem> {
    let is_on = true;
    chatter.order(&web, Command::Block { login, is_on }).await
}

/// Hear somebody again
#[utoipa::path(delete, path = "/v1/blocks/{login}", tag = "chat",
    params(("login" = String, Path, description = "The account")),
    responses(
        (status = 204, description = "Not blocked any more"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn unblock(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(login): InPath<String>,
) -> Result<StatusCode, Problem> {
    let is_on = false;
    chatter.order(&web, Command::Block { login, is_on }).await
}

/// Compare your clock with the server's
///
/// With `t4` for when the answer came, your clock is behind by `((t2 - t1) + (t3 - t4)) / 2`, right to within
/// `((t4 - t1) - (t3 - t2)) / 2`. Nobody has to be logged in for that.
#[utoipa::path(get, path = "/v1/time", tag = "chat", security(()), params(TimeParams),
    responses(
        (status = 200, description = "When the server heard and answered", body = TimeForm),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn time(
    Params(params): Params<TimeParams>,
) -> Result<Json<TimeForm>, Problem> {
    let t2_us = now_us();
    Ok(Json(TimeForm {
        t1_us: params.t1_us,
        t2_us,
        t3_us: now_us(),
    }))
}
