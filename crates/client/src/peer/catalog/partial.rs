//! Contents that are being fetched: what is verified of them is given to others at once.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use files::content::{Invalid, Root, Segment, Shape, Top};
use files::have::Have;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::peer::now_ms;

use super::write::{Batch, FileRow};
use super::{Catalog, CatalogError, Kind, ShareId, Stamp, have_of, path_of, unsigned};

impl Catalog {
    /// Begins, or goes on with, the file that a content is fetched into; `top` is the list of its segments as a peer told it. What was noted of that
    /// file stays; another file of the same content is given up for it.
    ///
    /// # Errors
    /// The list is not that of the content, the file cannot be looked at, or the database fails.
    pub fn begin_partial(
        &self,
        root: &Root,
        size: u64,
        path: &Path,
        top: &[u8],
    ) -> Result<(), CatalogError> {
        let shape = Shape::new(size)?;
        let has_list = shape.groups() > 1;
        if has_list {
            Top::decode(shape, *root, top)?;
        } else if !top.is_empty() {
            let is = top.len() as u64;
            return Err(Invalid::Length { is, due: 0 }.into());
        }
        let metadata = fs::symlink_metadata(path).map_err(CatalogError::io(path))?;
        let top = (shape.segments() > 1).then_some(top);
        let path = path.as_os_str().as_bytes();
        self.write(|batch| {
            let content = batch.declare_content(root, size, top)?;
            let mut kept = None;
            for (known, have) in batch.partials(content)? {
                if known == path {
                    kept = Some(have);
                }
            }
            let (share, relative) = place_of(batch.transaction, path)?.unzip();
            batch.put_file(&FileRow {
                path,
                share,
                relative: relative.as_deref(),
                content,
                stamp: Stamp::of(&metadata),
                mode: 0,
                kind: Kind::File,
                since_ms: now_ms(),
                have: Some(kept.unwrap_or_else(|| Have::none(shape.groups()).encode())),
            })?;
            batch.drop_partials(content, path)
        })
    }

    /// Notes the values of the groups of one segment, as a peer told them.
    ///
    /// # Errors
    /// Nothing is known of the content, the list is not that of the segment, or the database fails.
    pub fn add_segment(&self, root: &Root, index: u32, hashes: &[u8]) -> Result<(), CatalogError> {
        let shape = Shape::new(self.size_of(root)?)?;
        if shape.groups() <= 1 {
            return Ok(());
        }
        let top = Top::decode(shape, *root, &self.top(root)?)?;
        Segment::decode(&top, index, hashes)?;
        self.write(|batch| batch.put_segment(batch.known(root)?, index, hashes))
    }

    /// Notes which groups of a content that is being fetched are in its file, verified.
    ///
    /// # Errors
    /// The database fails. A content that is not being fetched is none.
    pub fn grow(&self, root: &Root, have: &Have) -> Result<(), CatalogError> {
        self.write(|batch| {
            batch.execute(
                "UPDATE files SET have = ?1, revision = ?2
                 WHERE have IS NOT NULL AND content = (SELECT id FROM contents WHERE root = ?3)",
                params![have.encode(), batch.next(), root.as_bytes().as_slice()],
            )
        })
    }

    /// Which groups are in the file that a content is fetched into, as [`Self::grow`] noted last; none where it is not being fetched.
    ///
    /// # Errors
    /// The database fails.
    pub fn partial(&self, root: &Root) -> Result<Option<Have>, CatalogError> {
        let size = match self.size_of(root) {
            Ok(size) => size,
            Err(CatalogError::NotHere(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let reader = self.read();
        let mut statement = reader.prepare_cached(
            "SELECT have FROM files JOIN contents ON contents.id = content
             WHERE root = ? AND have IS NOT NULL",
        )?;
        let have = statement.query_row([root.as_bytes().as_slice()], |row| row.get(0));
        have_of(size, have.optional()?)
    }

    /// Notes that a content is whole, in the file `path`; the one that it was fetched into is forgotten.
    ///
    /// # Errors
    /// Lists of hashes are missing, the file cannot be looked at, or the database fails.
    pub fn complete(&self, root: &Root, path: &Path) -> Result<(), CatalogError> {
        let metadata = fs::symlink_metadata(path).map_err(CatalogError::io(path))?;
        let shape = Shape::new(self.size_of(root)?)?;
        let path = path.as_os_str().as_bytes();
        self.write(|batch| {
            let content = batch.known(root)?;
            if shape.groups() > 1 && batch.segments(content)? != shape.segments() {
                return Err(CatalogError::Incomplete(*root));
            }
            let (share, relative) = place_of(batch.transaction, path)?.unzip();
            batch.put_file(&FileRow {
                path,
                share,
                relative: relative.as_deref(),
                content,
                stamp: Stamp::of(&metadata),
                mode: std::os::unix::fs::MetadataExt::mode(&metadata) & 0o7777,
                kind: batch.kind(content)?,
                since_ms: now_ms(),
                have: None,
            })?;
            batch.drop_partials(content, path)
        })
    }

    /// Forgets the file that a content was fetched into, as it is given up.
    ///
    /// # Errors
    /// The database fails. A content that is not being fetched is none.
    pub fn give_up_partial(&self, root: &Root) -> Result<(), CatalogError> {
        self.write(|batch| match batch.known(root) {
            Ok(content) => batch.drop_partials(content, b""),
            Err(CatalogError::NotHere(_)) => Ok(()),
            Err(error) => Err(error),
        })
    }

    /// Whether a file is, or would be, in a folder that is shared.
    ///
    /// # Errors
    /// The database fails.
    pub fn is_shared(&self, path: &Path) -> Result<bool, CatalogError> {
        let path = path.as_os_str().as_bytes();
        Ok(place_of(&self.read(), path)?.is_some())
    }

    fn size_of(&self, root: &Root) -> Result<u64, CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached("SELECT size FROM contents WHERE root = ?")?;
        let size = statement.query_row([root.as_bytes().as_slice()], |row| row.get(0));
        unsigned(size.optional()?.ok_or(CatalogError::NotHere(*root))?)
    }
}

/// The path of a file that a content is fetched into, and what it has.
type Partial = (Vec<u8>, Vec<u8>);

impl Batch<'_> {
    /// The files that a content is fetched into, with what of it they have.
    fn partials(&self, content: i64) -> Result<Vec<Partial>, CatalogError> {
        let sql = "SELECT path, have FROM files WHERE content = ? AND have IS NOT NULL";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let rows = statement.query_map([content], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets the files that a content is fetched into, but for one.
    fn drop_partials(&self, content: i64, but: &[u8]) -> Result<(), CatalogError> {
        for (path, _) in self.partials(content)? {
            if path != but {
                self.remove_path(&path)?;
            }
        }
        Ok(())
    }

    fn segments(&self, content: i64) -> Result<u32, CatalogError> {
        let sql = "SELECT count(*) FROM segments WHERE content = ?";
        let mut statement = self.transaction.prepare_cached(sql)?;
        Ok(statement.query_row([content], |row| row.get(0))?)
    }

    fn kind(&self, content: i64) -> Result<Kind, CatalogError> {
        let sql = "SELECT 1 FROM files WHERE content = ? AND kind = 1";
        let is_collection = self.transaction.prepare_cached(sql)?.exists([content])?;
        Ok(if is_collection {
            Kind::Collection
        } else {
            Kind::File
        })
    }
}

/// Finds the share that a path is in, with the path below its folder.
fn place_of(
    connection: &Connection,
    path: &[u8],
) -> Result<Option<(ShareId, String)>, CatalogError> {
    let sql = "SELECT id, folder FROM shares WHERE shared = 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    while let Some(row) = rows.next()? {
        let below = path.strip_prefix(path_of(row, 1)?).ok();
        if let Some(relative) = below.and_then(Path::to_str) {
            return Ok(Some((ShareId(row.get(0)?), relative.to_owned())));
        }
    }
    Ok(None)
}
