//! Who calls: the credentials of a request, and what they open.
//!
//! A request shows a password (Basic), a token or a queue's key (Bearer), or the cookie that a browser keeps; a cookie alone changes
//! nothing: beside it goes the token of the session's page, which another site's page cannot read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::Refusal;
use broker::access::Access;
use directory::{Change, CommitError, Subject};
use engine::Handle;
use engine::accounts::{Denied, Login};
use engine::audit::Author;
use engine::sessions::{Credentials, Origin, QUEUE_KEY_PREFIX};

use super::Web;
use super::access_log::note_caller;
use super::problem::Problem;
use crate::gateway::{self, Link};

/// The virtual host of requests that name none.
pub(crate) const DEFAULT_VHOST: &str = "/";
/// The cookie that holds a session's token.
pub(super) const SESSION_COOKIE: &str = "chaski_session";
/// The header that goes beside the cookie with every request that changes something.
const CSRF_HEADER: &str = "x-csrf-token";
/// What is kept of a client's name.
const CLIENT_CHARS_MAX: usize = 256;

/// Where a request came from; the accept loop puts it into every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerAddress {
    /// The other end of the connection.
    pub(crate) address: SocketAddr,
    /// The connection is encrypted.
    pub(crate) is_tls: bool,
}

/// Somebody, logged in or not.
pub(crate) struct Visitor {
    pub(crate) caller: Option<Caller>,
    pub(crate) origin: Origin,
    pub(super) is_tls: bool,
}

/// Somebody who may be about to come in: a cookie that does not count, because its session has ended or because what goes beside it is
/// missing, makes them a stranger. A browser shows it all the same, and whoever logs in anew has nothing else to show.
pub(crate) struct Newcomer(pub(super) Visitor);

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) login: Login,
    pub(crate) origin: Origin,
    peer: SocketAddr,
}

/// Why what a request shows opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotLoggedIn {
    /// It cannot be read.
    Malformed(&'static str),
    /// It is not right.
    Denied(Denied),
}

/// What a request shows.
enum Shown {
    Password(String, String),
    Bearer(String),
    Cookie(String),
}

impl FromRequestParts<Web> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, web).await?;
        visitor.caller.ok_or_else(|| {
            Problem::unauthorized(
                "send Authorization: Basic with login and password, or Bearer with a token",
            )
        })
    }
}

impl FromRequestParts<Web> for Newcomer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let visitor = Visitor::of_browser(parts, web).await?;
        Ok(Self(visitor.unwrap_or_else(|(_, stranger)| stranger)))
    }
}

impl FromRequestParts<Web> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let visitor = Self::of_browser(parts, web).await?;
        visitor.map_err(|(problem, _)| problem)
    }
}

impl Visitor {
    /// Finds out who sent a request. What a cookie leads to is told apart, as browsers show cookies by themselves: the inner error is
    /// why it does not count, and who the visitor is without it.
    async fn of_browser(
        parts: &mut Parts,
        web: &Web,
    ) -> Result<Result<Self, (Problem, Self)>, Problem> {
        let peer = parts.extensions.get::<PeerAddress>().copied();
        let (peer, origin) = origin_of(&parts.headers, peer, "http");
        let engine = web.gateway().engine();
        let login = if let Some(shown) = shown(&parts.headers)? {
            Some(log_in(engine, &shown, &origin).await?)
        } else if let Some(token) = cookie(&parts.headers) {
            match log_in_by_cookie(engine, token, &origin, parts).await {
                Ok(login) => Some(login),
                Err(problem) => return Ok(Err((problem, Self::new(None, origin, peer)))),
            }
        } else {
            None
        };
        if let Some(login) = &login {
            note_caller(parts, &login.name);
        }
        Ok(Ok(Self::new(login, origin, peer)))
    }
}

impl Visitor {
    /// Finds out who sent a request by another protocol of HTTP's port. Cookies count for nothing there.
    ///
    /// # Errors
    /// What is shown opens nothing.
    pub(crate) async fn identify(
        engine: &Handle,
        headers: &HeaderMap,
        peer: Option<PeerAddress>,
        door: &'static str,
    ) -> Result<Self, NotLoggedIn> {
        let (peer, origin) = origin_of(headers, peer, door);
        let login = match shown(headers)? {
            None => None,
            Some(shown) => Some(log_in(engine, &shown, &origin).await?),
        };
        Ok(Self::new(login, origin, peer))
    }

    fn new(login: Option<Login>, origin: Origin, peer: PeerAddress) -> Self {
        Self {
            caller: login.map(|login| Caller {
                login,
                origin: origin.clone(),
                peer: peer.address,
            }),
            origin,
            is_tls: peer.is_tls,
        }
    }
}

impl Caller {
    /// Somebody who logged in by another protocol of HTTP's port.
    pub(crate) const fn new(login: Login, origin: Origin, peer: SocketAddr) -> Self {
        Self {
            login,
            origin,
            peer,
        }
    }

    /// What the account may do in a virtual host.
    pub(crate) fn access(&self, web: &Web, vhost: &str) -> Result<Arc<Access>, Problem> {
        let accounts = web.gateway().engine().accounts();
        accounts.access(&self.login, vhost).ok_or_else(|| {
            Problem::forbidden(format!("you have no rights in the virtual host '{vhost}'"))
        })
    }

    /// A link of one's own, as for a stream of deliveries.
    pub(crate) async fn own_link(&self, web: &Web, vhost: &str) -> Result<Link, Problem> {
        let link = web.gateway().open(&self.login, vhost, &self.place()).await;
        link.map_err(Problem::from)
    }

    /// The link that the session's short requests to a virtual host share.
    pub(crate) async fn link(&self, web: &Web, vhost: &str) -> Result<Link, Problem> {
        self.open_link(web, vhost).await.map_err(Problem::from)
    }

    /// As [`Self::link`], for interfaces whose errors are other ones.
    pub(crate) async fn open_link(&self, web: &Web, vhost: &str) -> Result<Link, Refusal> {
        web.gateway().link(&self.login, vhost, &self.place()).await
    }

    /// How listings show its links.
    pub(crate) fn place(&self) -> gateway::Origin {
        gateway::Origin {
            peer: self.peer.to_string(),
            door: self.origin.door,
            client: self.origin.client.clone(),
        }
    }

    /// Whom the audit log names.
    pub(crate) fn author(&self) -> Author {
        Author::of(&self.login, &self.origin)
    }

    /// Refuses all but administrators.
    pub(crate) fn check_administrator(&self) -> Result<(), Problem> {
        if self.login.is_administrator() {
            return Ok(());
        }
        Err(Problem::forbidden("this is for administrators alone"))
    }

    /// Refuses all but administrators and the account itself, which learn alone whether it exists.
    pub(super) fn check_self_or_administrator(&self, login: &str) -> Result<(), Problem> {
        if *self.login.name == *login {
            return Ok(());
        }
        self.check_administrator()
    }

    /// Commits one change in the caller's name.
    pub(super) async fn commit(&self, web: &Web, change: Change) -> Result<StatusCode, Problem> {
        let engine = web.gateway().engine();
        engine.commit_as(&self.author(), vec![change]).await?;
        Ok(StatusCode::NO_CONTENT)
    }
}

fn origin_of(
    headers: &HeaderMap,
    peer: Option<PeerAddress>,
    door: &'static str,
) -> (PeerAddress, Origin) {
    // The accept loop leaves none out; an unknown address is nobody's own machine.
    let peer = peer.unwrap_or(PeerAddress {
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        is_tls: false,
    });
    let client = headers
        .get(header::USER_AGENT)
        .map(|agent| String::from_utf8_lossy(agent.as_bytes()))
        .map(|agent| agent.chars().take(CLIENT_CHARS_MAX).collect());
    let origin = Origin {
        door,
        address: peer.address.ip(),
        client,
    };
    (peer, origin)
}

/// Reads what a request shows in its header to be let in.
fn shown(headers: &HeaderMap) -> Result<Option<Shown>, NotLoggedIn> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let wrong = || {
        NotLoggedIn::Malformed(
            "the Authorization header is neither Basic nor Bearer with its credentials",
        )
    };
    let value = value.to_str().map_err(|_| wrong())?;
    let (scheme, secret) = value.split_once(' ').ok_or_else(wrong)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(Shown::Bearer(secret.trim().to_owned())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong());
    }
    let decoded = STANDARD
        .decode(secret.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(NotLoggedIn::Malformed(
            "the Basic credentials are not base64 of UTF-8",
        ))?;
    let (name, password) = decoded.split_once(':').ok_or(NotLoggedIn::Malformed(
        "the Basic credentials have no colon between login and password",
    ))?;
    // A name with a colon in front is a key's, as at other doors.
    let (name, password) = match name.is_empty().then(|| password.split_once(':')).flatten() {
        Some((rest, secret)) => (format!(":{rest}"), secret),
        None => (name.to_owned(), password),
    };
    Ok(Some(Shown::Password(name, password.to_owned())))
}

/// The token in the cookie of a browser's session.
pub(super) fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(name, _)| *name == SESSION_COOKIE)
        .map(|(_, value)| value.to_owned())
}

async fn log_in(engine: &Handle, shown: &Shown, origin: &Origin) -> Result<Login, Denied> {
    let credentials = match shown {
        Shown::Password(login, password) => Credentials::Password { login, password },
        Shown::Bearer(secret) if secret.starts_with(QUEUE_KEY_PREFIX) => {
            Credentials::QueueKey(secret)
        }
        Shown::Bearer(secret) | Shown::Cookie(secret) => Credentials::Token(secret),
    };
    engine.log_in(credentials, origin).await
}

async fn log_in_by_cookie(
    engine: &Handle,
    token: String,
    origin: &Origin,
    parts: &Parts,
) -> Result<Login, Problem> {
    let login = log_in(engine, &Shown::Cookie(token), origin).await?;
    check_csrf(engine, &login, &parts.method, &parts.headers)?;
    Ok(login)
}

fn check_csrf(
    engine: &Handle,
    login: &Login,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    if method.is_safe() {
        return Ok(());
    }
    let shown = headers
        .get(CSRF_HEADER)
        .and_then(|value| value.to_str().ok());
    if shown.is_some_and(|shown| engine.check_csrf(login, shown)) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "beside the cookie, send X-CSRF-Token with what the login answered",
    ))
}

impl From<Denied> for NotLoggedIn {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<NotLoggedIn> for Problem {
    fn from(reason: NotLoggedIn) -> Self {
        match reason {
            NotLoggedIn::Malformed(detail) => Self::bad_request(detail),
            NotLoggedIn::Denied(denied) => denied.into(),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Credentials | Denied::Secret | Denied::NotLocal => {
                Self::unauthorized(denied.to_string())
            }
            Denied::Busy => Self::too_many("too many logins at once; try again in a moment", 1),
            Denied::LockedOut { retry_after_ms } => {
                let seconds = u32::try_from(retry_after_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
                Self::too_many(
                    format!("too many failed logins; try again in {seconds} s"),
                    seconds,
                )
            }
            Denied::Unusable => Self::invalid(denied.to_string()),
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        use directory::Refused;
        match error {
            CommitError::Refused(refused) => {
                let detail = refused.to_string();
                match refused {
                    Refused::NotFound { .. } => Self::not_found(detail),
                    Refused::Invalid { .. } => Self::invalid(detail),
                    Refused::InvitationVoid => Self::forbidden(detail).about("invitation"),
                    Refused::LoginTaken { .. }
                    | Refused::AlreadyExists {
                        subject: Subject::Account,
                        ..
                    } => Self::conflict(detail).about("login"),
                    Refused::AlreadyExists { .. } | Refused::LastAdministrator { .. } => {
                        Self::conflict(detail)
                    }
                }
            }
            CommitError::Failure(failure) => {
                tracing::error!(
                    error = &failure as &dyn std::error::Error,
                    "a change could not be stored"
                );
                Self::unavailable("the change could not be stored; the server's log says why")
            }
        }
    }
}
