//! A content that a stream has open, and how its groups are read.

use std::fs::File;
use std::io;

use bytes::Bytes;
use files::content::{Root, Shape};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};

use super::Stored;
use super::answers::group_frame;

/// A content that a stream has open.
pub(super) struct Opening {
    pub(super) root: Root,
    pub(super) shape: Shape,
    pub(super) stored: Stored,
}

/// Why a group cannot be read.
pub(super) enum Unread {
    NotThere,
    Changed,
    Disk(io::Error),
}

impl Opening {
    /// Reads a group, framed as an answer.
    pub(super) fn read(&self, content: u32, group: u32) -> Result<Bytes, Unread> {
        let place = self.shape.bytes_of(group..group.saturating_add(1));
        let is_here = |have: &files::have::Have| have.contains(group);
        if place.is_empty() || !self.stored.have.as_ref().is_none_or(is_here) {
            return Err(Unread::NotThere);
        }
        let length = usize::try_from(place.end - place.start).unwrap_or(usize::MAX);
        let mut framed = group_frame(content, group, length);
        let read = read_at(&self.stored.file, place.start, length, &mut framed);
        // Looked at behind the bytes: what was read before a change is what it was.
        let facts = self.stored.file.metadata().map_err(Unread::Disk)?;
        let is_same = |modified| facts.modified().is_ok_and(|now| now == modified);
        if facts.len() != self.stored.size || !self.stored.modified.is_none_or(is_same) {
            return Err(Unread::Changed);
        }
        read.map(|()| framed.into()).map_err(Unread::Disk)
    }
}

/// Reads so many bytes behind what is in memory already, which nobody has to clear before.
fn read_at(file: &File, place: u64, length: usize, data: &mut Vec<u8>) -> io::Result<()> {
    let begin = data.len();
    data.reserve_exact(length);
    while data.len() < begin + length {
        let at = place + (data.len() - begin) as u64;
        match pread(file, spare_capacity(data), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // What the allocator gave beyond it may have been read into as well.
    data.truncate(begin + length);
    Ok(())
}
