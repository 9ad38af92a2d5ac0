//! What goes into a plan and comes out of it.

use std::ops::Range;

use crate::have::Have;
use crate::limits::SOURCES_MAX;

/// Names a source within a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(pub u64);

/// What a source has of the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// All of it.
    All,
    /// These groups.
    Part(Have),
}

/// What to do with a source now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask it for these groups, all of one segment.
    Ask(Range<u32>),
    /// Nothing until something happens, or [`Plan::next_timeout`](super::Plan::next_timeout).
    Wait,
    /// Nothing any more: the content is whole.
    Done,
}

/// A group that a source need not send any more. Who sends it nevertheless does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancel {
    /// The source that was asked.
    pub source: SourceId,
    /// What it was asked for.
    pub group: u32,
}

/// What became of a group that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It was missing until now: write it.
    New,
    /// It was there already.
    Duplicate,
}

/// Why a source is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SourceRefused {
    /// It lied in this download.
    #[error("the source has sent wrong bytes before")]
    Banned,
    /// There are enough.
    #[error("{SOURCES_MAX} sources are enough")]
    TooMany,
    /// What it has is of a content of another size.
    #[error("what the source has is of a content of another size")]
    OtherSize,
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the content.
    pub size: u64,
    /// Bytes of it that are verified.
    pub verified_bytes: u64,
    /// Groups that no source has at the moment, of those that are missing and not under way.
    pub unavailable_groups: u32,
    /// Bytes per second, at the moment.
    pub rate: u64,
    /// How long it takes at this rate, if anything comes.
    pub remaining_ms: Option<u64>,
    /// Bytes that were asked for in all: those of the content, and what was given up or asked for twice.
    pub asked_bytes: u64,
    /// Bytes that were given up and had to be asked for again.
    pub requeued_bytes: u64,
    /// Bytes that were asked for while another source was sending them.
    pub duplicate_bytes: u64,
    /// Each source.
    pub sources: Vec<SourceProgress>,
}

/// How a source is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceProgress {
    /// Which.
    pub source: SourceId,
    /// Bytes per second, at the moment.
    pub rate: u64,
    /// Bytes that may be under way from it.
    pub window_bytes: u64,
    /// Groups that it was asked for.
    pub asked_groups: u32,
}
