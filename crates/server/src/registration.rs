//! Who may make an account, with which role: the same at every door.

use directory::account::check_account_name;
use directory::limits::PASSWORD_CHARS_MIN;
use directory::{CommitError, Invitation, Profile, Role, token};
use engine::Handle;
use engine::accounts::Denied;
use engine::audit::Author;
use engine::sessions::Origin;

use crate::config::{self, ProfileTime};
use crate::flaw::Flaw;
use crate::http::Caller;

/// What is said to whoever was not invited.
pub(crate) const INVITATION_MISSING: &str =
    "this server asks for an invitation: give its code as `invitation`";

const CLOSED: &str = "this server makes no accounts for strangers; ask an administrator";

/// What the operator says of accounts that people make themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Who may.
    pub(crate) who: config::Registration,
    /// When they tell the rest of their profile.
    pub(crate) profile: ProfileTime,
}

impl Policy {
    /// As the configuration says.
    pub(crate) const fn of(config: &config::Accounts) -> Self {
        Self {
            who: config.registration,
            profile: config.profile,
        }
    }
}

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
    /// No invitation was shown where the server asks for one, or none that there is.
    NotInvited,
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
    policy: Policy,
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
    if !is_administrator {
        invitation = admitted(engine, policy.who, wish.invitation.as_deref())?;
        role = invitation.as_ref().map_or(role, |invited| invited.role);
        if policy.profile == ProfileTime::AtOnce {
            check_profile(&wish.profile)?;
        }
    }
    let author = caller.map_or_else(|| Author::new(&wish.login, origin), Caller::author);
    let registration = engine::Registration {
        password_hash: engine.hash_password(&wish.password).await?,
        login: wish.login,
        role,
        profile: wish.profile,
        invitation: invitation.map(|invited| invited.code_hash),
    };
    let registered = engine.register(registration, &author).await;
    registered.map_err(NotRegistered::Uncommitted)
}

/// Says whether a stranger may have an account; gives the invitation if it takes one.
fn admitted(
    engine: &Handle,
    who: config::Registration,
    code: Option<&str>,
) -> Result<Option<Invitation>, NotRegistered> {
    let Some(code) = code else {
        return match who {
            config::Registration::Open => Ok(None),
            config::Registration::Invitation => Err(NotRegistered::NotInvited),
            config::Registration::Closed => Err(NotRegistered::Forbidden(CLOSED)),
        };
    };
    let code_hash = token::hash(code);
    let found = engine.invitations().into_iter();
    let mut invited = found.filter(|invitation| token::equal(&invitation.code_hash, &code_hash));
    let invited = invited.next();
    match who {
        config::Registration::Open | config::Registration::Invitation => {
            invited.ok_or(NotRegistered::NotInvited).map(Some)
        }
        // Administrators alone: whom one of them makes their like is one.
        config::Registration::Closed => invited
            .filter(|invitation| invitation.role == Role::Administrator)
            .ok_or(NotRegistered::Forbidden(CLOSED))
            .map(Some),
    }
}

/// Refuses a profile of which something was not told.
fn check_profile(profile: &Profile) -> Result<(), Flaw> {
    let told = [
        ("first_names", !profile.first_names.trim().is_empty()),
        ("last_names", !profile.last_names.trim().is_empty()),
        ("age", profile.age.is_some()),
        ("gender", !profile.gender.trim().is_empty()),
    ];
    match told.into_iter().find(|(_, is_told)| !is_told) {
        None => Ok(()),
        Some((field, _)) => Err(Flaw::new(
            field,
            format!("this server asks for the whole profile at once: give `{field}` too"),
        )),
    }
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
