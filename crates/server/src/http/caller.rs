//! Who calls: the credentials of a request, and what they open.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::access::Access;
use engine::accounts::{Denied, Login};

use super::Web;
use super::problem::Problem;
use crate::gateway::{Link, Origin};

/// The virtual host of requests that name none.
pub(super) const DEFAULT_VHOST: &str = "/";
/// What is kept of a client's name.
const CLIENT_BYTES_MAX: usize = 256;

/// Where a request came from; the accept loop puts it into every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerAddress(pub(crate) SocketAddr);

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) login: Login,
    pub(crate) origin: Origin,
}

impl FromRequestParts<Web> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<PeerAddress>().copied();
        let address = peer.map_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)), |peer| peer.0);
        let (name, password) = basic(&parts.headers)?;
        let is_local = address.ip().to_canonical().is_loopback();
        let login = web
            .gateway()
            .engine()
            .authenticate(&name, &password, is_local)
            .await
            .map_err(denied)?;
        let client = parts
            .headers
            .get(header::USER_AGENT)
            .map(|agent| String::from_utf8_lossy(agent.as_bytes()))
            .map(|agent| agent.chars().take(CLIENT_BYTES_MAX).collect());
        Ok(Self {
            login,
            origin: Origin {
                peer: address.to_string(),
                door: "http",
                client,
            },
        })
    }
}

impl Caller {
    /// What the account may do in a virtual host.
    pub(super) fn access(&self, web: &Web, vhost: &str) -> Result<Arc<Access>, Problem> {
        let accounts = web.gateway().engine().accounts();
        accounts.access(&self.login, vhost).ok_or_else(|| {
            Problem::forbidden(format!("you have no rights in the virtual host '{vhost}'"))
        })
    }

    /// The link that the account's short requests to a virtual host share.
    pub(super) async fn link(&self, web: &Web, vhost: &str) -> Result<Link, Problem> {
        let link = web.gateway().link(&self.login, vhost, &self.origin).await;
        link.map_err(Problem::from)
    }
}

fn basic(headers: &HeaderMap) -> Result<(String, String), Problem> {
    let missing =
        || Problem::unauthorized("send Authorization: Basic with an account's login and password");
    let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let value = value.to_str().map_err(|_| missing())?;
    let (scheme, credentials) = value.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(missing());
    }
    let decoded = STANDARD
        .decode(credentials.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Problem::bad_request("the Basic credentials are not base64 of UTF-8"))?;
    let (name, password) = decoded.split_once(':').ok_or_else(|| {
        Problem::bad_request("the Basic credentials have no colon between login and password")
    })?;
    Ok((name.to_owned(), password.to_owned()))
}

fn denied(denied: Denied) -> Problem {
    match denied {
        Denied::Credentials => Problem::unauthorized("wrong login or password"),
        Denied::NotLocal => Problem::unauthorized("guest may log in from this machine only"),
        Denied::Busy => Problem::too_many("too many logins at once; try again in a moment", 1),
    }
}
