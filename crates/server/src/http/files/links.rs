//! Links: capabilities that open one content of their maker's.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use directory::files::{FileChange, FileLink};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Sharer;
use super::forms::{hex, unhex};
use crate::files::FilesError;
use crate::http::Web;
use crate::http::body::{InPath, JsonBody};
use crate::http::problem::Problem;

/// By which people and scanners recognise a capability.
const PREFIX: &str = "chl_";

/// A link to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FileLinkWish)]
pub(in crate::http) struct LinkWish {
    /// The BLAKE3 root of the content.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    root: String,
    /// When it ends, in milliseconds since 1970; absent: never.
    #[serde(default)]
    expires_ms: Option<u64>,
}

/// A link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileLink)]
pub(in crate::http) struct LinkOut {
    /// Its id.
    id: String,
    /// What to give away: `chaski:ROOT?key=CAPABILITY`; shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    /// The BLAKE3 root of the content that it opens.
    root: String,
    /// When it was made, in milliseconds since 1970.
    created_ms: u64,
    /// When it ends, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
}

/// The links of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileLinks)]
pub(in crate::http) struct LinksOut {
    /// The links, by id.
    items: Vec<LinkOut>,
}

impl LinkOut {
    fn of(link: FileLink, shown: Option<String>) -> Self {
        Self {
            id: link.id,
            link: shown,
            root: hex(&link.root),
            created_ms: link.created_ms,
            expires_ms: link.expires_ms,
        }
    }
}

/// Make a link to a file
///
/// Whoever has it and is logged in may fetch this content from your peers.
#[utoipa::path(post, path = "/v1/links", tag = "files",
    request_body = LinkWish,
    responses(
        (status = 201, description = "The link with its capability, which is shown this once", body = LinkOut),
        (status = "4XX", description = "None of your peers has such a file", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn create(
    State(web): State<Web>,
    sharer: Sharer,
    JsonBody(wish): JsonBody<LinkWish>,
) -> Result<(StatusCode, Json<LinkOut>), Problem> {
    let root = unhex("root", &wish.root)?;
    let now_ms = web.gateway().engine().now_ms();
    if wish.expires_ms.is_some_and(|end| end <= now_ms) {
        return Err(Problem::invalid("expires_ms has passed already"));
    }
    let owner = sharer.account();
    if !web.files().has(owner.clone(), root).await? {
        return Err(FilesError::NotFound.into());
    }
    let capability = directory::token::generate(PREFIX)
        .map_err(|error| Problem::unavailable(format!("no random numbers: {error}")))?;
    let link = FileLink {
        id: engine::accounts::random_name(),
        hash: directory::token::hash(&capability),
        login: owner.name,
        account_ms: owner.created_ms,
        root,
        created_ms: now_ms,
        expires_ms: wish.expires_ms,
    };
    let change = FileChange::LinkAdded(link.clone());
    web.files()
        .ask(move |index, _| index.change(change))
        .await?;
    let shown = format!("chaski:{}?key={capability}", hex(&root));
    Ok((StatusCode::CREATED, Json(LinkOut::of(link, Some(shown)))))
}

/// List your links
#[utoipa::path(get, path = "/v1/links", tag = "files",
    responses(
        (status = 200, description = "The links, without their capabilities", body = LinksOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn list(
    State(web): State<Web>,
    sharer: Sharer,
) -> Result<Json<LinksOut>, Problem> {
    let links = web.files().links(sharer.account()).await?;
    let items = links.into_iter().map(|link| LinkOut::of(link, None));
    Ok(Json(LinksOut {
        items: items.collect(),
    }))
}

/// Delete a link
///
/// No ticket is given for it from then on; those that were given hold until they end.
#[utoipa::path(delete, path = "/v1/links/{id}", tag = "files",
    params(("id" = String, Path, description = "The link's id")),
    responses(
        (status = 204, description = "It opens nothing any more"),
        (status = "4XX", description = "You have no such link", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn delete(
    State(web): State<Web>,
    sharer: Sharer,
    InPath(id): InPath<String>,
) -> Result<StatusCode, Problem> {
    let owner = sharer.account();
    let change = FileChange::LinkDeleted { id, owner };
    web.files()
        .ask(move |index, _| index.change(change))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
