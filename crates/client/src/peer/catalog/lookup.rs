//! What whoever walks the shared folders asks, so that nothing is hashed twice; and what is shared under a name.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use files::content::Root;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{
    Audience, Catalog, CatalogError, Known, Listed, Named, ShareId, Stamp, below, path_of, root_of,
    stamp_of, unsigned,
};

/// Files of one name that are told apart.
const NAMED_MAX: i64 = 100;

/// What is behind the last `/` of a path, as the index `files_by_name` has it: without the trailing characters that are in the path but are no `/`, there
/// is what comes before.
pub(super) const BASE_NAME: &str =
    "substr(relative, length(rtrim(relative, replace(relative, '/', ''))) + 1)";

/// Columns of [`Known`].
const KNOWN: &str = "SELECT path, root, size, mtime_ns, ctime_ns, inode, birth_ns, mode, share
    FROM files JOIN contents ON contents.id = content WHERE have IS NULL AND";

fn known_of(row: &Row<'_>, share: ShareId) -> Result<Known, CatalogError> {
    Ok(Known {
        root: root_of(row, 1)?,
        size: unsigned(row.get(2)?)?,
        stamp: stamp_of(row, 3)?,
        mode: row.get(7)?,
        is_there: row.get::<_, Option<i64>>(8)? == Some(share.0),
    })
}

impl Catalog {
    /// What is known of the files in a folder, by their paths below it: of whatever share they were, and without those that are being fetched.
    ///
    /// # Errors
    /// The database fails.
    pub fn known(
        &self,
        share: ShareId,
        folder: &Path,
    ) -> Result<HashMap<String, Known>, CatalogError> {
        let (from, to) = below(folder);
        let reader = self.read();
        let mut statement = reader.prepare_cached(&format!("{KNOWN} path >= ? AND path < ?"))?;
        let mut rows = statement.query([&from, &to])?;
        let mut known = HashMap::new();
        while let Some(row) = rows.next()? {
            let path = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            if let Ok(relative) = str::from_utf8(&path[from.len()..]) {
                known.insert(relative.to_owned(), known_of(row, share)?);
            }
        }
        Ok(known)
    }

    /// What is known of one file.
    ///
    /// # Errors
    /// The database fails.
    pub fn known_at(&self, share: ShareId, path: &Path) -> Result<Option<Known>, CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached(&format!("{KNOWN} path = ?"))?;
        let mut rows = statement.query([path.as_os_str().as_bytes()])?;
        rows.next()?.map(|row| known_of(row, share)).transpose()
    }

    /// Finds files that a file with this stamp and size may have been before it was renamed: where they were, with their contents.
    ///
    /// # Errors
    /// The database fails.
    pub fn by_inode(&self, stamp: &Stamp, size: u64) -> Result<Vec<(PathBuf, Root)>, CatalogError> {
        if stamp.birth_ns == 0 {
            return Ok(Vec::new());
        }
        let reader = self.read();
        let mut statement = reader.prepare_cached(
            "SELECT path, root FROM files JOIN contents ON contents.id = content
             WHERE inode = ? AND birth_ns = ? AND mtime_ns = ? AND size = ? AND have IS NULL",
        )?;
        let mut rows = statement.query(params![
            stamp.inode.cast_signed(),
            stamp.birth_ns,
            stamp.mtime_ns,
            size.cast_signed()
        ])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((path_of(row, 0)?, root_of(row, 1)?));
        }
        Ok(found)
    }

    /// The files of a share that are here as a whole.
    ///
    /// # Errors
    /// The database fails.
    pub fn listing(&self, share: ShareId) -> Result<Vec<Listed>, CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached(
            "SELECT relative, size, root, mode FROM files JOIN contents ON contents.id = content
             WHERE share = ? AND relative <> '' AND have IS NULL",
        )?;
        let mut rows = statement.query([share.0])?;
        let mut listed = Vec::new();
        while let Some(row) = rows.next()? {
            listed.push(Listed {
                relative: row.get(0)?,
                size: unsigned(row.get(1)?)?,
                root: root_of(row, 2)?,
                mode: row.get(3)?,
            });
        }
        Ok(listed)
    }

    /// The collection of a share's folder, with where its manifest is.
    ///
    /// # Errors
    /// The database fails.
    pub fn collection(&self, share: ShareId) -> Result<Option<(Root, PathBuf)>, CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached(
            "SELECT path, root FROM files JOIN contents ON contents.id = content
             WHERE share = ? AND relative = ''",
        )?;
        let mut rows = statement.query([share.0])?;
        let row = rows.next()?;
        row.map(|row| Ok((root_of(row, 1)?, path_of(row, 0)?)))
            .transpose()
    }

    /// The files that are shared under exactly this name, in whatever folder, and are here as a whole; at most 100. Those that are for everyone come
    /// first, and of each kind the first by its path.
    ///
    /// # Errors
    /// The database fails.
    pub fn named(&self, name: &str) -> Result<Vec<Named>, CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached(&format!(
            "SELECT root, size, audience FROM files JOIN shares ON shares.id = share
             JOIN contents ON contents.id = content
             WHERE shared = 1 AND kind = 0 AND have IS NULL AND {BASE_NAME} = ?1
             ORDER BY audience = ?2 DESC, path LIMIT ?3"
        ))?;
        let everyone = Audience::Everyone.to_json().to_string();
        let mut rows = statement.query(params![name, everyone, NAMED_MAX])?;
        let mut named = Vec::new();
        while let Some(row) = rows.next()? {
            let audience: String = row.get(2)?;
            // What cannot be read lets nobody see anything.
            let audience = serde_json::from_str(&audience).unwrap_or_default();
            named.push(Named {
                root: root_of(row, 0)?,
                size: unsigned(row.get(1)?)?,
                audience: Audience::from_json(&audience),
            });
        }
        Ok(named)
    }

    /// How many files are shared, and how many bytes they have.
    ///
    /// # Errors
    /// The database fails.
    pub fn totals(&self) -> Result<(u64, u64), CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached(
            "SELECT count(*), coalesce(sum(size), 0) FROM files JOIN shares ON shares.id = share
             JOIN contents ON contents.id = content
             WHERE shared = 1 AND relative <> '' AND have IS NULL",
        )?;
        let totals = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)));
        let (files, bytes) = totals.optional()?.unwrap_or((0, 0));
        Ok((unsigned(files)?, unsigned(bytes)?))
    }
}
