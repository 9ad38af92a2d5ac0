//! Finding files.

use axum::Json;
use axum::extract::State;
use directory::files::{FileContent, FileHolder, FileSearch, Glob, Words};
use directory::limits::GLOB_BYTES_MAX;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Sharer;
use super::forms::{KindWord, OrderWord, SortWord, cursor_of, hex, place_of, unhex};
use super::stated::Stated;
use crate::files::FilesError;
use crate::http::Web;
use crate::http::body::{InPath, Params};
use crate::http::problem::Problem;

/// Contents of a page when nothing else was asked for.
const LIMIT_DEFAULT: u32 = 100;
/// The most contents of a page.
const LIMIT_MAX: u32 = 1_000;
/// The longest search by words.
const WORDS_BYTES_MAX: usize = 1_024;

/// What is searched for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParams {
    /// Words of the name, all of them; `rep*` begins a word. Without regard to case and accents.
    #[param(max_length = 1024)]
    pub(crate) q: Option<String>,
    /// How the whole name looks: `*`, `?`, `[a-z]`. Without regard to case and accents.
    #[param(max_length = 1024)]
    pub(crate) glob: Option<String>,
    /// The BLAKE3 root of the content.
    #[param(pattern = "^[0-9a-fA-F]{64}$")]
    pub(crate) root: Option<String>,
    /// The media type, or its beginning as in `image/*`.
    #[serde(rename = "type")]
    pub(crate) media_type: Option<String>,
    /// The least size.
    pub(crate) min_bytes: Option<u64>,
    /// The greatest size.
    pub(crate) max_bytes: Option<u64>,
    /// The account that has it.
    pub(crate) owner: Option<String>,
    /// There since after this time, in milliseconds since 1970.
    pub(crate) newer_than_ms: Option<u64>,
    /// There since before this time, in milliseconds since 1970.
    pub(crate) older_than_ms: Option<u64>,
    /// Shared in this room.
    pub(crate) room: Option<String>,
    /// What to sort by.
    #[param(inline)]
    pub(crate) sort: SortWord,
    /// In which direction.
    #[param(inline)]
    pub(crate) order: OrderWord,
    /// The `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(crate) limit: Option<u32>,
}

/// Somebody who has a file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileHolder)]
pub(crate) struct HolderOut {
    /// The peer.
    pub(crate) peer: String,
    /// Its account.
    pub(crate) account: String,
    /// Its name.
    pub(crate) peer_name: String,
    /// Where the file is there.
    pub(crate) path: String,
    /// How much of it is there, 0 to 1.
    pub(crate) part: f64,
    /// Since when, in milliseconds since 1970.
    pub(crate) since_ms: u64,
}

/// A file, whatever its names.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = File)]
pub(crate) struct FileOut {
    /// The BLAKE3 root of its content.
    pub(crate) root: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its name where it comes first.
    pub(crate) name: String,
    /// All its names.
    pub(crate) names: Vec<String>,
    /// Its media type.
    #[serde(rename = "type")]
    pub(crate) media_type: String,
    /// What it is.
    pub(crate) kind: KindWord,
    /// Since when it is there, in milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// Who has it, at most 100, those with the whole first.
    pub(crate) holders: Vec<HolderOut>,
}

/// A page of files.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FilePage)]
pub(crate) struct FilesOut {
    /// The files; there may be none and still more to come.
    pub(crate) files: Vec<FileOut>,
    /// Ask with this as `cursor` for those that follow; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl HolderOut {
    fn of(holder: FileHolder) -> Self {
        let draft = &holder.peer.draft;
        Self {
            peer: draft.id.clone(),
            account: draft.login.clone(),
            peer_name: draft.name.clone(),
            path: holder.path,
            part: holder.part,
            since_ms: holder.since_ms,
        }
    }
}

impl FileOut {
    fn of(content: FileContent) -> Self {
        Self {
            root: hex(&content.root),
            size: content.size,
            name: content.name,
            names: content.names,
            media_type: content.media_type,
            kind: content.kind.into(),
            since_ms: content.since_ms,
            holders: content.holders.into_iter().map(HolderOut::of).collect(),
        }
    }
}

impl SearchParams {
    /// The search, but for the room.
    fn search(&self) -> Result<FileSearch, Problem> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::invalid(format!(
                "a page has from 1 to {LIMIT_MAX} files"
            )));
        }
        if self.q.as_ref().is_some_and(|q| q.len() > WORDS_BYTES_MAX) {
            return Err(Problem::invalid(format!(
                "q has at most {WORDS_BYTES_MAX} bytes"
            )));
        }
        let glob = |pattern: &String| {
            let detail =
                format!("glob has at most {GLOB_BYTES_MAX} bytes, and brackets are closed");
            Glob::parse(pattern).ok_or_else(|| Problem::invalid(detail))
        };
        let root = |root: &String| unhex("root", root);
        let sort = self.sort.sort();
        let is_descending = matches!(self.order, OrderWord::Desc);
        let after = |cursor: &String| place_of(cursor, sort, is_descending);
        Ok(FileSearch {
            words: self.q.as_deref().map(Words::parse),
            glob: self.glob.as_ref().map(glob).transpose()?,
            root: self.root.as_ref().map(root).transpose()?,
            media_type: self.media_type.clone(),
            bytes_min: self.min_bytes,
            bytes_max: self.max_bytes,
            owner: self.owner.clone(),
            newer_than_ms: self.newer_than_ms,
            older_than_ms: self.older_than_ms,
            room: None,
            sort,
            is_descending,
            after: self.cursor.as_ref().map(after).transpose()?,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        })
    }
}

/// Find files
///
/// Those that somebody live has and that you may see; one row for each content, whatever its names. A page may have fewer files than
/// `limit`, even none, and still a `next`: a search looks at so many entries for each page.
#[utoipa::path(get, path = "/v1/files", tag = "files", params(SearchParams),
    responses(
        (status = 200, description = "A page of files", body = FilesOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn search(
    State(web): State<Web>,
    sharer: Sharer,
    Params(params): Params<SearchParams>,
) -> Result<Json<FilesOut>, Problem> {
    Ok(Json(search_as(&web, &sharer, &params).await?))
}

/// Finds files for somebody.
///
/// # Errors
/// See [`search`].
pub(crate) async fn search_as(
    web: &Web,
    sharer: &Sharer,
    params: &SearchParams,
) -> Result<FilesOut, Problem> {
    let mut search = params.search()?;
    let viewer = sharer.viewer(web).await?;
    if let Some(name) = &params.room {
        let fold = ::chat::fold(name);
        let mut rooms = viewer.rooms.iter();
        let room = rooms.find(|room| ::chat::fold(&room.name) == fold);
        let Some(room) = room else {
            return Err(Problem::not_found("there is no such room that you are in"));
        };
        search.room = Some(room.clone());
    }
    let (sort, is_descending) = (search.sort, search.is_descending);
    let page = web.files().search(search, viewer).await?;
    let next = page
        .next
        .map(|place| cursor_of(&place, sort, is_descending));
    let files = page.contents.into_iter().map(FileOut::of).collect();
    Ok(FilesOut { files, next })
}

/// Look at a file
#[utoipa::path(get, path = "/v1/files/{root}", tag = "files",
    params(("root" = String, Path, description = "The BLAKE3 root of its content")),
    responses(
        (status = 200, description = "The file", body = FileOut),
        (status = "4XX", description = "Nobody who is there and whom you may see has it", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn show(
    State(web): State<Web>,
    sharer: Sharer,
    InPath(root): InPath<String>,
) -> Result<Json<FileOut>, Problem> {
    Ok(Json(show_as(&web, &sharer, &root).await?))
}

/// Shows a file to somebody.
///
/// # Errors
/// See [`show`].
pub(crate) async fn show_as(web: &Web, sharer: &Sharer, root: &str) -> Result<FileOut, Problem> {
    let root = unhex("root", root)?;
    let viewer = sharer.viewer(web).await?;
    let stated = Stated::look(web, sharer, root, viewer).await?;
    let content = stated.into_best().ok_or(FilesError::NotFound)?;
    Ok(FileOut::of(content))
}
