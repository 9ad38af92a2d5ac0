//! Who may make an account, with which role: the same at every door.

use directory::account::check_account_name;
use directory::limits::PASSWORD_CHARS_MIN;
use directory::{CommitError, Profile, Role, token};
use engine::Handle;
use engine::accounts::Denied;
use engine::audit::Author;
use engine::sessions::Origin;

use crate::config;
use crate::flaw::Flaw;
use crate::http::Caller;

const INVITATION_MISSING: &str =
    "this server asks for an invitation: give its code as `invitation`";

/// An account that somebody wants.
pub(crate) struct Wish {
    pub(crate) login: String,
    pub(crate) password: String,
    pub(crate) profile: Profile,
    /// The code of an invitation.
    pub(crate) invitation: Option<String>,
    /// Its role; a member without one.
    pub(crate) role: Option<Role>,
}

/// Why no account was made.
pub(crate) enum NotRegistered {
    /// Whoever asked may not have it.
    Forbidden(&'static str),
    /// It cannot be as it was asked for.
    Flawed(Flaw),
    /// The password could not be hashed at the moment.
    Denied(Denied),
    /// The rules of accounts do not allow it, or it could not be stored.
    Uncommitted(CommitError),
}

/// Makes an account for somebody who is logged in or not.
///
/// # Errors
/// As [`NotRegistered`] says; nothing was made.
pub(crate) async fn register(
    engine: &Handle,
    policy: config::Registration,
    caller: Option<&Caller>,
    origin: &Origin,
    wish: Wish,
) -> Result<(), NotRegistered> {
    let is_administrator = caller.is_some_and(|caller| caller.login.is_administrator());
    let mut role = wish.role.unwrap_or(Role::Member);
    if role != Role::Member && !is_administrator {
        let detail = "only an administrator gives another role than member";
        return Err(NotRegistered::Forbidden(detail));
    }
    check_account_name(&wish.login).map_err(|error| Flaw::new("login", error.to_string()))?;
    check_password("password", &wish.password)?;
    let mut invitation = None;
    match (policy, &wish.invitation) {
        _ if is_administrator => {}
        (config::Registration::Open, None) => {}
        (config::Registration::Open | config::Registration::Invitation, Some(code)) => {
            let code_hash = token::hash(code);
            let found = engine.invitations().into_iter();
            let mut invited = found.filter(|invitation| invitation.code_hash == code_hash);
            let missing = NotRegistered::Forbidden(INVITATION_MISSING);
            role = invited.next().ok_or(missing)?.role;
            invitation = Some(code_hash);
        }
        (config::Registration::Invitation, None) => {
            return Err(NotRegistered::Forbidden(INVITATION_MISSING));
        }
        (config::Registration::Closed, _) => {
            return Err(NotRegistered::Forbidden(
                "this server makes no accounts for strangers; ask an administrator",
            ));
        }
    }
    let author = caller.map_or_else(|| Author::new(&wish.login, origin), Caller::author);
    let registration = engine::Registration {
        password_hash: engine.hash_password(&wish.password).await?,
        login: wish.login,
        role,
        profile: wish.profile,
        invitation,
    };
    let registered = engine.register(registration, &author).await;
    registered.map_err(NotRegistered::Uncommitted)
}

/// Refuses passwords that are easily guessed; `field` is where the password was given.
pub(crate) fn check_password(field: &str, password: &str) -> Result<(), Flaw> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        let detail = format!("a password has at least {PASSWORD_CHARS_MIN} characters");
        return Err(Flaw::new(field, detail));
    }
    Ok(())
}

impl From<Flaw> for NotRegistered {
    fn from(flaw: Flaw) -> Self {
        Self::Flawed(flaw)
    }
}

impl From<Denied> for NotRegistered {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unusable => Self::Flawed(Flaw::new("password", denied.to_string())),
            Denied::Credentials
            | Denied::Secret
            | Denied::NotLocal
            | Denied::Busy
            | Denied::LockedOut { .. } => Self::Denied(denied),
        }
    }
}
