//! The reference of the REST interface for people: `/docs`, made from the same description that programs read, and
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

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Web;
use super::problem::Problem;
use asset::Asset;

const STYLE: &str = include_str!("reference/style.css");
const HTML: &str = "text/html; charset=utf-8";

/// The pages, made when the first of them is asked for: most servers are never asked.
struct Pages {
    style: Asset,
    reference: Asset,
    index: Asset,
    problems: Vec<(&'static str, Asset)>,
}

static PAGES: LazyLock<Pages> = LazyLock::new(Pages::new);

impl Pages {
    /// Operations are shown in the order in which they were described, groups in that of the document's tags.
    fn new() -> Self {
        let style = Asset::lasting("text/css; charset=utf-8", STYLE.to_owned());
        let style_address = format!("/docs/style.css?v={}", style.version());
        let (_, document) = super::described_routes();
        let order: Vec<_> = document.paths.paths.keys().map(String::as_str).collect();
        // What is described is made of our own annotations, which always have a JSON form.
        let described = serde_json::to_value(&document).unwrap_or_default();
        let reference = page::reference(&described, &order, &style_address);
        let problems = problems::KINDS.map(|kind| {
            let page = Asset::new(HTML, page::problem(&kind, &style_address));
            (kind.name, page)
        });
        Self {
            reference: Asset::new(HTML, reference),
            index: Asset::new(HTML, page::problem_index(&style_address)),
            problems: problems.into(),
            style,
        }
    }
}

/// Serves the reference of what [`super::described_routes`] describes.
pub(super) fn routes() -> Router<Web> {
    let problem = async |Path(name): Path<String>, headers: HeaderMap| {
        let found = PAGES.problems.iter().find(|(known, _)| *known == name);
        found.map_or_else(unknown, |(_, page)| page.answer(&headers))
    };
    Router::new()
        .route("/docs", serve(|pages| &pages.reference))
        .route("/docs/style.css", serve(|pages| &pages.style))
        .route("/problems", serve(|pages| &pages.index))
        .route("/problems/{name}", get(problem))
}

fn serve(asset: fn(&Pages) -> &Asset) -> axum::routing::MethodRouter<Web> {
    get(move |headers: HeaderMap| async move { asset(&PAGES).answer(&headers) })
}

fn unknown() -> Response {
    Problem::not_found("there is no such type of problem; GET /problems lists them").into_response()
}

#[cfg(test)]
mod tests;
