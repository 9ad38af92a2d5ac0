//! Whether the server is up, for load balancers and supervisors. Tells nothing else to those who are not logged in.

use axum::extract::State;
use axum::http::StatusCode;

use super::Web;
use super::problem::Problem;

/// Is the process alive?
#[utoipa::path(get, path = "/healthz", tag = "server", security(()),
    responses((status = 200, description = "It is alive", body = String)))]
pub(super) async fn healthz() -> (StatusCode, &'static str) {
    (StatusCode::OK, "ok\n")
}

/// Does the server take messages?
#[utoipa::path(get, path = "/readyz", tag = "server", security(()),
    responses(
        (status = 200, description = "It does", body = String),
        (status = 503, description = "Publishers have to wait, or the server stops", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn readyz(State(web): State<Web>) -> Result<&'static str, Problem> {
    match web.why_not_ready() {
        None => Ok("ready\n"),
        Some(reason) => Err(Problem::unavailable(reason)),
    }
}
