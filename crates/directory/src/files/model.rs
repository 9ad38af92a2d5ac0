//! Peers, files, audiences and links as values.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::glob::Glob;
use super::words::Words;

/// What a peer says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerDraft {
    /// The id that it made itself.
    pub id: String,
    /// Its account.
    pub login: String,
    /// When the account was made, in milliseconds since 1970.
    pub account_ms: u64,
    /// Its name, for people.
    pub name: String,
    /// Where others reach it, `host:port`.
    pub addresses: Vec<String>,
    /// SHA-256 of its certificate's SubjectPublicKeyInfo.
    pub key: [u8; 32],
    /// It can be reached through the server.
    pub relay: bool,
    /// It speaks the sealed line and no TLS, as browsers do.
    pub sealed: bool,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePeer {
    /// What it said of itself.
    pub draft: PeerDraft,
    /// The number that its files have; another one when they begin anew.
    pub number: u64,
    /// What there is of its files; 0 is nothing.
    pub revision: u64,
    /// How many files it has.
    pub files: u64,
    /// When it announced itself or was last heard, in milliseconds since 1970.
    pub seen_ms: u64,
}

impl FilePeer {
    /// Tells whether it is of that account.
    #[must_use]
    pub fn is_of(&self, login: &str, account_ms: u64) -> bool {
        self.draft.account_ms == account_ms && self.draft.login.eq_ignore_ascii_case(login)
    }
}

/// Those who are there, by [`FilePeer::number`].
pub type LivePeers = BTreeMap<u64, Arc<FilePeer>>;

/// A room or an account, told from others of its name by when it was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AudienceMember {
    /// Its name; case does not matter.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// Who may find a file, beside the account that has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Everyone.
    Everyone,
    /// Those who are in one of these rooms.
    Rooms(Vec<AudienceMember>),
    /// These accounts.
    Accounts(Vec<AudienceMember>),
    /// Nobody; a link is needed.
    Link,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// One file.
    File,
    /// A folder, by its manifest.
    Collection,
}

impl FileKind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Collection => "collection",
        }
    }

    /// What a word stands for.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::File, Self::Collection]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// A file as a peer has it.
#[derive(Debug, Clone, PartialEq)]
pub struct FileEntry {
    /// Its id in the peer.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Where it is in the peer.
    pub path: String,
    /// *Units*: bytes, at most [`crate::limits::FILE_NUMBER_MAX`].
    pub size: u64,
    /// The BLAKE3 root of its content.
    pub root: [u8; 32],
    /// Its media type.
    pub media_type: String,
    /// What it is.
    pub kind: FileKind,
    /// The parts that are there, in their wire form; `None` is the whole.
    pub have: Option<Vec<u8>>,
    /// How much that is.
    ///
    /// *Units*: 0 to 1.
    pub part: f64,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Who may find it.
    pub audience: Audience,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLink {
    /// Its id.
    pub id: String,
    /// SHA-256 of its capability.
    pub hash: [u8; 32],
    /// Who made it.
    pub login: String,
    /// When that account was made, in milliseconds since 1970.
    pub account_ms: u64,
    /// The content that it opens.
    pub root: [u8; 32],
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it ends; `None` is never.
    pub expires_ms: Option<u64>,
}

/// Who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileViewer {
    /// The account.
    pub login: String,
    /// When it was made, in milliseconds since 1970.
    pub account_ms: u64,
    /// The rooms that it is in.
    pub rooms: Vec<AudienceMember>,
    /// The account whose link was shown: its files are seen too.
    pub guest_of: Option<AudienceMember>,
}

/// In which order contents come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileSort {
    /// By name, without case and accents.
    Name,
    /// By size.
    Size,
    /// By since when they are there.
    Since,
}

/// What an entry is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlaceKey {
    /// A name, folded.
    Text(String),
    /// A size or a time.
    Number(u64),
}

/// A place in the order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePlace {
    /// What the entry there is sorted by.
    pub key: PlaceKey,
    /// The entry.
    pub id: u64,
}

/// What is searched for; what is `None` is left open.
#[derive(Debug, Clone)]
pub struct FileSearch {
    /// Words of the name.
    pub words: Option<Words>,
    /// How the whole name looks.
    pub glob: Option<Glob>,
    /// The content.
    pub root: Option<[u8; 32]>,
    /// The media type, or its beginning and `/*`.
    pub media_type: Option<String>,
    /// The least size.
    pub bytes_min: Option<u64>,
    /// The greatest size.
    pub bytes_max: Option<u64>,
    /// Whose.
    pub owner: Option<String>,
    /// There since after this time.
    pub newer_than_ms: Option<u64>,
    /// There since before this time.
    pub older_than_ms: Option<u64>,
    /// Shared in this room.
    pub room: Option<AudienceMember>,
    /// In which order.
    pub sort: FileSort,
    /// The greatest first.
    pub is_descending: bool,
    /// Only what comes behind this.
    pub after: Option<FilePlace>,
    /// How many contents at most.
    pub limit: usize,
}

impl Default for FileSearch {
    fn default() -> Self {
        Self {
            words: None,
            glob: None,
            root: None,
            media_type: None,
            bytes_min: None,
            bytes_max: None,
            owner: None,
            newer_than_ms: None,
            older_than_ms: None,
            room: None,
            sort: FileSort::Name,
            is_descending: false,
            after: None,
            limit: 100,
        }
    }
}

/// Somebody who has a content.
#[derive(Debug, Clone, PartialEq)]
pub struct FileHolder {
    /// Who.
    pub peer: Arc<FilePeer>,
    /// Where it is there.
    pub path: String,
    /// See [`FileEntry::have`].
    pub have: Option<Vec<u8>>,
    /// See [`FileEntry::part`].
    pub part: f64,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
}

/// A content and who has it.
#[derive(Debug, Clone, PartialEq)]
pub struct FileContent {
    /// Its BLAKE3 root.
    pub root: [u8; 32],
    /// *Units*: bytes.
    pub size: u64,
    /// Its name in the entry that comes first.
    pub name: String,
    /// All its names.
    ///
    /// *Units*: [`crate::limits::HOLDERS_MAX`] at most.
    pub names: Vec<String>,
    /// Its media type there.
    pub media_type: String,
    /// What it is.
    pub kind: FileKind,
    /// Since when it is there.
    pub since_ms: u64,
    /// Who has it, those with the whole first.
    ///
    /// *Units*: [`crate::limits::HOLDERS_MAX`] at most.
    pub holders: Vec<FileHolder>,
}

/// A part of what was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FilePage {
    /// Contents, in the order that was asked for.
    pub contents: Vec<FileContent>,
    /// Where to go on, if there may be more; a page may have none and still go on.
    pub next: Option<FilePlace>,
}
