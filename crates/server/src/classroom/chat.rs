//! The chat by plain HTTP: names and lines as text, status codes as answers. See `docs/classroom/http-chat.md`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};

use ::chat::{Language, RefusalKind};

use super::guests::Refused;
use super::users::{NoUser, origin};
use super::{CHAT, Classroom, only};
use crate::http::{PeerAddress, read_bytes};

/// The longest body: a name and the longest message, with room to say that it is too long.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What the door serves.
pub(super) fn routes() -> Router<Classroom> {
    let user = get(list).post(register).delete(leave);
    let messages = get(take).post(take);
    Router::new()
        .route("/", post(say))
        .route("/user", only("GET, POST, DELETE", user, no_such_method))
        .route("/getMsg", only("GET, POST", messages, no_such_method))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
}

async fn register(
    State(classroom): State<Classroom>,
    peer: Option<Extension<PeerAddress>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let name = match text(&headers, body).await {
        Ok(name) => name,
        Err(response) => return response,
    };
    let peer = peer.map(|Extension(peer)| peer);
    let from = origin(CHAT, peer);
    match classroom
        .guests()
        .register(&name, &from, &place(peer))
        .await
    {
        Ok(()) => answer(StatusCode::CREATED, ""),
        Err(refused) => refusal(refused),
    }
}

async fn say(
    State(classroom): State<Classroom>,
    peer: Option<Extension<PeerAddress>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let line = match text(&headers, body).await {
        Ok(line) => line,
        Err(response) => return response,
    };
    let Some((name, text)) = line.split_once('>') else {
        return answer(StatusCode::BAD_REQUEST, "write name>text");
    };
    let peer = place(peer.map(|Extension(peer)| peer));
    match classroom.guests().say(name, text, &peer).await {
        Ok(()) => answer(StatusCode::OK, ""),
        Err(refused) => refusal(refused),
    }
}

async fn take(
    State(classroom): State<Classroom>,
    peer: Option<Extension<PeerAddress>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let name = match text(&headers, body).await {
        Ok(name) => name,
        Err(response) => return response,
    };
    let peer = place(peer.map(|Extension(peer)| peer));
    match classroom.guests().take(&name, &peer).await {
        Ok(lines) => answer(StatusCode::OK, lines),
        Err(refused) => refusal(refused),
    }
}

async fn list(State(classroom): State<Classroom>) -> Response {
    answer(StatusCode::OK, classroom.guests().names().join("\n"))
}

async fn leave(State(classroom): State<Classroom>, headers: HeaderMap, body: Body) -> Response {
    match text(&headers, body).await {
        Ok(name) if classroom.guests().leave(&name) => answer(StatusCode::OK, ""),
        Ok(_) => answer(StatusCode::NOT_FOUND, "nobody of this name is here"),
        Err(response) => response,
    }
}

async fn no_such_path() -> Response {
    answer(
        StatusCode::NOT_FOUND,
        "there are POST /user, POST / and POST /getMsg",
    )
}

async fn no_such_method() -> Response {
    answer(
        StatusCode::METHOD_NOT_ALLOWED,
        "send POST /user, POST / or POST /getMsg",
    )
}

/// Reads a body that is text.
async fn text(headers: &HeaderMap, body: Body) -> Result<String, Response> {
    let bytes = read_bytes(headers, body, BODY_BYTES_MAX).await;
    let bytes = bytes.map_err(|problem| {
        let status = problem.into_response().status();
        let detail = if status == StatusCode::PAYLOAD_TOO_LARGE {
            "the body is too long"
        } else {
            "the body did not come"
        };
        answer(status, detail)
    })?;
    String::from_utf8(bytes.into())
        .map_err(|_| answer(StatusCode::BAD_REQUEST, "the body is no text in UTF-8"))
}

fn place(peer: Option<PeerAddress>) -> String {
    peer.map(|peer| peer.address.to_string())
        .unwrap_or_default()
}

fn answer(status: StatusCode, body: impl Into<String>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, kind, body.into()).into_response()
}

fn refusal(refused: Refused) -> Response {
    match refused {
        Refused::User(NoUser::Unknown) => answer(
            StatusCode::UNAUTHORIZED,
            "nobody of this name has registered",
        ),
        Refused::User(NoUser::Taken) => answer(StatusCode::UNAUTHORIZED, "this name is taken"),
        Refused::User(NoUser::Name(why)) => answer(StatusCode::BAD_REQUEST, why),
        Refused::User(NoUser::Full) | Refused::Full => answer(
            StatusCode::TOO_MANY_REQUESTS,
            "there is no room for more users",
        ),
        Refused::User(NoUser::Unavailable) => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "it cannot be stored at the moment",
        ),
        Refused::Chat(refusal) => {
            let detail = ::chat::catalogue::refusal(&refusal.reason, Language::English);
            answer(status_of(refusal.kind), detail)
        }
    }
}

const fn status_of(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
        RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::Invalid => StatusCode::BAD_REQUEST,
        RefusalKind::Taken => StatusCode::CONFLICT,
        RefusalKind::Limited { .. } => StatusCode::TOO_MANY_REQUESTS,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}
