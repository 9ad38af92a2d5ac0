//! What is written to the catalog: shares, and the files in them.

use std::cell::Cell;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use files::content::{Outline, Root};
use files::path::RelativePath;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{
    Audience, Catalog, CatalogError, Content, Found, Kind, Share, ShareId, Stamp, path_of,
};

/// A transaction, with the revision that it has come to.
pub(super) struct Batch<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    revision: Cell<i64>,
}

/// A row of a file.
pub(super) struct FileRow<'a> {
    pub(super) path: &'a [u8],
    pub(super) share: Option<ShareId>,
    pub(super) relative: Option<&'a str>,
    pub(super) content: i64,
    pub(super) stamp: Stamp,
    pub(super) mode: u32,
    pub(super) kind: Kind,
    pub(super) since_ms: u64,
    pub(super) have: Option<Vec<u8>>,
}

impl Catalog {
    /// Shares exactly these folders with these audiences; what is known of others is kept, but nobody is told of it any more.
    ///
    /// # Errors
    /// The database fails.
    pub fn share(&self, shares: &[(&Path, &Audience)]) -> Result<Vec<Share>, CatalogError> {
        self.write(|batch| {
            let wanted = shares.iter().map(|(folder, audience)| {
                let (share, is_other) = batch.declare(folder, audience)?;
                if is_other {
                    batch.tell_anew(share.id)?;
                }
                Ok(share)
            });
            let wanted = wanted.collect::<Result<Vec<_>, CatalogError>>()?;
            for id in batch.shared()? {
                if wanted.iter().all(|share| share.id != id) {
                    batch.withdraw(id)?;
                }
            }
            Ok(wanted)
        })
    }

    /// Notes files of a share that are new, or otherwise than before.
    ///
    /// # Errors
    /// A content that was said to be known is not, or the database fails; then nothing was noted.
    pub fn put<'a>(
        &self,
        share: &Share,
        files: impl IntoIterator<Item = &'a Found>,
        now_ms: u64,
    ) -> Result<(), CatalogError> {
        self.write(|batch| {
            for file in files {
                let path = share.folder.join(&file.relative);
                batch.put_file(&FileRow {
                    path: path.as_os_str().as_bytes(),
                    share: Some(share.id),
                    relative: Some(&file.relative),
                    content: batch.content(&file.content)?,
                    stamp: file.stamp,
                    mode: file.mode,
                    kind: Kind::File,
                    since_ms: now_ms,
                    have: None,
                })?;
            }
            Ok(())
        })
    }

    /// Notes that files of a share are gone, by their paths below it.
    ///
    /// # Errors
    /// The database fails.
    pub fn remove(&self, share: &Share, files: &[String]) -> Result<(), CatalogError> {
        self.write(|batch| {
            for relative in files {
                let path = share.folder.join(relative);
                batch.remove_path(path.as_os_str().as_bytes())?;
            }
            Ok(())
        })
    }

    /// Notes the collection of a share's folder, whose manifest is at `path`, in place of the one before. Gives the paths of manifests that nobody
    /// needs any more.
    ///
    /// # Errors
    /// The manifest cannot be looked at, or the database fails.
    pub fn put_collection(
        &self,
        share: &Share,
        path: &Path,
        outline: &Outline,
        members: &[Root],
        now_ms: u64,
    ) -> Result<Vec<std::path::PathBuf>, CatalogError> {
        let metadata = std::fs::symlink_metadata(path).map_err(CatalogError::io(path))?;
        self.write(|batch| {
            let content = batch.hashed(outline)?;
            batch.put_members(content, members)?;
            let former = batch.retire_collections(share.id, path)?;
            batch.put_file(&FileRow {
                path: path.as_os_str().as_bytes(),
                share: Some(share.id),
                relative: Some(""),
                content,
                stamp: Stamp::of(&metadata),
                mode: 0,
                kind: Kind::Collection,
                since_ms: now_ms,
                have: None,
            })?;
            Ok(former)
        })
    }

    /// Notes that a content that is here is a collection, and which contents it names.
    ///
    /// # Errors
    /// Nothing is known of it, or the database fails.
    pub fn set_members(&self, collection: &Root, members: &[Root]) -> Result<(), CatalogError> {
        self.write(|batch| {
            let content = batch.known(collection)?;
            batch.put_members(content, members)?;
            let revision = batch.next();
            batch.execute(
                "UPDATE files SET kind = 1, revision = ?1 + id WHERE content = ?2",
                params![revision, content],
            )?;
            batch.skip_ids()
        })
    }

    /// Notes that a file is gone, or that it is not to be given to others any more.
    ///
    /// # Errors
    /// The database fails.
    pub fn forget_path(&self, path: &Path) -> Result<(), CatalogError> {
        self.write(|batch| batch.remove_path(path.as_os_str().as_bytes()))
    }
}

impl<'a> Batch<'a> {
    pub(super) fn begin(transaction: &'a Transaction<'a>) -> Result<Self, CatalogError> {
        let revision = transaction.query_row("SELECT revision FROM head", [], |row| row.get(0))?;
        Ok(Self {
            transaction,
            revision: Cell::new(revision),
        })
    }

    pub(super) fn finish(&self) -> Result<(), CatalogError> {
        self.execute("UPDATE head SET revision = ?", [self.revision.get()])
    }

    pub(super) fn execute(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<(), CatalogError> {
        self.transaction.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// The next revision.
    pub(super) fn next(&self) -> i64 {
        self.revision.set(self.revision.get() + 1);
        self.revision.get()
    }

    /// Steps over the revisions of a statement that gave each file one of its own: the current one and the file's number.
    fn skip_ids(&self) -> Result<(), CatalogError> {
        let sql = "SELECT coalesce(max(id), 0) FROM files";
        let last: i64 = self.transaction.query_row(sql, [], |row| row.get(0))?;
        self.revision.set(self.revision.get() + last + 1);
        Ok(())
    }

    /// Finds or makes a share, and tells whether what others are to know of it has changed.
    fn declare(&self, folder: &Path, audience: &Audience) -> Result<(Share, bool), CatalogError> {
        let audience = audience.to_json().to_string();
        let bytes = folder.as_os_str().as_bytes();
        let sql = "SELECT id, label, audience, shared FROM shares WHERE folder = ?";
        let row = self.transaction.query_row(sql, [bytes], |row| {
            let is_same = row.get::<_, String>(2)? == audience && row.get(3)?;
            Ok((ShareId(row.get(0)?), row.get(1)?, is_same))
        });
        let (id, label, is_same) = match row.optional()? {
            Some(known) => known,
            None => {
                let label = self.free_label(folder)?;
                self.execute(
                    "INSERT INTO shares (folder, label, audience, shared) VALUES (?, ?, '', 0)",
                    params![bytes, label],
                )?;
                (ShareId(self.transaction.last_insert_rowid()), label, false)
            }
        };
        self.execute(
            "UPDATE shares SET audience = ?, shared = 1 WHERE id = ?",
            params![audience, id.0],
        )?;
        let share = Share {
            id,
            folder: folder.to_owned(),
            label,
        };
        Ok((share, !is_same))
    }

    /// What the entries of a folder begin with: its name if that is a good one, and a number where another folder has it.
    fn free_label(&self, folder: &Path) -> Result<String, CatalogError> {
        let name = folder.file_name().and_then(|name| name.to_str());
        let name = name.filter(|name| RelativePath::parse_name(name).is_ok());
        let name = name.unwrap_or("share");
        let mut number = 1;
        loop {
            let label = match number {
                1 => name.to_owned(),
                _ => format!("{name}-{number}"),
            };
            let sql = "SELECT 1 FROM shares WHERE label = ?";
            if !self.transaction.prepare_cached(sql)?.exists([&label])? {
                return Ok(label);
            }
            number += 1;
        }
    }

    fn shared(&self) -> Result<Vec<ShareId>, CatalogError> {
        let sql = "SELECT id FROM shares WHERE shared = 1";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let ids = statement.query_map([], |row| row.get(0).map(ShareId))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// Gives each file of a share a new revision.
    fn tell_anew(&self, share: ShareId) -> Result<(), CatalogError> {
        let revision = self.next();
        self.execute(
            "DELETE FROM removals WHERE file IN (SELECT label || '/' || relative FROM files
             JOIN shares ON shares.id = share WHERE share = ?)",
            [share.0],
        )?;
        self.execute(
            "UPDATE files SET revision = ?1 + id WHERE share = ?2",
            params![revision, share.0],
        )?;
        self.skip_ids()
    }

    /// Notes every file of a share as gone, but keeps what is known of it.
    fn withdraw(&self, share: ShareId) -> Result<(), CatalogError> {
        let revision = self.next();
        self.execute(
            "INSERT OR REPLACE INTO removals SELECT label || '/' || relative, ?1 + files.id
             FROM files JOIN shares ON shares.id = share WHERE share = ?2",
            params![revision, share.0],
        )?;
        self.execute("UPDATE shares SET shared = 0 WHERE id = ?", [share.0])?;
        self.skip_ids()
    }

    fn content(&self, content: &Content) -> Result<i64, CatalogError> {
        match content {
            Content::Hashed(outline) => self.hashed(outline),
            Content::Known(root) => self.known(root),
        }
    }

    /// Finds the number of a content.
    pub(super) fn known(&self, root: &Root) -> Result<i64, CatalogError> {
        let number = self.number_of(root)?;
        number.ok_or(CatalogError::NotHere(*root))
    }

    pub(super) fn number_of(&self, root: &Root) -> Result<Option<i64>, CatalogError> {
        let mut statement = self
            .transaction
            .prepare_cached("SELECT id FROM contents WHERE root = ?")?;
        let number = statement.query_row([root.as_bytes().as_slice()], |row| row.get(0));
        Ok(number.optional()?)
    }

    /// Finds or makes a content without its segments.
    pub(super) fn declare_content(
        &self,
        root: &Root,
        size: u64,
        top: Option<&[u8]>,
    ) -> Result<i64, CatalogError> {
        if let Some(number) = self.number_of(root)? {
            return Ok(number);
        }
        self.execute(
            "INSERT INTO contents (root, size, top) VALUES (?, ?, ?)",
            params![root.as_bytes().as_slice(), size.cast_signed(), top],
        )?;
        Ok(self.transaction.last_insert_rowid())
    }

    /// Finds or makes a content that was hashed as a whole.
    pub(super) fn hashed(&self, outline: &Outline) -> Result<i64, CatalogError> {
        let shape = outline.shape();
        let top = (shape.segments() > 1).then(|| outline.top().encode());
        let content = self.declare_content(&outline.root(), shape.size(), top.as_deref())?;
        if shape.groups() > 1 {
            for segment in (0..shape.segments()).filter_map(|index| outline.segment(index)) {
                self.put_segment(content, segment.index(), &segment.encode())?;
            }
        }
        Ok(content)
    }

    pub(super) fn put_segment(
        &self,
        content: i64,
        index: u32,
        hashes: &[u8],
    ) -> Result<(), CatalogError> {
        self.execute(
            "INSERT OR IGNORE INTO segments (content, number, hashes) VALUES (?, ?, ?)",
            params![content, index, hashes],
        )
    }

    fn put_members(&self, collection: i64, members: &[Root]) -> Result<(), CatalogError> {
        let sql = "INSERT OR IGNORE INTO members (collection, root) VALUES (?, ?)";
        let mut statement = self.transaction.prepare_cached(sql)?;
        for root in members {
            statement.execute(params![collection, root.as_bytes().as_slice()])?;
        }
        Ok(())
    }

    /// Takes the collections of a share but this one out of the index, and forgets all but the last few of them.
    fn retire_collections(
        &self,
        share: ShareId,
        path: &Path,
    ) -> Result<Vec<std::path::PathBuf>, CatalogError> {
        /// Former collections of a folder that can still be fetched: whoever began with one may go on.
        const FORMER_MAX: i64 = 3;
        let path = path.as_os_str().as_bytes();
        self.execute(
            "UPDATE files SET relative = NULL, revision = ?1 WHERE share = ?2 AND relative = '' AND path <> ?3",
            params![self.next(), share.0, path],
        )?;
        let mut statement = self.transaction.prepare_cached(
            "SELECT path FROM files WHERE share = ? AND kind = 1 AND relative IS NULL AND path <> ?
             ORDER BY revision DESC LIMIT -1 OFFSET ?",
        )?;
        let mut rows = statement.query(params![share.0, path, FORMER_MAX])?;
        let mut former = Vec::new();
        while let Some(row) = rows.next()? {
            former.push(path_of(row, 0)?);
        }
        for path in &former {
            self.remove_path(path.as_os_str().as_bytes())?;
        }
        Ok(former)
    }

    /// Writes the row of a file in place of what was known of its path.
    pub(super) fn put_file(&self, file: &FileRow<'_>) -> Result<(), CatalogError> {
        let former = self.content_at(file.path)?;
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO files (path, share, relative, content, mtime_ns, ctime_ns, inode, birth_ns, mode, kind, since_ms, have, revision)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (path) DO UPDATE SET share = ?2, relative = ?3, content = ?4, mtime_ns = ?5, ctime_ns = ?6, inode = ?7, birth_ns = ?8,
                 mode = ?9, kind = ?10, since_ms = CASE content WHEN ?4 THEN since_ms ELSE ?11 END, have = ?12, revision = ?13",
        )?;
        statement.execute(params![
            file.path,
            file.share.map(|share| share.0),
            file.relative,
            file.content,
            file.stamp.mtime_ns,
            file.stamp.ctime_ns,
            file.stamp.inode.cast_signed(),
            file.stamp.birth_ns,
            file.mode,
            i64::from(file.kind == Kind::Collection),
            file.since_ms.cast_signed(),
            file.have,
            self.next(),
        ])?;
        self.execute(
            "DELETE FROM removals WHERE file =
             (SELECT label || '/' || ?2 FROM shares WHERE id = ?1)",
            params![file.share.map(|share| share.0), file.relative],
        )?;
        match former {
            Some(former) if former != file.content => self.drop_unused(former),
            Some(_) | None => Ok(()),
        }
    }

    fn content_at(&self, path: &[u8]) -> Result<Option<i64>, CatalogError> {
        let sql = "SELECT content FROM files WHERE path = ?";
        let mut statement = self.transaction.prepare_cached(sql)?;
        Ok(statement.query_row([path], |row| row.get(0)).optional()?)
    }

    pub(super) fn remove_path(&self, path: &[u8]) -> Result<(), CatalogError> {
        let Some(content) = self.content_at(path)? else {
            return Ok(());
        };
        self.execute(
            "INSERT OR REPLACE INTO removals SELECT label || '/' || relative, ?1
             FROM files JOIN shares ON shares.id = share WHERE path = ?2 AND relative IS NOT NULL",
            params![self.next(), path],
        )?;
        self.execute("DELETE FROM files WHERE path = ?", [path])?;
        self.drop_unused(content)
    }

    fn drop_unused(&self, content: i64) -> Result<(), CatalogError> {
        self.execute(
            "DELETE FROM contents WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM files WHERE content = ?1)",
            [content],
        )
    }
}
