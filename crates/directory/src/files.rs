//! What peers say that they have: who they are, their files, who may see which, and the links that were given away. One SQLite file of its
//! own beside the directory's, so that a million files never delay a login.
//!
//! All but the links is what peers announce and would announce again, so it is written without waiting for the disk, and a file that is
//! damaged is put aside for a new one ([`FileStore::open`]). What was committed is there together or not at all.
//!
//! It decides nothing about who may do what, but for what only a transaction can know: whose a peer is, and which revision of its files is
//! there. Who is live and who asks is told to it with each search.
//!
//! Start reading at [`FileStore::commit`] and [`FileReader::search`].

mod apply;
mod change;
mod glob;
mod inspect;
mod model;
mod reader;
mod schema;
mod search;
mod slots;
mod store;
mod word_index;
mod words;

pub use change::{FileChange, FileOutcome, FileRefused};
pub use glob::Glob;
pub use inspect::{FileCounts, inspect};
pub use model::{
    Audience, AudienceMember, FileContent, FileEntry, FileHolder, FileKind, FileLink, FilePage,
    FilePeer, FilePlace, FileSearch, FileSort, FileViewer, LivePeers, PeerDraft, PlaceKey,
};
pub use reader::FileReader;
pub use store::{FileStore, Renewed};
pub use word_index::WordIndex;
pub use words::Words;

#[cfg(test)]
mod tests;
