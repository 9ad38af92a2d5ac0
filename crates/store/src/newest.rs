//! A mark beside the journal: its newest commit. Without it, damage to the end of the journal would look like a write that a power
//! cut interrupted, and the loss of the newest file like a journal that ends earlier.
//!
//! It is written after a commit is durable and before that is told to anyone, and is not synced itself: it survives the process, and
//! after a power cut it may lag behind. It never leads. That a file was begun is synced before the file's first frame is written: a
//! file above the marked one holds no frame.

use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::failure::Failure;
use crate::fields::{Fields, patch};
use crate::limits::NUMBER_MAX;
use crate::shared::Places;

/// The name of the mark in the journal's directory.
pub(crate) const NEWEST_NAME: &str = "newest";
const MAGIC: u32 = u32::from_le_bytes(*b"CHJM");
const MARK_BYTES: usize = 24;

/// A commit that was durable; zeros when nothing is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Newest {
    /// The number of its file, or of one that was begun behind it.
    pub(crate) file: u64,
    /// The sequence of its frame.
    pub(crate) frame: u64,
}

impl Newest {
    /// Says whether it is known that a file was not begun when the last process ended.
    pub(crate) const fn is_before(self, file: u64) -> bool {
        self.file != 0 && self.file < file
    }
}

/// Writes the mark.
#[derive(Debug)]
pub(crate) struct Mark {
    file: Arc<dyn DiskFile>,
}

impl Mark {
    /// Opens the mark.
    pub(crate) fn open(disk: &dyn Disk, places: &Places) -> Result<Self, Failure> {
        let path = places.journal.join(NEWEST_NAME);
        let opened = match disk.open(&path, OpenMode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk.open(&path, OpenMode::Create)
            }
            opened => opened,
        };
        let file = opened.map_err(|error| Failure::disk("open", &path, error))?;
        Ok(Self { file })
    }

    /// Notes, durably, that a file was begun.
    pub(crate) fn begin(&self, newest: Newest) -> io::Result<()> {
        self.file.write_at(&encode(newest), 0)?;
        self.file.sync()
    }

    /// Notes a commit that is durable.
    pub(crate) fn set(&self, newest: Newest) {
        // A mark that is not written lags, as after a power cut.
        if let Err(error) = self.file.write_at(&encode(newest), 0) {
            tracing::debug!(%error, "the newest commit is not marked");
        }
    }
}

fn encode(newest: Newest) -> [u8; MARK_BYTES] {
    let mut mark = [0; MARK_BYTES];
    patch(&mut mark, 0, &MAGIC.to_le_bytes());
    patch(&mut mark, 8, &newest.file.to_le_bytes());
    patch(&mut mark, 16, &newest.frame.to_le_bytes());
    let crc = crc_fast::crc32_iscsi(mark.get(8..).unwrap_or_default());
    patch(&mut mark, 4, &crc.to_le_bytes());
    mark
}

/// Reads the mark.
pub(crate) fn read(disk: &dyn Disk, places: &Places) -> Result<Newest, Failure> {
    let path = places.journal.join(NEWEST_NAME);
    let file = match disk.open(&path, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Newest::default()),
        opened => opened.map_err(|error| Failure::disk("open", &path, error))?,
    };
    let mut mark = [0; MARK_BYTES];
    let read = file.read_at(&mut mark, 0);
    read.map_err(|error| Failure::disk("read", &path, error))?;
    Ok(decode(&mark).unwrap_or_default())
}

fn decode(mark: &[u8]) -> Option<Newest> {
    let mut fields = Fields::new(mark);
    let magic = fields.u32()?;
    let crc = fields.u32()?;
    let sound = magic == MAGIC && crc == crc_fast::crc32_iscsi(fields.rest());
    let file = fields.u64()?;
    let frame = fields.u64()?;
    let sane = file < NUMBER_MAX && frame < NUMBER_MAX;
    (sound && sane).then_some(Newest { file, frame })
}
