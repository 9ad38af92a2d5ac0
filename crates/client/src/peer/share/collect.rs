//! The manifest of a shared folder, by which it is fetched as a whole.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use files::collection::{Collection, CollectionError, Entry, Kind};
use files::content::{Outline, OutlineError, Root};
use files::path::RelativePath;

use super::walk::{Met, Walk};
use crate::peer::catalog::{Catalog, CatalogError, Share};

/// The folder of manifests in the state directory.
const FOLDER: &str = "collections";
/// Names that may be left out of a manifest because others differ in case alone.
const CLASHES_MAX: usize = 100;

/// Why a folder has no manifest.
#[derive(Debug, thiserror::Error)]
pub(super) enum CollectError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Collection(#[from] CollectionError),
    #[error(transparent)]
    Outline(#[from] OutlineError),
    #[error("cannot write it: {0}")]
    Write(#[from] io::Error),
}

/// A manifest that was written.
pub(super) struct Collected {
    pub(super) root: Root,
    pub(super) files: usize,
    pub(super) bytes: u64,
    /// Manifests that are needed no more.
    pub(super) former: Vec<PathBuf>,
    /// Names that are not in it, with the reasons.
    pub(super) left_out: Vec<(String, String)>,
}

/// Writes the manifest of a share and notes it in the catalog; nothing if it is as it was.
pub(super) fn collect(
    catalog: &Catalog,
    share: &Share,
    state: &Path,
    now_ms: u64,
) -> Result<Option<Collected>, CollectError> {
    let entries = entries(catalog, share)?;
    let (collection, left_out) = without_clashes(entries)?;
    let text = collection.encode();
    let outline = Outline::of(text.as_bytes())?;
    let root = outline.root();
    let former = catalog.collection(share.id)?;
    if former.is_some_and(|(former, _)| former == root) && catalog.find(&root)?.is_some() {
        return Ok(None);
    }
    let folder = state.join(FOLDER);
    fs::create_dir_all(&folder)?;
    // Two folders may hold the same.
    let path = folder.join(format!("{}-{root}", share.id));
    write(&path, text.as_bytes())?;
    let files = collection.entries().iter();
    let members = files.filter_map(|entry| match entry.kind {
        Kind::File { root, .. } => Some(root),
        Kind::Folder => None,
    });
    let members: Vec<Root> = members.collect();
    let former = catalog.put_collection(share, &path, &outline, &members, now_ms)?;
    Ok(Some(Collected {
        root,
        files: members.len(),
        bytes: collection.size(),
        former,
        left_out,
    }))
}

/// Everything that is in a share: folders as they are now, files as they are known.
fn entries(catalog: &Catalog, share: &Share) -> Result<Vec<Entry>, CollectError> {
    let mut entries = Vec::new();
    let mut folders = HashSet::new();
    let mut walk = Walk::new(&share.folder, "");
    while let Some(met) = walk.next() {
        match met {
            Met::Folder(path, metadata) => {
                folders.insert(path.as_str().to_owned());
                entries.push(Entry {
                    path,
                    mode: mode_of(metadata.mode()),
                    kind: Kind::Folder,
                });
            }
            Met::File(..) | Met::LeftOut(..) => {}
        }
    }
    for file in catalog.listing(share.id)? {
        let path = RelativePath::parse(&file.relative).map_err(CollectionError::Path)?;
        // A folder that has just gone takes its files along.
        if path.parent().is_none_or(|parent| folders.contains(parent)) {
            let (size, root) = (file.size, file.root);
            entries.push(Entry {
                path,
                mode: mode_of(file.mode),
                kind: Kind::File { size, root },
            });
        }
    }
    Ok(entries)
}

pub(in crate::peer) fn mode_of(mode: u32) -> u16 {
    u16::try_from(mode & 0o777).unwrap_or(0)
}

/// Leaves names out that would be one with another where case does not count.
pub(in crate::peer) fn without_clashes(
    mut entries: Vec<Entry>,
) -> Result<(Collection, Vec<(String, String)>), CollectionError> {
    let mut left_out = Vec::new();
    loop {
        match Collection::new(entries.clone()) {
            Ok(collection) => return Ok((collection, left_out)),
            Err(CollectionError::Clash(clash)) if left_out.len() < CLASHES_MAX => {
                let below = format!("{}/", clash.other);
                entries.retain(|entry| {
                    let path = entry.path.as_str();
                    path != clash.other && !path.starts_with(&below)
                });
                left_out.push((clash.other.clone(), clash.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Writes a file that is whole or not there.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(&unfinished, path)
}
