//! What can be changed of the file index, and what came of it.

use super::model::{AudienceMember, FileEntry, FileLink, FilePeer, PeerDraft};

/// One modification. Those of a batch are made in their order, in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum FileChange {
    /// A peer says who it is. Outcome: [`FileOutcome::Peer`], or [`FileRefused::OtherAccount`], [`FileRefused::TooMany`].
    PeerSet {
        /// What it says.
        draft: PeerDraft,
        /// When, in milliseconds since 1970.
        now_ms: u64,
        /// How many peers the account may have.
        peers_max: u64,
    },
    /// A peer was there last at this time. Outcome: [`FileOutcome::Done`].
    PeerSeen {
        /// Which.
        id: String,
        /// When.
        at_ms: u64,
    },
    /// A peer goes with all its files. Outcome: [`FileOutcome::Done`].
    PeerForgotten {
        /// Which.
        id: String,
    },
    /// A peer says what it has. Outcome: [`FileOutcome::Peer`] as it is then, or [`FileRefused::NoPeer`],
    /// [`FileRefused::WrongRevision`], [`FileRefused::TooMany`].
    Published {
        /// Which.
        id: String,
        /// The revision that has to be there; with 0 its files begin anew.
        from: u64,
        /// The revision that is there then.
        to: u64,
        /// Files that it has, or has otherwise.
        put: Vec<FileEntry>,
        /// Files that it has no more, by [`FileEntry::file`]; they go first.
        remove: Vec<String>,
        /// How many files it may have.
        files_max: u64,
    },
    /// A link is made. Outcome: [`FileOutcome::Done`], or [`FileRefused::TooMany`].
    LinkAdded(FileLink),
    /// A link ends. Outcome: [`FileOutcome::Done`], or [`FileRefused::NoLink`].
    LinkDeleted {
        /// Which.
        id: String,
        /// Whose it has to be.
        owner: AudienceMember,
    },
    /// A room is told of a content. Outcome: [`FileOutcome::Done`], or [`FileRefused::Known`] if it was before.
    CardNoted {
        /// The room.
        room: AudienceMember,
        /// The content.
        root: [u8; 32],
    },
}

/// What came of a [`FileChange`].
#[derive(Debug, Clone, PartialEq)]
pub enum FileOutcome {
    /// It was made.
    Done,
    /// A peer, as it is now.
    Peer {
        /// The peer.
        peer: Box<FilePeer>,
        /// It was not there before.
        is_new: bool,
    },
    /// It was not made, and nothing of it.
    Refused(FileRefused),
}

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRefused {
    /// The peer is another account's.
    OtherAccount,
    /// There is no such peer.
    NoPeer,
    /// This revision of its files is there.
    WrongRevision(u64),
    /// There would be too many.
    TooMany,
    /// There is no such link.
    NoLink,
    /// It was so before.
    Known,
}
