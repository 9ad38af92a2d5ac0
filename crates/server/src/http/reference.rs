//! The reference of the REST interface for people: `/docs`, made at start from the same description that programs read, and
//! `/problems`, where the types of problem documents lead.
//!
//! Pages are complete without scripts and without anything from elsewhere; everything that is not ours to write is escaped.
//!
//! Start reading at [`routes`].

mod asset;
mod example;
mod html;
mod operation;
mod page;
mod problems;
mod schema;

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;

use super::Web;
use super::problem::Problem;
use asset::Asset;

const STYLE: &str = include_str!("reference/style.css");
const HTML: &str = "text/html; charset=utf-8";

/// Serves the reference of what the document describes.
///
/// Operations are shown in the order in which they were described, groups in that of the document's tags.
pub(super) fn routes(document: &OpenApi) -> Router<Web> {
    let style = Asset::lasting("text/css; charset=utf-8", STYLE.to_owned());
    let style_address = format!("/docs/style.css?v={}", style.version());
    // What is described is made of our own annotations, which always have a JSON form.
    let order: Vec<_> = document.paths.paths.keys().map(String::as_str).collect();
    let document = serde_json::to_value(document).unwrap_or_default();
    let reference = page::reference(&document, &order, &style_address);
    let reference = Asset::new(HTML, reference);
    let index = Asset::new(HTML, page::problem_index(&style_address));
    let pages = problems::KINDS.map(|kind| {
        let page = Asset::new(HTML, page::problem(&kind, &style_address));
        (kind.name, page)
    });
    let pages = Arc::new(pages);
    let problem = |Path(name): Path<String>, headers: HeaderMap| async move {
        let found = pages.iter().find(|(known, _)| *known == name);
        found.map_or_else(unknown, |(_, page)| page.answer(&headers))
    };
    Router::new()
        .route("/docs", serve(reference))
        .route("/docs/style.css", serve(style))
        .route("/problems", serve(index))
        .route("/problems/{name}", get(problem))
}

fn serve(asset: Asset) -> axum::routing::MethodRouter<Web> {
    let asset = Arc::new(asset);
    get(move |headers: HeaderMap| async move { asset.answer(&headers) })
}

fn unknown() -> Response {
    Problem::not_found("there is no such type of problem; GET /problems lists them").into_response()
}

#[cfg(test)]
mod tests;
