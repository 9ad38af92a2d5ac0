//! The description of the REST interface: as OpenAPI 3.1 for programs, as a page for people.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};

use super::Web;

/// What is said of the whole interface.
pub(super) fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Chaski")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Queues, topics and streams over HTTP. Errors are problem documents (RFC 9457).",
        ))
        .build();
    let schemes = ComponentsBuilder::new()
        .security_scheme(
            "basic",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)),
        )
        .security_scheme(
            "token",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        )
        .build();
    let tags = [
        ("queues", "Made, listed, looked at, emptied and deleted."),
        (
            "messages",
            "Published and taken. What was taken is held under a lease until it is acknowledged or given back.",
        ),
        (
            "chat",
            "Rooms and private conversations. Their newest messages are waited for, read as events, or come over a WebSocket.",
        ),
        (
            "files",
            "Peers say what they have, and everybody finds what they may see. Files go from peer to peer, never through here.",
        ),
        (
            "virtual hosts",
            "Separate worlds of queues and topics, and what accounts may do in them by patterns of names.",
        ),
        ("server", "Whether it is up, and how it is doing."),
    ];
    let tags = tags.map(|(name, description)| {
        TagBuilder::new()
            .name(name)
            .description(Some(description))
            .build()
    });
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(tags))
        .components(Some(schemes))
        .security(Some([
            SecurityRequirement::new("basic", Vec::<String>::new()),
            SecurityRequirement::new("token", Vec::<String>::new()),
        ]))
        .build()
}

/// The description as JSON, made when it is first asked for: most servers are never asked, and it takes megabytes to make.
static DESCRIPTION: LazyLock<Bytes> = LazyLock::new(|| {
    let (_, mut document) = super::described_routes();
    name_operations(&mut document);
    // What is described is made of our own annotations, which always have a JSON form.
    serde_json::to_vec(&document).unwrap_or_default().into()
});

/// The description of the REST interface, as OpenAPI 3.1 in JSON.
#[must_use]
pub fn description() -> &'static [u8] {
    &DESCRIPTION
}

/// Serves the description.
pub(super) fn routes() -> Router<Web> {
    let description = async || ([(CONTENT_TYPE, "application/json")], DESCRIPTION.clone());
    Router::new().route("/openapi.json", get(description))
}

/// Names each operation by its method and path: handlers have the same names in several modules, and programs tell operations apart
/// by these.
fn name_operations(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let words: Vec<_> = path
            .split(['/', '{', '}'])
            .filter(|word| !matches!(*word, "" | "v1"))
            .collect();
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{}", words.join("_")));
            }
        }
    }
}
