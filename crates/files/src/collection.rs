//! The manifest of a folder: a text that names every file and folder in it, so that a folder is one content with one root.
//!
//! *Shape*: UTF-8, a line each, sorted by the bytes of the paths, one way to write every folder:
//! ```text
//! chaski-collection 1
//! d 755 photos
//! f 644 1048577 <64 digits of the root> photos/one.jpg
//! ```
//! `d` is a folder, empty or not, `f` a file; then come the permissions as three octal digits, for a file its size and root, and the path up to the end
//! of the line. Nothing is escaped, since no path that [`path`](crate::path) lets through can end a line or be mistaken.
//!
//! Symbolic links, owners and times are no part of it: they mean nothing on another machine, or change with every copy.
//!
//! Start reading at [`Collection`].

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use crate::content::{Root, Shape, TooLarge};
use crate::limits::{COLLECTION_BYTES_MAX, COLLECTION_ENTRIES_MAX};
use crate::path::{Clash, PathRefused, RelativePath, find_clash};

/// The first line, with the version.
const FIRST_LINE: &str = "chaski-collection 1";

/// A file or folder of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: RelativePath,
    /// Who may read, write and execute or enter it: the lowest nine bits of a Unix mode.
    pub mode: u16,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file, by its content.
    File {
        /// Bytes of the content.
        size: u64,
        /// Its name.
        root: Root,
    },
    /// A folder.
    Folder,
}

impl Entry {
    /// Whether somebody may execute it, if it is a file.
    #[must_use]
    pub const fn is_executable(&self) -> bool {
        matches!(self.kind, Kind::File { .. }) && self.mode & 0o111 != 0
    }
}

/// Why entries or bytes are no collection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectionError {
    /// The first line is another, or the last one is cut.
    #[error("no collection of this version, or cut")]
    Header,
    /// A line is not written as this version does.
    #[error("line {0} of the collection is damaged")]
    Line(usize),
    /// A path is not safe.
    #[error(transparent)]
    Path(#[from] PathRefused),
    /// A file is larger than any content.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A path comes twice, or before one that it should follow.
    #[error("{0:?} comes twice or out of order")]
    Order(RelativePath),
    /// A path is in a folder that is not listed, or is a file.
    #[error("{0:?} is in no folder of the collection")]
    Parent(RelativePath),
    /// Two names differ in case or composition alone.
    #[error(transparent)]
    Clash(#[from] Clash),
    /// A mode has more than permissions.
    #[error("{0:?} has a mode beyond permissions")]
    Mode(RelativePath),
    /// There are too many entries.
    #[error("more than {COLLECTION_ENTRIES_MAX} files and folders")]
    Entries,
    /// The text is too long.
    #[error("more than {COLLECTION_BYTES_MAX} bytes of names")]
    Bytes,
}

/// A folder with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collection {
    entries: Vec<Entry>,
}

impl Collection {
    /// Makes one of entries in any order. Every folder below the outermost is an entry of its own.
    ///
    /// # Errors
    /// A path comes twice, is in no listed folder or clashes with another, or there is too much of it.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, CollectionError> {
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let collection = Self::of_sorted(entries)?;
        if collection.encode().len() > COLLECTION_BYTES_MAX {
            return Err(CollectionError::Bytes);
        }
        Ok(collection)
    }

    fn of_sorted(entries: Vec<Entry>) -> Result<Self, CollectionError> {
        if entries.len() > COLLECTION_ENTRIES_MAX {
            return Err(CollectionError::Entries);
        }
        // A folder sorts before what is in it, though not always directly.
        let mut folders: Vec<&str> = Vec::new();
        let mut previous: Option<&RelativePath> = None;
        for entry in &entries {
            let path = &entry.path;
            if previous.is_some_and(|previous| previous >= path) {
                return Err(CollectionError::Order(path.clone()));
            }
            if let Some(parent) = path.parent()
                && folders.binary_search(&parent).is_err()
            {
                return Err(CollectionError::Parent(path.clone()));
            }
            if entry.mode > 0o777 {
                return Err(CollectionError::Mode(path.clone()));
            }
            match entry.kind {
                // Ascending, as the entries are.
                Kind::Folder => folders.push(path.as_str()),
                Kind::File { size, .. } => drop(Shape::new(size)?),
            }
            previous = Some(path);
        }
        match find_clash(entries.iter().map(|entry| &entry.path)) {
            Some(clash) => Err(clash.into()),
            None => Ok(Self { entries }),
        }
    }

    /// All files and folders, sorted by path: a folder before what is in it.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Bytes of all files. A million files of 16 TiB are 2^64 bytes at most, which is why it saturates.
    #[must_use]
    pub fn size(&self) -> u64 {
        let sizes = self.entries.iter().map(|entry| match entry.kind {
            Kind::File { size, .. } => size,
            Kind::Folder => 0,
        });
        sizes.fold(0, u64::saturating_add)
    }

    /// Writes the manifest, whose root is the name of the folder.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        for Entry { path, mode, kind } in &self.entries {
            // Writing to a string does not fail.
            let _ = match kind {
                Kind::Folder => writeln!(text, "d {mode:03o} {path}"),
                Kind::File { size, root } => writeln!(text, "f {mode:03o} {size} {root} {path}"),
            };
        }
        text
    }

    /// Reads a manifest, every path of which may be written below a folder.
    ///
    /// # Errors
    /// It is not exactly what [`Self::encode`] writes for a collection.
    pub fn decode(bytes: &[u8]) -> Result<Self, CollectionError> {
        if bytes.len() > COLLECTION_BYTES_MAX {
            return Err(CollectionError::Bytes);
        }
        let text = str::from_utf8(bytes).map_err(|_| CollectionError::Header)?;
        let lines = text.strip_prefix(FIRST_LINE);
        let lines = lines.and_then(|lines| lines.strip_prefix('\n'));
        let lines = lines.ok_or(CollectionError::Header)?;
        let mut entries = Vec::new();
        for (index, line) in lines.split_inclusive('\n').enumerate() {
            if index == COLLECTION_ENTRIES_MAX {
                return Err(CollectionError::Entries);
            }
            let line = line.strip_suffix('\n').ok_or(CollectionError::Header)?;
            let entry = decode_line(line).ok_or(CollectionError::Line(index + 2))?;
            entries.push(entry?);
        }
        Self::of_sorted(entries)
    }
}

/// Reads a line: nothing where it is not written as it should be.
fn decode_line(line: &str) -> Option<Result<Entry, PathRefused>> {
    let (letter, rest) = line.split_once(' ')?;
    let (digits, rest) = rest.split_once(' ')?;
    let is_octal = digits.len() == 3 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mode = u16::from_str_radix(digits, 8).ok().filter(|_| is_octal)?;
    let (kind, path) = match letter {
        "d" => (Kind::Folder, rest),
        "f" => {
            let (digits, rest) = rest.split_once(' ')?;
            let size: u64 = digits.parse().ok()?;
            let (hash, path) = rest.split_once(' ')?;
            let root: Root = hash.parse().ok()?;
            // One way to write each: no signs, leading zeros or capitals.
            if size.to_string() != digits || root.to_string() != hash {
                return None;
            }
            (Kind::File { size, root }, path)
        }
        _ => return None,
    };
    Some(RelativePath::parse(path).map(|path| Entry { path, mode, kind }))
}
