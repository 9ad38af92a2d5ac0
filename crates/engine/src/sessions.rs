//! Logging in by every door, and the sessions that come of it.
//!
//! Whoever shows a password, a session's token or a queue's key gets a [`Login`]. A token proves the session that [`Handle::open_session`]
//! opened; a connection that showed a password itself is a session of its own. Whatever ends a session closes the connections that it
//! opened. Tokens are stored by their hashes alone.
//!
//! Start reading at [`Handle::log_in`].

mod table;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use broker::{ConnectionId, Name};
use directory::{Change, CommitError, Refused, Session, Subject, limits, token};
use tokio::sync::watch;

use crate::accounts::{Denied, GUEST, Login, random_name};
use crate::administration::{ConnectionView, Handle};
use crate::audit::{Author, Entry, Secret};
pub(crate) use table::{OpenSession, SessionTable};

/// What every session's token begins with.
pub const TOKEN_PREFIX: &str = "cht_";
/// What every queue's key begins with.
pub const QUEUE_KEY_PREFIX: &str = "chk_";
/// The name that goes with a queue's key where a password is to have a name beside it.
pub const KEY_LOGIN: &str = ":key";
/// What the token of a session begins with that a browser shows beside its cookie.
const CSRF_PREFIX: &str = "chc_";
/// What the id of a session begins with that is a connection.
const CONNECTION_PREFIX: &str = "c-";
/// What the id of a session begins with that a token proves.
const SESSION_PREFIX: &str = "s-";

const HOUR_MS: u64 = 60 * 60 * 1_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// How long a session holds after its last use, unless it is asked for otherwise.
const TTL_MS: u64 = 30 * DAY_MS;
const TTL_MS_MAX: u64 = 365 * DAY_MS;
/// The same for a session that a browser's cookie keeps.
const COOKIE_TTL_MS: u64 = 12 * HOUR_MS;

/// Where a login comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The interface it came in by, such as `amqp`.
    pub door: &'static str,
    /// The peer's address.
    pub address: IpAddr,
    /// What the client calls itself.
    pub client: Option<String>,
}

/// What somebody shows to be let in.
#[derive(Clone, Copy)]
pub enum Credentials<'a> {
    /// A name and a password, where [`KEY_LOGIN`] with a queue's key and an account's login with the token of one of its sessions will
    /// do, too.
    Password {
        /// The name.
        login: &'a str,
        /// The password.
        password: &'a str,
    },
    /// The token of a session.
    Token(&'a str),
    /// A queue's key.
    QueueKey(&'a str),
}

// Written by hand so that no log line ever carries a secret.
impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password { login, .. } => formatter
                .debug_struct("Password")
                .field("login", login)
                .finish_non_exhaustive(),
            Self::Token(_) => formatter.write_str("Token"),
            Self::QueueKey(_) => formatter.write_str("QueueKey"),
        }
    }
}

/// How a session proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// By a token that a program shows.
    Token,
    /// By a token that a browser keeps in a cookie.
    Cookie,
    /// It is a connection, and ends with it.
    Connection,
    /// It is what the server keeps open for requests that show the password each time.
    Basic,
}

/// A session as listings show it.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// The name by which it is ended; no secret.
    pub id: String,
    /// The account.
    pub login: Name,
    /// The interface it came in by.
    pub door: String,
    /// The peer's address.
    pub address: String,
    /// What the client calls itself.
    pub client: Option<String>,
    /// When it began, in milliseconds since 1970, as all times here.
    pub since_ms: u64,
    /// When it was last used; a connection is in use as long as it is open.
    pub last_seen_ms: u64,
    /// When it ends unless it is used before; a connection ends when it is closed.
    pub expires_ms: Option<u64>,
    /// How it proves itself.
    pub kind: SessionKind,
    /// The virtual host, if it is a connection.
    pub vhost: Option<Name>,
}

/// How a session is to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionWish {
    /// How long it holds after its last use.
    ///
    /// *Units*: milliseconds, up to 365 days; by default 30 days, 12 hours for a cookie.
    pub ttl_ms: Option<u64>,
    /// A browser will keep the token in a cookie.
    pub is_cookie: bool,
}

/// A session that was opened, with its secrets, which nobody is told again.
pub struct OpenedSession {
    /// What listings show of it.
    pub view: SessionView,
    /// Its token.
    pub token: String,
    /// What a browser has to show beside its cookie: see [`Handle::check_csrf`].
    pub csrf: Option<String>,
}

impl std::fmt::Debug for OpenedSession {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OpenedSession")
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// Lets somebody in who shows a password, a token or a queue's key. The guest account is let in from this machine alone.
    ///
    /// *Concurrency*: a password that is new to the server waits for the thread that checks them.
    ///
    /// # Errors
    /// [`Denied`]; the same for a wrong password and an account that does not exist, after the same time.
    pub async fn log_in(
        &self,
        credentials: Credentials<'_>,
        origin: &Origin,
    ) -> Result<Login, Denied> {
        match credentials {
            Credentials::Token(secret) => {
                let login = self.log_in_by_token(secret, origin)?;
                login.ok_or_else(|| self.refused(Secret::Token, origin))
            }
            Credentials::QueueKey(secret) => self.log_in_by_key(secret, origin),
            Credentials::Password { login, password } => {
                if login == KEY_LOGIN && password.starts_with(QUEUE_KEY_PREFIX) {
                    return self.log_in_by_key(password, origin);
                }
                if password.starts_with(TOKEN_PREFIX)
                    && let Some(found) = self.log_in_by_token(password, origin)?
                    && *found.name == *login
                {
                    return Ok(found);
                }
                self.log_in_by_password(login, password, origin).await
            }
        }
    }

    fn log_in_by_key(&self, secret: &str, origin: &Origin) -> Result<Login, Denied> {
        let login = self.shared.accounts.by_key(secret);
        login.ok_or_else(|| self.refused(Secret::Key, origin))
    }

    fn refused(&self, secret: Secret, origin: &Origin) -> Denied {
        self.shared.audit_refusal(secret, origin);
        Denied::Secret
    }

    fn log_in_by_token(&self, secret: &str, origin: &Origin) -> Result<Option<Login>, Denied> {
        let Some((login, session)) = self.shared.accounts.by_token(secret) else {
            return Ok(None);
        };
        if *login.name == *GUEST && !origin.address.to_canonical().is_loopback() {
            return Err(Denied::NotLocal);
        }
        if let Some(seen) = session.see(self.now_ms()) {
            self.shared.commit_quietly(vec![seen]);
        }
        Ok(Some(login))
    }

    async fn log_in_by_password(
        &self,
        login: &str,
        password: &str,
        origin: &Origin,
    ) -> Result<Login, Denied> {
        let accounts = &self.shared.accounts;
        match accounts
            .check_password(login, password, origin.address)
            .await
        {
            Ok(accepted) => {
                self.shared
                    .commit_quietly(accepted.rehashed.into_iter().collect());
                Ok(accepted.login)
            }
            Err(denied @ (Denied::Credentials | Denied::NotLocal)) => {
                let author = Author::new(login, origin);
                self.shared.audit(author.did(&Entry {
                    action: "login",
                    outcome: "refused",
                    detail: denied.to_string(),
                    ..Entry::default()
                }));
                for closed in accounts.take_closed() {
                    self.shared.audit(Author::locked_out(&closed));
                }
                Err(denied)
            }
            // What is refused unheard is not written down either: there is no end of it.
            Err(
                denied @ (Denied::Secret
                | Denied::Busy
                | Denied::LockedOut { .. }
                | Denied::Unusable),
            ) => Err(denied),
        }
    }

    /// Opens a session: its token proves it from now on, also after a restart.
    ///
    /// *Durability*: the session is on disk on return.
    ///
    /// # Errors
    /// The login is a queue's key or void, or the directory cannot be written.
    pub async fn open_session(
        &self,
        login: &Login,
        origin: &Origin,
        wish: SessionWish,
    ) -> Result<OpenedSession, CommitError> {
        if login.key().is_some() {
            return Err(refused("a queue's key opens no session"));
        }
        // Without randomness nothing here is safe, and Linux always has it once it has booted.
        let token = token::generate(TOKEN_PREFIX).expect("the operating system gives random bytes");
        let csrf = wish.is_cookie.then(|| token::derive(CSRF_PREFIX, &token));
        let now_ms = self.now_ms();
        let usual_ms = if wish.is_cookie {
            COOKIE_TTL_MS
        } else {
            TTL_MS
        };
        let ttl_ms = wish.ttl_ms.unwrap_or(usual_ms).clamp(1, TTL_MS_MAX);
        let client = origin.client.as_deref().unwrap_or_default().chars();
        let session = Session {
            id: format!("{SESSION_PREFIX}{}", random_name()),
            login: login.name.to_string(),
            token_hash: token::hash(&token),
            door: origin.door.to_owned(),
            address: origin.address.to_canonical().to_string(),
            client: client.take(limits::CLIENT_CHARS_MAX).collect(),
            created_ms: now_ms,
            last_seen_ms: now_ms,
            expires_ms: now_ms + ttl_ms,
            csrf_hash: csrf.as_deref().map(token::hash),
        };
        let id = session.id.clone();
        let author = Author::of(login, origin);
        self.commit_as(&author, vec![Change::SessionAdded(session)])
            .await?;
        // A password that was replaced meanwhile ended the sessions before this one was there.
        if !self.is_valid(login) {
            self.commit_as(&Author::server(), vec![Change::SessionEnded { id }])
                .await?;
            return Err(refused("the login is void"));
        }
        let open = self.shared.accounts.session(&id);
        let open = open.ok_or_else(|| refused("it was ended at once"))?;
        Ok(OpenedSession {
            view: view_of_session(&open),
            token,
            csrf,
        })
    }

    /// The sessions of one account or of all, the oldest first: those that tokens prove, and connections that showed a password.
    #[must_use]
    pub fn sessions(&self, login: Option<&str>) -> Vec<SessionView> {
        let now_ms = self.now_ms();
        let stored = self.shared.accounts.sessions(login);
        let stored = stored
            .iter()
            .filter(|open| open.is_valid(now_ms))
            .map(view_of_session);
        let connections = self.shared.connections.of(|info, opened_by| {
            let is_theirs = |login: &str| opened_by.key().is_none() && *info.login == *login;
            opened_by.session().is_none() && login.is_none_or(is_theirs)
        });
        let connections = connections
            .iter()
            .map(|view| view_of_connection(view, now_ms));
        let mut views: Vec<_> = stored.chain(connections).collect();
        views.sort_by(|one, other| (one.since_ms, &one.id).cmp(&(other.since_ms, &other.id)));
        views
    }

    /// The session whose token a login showed, while it holds.
    #[must_use]
    pub fn session_of(&self, login: &Login) -> Option<SessionView> {
        let open = self.shared.accounts.session(login.session()?)?;
        open.is_valid(self.now_ms()).then(|| view_of_session(&open))
    }

    /// Says whether this is what was given out beside the cookie of the login's session; the comparison takes the same time wherever the
    /// two differ.
    #[must_use]
    pub fn check_csrf(&self, login: &Login, shown: &str) -> bool {
        let session = login
            .session()
            .and_then(|id| self.shared.accounts.session(id));
        let expected = session.and_then(|open| open.stored.csrf_hash);
        expected.is_some_and(|expected| token::equal(&expected, &token::hash(shown)))
    }

    /// What was given out beside the cookie of the login's session, for a page that was loaded again: `token` is what the cookie holds.
    /// `None` if it is no cookie's session, or was begun by a server that gave out something else.
    #[must_use]
    pub fn csrf_of(&self, login: &Login, token: &str) -> Option<String> {
        Some(token::derive(CSRF_PREFIX, token)).filter(|csrf| self.check_csrf(login, csrf))
    }

    /// Ends a session and closes the connections that it opened; false when there is none of this id.
    ///
    /// *Durability*: its token opens nothing any more, also after a restart.
    ///
    /// # Errors
    /// The directory cannot be written: nothing was ended.
    pub async fn end_session(&self, id: &str, by: &Author) -> Result<bool, CommitError> {
        if let Some(connection) = connection_of(id) {
            let is_wanted = |view: &ConnectionView| view.id == connection && view.session.is_none();
            let found = self.shared.connections.of(|_, _| true);
            let Some(view) = found.iter().find(|view| is_wanted(view)) else {
                return Ok(false);
            };
            self.shared.close(view, "the session was ended");
            self.shared.audit(by.did(&Entry {
                action: "session.end",
                kind: "session",
                object: id.to_owned(),
                detail: format!("of {}", view.info.login),
                ..Entry::default()
            }));
            return Ok(true);
        }
        if self.shared.accounts.session(id).is_none() {
            return Ok(false);
        }
        let ended = Change::SessionEnded { id: id.to_owned() };
        self.commit_as(by, vec![ended]).await?;
        Ok(true)
    }

    /// Closes a connection in somebody's name; false when there is none of this number.
    #[must_use]
    pub fn close_connection_as(&self, by: &Author, id: ConnectionId, reason: &str) -> bool {
        let found = self.shared.connections.of(|_, _| true);
        let Some(view) = found.iter().find(|view| view.id == id) else {
            return false;
        };
        self.shared.close(view, reason);
        self.shared.audit(by.did(&Entry {
            action: "connection.close",
            kind: "connection",
            object: id.0.to_string(),
            detail: format!("of {}: {reason}", view.info.login),
            ..Entry::default()
        }));
        true
    }

    /// Ends the sessions of an account but for `except`, and its connections that showed a password.
    ///
    /// # Errors
    /// As [`Self::end_session`].
    pub async fn end_sessions(
        &self,
        login: &str,
        except: Option<&str>,
        by: &Author,
    ) -> Result<(), CommitError> {
        let ended = Change::SessionsEnded {
            login: login.to_owned(),
            except: except.map(str::to_owned),
        };
        self.commit_as(by, vec![ended]).await?;
        let views = self.shared.connections.of(|info, opened_by| {
            *info.login == *login && opened_by.session().is_none() && opened_by.key().is_none()
        });
        for view in views {
            self.shared.close(&view, "the session was ended");
        }
        Ok(())
    }

    /// Says whether a login still holds.
    #[must_use]
    pub fn is_valid(&self, login: &Login) -> bool {
        self.shared.accounts.is_valid(login)
    }

    /// Changes whenever a right changes or a login becomes void: then is the time to ask [`Self::is_valid`] again.
    #[must_use]
    pub fn login_changes(&self) -> watch::Receiver<u64> {
        self.shared.accounts.changes()
    }

    /// Waits until a login is void, for requests that wait themselves.
    pub async fn until_void(&self, login: &Login) {
        let mut changes = self.login_changes();
        while self.is_valid(login) {
            if changes.changed().await.is_err() {
                // The engine is gone, and with it every login.
                return;
            }
        }
    }
}

fn refused(reason: &str) -> CommitError {
    CommitError::Refused(Refused::Invalid {
        subject: Subject::Session,
        reason: reason.to_owned(),
    })
}

fn view_of_session(open: &Arc<OpenSession>) -> SessionView {
    let stored = &open.stored;
    SessionView {
        id: stored.id.clone(),
        login: stored.login.as_str().into(),
        door: stored.door.clone(),
        address: stored.address.clone(),
        client: Some(stored.client.clone()).filter(|client| !client.is_empty()),
        since_ms: stored.created_ms,
        last_seen_ms: open.last_seen_ms(),
        expires_ms: Some(open.expires_ms()),
        kind: if stored.csrf_hash.is_some() {
            SessionKind::Cookie
        } else {
            SessionKind::Token
        },
        vhost: None,
    }
}

fn view_of_connection(view: &ConnectionView, now_ms: u64) -> SessionView {
    let ConnectionView { id, info, .. } = view;
    let address = info.peer.parse::<SocketAddr>();
    let is_asked_each_time = ["http", "grpc"]
        .iter()
        .any(|door| info.protocol.starts_with(door));
    SessionView {
        id: format!("{CONNECTION_PREFIX}{}", id.0),
        login: info.login.clone(),
        door: info.protocol.to_owned(),
        address: address.map_or_else(
            |_| info.peer.clone(),
            |address| address.ip().to_canonical().to_string(),
        ),
        client: info.name.clone().or_else(|| info.client.clone()),
        since_ms: info.connected_at_ms,
        last_seen_ms: now_ms,
        expires_ms: None,
        kind: if is_asked_each_time {
            SessionKind::Basic
        } else {
            SessionKind::Connection
        },
        vhost: Some(info.vhost.clone()),
    }
}

/// The connection that a session is, by the session's id.
fn connection_of(id: &str) -> Option<ConnectionId> {
    id.strip_prefix(CONNECTION_PREFIX)?
        .parse()
        .ok()
        .map(ConnectionId)
}

#[cfg(test)]
mod tests;
