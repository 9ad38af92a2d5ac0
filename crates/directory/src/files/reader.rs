//! Searching while another connection writes.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Result as SqlResult, params};

use super::apply;
use super::model::{
    AudienceMember, FileContent, FileLink, FilePage, FileSearch, FileViewer, LivePeers,
};
use super::schema::FILES;
use super::search::Look;
use super::word_index::WordIndex;
use crate::chat::int;
use crate::error::Failure;
use crate::file;

/// The file index opened for reading; it modifies nothing and sees what is committed.
///
/// Concurrency: owned by one thread at a time; every method blocks on the disk, and neither waits for a writer nor keeps one waiting.
/// Drop it before the [`super::FileStore`], which else leaves its write-ahead log behind.
#[derive(Debug)]
pub struct FileReader {
    connection: Connection,
    path: PathBuf,
}

impl FileReader {
    /// Opens a file index for reading.
    ///
    /// Errors: the file is missing or damaged, or its schema is not the current one.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self {
            connection: file::open_reader(path, &FILES)?,
            path: path.to_owned(),
        })
    }

    /// Finds contents that somebody may see and that somebody live has.
    ///
    /// With an index of words, which need not be of this moment, pages of common words are as quick as those of rare ones.
    ///
    /// *Units*: at most `search.limit` contents; about ten thousand entries are looked at.
    ///
    /// *Errors*: the disk fails, or a row holds what no version of ours writes.
    pub fn search(
        &self,
        search: &FileSearch,
        viewer: &FileViewer,
        live: &LivePeers,
        index: Option<&WordIndex>,
    ) -> Result<FilePage, Failure> {
        self.read(|connection| Look::begin(connection, search, viewer, live)?.page(index))
    }

    /// Reads the words of all names into memory; `None` if there are too many.
    ///
    /// *Errors*: as for [`FileReader::search`].
    pub fn word_index(&self) -> Result<Option<WordIndex>, Failure> {
        self.read(WordIndex::build)
    }

    /// Finds one content; in each of the sizes that are stated for it, those that were there first before the others. One of them at most is
    /// true, and no server can tell which.
    ///
    /// *Errors*: as for [`FileReader::search`].
    pub fn contents(
        &self,
        root: [u8; 32],
        viewer: &FileViewer,
        live: &LivePeers,
    ) -> Result<Vec<FileContent>, Failure> {
        let search = FileSearch {
            root: Some(root),
            ..FileSearch::default()
        };
        self.read(|connection| Look::begin(connection, &search, viewer, live)?.contents(root))
    }

    /// Tells whether an account has an entry of a content, live or not.
    ///
    /// *Errors*: as for [`FileReader::search`].
    pub fn has(&self, owner: &AudienceMember, root: [u8; 32]) -> Result<bool, Failure> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT 1 FROM files AS f JOIN peers AS p ON p.number = f.peer
                     WHERE f.root = ?1 AND p.login = ?2 AND p.account_ms = ?3",
                )?
                .exists(params![root, owner.name, int(owner.created_ms)])
        })
    }

    /// Finds those of some contents that a room was not told of.
    ///
    /// *Errors*: as for [`FileReader::search`].
    pub fn untold(
        &self,
        room: &AudienceMember,
        roots: &[[u8; 32]],
    ) -> Result<Vec<[u8; 32]>, Failure> {
        self.read(|connection| {
            let query = "SELECT 1 FROM cards WHERE room = ?1 AND created_ms = ?2 AND root = ?3";
            let mut statement = connection.prepare_cached(query)?;
            let mut untold = Vec::new();
            for root in roots {
                if !statement.exists(params![room.name, int(room.created_ms), root])? {
                    untold.push(*root);
                }
            }
            Ok(untold)
        })
    }

    /// The links of an account, by id.
    ///
    /// *Errors*: as for [`FileReader::search`].
    pub fn links(&self, owner: &AudienceMember) -> Result<Vec<FileLink>, Failure> {
        let rest = "WHERE login = ?1 AND account_ms = ?2 ORDER BY id";
        self.read(|connection| {
            apply::links(connection, rest, params![owner.name, int(owner.created_ms)])
        })
    }

    /// Finds a link by the hash of its capability.
    ///
    /// *Errors*: as for [`FileReader::search`].
    pub fn link(&self, hash: &[u8; 32]) -> Result<Option<FileLink>, Failure> {
        let found = self.read(|connection| apply::links(connection, "WHERE hash = ?1", [hash]))?;
        Ok(found.into_iter().next())
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> SqlResult<T>) -> Result<T, Failure> {
        let read = || {
            // One read transaction, so that all is of the same moment.
            let transaction = self.connection.unchecked_transaction()?;
            let value = read(&transaction)?;
            transaction.finish()?;
            Ok(value)
        };
        read().map_err(|source: rusqlite::Error| {
            Failure::new("read the file index in", &self.path, source)
        })
    }
}
