//! Moderation of a room, by its creator and administrators: sending out, keeping out, keeping silent.

use axum::extract::State;
use axum::http::StatusCode;
use chat::{Command, Sanction};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Chatter;
use crate::http::Web;
use crate::http::body::{InPath, JsonBody, Params};
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
