//! The page for browsers: the files that were built into the binary, with what browsers need to keep and to confine them.
//!
//! Files are compressed when the page is built, never here. Without a page `/` says how to build one. The page's own places are
//! behind the `#` of its address, so that no path but those of its files leads to it.
//!
//! Start reading at [`routes`].

mod encoding;
mod file;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, Uri};
use axum::response::IntoResponse as _;
use axum::routing::get;

use super::Web;
use super::problem;
use encoding::Encoding;
use file::File;

/// One file of the page, as it was built.
#[derive(Clone, Copy)]
pub struct PageFile {
    /// Its path with slashes; `NAME.br` and `NAME.gz` are the same as `NAME`, compressed.
    pub name: &'static str,
    /// What it holds.
    pub bytes: &'static [u8],
}

impl std::fmt::Debug for PageFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} ({} bytes)", self.name, self.bytes.len())
    }
}

/// The file that is the page itself.
const INDEX: &str = "index.html";
/// Files in here have names that change with what they hold.
const LASTING: &str = "assets/";
/// What `/` shows when there is no page.
const UNBUILT: &[u8] = include_bytes!("front/unbuilt.html");

/// Serves the page: `/`, the files beside it, and what lies under `/assets`.
pub(super) fn routes(files: &[PageFile]) -> Router<Web> {
    let mut files = gathered(files);
    let lasting: HashMap<_, _> = files
        .extract_if(|name, _| name.starts_with(LASTING))
        .map(|(name, file)| (name[LASTING.len()..].to_owned(), file))
        .collect();
    let lasting = Arc::new(lasting);
    let index = files.remove(INDEX);
    let index = index.unwrap_or_else(|| File::new(INDEX, UNBUILT, false));
    let asset = move |Path(name): Path<String>, uri: Uri, headers: HeaderMap| {
        let lasting = lasting.clone();
        async move {
            match lasting.get(&*name) {
                Some(file) => file.answer(&headers),
                None => problem::no_such_path(uri).await.into_response(),
            }
        }
    };
    let router = Router::new()
        .route("/", serve(index))
        .route("/assets/{*name}", get(asset));
    files.into_iter().fold(router, |router, (name, file)| {
        router.route(&format!("/{name}"), serve(file))
    })
}

fn serve(file: File) -> axum::routing::MethodRouter<Web> {
    let file = Arc::new(file);
    get(move |headers: HeaderMap| {
        let file = file.clone();
        async move { file.answer(&headers) }
    })
}

/// Puts the compressed forms of a file to the file.
fn gathered(files: &[PageFile]) -> HashMap<&'static str, File> {
    let mut gathered: HashMap<_, _> = files
        .iter()
        .filter(|file| Encoding::of_name(file.name).is_none())
        .map(|file| {
            let is_lasting = file.name.starts_with(LASTING);
            (file.name, File::new(file.name, file.bytes, is_lasting))
        })
        .collect();
    for compressed in files {
        if let Some((name, encoding)) = Encoding::of_name(compressed.name)
            && let Some(file) = gathered.get_mut(name)
        {
            file.add(encoding, compressed.bytes);
        }
    }
    gathered
}

#[cfg(test)]
mod tests;
