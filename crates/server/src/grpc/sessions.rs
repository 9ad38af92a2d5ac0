//! The service of sessions: logging in, and what is open.

use engine::sessions::{Credentials, Origin, SessionView, SessionWish};
use rpc::v1;
use rpc::v1::session_service_server::SessionService;
use tonic::{Request, Response, Status, async_trait};

use super::call::Call;
use super::queues::page;
use super::status::{Subject, flawed, forbidden, not_found, not_logged_in, uncommitted};
use super::value::signed;
use crate::flaw::Flaw;
use crate::http::{NotLoggedIn, Web};

/// The longest name of a client, in bytes.
const CLIENT_BYTES_MAX: usize = 255;

/// The service.
pub(super) struct Sessions(pub(super) Web);

#[async_trait]
impl SessionService for Sessions {
    async fn create_session(
        &self,
        request: Request<v1::CreateSessionRequest>,
    ) -> Result<Response<v1::CreateSessionResponse>, Status> {
        let origin = request.extensions().get::<Origin>().cloned();
        let origin = origin.ok_or_else(|| Status::internal("the call has no origin"))?;
        let created = create(&self.0, origin, request.into_inner()).await?;
        Ok(Response::new(created))
    }

    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        list(&call, request.into_inner()).map(Response::new)
    }

    async fn revoke_session(
        &self,
        request: Request<v1::RevokeSessionRequest>,
    ) -> Result<Response<v1::RevokeSessionResponse>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        revoke(&call, &request.into_inner().id).await?;
        Ok(Response::new(v1::RevokeSessionResponse {}))
    }
}

async fn create(
    web: &Web,
    mut origin: Origin,
    request: v1::CreateSessionRequest,
) -> Result<v1::CreateSessionResponse, Status> {
    if request.client.len() > CLIENT_BYTES_MAX {
        let detail = format!("a client's name has at most {CLIENT_BYTES_MAX} bytes");
        return Err(flawed(Flaw::new("client", detail)));
    }
    if !request.client.is_empty() {
        origin.client = Some(request.client);
    }
    let engine = web.gateway().engine();
    let credentials = Credentials::Password {
        login: &request.login,
        password: &request.password,
    };
    let login = engine.log_in(credentials, &origin).await;
    let login = login.map_err(|denied| not_logged_in(NotLoggedIn::Denied(denied)))?;
    let wish = SessionWish {
        ttl_ms: Some(request.ttl_ms).filter(|ttl_ms| *ttl_ms > 0),
        is_cookie: false,
    };
    let opened = engine.open_session(&login, &origin, wish).await;
    let opened = opened.map_err(uncommitted)?;
    Ok(v1::CreateSessionResponse {
        token: opened.token,
        session: Some(written(opened.view, None)),
    })
}

fn list(call: &Call, request: v1::ListSessionsRequest) -> Result<v1::ListSessionsResponse, Status> {
    let own = call.caller.login.name.to_string();
    let login = match (request.all_accounts, request.login.is_empty()) {
        (true, true) => None,
        (true, false) => {
            let detail = "name one account, or ask for all";
            return Err(flawed(Flaw::new("login", detail)));
        }
        (false, true) => Some(own.clone()),
        (false, false) => Some(request.login),
    };
    if login.as_ref() != Some(&own) && !call.caller.login.is_administrator() {
        return Err(forbidden("the sessions of others are for administrators"));
    }
    let page = page(request.page_size, String::new())?;
    let wrong = || {
        let detail = "the token is none that a page gave; begin without one";
        flawed(Flaw::new("page_token", detail))
    };
    // Newest first: what follows a page began before its last one did.
    let behind = match request.page_token.as_str() {
        "" => None,
        token => {
            let (since_ms, id) = token.split_once('.').ok_or_else(wrong)?;
            let since_ms: u64 = since_ms.parse().map_err(|_| wrong())?;
            Some((since_ms, id))
        }
    };
    let mut views = call.engine().sessions(login.as_deref());
    views.reverse();
    let is_behind =
        |view: &SessionView| behind.is_none_or(|behind| (view.since_ms, view.id.as_str()) < behind);
    views.retain(is_behind);
    let has_more = views.len() > page.limit();
    views.truncate(page.limit());
    let next = views.last().filter(|_| has_more);
    let next_page_token = next.map(|view| format!("{}.{}", view.since_ms, view.id));
    let current = call.caller.login.session();
    let sessions = views.into_iter().map(|view| written(view, current));
    Ok(v1::ListSessionsResponse {
        sessions: sessions.collect(),
        next_page_token: next_page_token.unwrap_or_default(),
    })
}

async fn revoke(call: &Call, id: &str) -> Result<(), Status> {
    let login = &call.caller.login;
    let own = (!login.is_administrator()).then_some(&*login.name);
    let is_there = call.engine().sessions(own).iter().any(|view| view.id == id);
    if is_there {
        let ended = call.engine().end_session(id, &call.caller.author()).await;
        if ended.map_err(uncommitted)? {
            return Ok(());
        }
    }
    let detail = format!("there is no session '{id}' of yours");
    Err(not_found(Subject::Several, detail))
}

fn written(view: SessionView, current: Option<&str>) -> v1::Session {
    v1::Session {
        is_current: current == Some(&*view.id),
        id: view.id,
        login: view.login.to_string(),
        door: view.door,
        client: view.client.unwrap_or_default(),
        address: view.address,
        created_at_ms: signed(view.since_ms),
        last_seen_at_ms: signed(view.last_seen_ms),
        expires_at_ms: view.expires_ms.map(signed),
    }
}
