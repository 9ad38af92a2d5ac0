//! What the catalog takes and gives: plain values.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use files::content::{Outline, Root};
use files::have::Have;
use rustix::fs::OFlags;
use serde_json::{Value, json};

/// What a file's metadata say of its bytes: while they stay, so do the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// When the bytes were last modified, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When anything of the file was last modified, which nobody can set.
    pub ctime_ns: i64,
    /// The file's number in its file system.
    pub inode: u64,
    /// When the file was made, which tells it from one that had its number before; 0 where the file system does not say.
    pub birth_ns: i64,
}

impl Stamp {
    /// Reads it from a file's metadata.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        let birth = metadata.created().ok();
        let birth = birth.and_then(|birth| birth.duration_since(UNIX_EPOCH).ok());
        Self {
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            birth_ns: birth.map_or(0, |birth| {
                i64::try_from(birth.as_nanos()).unwrap_or(i64::MAX)
            }),
        }
    }
}

/// What a content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    File,
    /// The list of a folder's files.
    Collection,
}

/// A content that is here, with the file that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The content.
    pub root: Root,
    /// Its bytes.
    pub size: u64,
    /// Where they are.
    pub path: PathBuf,
    /// What the file has to look like.
    pub stamp: Stamp,
    /// What it is.
    pub kind: Kind,
    /// Which groups are here; none for all of them.
    pub have: Option<Have>,
}

impl Holding {
    /// Opens the file, if it is still the one that was hashed.
    ///
    /// # Errors
    /// It cannot be opened, is a symbolic link, or was changed.
    pub fn open(&self) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&self.path)?;
        if self.fits(&file.metadata()?) {
            return Ok(file);
        }
        let text = format!("{} was changed", self.path.display());
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// Whether metadata are those of the file that was hashed. One that is written is known by its number alone.
    #[must_use]
    pub fn fits(&self, metadata: &Metadata) -> bool {
        let is = Stamp::of(metadata);
        metadata.is_file()
            && if self.have.is_some() {
                is.inode == self.stamp.inode
            } else {
                is == self.stamp && metadata.len() == self.size
            }
    }
}

/// Who may find a share's files and fetch them, but for the account itself, which always may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Everybody who is logged in.
    Everyone,
    /// Those who are in one of these rooms.
    Rooms(Vec<String>),
    /// These accounts.
    Accounts(Vec<String>),
    /// Whoever has a link.
    Link,
}

impl Audience {
    /// Writes it as the index takes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Everyone => json!({ "everyone": true }),
            Self::Rooms(rooms) => json!({ "rooms": rooms }),
            Self::Accounts(accounts) => json!({ "accounts": accounts }),
            Self::Link => json!({ "link": true }),
        }
    }

    /// Reads what [`Self::to_json`] writes. What cannot be read lets nobody see anything.
    #[must_use]
    pub(super) fn from_json(value: &Value) -> Self {
        let names = |field: &str| {
            let list = value[field].as_array()?;
            let names = list.iter().filter_map(|name| name.as_str());
            Some(names.map(str::to_owned).collect())
        };
        if value["everyone"] == true {
            return Self::Everyone;
        }
        let named = names("rooms").map(Self::Rooms);
        named
            .or_else(|| names("accounts").map(Self::Accounts))
            .unwrap_or(Self::Link)
    }
}

/// The number of a share in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShareId(pub(super) i64);

impl fmt::Display for ShareId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A folder that is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its number.
    pub id: ShareId,
    /// The folder, absolute.
    pub folder: PathBuf,
    /// What its entries in the index begin with.
    pub label: String,
}

/// A file that was found in a share.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where, below the share's folder.
    pub relative: String,
    /// What it looked like before and after it was read.
    pub stamp: Stamp,
    /// Its permission bits.
    pub mode: u32,
    /// What is in it.
    pub content: Content,
}

/// What is in a file that was found.
#[derive(Debug, Clone)]
pub enum Content {
    /// Something that was hashed just now.
    Hashed(Box<Outline>),
    /// A content that the catalog has.
    Known(Root),
}

/// What the catalog knows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What is in it.
    pub root: Root,
    /// Bytes.
    pub size: u64,
    /// What it looked like.
    pub stamp: Stamp,
    /// Its permission bits.
    pub mode: u32,
    /// Whether it is known as a file of the share that was asked for, and not of another one.
    pub is_there: bool,
}

/// A file of a share, as its collection names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where, below the share's folder.
    pub relative: String,
    /// Bytes.
    pub size: u64,
    /// The content.
    pub root: Root,
    /// Its permission bits.
    pub mode: u32,
}

/// A file that is shared under a name that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The content.
    pub root: Root,
    /// Bytes.
    pub size: u64,
    /// Who may find it.
    pub audience: Audience,
}

/// A file as the index is to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id, unique in the peer.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Where it is: the share's label, and the path below it.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// The content.
    pub root: Root,
    /// What it is.
    pub kind: Kind,
    /// [`Have`]'s form for the wire; none for all of it.
    pub have: Option<Vec<u8>>,
    /// Since when it is here, in milliseconds since 1970.
    pub since_ms: u64,
    /// Who may find it.
    pub audience: Audience,
}

/// What happened between two revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The later one.
    pub to: u64,
    /// Whether there is nothing behind it.
    pub is_last: bool,
    /// New or otherwise than before.
    pub put: Vec<Entry>,
    /// Ids of those that are gone.
    pub remove: Vec<String>,
}
