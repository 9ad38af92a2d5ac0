//! Invitations: codes by which strangers make accounts where the server asks for one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use directory::{Change, Invitation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Web;
use super::accounts::RoleWord;
use super::body::{InPath, JsonBody};
use super::caller::Caller;
use super::problem::Problem;
use crate::invitations::{self, Made, NotMade};

/// An invitation to be made.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct InvitationWish {
    /// How many accounts may be made with it.
    #[schema(minimum = 1, maximum = 10_000, default = 1)]
    uses: Option<u32>,
    /// For how many milliseconds it holds. Default a week, a day for administrators.
    #[schema(minimum = 1, maximum = 31_536_000_000_u64)]
    ttl_ms: Option<u64>,
    /// The role of these accounts. Default member.
    role: Option<RoleWord>,
}

/// An invitation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InvitationOut {
    /// The name by which it is deleted.
    id: String,
    /// The code, when the invitation was just made; it is not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// How many accounts may still be made with it.
    uses_left: u32,
    /// Until when it holds, in milliseconds since 1970.
    expires_ms: u64,
    /// Who made it.
    created_by: String,
    /// The role of these accounts.
    role: RoleWord,
}

/// All invitations.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Invitations {
    /// The invitations.
    items: Vec<InvitationOut>,
}

impl InvitationOut {
    fn of(invitation: Invitation, code: Option<String>) -> Self {
        Self {
            id: URL_SAFE_NO_PAD.encode(invitation.code_hash),
            code,
            uses_left: invitation.uses_left,
            expires_ms: invitation.expires_ms,
            created_by: invitation.created_by,
            role: RoleWord::of(invitation.role),
        }
    }
}

/// Invite somebody
#[utoipa::path(post, path = "/v1/invitations", tag = "accounts",
    request_body = InvitationWish,
    responses(
        (status = 201, description = "The invitation with its code", body = InvitationOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn create(
    State(web): State<Web>,
    caller: Caller,
    JsonBody(wish): JsonBody<InvitationWish>,
) -> Result<(StatusCode, Json<InvitationOut>), Problem> {
    caller.check_administrator()?;
    let wish = invitations::Wish {
        uses: wish.uses,
        ttl_ms: wish.ttl_ms,
        role: wish.role.map_or(directory::Role::Member, RoleWord::role),
    };
    let now_ms = web.gateway().engine().now_ms();
    let Made { invitation, code } = invitations::make(wish, &caller.login.name, now_ms)?;
    caller
        .commit(&web, Change::InvitationAdded(invitation.clone()))
        .await?;
    let made = InvitationOut::of(invitation, Some(code));
    Ok((StatusCode::CREATED, Json(made)))
}

/// List invitations
#[utoipa::path(get, path = "/v1/invitations", tag = "accounts",
    responses(
        (status = 200, description = "The invitations, without their codes", body = Invitations),
        (status = "4XX", description = "For administrators alone", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
) -> Result<Json<Invitations>, Problem> {
    caller.check_administrator()?;
    let all = web.gateway().engine().invitations().into_iter();
    let items = all.map(|invitation| InvitationOut::of(invitation, None));
    Ok(Json(Invitations {
        items: items.collect(),
    }))
}

/// Take an invitation back
#[utoipa::path(delete, path = "/v1/invitations/{invitation}", tag = "accounts",
    params(("invitation" = String, Path, description = "The invitation's id")),
    responses(
        (status = 204, description = "It invites nobody any more"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn delete(
    State(web): State<Web>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<StatusCode, Problem> {
    caller.check_administrator()?;
    let code_hash = URL_SAFE_NO_PAD
        .decode(&id)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Problem::not_found(format!("there is no invitation '{id}'")))?;
    caller
        .commit(&web, Change::InvitationDeleted { code_hash })
        .await
}

impl From<NotMade> for Problem {
    fn from(reason: NotMade) -> Self {
        match reason {
            NotMade::Flawed(flaw) => flaw.into(),
            NotMade::Random(error) => Self::unavailable(format!("no random numbers: {error}")),
        }
    }
}
