//! Accounts: made, looked at, changed, deleted.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use directory::{Change, Profile, Role};
use engine::AccountView;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::body::{InPath, JsonBody, Params};
use super::caller::{Caller, Newcomer};
use super::page::{Page, PageParams};
use super::problem::Problem;
use super::tags::{Tagged, check_tag};
use crate::registration::{self, INVITATION_MISSING, NotRegistered};

/// What an account may do beside what it owns and was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoleWord {
    /// Everything.
    Administrator,
    /// Makes queues and topics, owns them, and shares them.
    Member,
    /// What an administrator's patterns allow, and no more.
    Service,
}

/// A new account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// What it logs in with: letters, digits, `.`, `_` and `-`, unique whatever their case.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    login: String,
    /// Its password.
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
    /// First names.
    #[serde(default)]
    #[schema(max_length = 128)]
    first_names: String,
    /// Last names.
    #[serde(default)]
    #[schema(max_length = 128)]
    last_names: String,
    /// Age in years.
    #[schema(minimum = 1, maximum = 150)]
    age: Option<u8>,
    /// Gender, in the person's own words.
    #[serde(default)]
    #[schema(max_length = 32)]
    gender: String,
    /// The code of an invitation, where the server asks for one.
    invitation: Option<String>,
    /// Its role; only an administrator gives another than member.
    role: Option<RoleWord>,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountOut {
    /// What it logs in with.
    login: String,
    /// Its role.
    role: RoleWord,
    /// RabbitMQ's tags.
    tags: Vec<String>,
    /// First names.
    first_names: String,
    /// Last names.
    last_names: String,
    /// Age in years.
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<u8>,
    /// Gender, in the person's own words.
    gender: String,
    /// When it was made, in milliseconds since 1970.
    created_ms: u64,
}

/// What is to change of a profile; what is absent stays.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ProfilePatch {
    /// First names.
    #[schema(max_length = 128)]
    first_names: Option<String>,
    /// Last names.
    #[schema(max_length = 128)]
    last_names: Option<String>,
    /// Age in years.
    #[schema(minimum = 1, maximum = 150)]
    age: Option<u8>,
    /// Gender, in the person's own words.
    #[schema(max_length = 32)]
    gender: Option<String>,
}

/// A new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// The present one; an administrator leaves it out for other accounts.
    present: Option<String>,
    /// The new one.
    #[schema(min_length = 8, max_length = 1024)]
    new: String,
}

/// A new role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleChange {
    /// The role.
    role: RoleWord,
}

/// Other tags.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TagsChange {
    /// All tags from now on.
    #[schema(max_items = 32)]
    tags: Vec<String>,
}

/// Which accounts to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountListParams {
    /// Only accounts whose login contains this.
    name: Option<String>,
    /// Go on behind the page that gave this cursor.
    cursor: Option<String>,
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<u32>,
}

impl RoleWord {
    pub(super) const fn role(self) -> Role {
        match self {
            Self::Administrator => Role::Administrator,
            Self::Member => Role::Member,
            Self::Service => Role::Service,
        }
    }

    pub(super) const fn of(role: Role) -> Self {
        match role {
            Role::Administrator => Self::Administrator,
            Role::Member => Self::Member,
            Role::Service => Self::Service,
        }
    }
}

impl AccountOut {
    pub(super) fn of(view: AccountView) -> Self {
        Self {
            login: view.login,
            role: RoleWord::of(view.role),
            tags: view.tags,
            first_names: view.profile.first_names,
            last_names: view.profile.last_names,
            age: view.profile.age,
            gender: view.profile.gender,
            created_ms: view.created_ms,
        }
    }
}

impl ProfilePatch {
    fn onto(self, profile: Profile) -> Profile {
        Profile {
            first_names: self.first_names.unwrap_or(profile.first_names),
            last_names: self.last_names.unwrap_or(profile.last_names),
            age: self.age.or(profile.age),
            gender: self.gender.unwrap_or(profile.gender),
        }
    }
}

/// Make an account
///
/// Whether anybody may, only whoever was invited, or administrators alone is a setting of the server.
#[utoipa::path(post, path = "/v1/accounts", tag = "accounts", security((), ("basic" = []), ("token" = [])),
    request_body = NewAccount,
    responses(
        (status = 201, description = "It is made", body = AccountOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn create(
    State(web): State<Web>,
    Newcomer(visitor): Newcomer,
    JsonBody(wish): JsonBody<NewAccount>,
) -> Result<(StatusCode, Json<AccountOut>), Problem> {
    let login = wish.login.clone();
    let wish = registration::Wish {
        login: wish.login,
        password: wish.password,
        profile: Profile {
            first_names: wish.first_names,
            last_names: wish.last_names,
            age: wish.age,
            gender: wish.gender,
        },
        invitation: wish.invitation,
        role: wish.role.map(RoleWord::role),
    };
    registration::register(
        web.gateway().engine(),
        web.settings().registration,
        visitor.caller.as_ref(),
        &visitor.origin,
        wish,
    )
    .await?;
    Ok((StatusCode::CREATED, Json(find(&web, &login)?)))
}

/// List accounts
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", params(AccountListParams),
    responses(
        (status = 200, description = "A page of accounts, by login", body = Page<AccountOut>),
        (status = "4XX", description = "For administrators alone", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    Params(params): Params<AccountListParams>,
) -> Result<Json<Page<AccountOut>>, Problem> {
    caller.check_administrator()?;
    let page = PageParams::new(params.cursor, params.limit)?;
    let contains = params.name.unwrap_or_default();
    let all = web.gateway().engine().account_list().into_iter();
    let wanted = all
        .filter(|view| page.is_behind_cursor(&view.login) && view.login.contains(&contains))
        .take(page.limit() + 1);
    Ok(Json(page.cut(
        wanted.collect(),
        |view| view.login.clone(),
        AccountOut::of,
    )))
}

/// Look at an account
#[utoipa::path(get, path = "/v1/accounts/{login}", tag = "accounts",
    params(("login" = String, Path, description = "The account")),
    responses(
        (status = 200, description = "The account", body = AccountOut, headers(("ETag" = String, description = "Its version, for If-Match"))),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(web): State<Web>,
    caller: Caller,
    InPath(login): InPath<String>,
) -> Result<Tagged<AccountOut>, Problem> {
    caller.check_self_or_administrator(&login)?;
    find(&web, &login).map(Tagged)
}

/// Change an account's profile
#[utoipa::path(patch, path = "/v1/accounts/{login}", tag = "accounts",
    params(("login" = String, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "Only if it still has this version")),
    request_body = ProfilePatch,
    responses(
        (status = 200, description = "The account as it is now", body = AccountOut, headers(("ETag" = String, description = "Its version, for If-Match"))),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn update(
    State(web): State<Web>,
    caller: Caller,
    InPath(login): InPath<String>,
    headers: HeaderMap,
    JsonBody(patch): JsonBody<ProfilePatch>,
) -> Result<Tagged<AccountOut>, Problem> {
    caller.check_self_or_administrator(&login)?;
    patch_profile(&web, &caller, &login, &headers, patch).await
}

/// Delete an account; its queues stay, without an owner
#[utoipa::path(delete, path = "/v1/accounts/{login}", tag = "accounts",
    params(("login" = String, Path, description = "The account")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn delete(
    State(web): State<Web>,
    caller: Caller,
    InPath(login): InPath<String>,
) -> Result<StatusCode, Problem> {
    caller.check_self_or_administrator(&login)?;
    caller.commit(&web, Change::AccountDeleted { login }).await
}

/// Change an account's password; its other sessions end
#[utoipa::path(put, path = "/v1/accounts/{login}/password", tag = "accounts",
    params(("login" = String, Path, description = "The account")),
    request_body = PasswordChange,
    responses(
        (status = 204, description = "Changed"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn password(
    State(web): State<Web>,
    caller: Caller,
    InPath(login): InPath<String>,
    JsonBody(wish): JsonBody<PasswordChange>,
) -> Result<StatusCode, Problem> {
    caller.check_self_or_administrator(&login)?;
    set_password(&web, &caller, login, wish).await
}

/// Give an account another role
#[utoipa::path(put, path = "/v1/accounts/{login}/role", tag = "accounts",
    params(("login" = String, Path, description = "The account")),
    request_body = RoleChange,
    responses(
        (status = 204, description = "It has the role"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn set_role(
    State(web): State<Web>,
    caller: Caller,
    InPath(login): InPath<String>,
    JsonBody(wish): JsonBody<RoleChange>,
) -> Result<StatusCode, Problem> {
    caller.check_administrator()?;
    let role = wish.role.role();
    caller
        .commit(&web, Change::AccountRole { login, role })
        .await
}

/// Give an account other tags, as RabbitMQ has them
///
/// `monitoring` lets it see how the whole server is doing, `administrator` makes it one.
#[utoipa::path(put, path = "/v1/accounts/{login}/tags", tag = "accounts",
    params(("login" = String, Path, description = "The account")),
    request_body = TagsChange,
    responses(
        (status = 204, description = "It has these and no others"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn set_tags(
    State(web): State<Web>,
    caller: Caller,
    InPath(login): InPath<String>,
    JsonBody(wish): JsonBody<TagsChange>,
) -> Result<StatusCode, Problem> {
    caller.check_administrator()?;
    let tags = wish.tags;
    caller
        .commit(&web, Change::AccountTags { login, tags })
        .await
}

/// Who am I?
#[utoipa::path(get, path = "/v1/me", tag = "accounts",
    responses(
        (status = 200, description = "Your account", body = AccountOut, headers(("ETag" = String, description = "Its version, for If-Match"))),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn me(
    State(web): State<Web>,
    caller: Caller,
) -> Result<Tagged<AccountOut>, Problem> {
    find(&web, &caller.login.name).map(Tagged)
}

/// Change your profile
#[utoipa::path(patch, path = "/v1/me", tag = "accounts",
    params(("If-Match" = Option<String>, Header, description = "Only if it still has this version")),
    request_body = ProfilePatch,
    responses(
        (status = 200, description = "Your account as it is now", body = AccountOut, headers(("ETag" = String, description = "Its version, for If-Match"))),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn update_me(
    State(web): State<Web>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(patch): JsonBody<ProfilePatch>,
) -> Result<Tagged<AccountOut>, Problem> {
    let login = caller.login.name.clone();
    patch_profile(&web, &caller, &login, &headers, patch).await
}

async fn patch_profile(
    web: &Web,
    caller: &Caller,
    login: &str,
    headers: &HeaderMap,
    patch: ProfilePatch,
) -> Result<Tagged<AccountOut>, Problem> {
    check_tag(headers, &find(web, login)?)?;
    let engine = web.gateway().engine();
    let present = engine.account(login).ok_or_else(|| unknown(login))?;
    let change = Change::AccountProfile {
        login: login.to_owned(),
        profile: patch.onto(present.profile),
    };
    caller.commit(web, change).await?;
    find(web, login).map(Tagged)
}

async fn set_password(
    web: &Web,
    caller: &Caller,
    login: String,
    wish: PasswordChange,
) -> Result<StatusCode, Problem> {
    let engine = web.gateway().engine();
    registration::check_password("new", &wish.new)?;
    find(web, &login)?;
    // Whoever found an open terminal is not to lock its owner out.
    if *caller.login.name == *login {
        let Some(present) = &wish.present else {
            return Err(Problem::invalid(
                "give your present password as `present` beside the new one",
            ));
        };
        let credentials = engine::sessions::Credentials::Password {
            login: &login,
            password: present,
        };
        engine.log_in(credentials, &caller.origin).await?;
    }
    let password_hash = engine.hash_password(&wish.new).await?;
    let change = Change::AccountPassword {
        login,
        password_hash,
    };
    caller.commit(web, change).await
}

pub(super) fn find(web: &Web, login: &str) -> Result<AccountOut, Problem> {
    let found = web.gateway().engine().account(login);
    found.map(AccountOut::of).ok_or_else(|| unknown(login))
}

fn unknown(login: &str) -> Problem {
    Problem::not_found(format!("there is no account '{login}'"))
}

impl From<NotRegistered> for Problem {
    fn from(reason: NotRegistered) -> Self {
        match reason {
            NotRegistered::Forbidden(detail) => Self::forbidden(detail),
            NotRegistered::NotInvited => Self::forbidden(INVITATION_MISSING).about("invitation"),
            NotRegistered::Flawed(flaw) => flaw.into(),
            NotRegistered::Denied(denied) => denied.into(),
            NotRegistered::Uncommitted(error) => error.into(),
        }
    }
}
