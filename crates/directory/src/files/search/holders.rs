//! Who has a content: its entries, from one live peer to the next.
//!
//! Most peers that ever had a popular content are away, and one peer may have a thousand copies of it. Neither may keep those who are there out of
//! the answer: what the viewer cannot use is passed over by the index, and each peer has its share of what is read.

use std::collections::HashMap;

use rusqlite::{Result, Statement, params};

use super::super::model::FileContent;
use super::gathered::content_of;
use super::{ENTRY, Entry, Look};
use crate::chat::{int, uint};
use crate::limits::{GROUP_LOOKS_MAX, GROUP_PEERS_MAX, GROUP_ROWS_MAX, PEER_ROWS_MAX};

/// Where the entries of a content go on: a peer and an audience.
type Place = (u64, i64);

/// What was read of a content.
struct Reading {
    root: [u8; 32],
    /// Of this size alone.
    size: Option<u64>,
    entries: Vec<Entry>,
    /// The peer of the last one, and how many there are of it.
    last: (u64, usize),
    peers: usize,
    /// How many more may be read than the share of each peer.
    spare: usize,
}

impl Look<'_> {
    /// Finds one content; in each of the sizes that are stated for it, those that were there first before the others.
    pub(in super::super) fn contents(&self, root: [u8; 32]) -> Result<Vec<FileContent>> {
        let entries = self.entries_of(root, None)?;
        let mut by_size: HashMap<u64, Vec<&Entry>> = HashMap::new();
        for entry in &entries {
            by_size.entry(entry.size).or_default().push(entry);
        }
        // The first of each has the lowest id.
        let mut sizes: Vec<_> = by_size.into_values().collect();
        sizes.sort_unstable_by_key(|same| same.first().map(|first| first.id));
        let contents = sizes.into_iter().filter_map(|same| {
            let first = same.first()?;
            Some(content_of(first, same.iter().copied()))
        });
        Ok(contents.collect())
    }

    /// The entries of a content that the viewer may see, in the order in which they came.
    pub(super) fn entries_of(&self, root: [u8; 32], size: Option<u64>) -> Result<Vec<Entry>> {
        let query = format!(
            "SELECT {ENTRY} FROM files WHERE root = ?1 AND (peer, audience) >= (?2, ?3) ORDER BY peer, audience, id"
        );
        let mut statement = self.sql.prepare_cached(&query)?;
        let mut reading = Reading {
            root,
            size,
            entries: Vec::new(),
            last: (0, 0),
            peers: 0,
            spare: GROUP_ROWS_MAX,
        };
        let mut from = (0, 0);
        for _ in 0..GROUP_LOOKS_MAX {
            match self.read_on(&mut statement, from, &mut reading)? {
                Some(next) => from = next,
                None => break,
            }
        }
        let mut entries = reading.entries;
        entries.sort_unstable_by_key(|entry| entry.id);
        Ok(entries)
    }

    /// Reads entries from a place on, up to what is to be passed over; tells where it goes on behind that.
    fn read_on(
        &self,
        statement: &mut Statement<'_>,
        (peer, audience): Place,
        reading: &mut Reading,
    ) -> Result<Option<Place>> {
        let mut rows = statement.query(params![reading.root, int(peer), audience])?;
        while let Some(row) = rows.next()? {
            let (number, audience) = (uint(row, 1)?, row.get::<_, i64>(2)?);
            let Some(peer) = self.live.get(&number) else {
                let next = self.live.range(number..).next();
                return Ok(next.map(|(number, _)| (*number, 0)));
            };
            if !self.may_see(peer, audience) {
                return Ok(Some((number, audience + 1)));
            }
            if reading.last.0 != number {
                reading.last = (number, 0);
                reading.peers += 1;
                if reading.peers > GROUP_PEERS_MAX {
                    return Ok(None);
                }
            }
            if reading.last.1 >= PEER_ROWS_MAX {
                if reading.spare == 0 {
                    return Ok(Some((number + 1, 0)));
                }
                reading.spare -= 1;
            }
            let entry = self.entry(row)?;
            let is_wanted = |entry: &Entry| reading.size.is_none_or(|size| size == entry.size);
            reading.entries.extend(entry.filter(is_wanted));
            reading.last.1 += 1;
        }
        Ok(None)
    }
}
