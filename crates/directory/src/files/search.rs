//! Finding contents: by an index where it leads to few entries, along the order that is asked for otherwise, with the index of words if
//! there is one.
//!
//! However much there is, one page looks at a bounded number of entries; a walk that comes to that bound ends its page there, and the
//! next one goes on. All ways give the same order: a content is where the first of its entries is that fit.

mod gathered;
mod holders;
mod indexed;
mod walk;

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Params, Result, Row, params};

use super::apply::EVERYONE;
use super::model::{
    FileKind, FilePage, FilePeer, FilePlace, FileSearch, FileSort, FileViewer, LivePeers, PlaceKey,
};
use super::word_index::WordIndex;
use super::words::Words;
use crate::chat::{int, uint};
use crate::limits::CANDIDATES_MAX;
use gathered::content_of;

/// The columns that [`Look::entry`] reads, in its order.
const ENTRY: &str =
    "id, peer, audience, size, since_ms, type, fold, root, name, kind, path, file, part, have";

/// One search.
pub(super) struct Look<'a> {
    sql: &'a Connection,
    search: &'a FileSearch,
    /// Words that all names have that fit, of the pattern, too.
    words: Words,
    viewer: &'a FileViewer,
    live: &'a LivePeers,
    /// Numbers of the audiences that the viewer is in.
    audiences: HashSet<i64>,
    /// Those of them that the search is narrowed to.
    room: Option<HashSet<i64>>,
}

/// An entry that the viewer may see.
#[derive(Debug)]
struct Entry {
    id: u64,
    peer: Arc<FilePeer>,
    /// It is what is searched for.
    fits: bool,
    size: u64,
    since_ms: u64,
    media_type: String,
    fold: String,
    root: [u8; 32],
    name: String,
    kind: FileKind,
    path: String,
    part: f64,
    have: Option<Vec<u8>>,
}

/// A content: its root, in one size.
type Group = ([u8; 32], u64);

impl<'a> Look<'a> {
    /// Finds out what the viewer may see.
    pub(super) fn begin(
        sql: &'a Connection,
        search: &'a FileSearch,
        viewer: &'a FileViewer,
        live: &'a LivePeers,
    ) -> Result<Self> {
        let mut audiences = HashSet::from([EVERYONE]);
        find_audiences(
            sql,
            "account",
            &viewer.login,
            viewer.account_ms,
            &mut audiences,
        )?;
        for room in &viewer.rooms {
            find_audiences(sql, "room", &room.name, room.created_ms, &mut audiences)?;
        }
        let room = match &search.room {
            None => None,
            Some(room) => {
                let mut found = HashSet::new();
                find_audiences(sql, "room", &room.name, room.created_ms, &mut found)?;
                Some(found)
            }
        };
        let words = search.words.clone().unwrap_or_default();
        let words = match &search.glob {
            None => words,
            Some(glob) => words.and(glob.words()),
        };
        Ok(Self {
            sql,
            search,
            words,
            viewer,
            live,
            audiences,
            room,
        })
    }

    /// Finds a page.
    pub(super) fn page(&self, index: Option<&WordIndex>) -> Result<FilePage> {
        if self.search.words.as_ref().is_some_and(Words::is_empty) {
            return Ok(FilePage::default());
        }
        let having = index.and_then(|index| index.having(&self.words));
        let are_common = having
            .as_ref()
            .is_some_and(|set| set.len() > CANDIDATES_MAX);
        if let Some(ids) = self.candidates(are_common)? {
            return self.sort(ids);
        }
        if let Some(index) = index
            && let Some(page) = self.go_along(index, having)?
        {
            return Ok(page);
        }
        self.walk()
    }

    /// The entries that may fit, if an index says that they are few. The words are not looked up again where many are known to have them.
    fn candidates(&self, are_common: bool) -> Result<Option<Vec<u64>>> {
        if let Some(root) = self.search.root {
            let entries = self.entries_of(root, None)?.into_iter();
            return Ok(Some(entries.map(|entry| entry.id).collect()));
        }
        if let Some(owner) = &self.search.owner {
            let theirs = |peer: &FilePeer| peer.draft.login.eq_ignore_ascii_case(owner);
            let mut ids = Vec::new();
            if self.collect_peers(theirs, &mut ids)? {
                return Ok(Some(ids));
            }
        }
        let words = self.words.expression().filter(|_| !are_common);
        if let Some(words) = words {
            let query = "SELECT rowid FROM words WHERE words MATCH ?1 LIMIT ?2";
            let mut ids = Vec::new();
            if self.collect(query, params![words, limit()], &mut ids)? {
                return Ok(Some(ids));
            }
        }
        let mut ids = Vec::new();
        for audience in self.room.as_ref().unwrap_or(&self.audiences) {
            let query = "SELECT id FROM files WHERE audience = ?1 LIMIT ?2";
            if !self.collect(query, params![audience, limit()], &mut ids)? {
                return Ok(None);
            }
        }
        // What is the viewer's own is seen in whatever audience it is.
        let is_few =
            self.room.is_some() || self.collect_peers(|peer| self.is_own(peer), &mut ids)?;
        Ok(is_few.then_some(ids))
    }

    /// Adds the entries of some live peers; tells whether there are few.
    fn collect_peers(
        &self,
        is_wanted: impl Fn(&FilePeer) -> bool,
        ids: &mut Vec<u64>,
    ) -> Result<bool> {
        for peer in self.live.values().filter(|peer| is_wanted(peer)) {
            let query = "SELECT id FROM files WHERE peer = ?1 LIMIT ?2";
            if !self.collect(query, params![int(peer.number), limit()], ids)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds what a query finds; tells whether there are still few.
    fn collect(&self, query: &str, params: impl Params, ids: &mut Vec<u64>) -> Result<bool> {
        let mut statement = self.sql.prepare_cached(query)?;
        for id in statement.query_map(params, |row| uint(row, 0))? {
            ids.push(id?);
        }
        Ok(ids.len() <= CANDIDATES_MAX)
    }

    /// Sorts entries that may fit.
    fn sort(&self, ids: Vec<u64>) -> Result<FilePage> {
        let mut firsts: HashMap<Group, (FilePlace, Entry)> = HashMap::new();
        self.each_fitting(ids, |place, entry| {
            let group = (entry.root, entry.size);
            let is_later = firsts
                .get(&group)
                .is_some_and(|(first, _)| self.compare(first, &place).is_lt());
            if !is_later {
                firsts.insert(group, (place, entry));
            }
        })?;
        let mut firsts: Vec<_> = firsts.into_values().collect();
        firsts.retain(|(place, _)| self.is_behind(place));
        firsts.sort_by(|(one, _), (other, _)| self.compare(one, other));
        let has_more = firsts.len() > self.search.limit;
        firsts.truncate(self.search.limit);
        let last = firsts.last().map(|(place, _)| place.clone());
        let mut page = FilePage {
            contents: Vec::with_capacity(firsts.len()),
            next: last.filter(|_| has_more),
        };
        for (_, first) in firsts {
            let entries = self.entries_of(first.root, Some(first.size))?;
            page.contents.push(content_of(&first, entries.iter()));
        }
        Ok(page)
    }

    /// Reads those of some entries that fit.
    fn each_fitting(
        &self,
        mut ids: Vec<u64>,
        mut take: impl FnMut(FilePlace, Entry),
    ) -> Result<()> {
        ids.sort_unstable();
        ids.dedup();
        let query = format!("SELECT {ENTRY} FROM files WHERE id = ?1");
        let mut statement = self.sql.prepare_cached(&query)?;
        for id in ids {
            let found = statement
                .query_row([int(id)], |row| self.entry(row))
                .optional()?;
            if let Some(entry) = found.flatten().filter(|entry| entry.fits) {
                take(self.place(&entry), entry);
            }
        }
        Ok(())
    }

    /// Reads an entry if the viewer may see it.
    fn entry(&self, row: &Row<'_>) -> Result<Option<Entry>> {
        let Some(peer) = self.live.get(&uint(row, 1)?) else {
            return Ok(None);
        };
        let audience: i64 = row.get(2)?;
        if !self.may_see(peer, audience) {
            return Ok(None);
        }
        let kind = row.get_ref(9)?.as_str()?;
        let mut entry = Entry {
            id: uint(row, 0)?,
            peer: peer.clone(),
            fits: false,
            size: uint(row, 3)?,
            since_ms: uint(row, 4)?,
            media_type: row.get(5)?,
            fold: row.get(6)?,
            root: row.get(7)?,
            name: row.get(8)?,
            kind: FileKind::of(kind).unwrap_or(FileKind::File),
            path: match row.get(10)? {
                Some(path) => path,
                None => row.get(11)?,
            },
            part: row.get(12)?,
            have: row.get(13)?,
        };
        entry.fits = self.fits(&entry, audience);
        Ok(Some(entry))
    }

    /// Tells whether the viewer may see what a peer shows to an audience.
    fn may_see(&self, peer: &FilePeer, audience: i64) -> bool {
        self.audiences.contains(&audience) || self.is_own(peer)
    }

    /// Tells whether a peer is of the viewer's account, or of the one whose link was shown.
    fn is_own(&self, peer: &FilePeer) -> bool {
        let host = self.viewer.guest_of.as_ref();
        peer.is_of(&self.viewer.login, self.viewer.account_ms)
            || host.is_some_and(|host| peer.is_of(&host.name, host.created_ms))
    }

    /// Tells whether an entry is what is searched for.
    fn fits(&self, entry: &Entry, audience: i64) -> bool {
        let search = self.search;
        let is_in_room = || {
            self.room
                .as_ref()
                .is_none_or(|room| room.contains(&audience))
        };
        let is_theirs = |owner: &String| entry.peer.draft.login.eq_ignore_ascii_case(owner);
        search.bytes_min.is_none_or(|least| entry.size >= least)
            && search.bytes_max.is_none_or(|most| entry.size <= most)
            && search.newer_than_ms.is_none_or(|at| entry.since_ms > at)
            && search.older_than_ms.is_none_or(|at| entry.since_ms < at)
            && search.root.is_none_or(|root| entry.root == root)
            && search.owner.as_ref().is_none_or(is_theirs)
            && is_in_room()
            && search
                .media_type
                .as_ref()
                .is_none_or(|wanted| is_type(wanted, &entry.media_type))
            && self.is_named(&entry.fold)
    }

    /// Tells whether a folded name is one that is searched for.
    fn is_named(&self, fold: &str) -> bool {
        let (words, glob) = (self.search.words.as_ref(), self.search.glob.as_ref());
        words.is_none_or(|words| words.fit(fold)) && glob.is_none_or(|glob| glob.fits(fold))
    }

    fn place(&self, entry: &Entry) -> FilePlace {
        let key = match self.search.sort {
            FileSort::Name => PlaceKey::Text(entry.fold.clone()),
            FileSort::Size => PlaceKey::Number(entry.size),
            FileSort::Since => PlaceKey::Number(entry.since_ms),
        };
        FilePlace { key, id: entry.id }
    }

    fn place_of_row(&self, row: &Row<'_>) -> Result<FilePlace> {
        let column = match self.search.sort {
            FileSort::Name => 6,
            FileSort::Size => 3,
            FileSort::Since => 4,
        };
        let key = self.search.sort.key(row, column)?;
        let id = uint(row, 0)?;
        Ok(FilePlace { key, id })
    }

    /// Compares two places in the order that is asked for.
    fn compare(&self, one: &FilePlace, other: &FilePlace) -> Ordering {
        if self.search.is_descending {
            other.cmp(one)
        } else {
            one.cmp(other)
        }
    }

    fn is_behind(&self, place: &FilePlace) -> bool {
        let after = self.search.after.as_ref();
        after.is_none_or(|after| self.compare(after, place).is_lt())
    }
}

impl FileSort {
    /// What entries are sorted by.
    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Name => "fold",
            Self::Size => "size",
            Self::Since => "since_ms",
        }
    }

    /// Reads it.
    fn key(self, row: &Row<'_>, column: usize) -> Result<PlaceKey> {
        Ok(match self {
            Self::Name => PlaceKey::Text(row.get(column)?),
            Self::Size | Self::Since => PlaceKey::Number(uint(row, column)?),
        })
    }
}

/// One more than are few.
fn limit() -> i64 {
    int(CANDIDATES_MAX as u64 + 1)
}

fn find_audiences(
    sql: &Connection,
    kind: &str,
    name: &str,
    created_ms: u64,
    found: &mut HashSet<i64>,
) -> Result<()> {
    let query =
        "SELECT audience FROM audience_members WHERE kind = ?1 AND name = ?2 AND created_ms = ?3";
    let mut statement = sql.prepare_cached(query)?;
    for audience in statement.query_map(params![kind, name, int(created_ms)], |row| row.get(0))? {
        found.insert(audience?);
    }
    Ok(())
}

fn is_type(wanted: &str, media_type: &str) -> bool {
    match wanted.strip_suffix('*').filter(|kind| kind.ends_with('/')) {
        Some(kind) => media_type
            .get(..kind.len())
            .is_some_and(|beginning| beginning.eq_ignore_ascii_case(kind)),
        None => media_type.eq_ignore_ascii_case(wanted),
    }
}
