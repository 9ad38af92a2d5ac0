//! The gate before all services: who calls, and until when the client waits.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tonic::Status;

use super::call::Deadline;
use super::status::{flawed, nobody, not_logged_in, too_late};
use crate::flaw::Flaw;
use crate::http::{PeerAddress, Visitor, Web};

/// Paths that are open to everybody begin so: whether the server is up, and what it speaks.
const OPEN: [&str; 2] = ["/grpc.health.", "/grpc.reflection."];
/// Methods that callers without a login may call: those that make one, and the clock.
const FOR_STRANGERS: [&str; 3] = [
    "/chaski.v1.AccountService/CreateAccount",
    "/chaski.v1.SessionService/CreateSession",
    "/chaski.v1.ChatService/GetTime",
];
/// How long the client waits.
const TIMEOUT: &str = "grpc-timeout";
/// The digits that a timeout may have.
const TIMEOUT_DIGITS_MAX: usize = 8;

/// Lets a request through to its service, and ends it when its time is up.
pub(super) async fn pass(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let timeout = match timeout_of(request.headers()) {
        Ok(timeout) => timeout,
        Err(flaw) => return flawed(flaw).into_http(),
    };
    let Some(timeout) = timeout else {
        return enter(&web, request, next).await;
    };
    let deadline = Instant::now() + timeout;
    request.extensions_mut().insert(Deadline(deadline));
    if timeout.is_zero() {
        return too_late().into_http();
    }
    tokio::time::timeout_at(deadline, enter(&web, request, next))
        .await
        .unwrap_or_else(|_| too_late().into_http())
}

async fn enter(web: &Web, mut request: Request, next: Next) -> Response {
    if let Err(status) = log_in(web, &mut request).await {
        return status.into_http();
    }
    next.run(request).await
}

async fn log_in(web: &Web, request: &mut Request) -> Result<(), Status> {
    let path = request.uri().path();
    if OPEN.iter().any(|open| path.starts_with(open)) {
        return Ok(());
    }
    let is_for_strangers = FOR_STRANGERS.contains(&path);
    let peer = request.extensions().get::<PeerAddress>().copied();
    let engine = web.gateway().engine();
    let visitor = Visitor::identify(engine, request.headers(), peer, "grpc").await;
    let visitor = visitor.map_err(not_logged_in)?;
    match visitor.caller {
        Some(caller) => drop(request.extensions_mut().insert(caller)),
        None if is_for_strangers => {}
        None => return Err(nobody()),
    }
    request.extensions_mut().insert(visitor.origin);
    Ok(())
}

/// Reads how long the client waits: up to eight digits and a unit.
fn timeout_of(headers: &HeaderMap) -> Result<Option<Duration>, Flaw> {
    let Some(value) = headers.get(TIMEOUT) else {
        return Ok(None);
    };
    let parsed = value.to_str().ok().and_then(parse_timeout);
    let detail = "write up to eight digits and one of H, M, S, m, u and n";
    parsed.map(Some).ok_or_else(|| Flaw::new(TIMEOUT, detail))
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || digits.len() > TIMEOUT_DIGITS_MAX {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
