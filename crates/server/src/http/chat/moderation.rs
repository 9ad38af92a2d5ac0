//! Moderation of a room, by its creator and administrators: sending out, keeping out, keeping silent, and who is.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chat::{Command, Reply, Sanction, SanctionKind};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{Chatter, shown, unexpected};
use crate::chat::json::SanctionForm;
use crate::http::Web;
use crate::http::body::{InPath, JsonBody, Params};
use crate::http::page::{Page, PageParams};
use crate::http::problem::Problem;

/// Why somebody is sent out.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct KickParams {
    /// Why, for whoever it is.
    #[param(max_length = 200)]
    reason: Option<String>,
}

/// For how long somebody is kept out or silent, and why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ChatSanction)]
pub(in crate::http) struct SanctionWish {
    /// For so many minutes; absent is for good.
    minutes: Option<u32>,
    /// Why, for whoever it is.
    #[schema(max_length = 200)]
    reason: String,
}

/// Which part of a list of bans or mutes.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct SanctionListParams {
    /// Go on behind the page that gave this cursor.
    cursor: Option<String>,
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<u32>,
}

impl SanctionWish {
    fn of(self, login: &str) -> Sanction {
        Sanction {
            login: login.to_owned(),
            minutes: self.minutes,
            reason: self.reason,
        }
    }
}

/// Send somebody out of a room
#[utoipa::path(delete, path = "/v1/rooms/{room}/members/{login}", tag = "chat",
    params(("room" = String, Path, description = "The room"), ("login" = String, Path, description = "The account"), KickParams),
    responses(
        (status = 204, description = "They are not in it any more"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn kick(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((room, login)): InPath<(String, String)>,
    Params(params): Params<KickParams>,
) -> Result<StatusCode, Problem> {
    let command = Command::Kick {
        room,
        login,
        reason: params.reason.unwrap_or_default(),
    };
    chatter.order(&web, command).await
}

/// List who is kept out of a room: for its creator and administrators
#[utoipa::path(get, path = "/v1/rooms/{room}/bans", tag = "chat",
    params(("room" = String, Path, description = "The room"), SanctionListParams),
    responses(
        (status = 200, description = "A page of those who may not come in, by login", body = Page<SanctionForm>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn bans(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(room): InPath<String>,
    Params(params): Params<SanctionListParams>,
) -> Result<Response, Problem> {
    list(&web, &chatter, room, SanctionKind::Ban, params).await
}

/// Keep somebody out of a room
#[utoipa::path(put, path = "/v1/rooms/{room}/bans/{login}", tag = "chat",
    params(("room" = String, Path, description = "The room"), ("login" = String, Path, description = "The account")),
    request_body = SanctionWish,
    responses(
        (status = 204, description = "They are out, and stay out"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn ban(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((room, login)): InPath<(String, String)>,
    JsonBody(wish): JsonBody<SanctionWish>,
) -> Result<StatusCode, Problem> {
    let command = Command::Ban {
        room,
        sanction: Some(wish.of(&login)),
        login,
    };
    chatter.order(&web, command).await
}

/// Let somebody into a room again
#[utoipa::path(delete, path = "/v1/rooms/{room}/bans/{login}", tag = "chat",
    params(("room" = String, Path, description = "The room"), ("login" = String, Path, description = "The account")),
    responses(
        (status = 204, description = "They may come in again"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn unban(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((room, login)): InPath<(String, String)>,
) -> Result<StatusCode, Problem> {
    let command = Command::Ban {
        room,
        login,
        sanction: None,
    };
    chatter.order(&web, command).await
}

/// List who is kept from talking in a room: for its creator and administrators
#[utoipa::path(get, path = "/v1/rooms/{room}/mutes", tag = "chat",
    params(("room" = String, Path, description = "The room"), SanctionListParams),
    responses(
        (status = 200, description = "A page of those who may not talk, by login", body = Page<SanctionForm>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn mutes(
    State(web): State<Web>,
    chatter: Chatter,
    InPath(room): InPath<String>,
    Params(params): Params<SanctionListParams>,
) -> Result<Response, Problem> {
    list(&web, &chatter, room, SanctionKind::Mute, params).await
}

/// Keep somebody from talking in a room
#[utoipa::path(put, path = "/v1/rooms/{room}/mutes/{login}", tag = "chat",
    params(("room" = String, Path, description = "The room"), ("login" = String, Path, description = "The account")),
    request_body = SanctionWish,
    responses(
        (status = 204, description = "They can read, and say nothing"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn mute(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((room, login)): InPath<(String, String)>,
    JsonBody(wish): JsonBody<SanctionWish>,
) -> Result<StatusCode, Problem> {
    let command = Command::Mute {
        room,
        sanction: Some(wish.of(&login)),
        login,
    };
    chatter.order(&web, command).await
}

/// Let somebody talk in a room again
#[utoipa::path(delete, path = "/v1/rooms/{room}/mutes/{login}", tag = "chat",
    params(("room" = String, Path, description = "The room"), ("login" = String, Path, description = "The account")),
    responses(
        (status = 204, description = "They may talk again"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn unmute(
    State(web): State<Web>,
    chatter: Chatter,
    InPath((room, login)): InPath<(String, String)>,
) -> Result<StatusCode, Problem> {
    let command = Command::Mute {
        room,
        login,
        sanction: None,
    };
    chatter.order(&web, command).await
}

async fn list(
    web: &Web,
    chatter: &Chatter,
    room: String,
    kind: SanctionKind,
    params: SanctionListParams,
) -> Result<Response, Problem> {
    let page = PageParams::new(params.cursor, params.limit)?;
    let command = Command::Sanctions {
        room,
        kind,
        behind: page.behind().to_owned(),
        limit: page.limit() + 1,
    };
    let Reply::Sanctions { sanctions, .. } = chatter.ask(web, command).await? else {
        return Err(unexpected());
    };
    let page = page.cut(
        sanctions.iter().collect(),
        |sanction| sanction.login.clone(),
        SanctionForm::of,
    );
    Ok(shown(StatusCode::OK, &page))
}
