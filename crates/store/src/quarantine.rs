//! Keeps a copy of damaged bytes, for whoever wants to look at them later.

use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::fields::{length_u64, to_usize};
use crate::shared::Places;

const PIECE_BYTES: u64 = 1 << 20;

/// Copies a range of a file into the quarantine. Finding the same damage again writes the same copy again.
///
/// Returns where the copy is, or nothing when it cannot be made: damage must not keep the server from starting.
pub(crate) fn copy_range(
    disk: &dyn Disk,
    places: &Places,
    path: &Path,
    file: &dyn DiskFile,
    start: u64,
    bytes: u64,
) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy();
    let target = places.quarantine.join(format!("{name}-{start}"));
    let copied = disk.create_dir(&places.quarantine).and_then(|()| {
        let copy = disk.open(&target, OpenMode::Create)?;
        let mut done = 0;
        while done < bytes {
            let mut piece = vec![0; to_usize((bytes - done).min(PIECE_BYTES))];
            let count = file.read_at(&mut piece, start + done)?;
            if count == 0 {
                break;
            }
            copy.write_at(piece.get(..count).unwrap_or_default(), done)?;
            done += length_u64(count);
        }
        copy.sync()?;
        disk.sync_dir(&places.quarantine)
    });
    match copied {
        Ok(()) => Some(target),
        Err(error) => {
            tracing::warn!(path = %target.display(), %error, "cannot keep a copy of damaged bytes");
            None
        }
    }
}
