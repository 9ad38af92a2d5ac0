//! Walks a folder, one entry at a time.

use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use files::path::{RelativePath, escape};

use super::event::LeftOut;

/// What is met on the way.
pub(in crate::peer) enum Met {
    /// A file.
    File(RelativePath, Metadata),
    /// A folder, before what is in it.
    Folder(RelativePath, Metadata),
    /// Something that is left out, with its path fit to be printed.
    LeftOut(String, LeftOut),
}

/// A walk through a folder of a share. It holds the names of the folders that are not yet done, and of one that is under way.
pub(in crate::peer) struct Walk {
    folder: PathBuf,
    /// Paths below `folder`; empty for itself.
    waiting: Vec<String>,
    entries: std::vec::IntoIter<io::Result<DirEntry>>,
    /// The path below `folder` of what is under way.
    within: String,
}

impl Walk {
    /// Begins at `below`, a path below the share's folder or empty for that.
    pub(in crate::peer) fn new(folder: &Path, below: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            waiting: vec![below.to_owned()],
            entries: Vec::new().into_iter(),
            within: String::new(),
        }
    }

    /// The next thing; none at the end.
    pub(in crate::peer) fn next(&mut self) -> Option<Met> {
        loop {
            while let Some(entry) = self.entries.next() {
                if let Some(met) = self.meet(entry) {
                    return Some(met);
                }
            }
            self.within = self.waiting.pop()?;
            let folder = self.folder.join(&self.within);
            match fs::read_dir(&folder) {
                // All names at once, so that a deep folder holds no file open for each of its levels.
                Ok(entries) => self.entries = entries.collect::<Vec<_>>().into_iter(),
                // It went in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Some(self.unreadable(&folder, error)),
            }
        }
    }

    fn meet(&mut self, entry: io::Result<DirEntry>) -> Option<Met> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Some(self.unreadable(&self.folder.join(&self.within), error)),
        };
        if is_hidden(entry.file_name().as_bytes()) {
            return None;
        }
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(self.unreadable(&entry.path(), error)),
        };
        let mut path = self.within.as_bytes().to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(entry.file_name().as_bytes());
        let met = look(&path, metadata);
        if let Met::Folder(path, _) = &met {
            self.waiting.push(path.as_str().to_owned());
        }
        Some(met)
    }

    fn unreadable(&self, path: &Path, error: io::Error) -> Met {
        let path = path.strip_prefix(&self.folder).unwrap_or(path);
        Met::LeftOut(escape(&path.to_string_lossy()), LeftOut::Unreadable(error))
    }
}

/// Judges something by its path below the share's folder and its metadata.
pub(in crate::peer) fn look(path: &[u8], metadata: Metadata) -> Met {
    let kind = metadata.file_type();
    let left_out = |reason| Met::LeftOut(escape(&String::from_utf8_lossy(path)), reason);
    if kind.is_symlink() {
        return left_out(LeftOut::Link);
    }
    if !kind.is_file() && !kind.is_dir() {
        return left_out(LeftOut::Special);
    }
    match RelativePath::parse_bytes(path) {
        Err(refused) => left_out(LeftOut::Name(refused)),
        Ok(path) if kind.is_dir() => Met::Folder(path, metadata),
        Ok(path) => Met::File(path, metadata),
    }
}

/// Whether a part of a path begins with a dot, as the names of files do that are being fetched.
pub(in crate::peer) fn is_hidden(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/')
        .any(|part| part.first() == Some(&b'.'))
}
