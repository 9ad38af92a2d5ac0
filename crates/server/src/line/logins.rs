//! Logins and registrations of the line protocol: they wait for other threads, so they run beside the chat's.

use std::net::SocketAddr;
use std::sync::Arc;

use directory::{CommitError, Profile, Refused};
use engine::accounts::{Denied, Login};
use engine::sessions::{Credentials, Origin};
use engine::{AccountView, Handle};
use session::line::{LogInRefused, Registering};

use super::Rules;
use crate::chat::{Caller, Inbox, Letter, LineLetter};
use crate::registration::{self, NotRegistered, Policy, Wish};

/// Somebody whose login was accepted.
pub(crate) struct Admitted {
    pub(crate) login: Login,
    pub(crate) account: AccountView,
}

/// What became of a login.
pub(crate) type Outcome = Result<Admitted, LogInRefused>;

/// What a connection shows.
pub(super) enum Shown {
    Password { login: String, password: String },
    Token(String),
    New(Box<Registering>),
}

/// Starts logins; their outcomes come as letters.
pub(super) struct Logins {
    engine: Handle,
    policy: Policy,
    inbox: Arc<Inbox>,
    runtime: tokio::runtime::Handle,
}

impl Logins {
    pub(super) fn new(
        engine: Handle,
        rules: &Rules,
        inbox: Arc<Inbox>,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self {
            engine,
            policy: rules.registration,
            inbox,
            runtime,
        }
    }

    pub(super) const fn engine(&self) -> &Handle {
        &self.engine
    }

    /// Begins to check what a connection shows.
    pub(super) fn begin(&self, caller: Caller, peer: SocketAddr, shown: Shown) {
        let (engine, policy, inbox) = (self.engine.clone(), self.policy, self.inbox.clone());
        self.runtime.spawn(async move {
            let outcome = log_in(&engine, policy, peer, shown).await;
            let letter = LineLetter::LoggedIn(caller, Box::new(outcome));
            inbox.post(Letter::Line(letter));
        });
    }
}

async fn log_in(engine: &Handle, policy: Policy, peer: SocketAddr, shown: Shown) -> Outcome {
    let origin = Origin {
        address: peer.ip(),
        door: "line",
        client: None,
    };
    let login = match shown {
        Shown::Password { login, password } => {
            let credentials = Credentials::Password {
                login: &login,
                password: &password,
            };
            engine.log_in(credentials, &origin).await
        }
        Shown::Token(token) => engine.log_in(Credentials::Token(&token), &origin).await,
        Shown::New(wish) => {
            let (login, password) = (wish.login.clone(), wish.password.clone());
            register(engine, policy, &origin, *wish).await?;
            let credentials = Credentials::Password {
                login: &login,
                password: &password,
            };
            engine.log_in(credentials, &origin).await
        }
    };
    let login = login.map_err(refused)?;
    // A queue's key is no account, and nobody to talk to.
    let account = login.role().and_then(|_| engine.account(&login.name));
    let account = account.ok_or(LogInRefused::Forbidden)?;
    Ok(Admitted { login, account })
}

async fn register(
    engine: &Handle,
    policy: Policy,
    origin: &Origin,
    wish: Registering,
) -> Result<(), LogInRefused> {
    let wish = Wish {
        login: wish.login,
        password: wish.password,
        profile: Profile {
            first_names: wish.first_names,
            last_names: wish.last_names,
            age: wish.age,
            gender: wish.gender,
        },
        invitation: wish.invitation,
        role: None,
    };
    let registered = registration::register(engine, policy, None, origin, wish).await;
    registered.map_err(|reason| match reason {
        NotRegistered::NotInvited => LogInRefused::Invitation,
        NotRegistered::Forbidden(_) => LogInRefused::RegistrationClosed,
        NotRegistered::Flawed(flaw) => LogInRefused::Flawed {
            field: field_of(&flaw.field),
            detail: Some(flaw.detail),
        },
        NotRegistered::Denied(denied) => refused(denied),
        NotRegistered::Uncommitted(error) => uncommitted(error),
    })
}

fn field_of(name: &str) -> chat::profile::Field {
    use chat::profile::Field;
    match name {
        "first_names" => Field::FirstNames,
        "last_names" => Field::LastNames,
        "password" => Field::Password,
        "age" => Field::Age,
        "gender" => Field::Gender,
        "invitation" => Field::Invitation,
        _ => Field::Login,
    }
}

fn uncommitted(error: CommitError) -> LogInRefused {
    match error {
        CommitError::Refused(Refused::AlreadyExists { .. } | Refused::LoginTaken { .. }) => {
            LogInRefused::LoginTaken
        }
        CommitError::Refused(Refused::Invalid { reason, .. }) => LogInRefused::Flawed {
            field: chat::profile::Field::Login,
            detail: Some(reason),
        },
        CommitError::Refused(other) => LogInRefused::Flawed {
            field: chat::profile::Field::Login,
            detail: Some(other.to_string()),
        },
        CommitError::Failure(failure) => {
            tracing::error!(%failure, "an account could not be stored");
            LogInRefused::Unavailable
        }
    }
}

fn refused(denied: Denied) -> LogInRefused {
    match denied {
        Denied::Credentials | Denied::Unusable => LogInRefused::Credentials,
        Denied::Secret => LogInRefused::Token,
        Denied::NotLocal => LogInRefused::Forbidden,
        Denied::Busy => LogInRefused::Busy,
        Denied::LockedOut { retry_after_ms } => LogInRefused::LockedOut {
            retry_after_s: retry_after_ms.div_ceil(1_000),
        },
    }
}
