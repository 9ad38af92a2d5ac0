//! What strangers are told before they log in, so that a page can ask for the right things.

use ::chat::Language;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use directory::token;
use serde::Serialize;
use utoipa::ToSchema;

use super::Web;
use super::accounts::RoleWord;
use super::problem::Problem;
use crate::config::{ProfileTime, Registration};

/// Who may make an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RegistrationWord {
    /// Anybody.
    Open,
    /// Whoever has the code of an invitation.
    Invitation,
    /// Administrators alone.
    Closed,
}

/// When the rest of a profile is to be told.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ProfileWord {
    /// When its owner likes.
    Later,
    /// When the account is made.
    AtOnce,
}

/// A server, as strangers know it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Welcome {
    /// Its version.
    version: &'static str,
    /// The room that everybody is in.
    default_room: String,
    /// Who may make an account.
    registration: RegistrationWord,
    /// When whoever makes one tells first and last names, age and gender.
    profile: ProfileWord,
    /// The languages in which it speaks, its own first.
    languages: Vec<&'static str>,
    /// What the invitation that was asked about makes; null if it is void.
    #[serde(skip_serializing_if = "Option::is_none")]
    invited: Option<Option<Invited>>,
}

/// What an invitation makes of whoever follows it.
#[derive(Debug, Serialize, ToSchema)]
struct Invited {
    /// The role of the account.
    role: RoleWord,
    /// Who invites.
    by: String,
}

/// The header that brings an invitation's code: what stands in an address is written down on the way.
const INVITATION: &str = "x-invitation";

/// What does one need to come in?
#[utoipa::path(get, path = "/v1/welcome", tag = "server", security(()), 
    params(("X-Invitation" = Option<String>, Header, description = "The code of an invitation, to learn whether it holds")),
    responses(
        (status = 200, description = "What the server asks for and offers", body = Welcome),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn welcome(State(web): State<Web>, headers: HeaderMap) -> Json<Welcome> {
    let policy = web.settings().registration;
    let door = web.chat_door();
    let mut languages = vec![Language::English.code(), Language::Spanish.code()];
    languages.sort_by_key(|code| *code != door.language.code());
    // One that is no text is nobody's code, and void like others.
    let code = headers
        .get(INVITATION)
        .map(|code| code.to_str().unwrap_or_default());
    Json(Welcome {
        version: env!("CARGO_PKG_VERSION"),
        default_room: door.default_room.clone(),
        registration: match policy.who {
            Registration::Open => RegistrationWord::Open,
            Registration::Invitation => RegistrationWord::Invitation,
            Registration::Closed => RegistrationWord::Closed,
        },
        profile: match policy.profile {
            ProfileTime::Later => ProfileWord::Later,
            ProfileTime::AtOnce => ProfileWord::AtOnce,
        },
        languages,
        invited: code.map(|code| invited(&web, code)),
    })
}

/// What a code makes of its owner, while it holds. Codes are as good as random, so that nobody learns anything by asking for others'.
fn invited(web: &Web, code: &str) -> Option<Invited> {
    let engine = web.gateway().engine();
    let (code_hash, now_ms) = (token::hash(code), engine.now_ms());
    let all = engine.invitations().into_iter();
    let mut found = all.filter(|invitation| {
        token::equal(&invitation.code_hash, &code_hash) && now_ms < invitation.expires_ms
    });
    found.next().map(|invitation| Invited {
        role: RoleWord::of(invitation.role),
        by: invitation.created_by,
    })
}
