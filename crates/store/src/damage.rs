//! How damage to stored bytes is named. Damage is never passed over in silence and never served.

use std::fmt;
use std::path::PathBuf;

use crate::ids::{QueueId, Sequence};

/// Bytes that are not what was written, and what was lost with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file that holds them.
    pub file: PathBuf,
    /// Where they start.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// What is wrong.
    pub kind: DamageKind,
    /// The messages that are known to be lost. May be incomplete when the damaged bytes cannot be read at all.
    pub lost: Vec<Lost>,
    /// Where a copy of the bytes was put.
    pub quarantine: Option<PathBuf>,
}

/// Messages of one queue that were lost, as a range of sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The queue.
    pub queue: QueueId,
    /// The first one.
    pub first: Sequence,
    /// The last one; the range may hold sequences that were never used.
    pub last: Sequence,
}

/// What is wrong with damaged bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// The last write before a power cut did not arrive whole. Nothing in it was ever confirmed; it is cut off.
    TornTail,
    /// A batch before the last durable one fails its checksum.
    Frame,
    /// Batches are missing between two whole ones.
    MissingFrames,
    /// The header of a journal file fails its checksum; its batches were read nevertheless.
    JournalHeader,
    /// The padding behind a batch is not zero. Nothing is lost.
    Padding,
    /// A batch passes its checksum, yet holds a record that makes no sense.
    Record,
    /// The header of a segment fails its checksum or belongs to another segment.
    SegmentHeader,
    /// A record of a segment fails its checksum.
    SegmentRecord,
    /// A segment that holds live messages is gone or shorter than it was.
    SegmentMissing,
    /// The description of a queue's segments was lost: they were read whole, and what had been acked in them comes again.
    Rebuilt,
}

impl DamageKind {
    /// Tells whether confirmed data may be lost or repeated because of it.
    #[must_use]
    pub const fn is_harmful(self) -> bool {
        match self {
            Self::TornTail | Self::Padding | Self::JournalHeader => false,
            Self::Frame
            | Self::MissingFrames
            | Self::Record
            | Self::SegmentHeader
            | Self::SegmentRecord
            | Self::SegmentMissing
            | Self::Rebuilt => true,
        }
    }

    /// Says what is wrong, in a few words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::TornTail => "the last write was cut short; nothing in it had been confirmed",
            Self::Frame => "a batch fails its checksum",
            Self::MissingFrames => "batches are missing",
            Self::JournalHeader => {
                "the file header fails its checksum; the batches were read nevertheless"
            }
            Self::Padding => "the padding behind a batch is not zero; nothing is lost",
            Self::Record => "a record makes no sense",
            Self::SegmentHeader => {
                "the header of a segment is damaged or belongs to another segment"
            }
            Self::SegmentRecord => "a message fails its checksum",
            Self::SegmentMissing => "a segment with messages is missing or too short",
            Self::Rebuilt => {
                "the description of a queue's segments was lost; its acked messages may come again"
            }
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} at {}, {} bytes: {}",
            self.file.display(),
            self.offset,
            self.bytes,
            self.kind.describe()
        )?;
        for lost in &self.lost {
            write!(
                formatter,
                "; {} lost {} to {}",
                lost.queue, lost.first, lost.last
            )?;
        }
        Ok(())
    }
}
