//! Going along an order past everything that has not the words, as the index of words knows them; what is newer than the index is merged.

use rusqlite::{OptionalExtension, Result, params};

use super::super::model::{FilePage, FilePlace, FileSort, PlaceKey};
use super::super::slots::Slots;
use super::super::word_index::WordIndex;
use super::gathered::Gathered;
use super::{ENTRY, Entry, Look, limit};
use crate::chat::int;
use crate::limits::{GONE_IN_A_ROW_MAX, WALK_ROWS_MAX};

impl Look<'_> {
    /// Finds a page, of the slots that have the words; `None` if the index is too old to be of use.
    pub(super) fn go_along(
        &self,
        index: &WordIndex,
        having: Option<Slots>,
    ) -> Result<Option<FilePage>> {
        let Some(fresh) = self.fresh(index)? else {
            return Ok(None);
        };
        let Some(fitting) = self.fitting(index, having)? else {
            return Ok(None);
        };
        let Some(slots) = self.ahead(index)? else {
            return Ok(None);
        };
        let is_fitting = |slot: &&u32| fitting.as_ref().is_none_or(|set| set.contains(**slot));
        if self.search.is_descending {
            self.merge(index, slots.iter().rev().filter(is_fitting), fresh)
        } else {
            self.merge(index, slots.iter().filter(is_fitting), fresh)
        }
    }

    fn merge<'s>(
        &self,
        index: &WordIndex,
        slots: impl Iterator<Item = &'s u32>,
        fresh: Vec<(FilePlace, Entry)>,
    ) -> Result<Option<FilePage>> {
        let mut statement = self
            .sql
            .prepare_cached(&format!("SELECT {ENTRY} FROM files WHERE id = ?1"))?;
        let mut gathered = Gathered::default();
        let mut fresh = fresh.into_iter().peekable();
        let mut last = None;
        for (count, slot) in slots.enumerate() {
            if count >= WALK_ROWS_MAX {
                // Where nothing was there of so many, the index is of no use.
                return Ok(last.map(|last| gathered.end(Some(last))));
            }
            let found = statement
                .query_row([int(index.id(*slot))], |row| {
                    Ok((self.place_of_row(row)?, self.entry(row)?))
                })
                .optional()?;
            let Some((place, entry)) = found else {
                continue;
            };
            let is_before = |(other, _): &(FilePlace, Entry)| self.compare(other, &place).is_lt();
            while let Some((place, entry)) = fresh.next_if(is_before) {
                if self.show(&mut gathered, place, entry)? {
                    return Ok(Some(gathered.full()));
                }
            }
            last = Some(place.clone());
            if let Some(entry) = entry.filter(|entry| entry.fits)
                && self.show(&mut gathered, place, entry)?
            {
                return Ok(Some(gathered.full()));
            }
        }
        for (place, entry) in fresh {
            if self.show(&mut gathered, place, entry)? {
                return Ok(Some(gathered.full()));
            }
        }
        Ok(Some(gathered.end(None)))
    }

    /// What fits and came after the index, in order; `None` if it is much.
    fn fresh(&self, index: &WordIndex) -> Result<Option<Vec<(FilePlace, Entry)>>> {
        let newest = int(index.newest());
        let mut ids = Vec::new();
        let query = "SELECT id FROM files WHERE id > ?1 LIMIT ?2";
        let mut is_few = self.collect(query, params![newest, limit()], &mut ids)?;
        if !is_few && let Some(words) = self.words.expression() {
            ids.clear();
            let query = "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid > ?2 LIMIT ?3";
            is_few = self.collect(query, params![words, newest, limit()], &mut ids)?;
        }
        if !is_few {
            return Ok(None);
        }
        let mut fresh = Vec::new();
        self.each_fitting(ids, |place, entry| {
            if self.is_behind(&place) {
                fresh.push((place, entry));
            }
        })?;
        fresh.sort_by(|(one, _), (other, _)| self.compare(one, other));
        Ok(Some(fresh))
    }

    /// The slots that may fit, as far as words, sizes and times tell: `Some(None)` if they rule nothing out.
    fn fitting(&self, index: &WordIndex, having: Option<Slots>) -> Result<Option<Option<Slots>>> {
        let search = self.search;
        let mut fitting = having;
        let sizes = (search.bytes_min, search.bytes_max);
        // Behind the first time and before the second.
        let times = (
            search.newer_than_ms.map(|at| at.saturating_add(1)),
            search.older_than_ms.map(|at| at.saturating_sub(1)),
        );
        for (sort, (least, most)) in [(FileSort::Size, sizes), (FileSort::Since, times)] {
            if (least, most) == (None, None) {
                continue;
            }
            let order = index.order(sort);
            let below = |bound: u64| move |key: &PlaceKey, _| matches!(key, PlaceKey::Number(number) if *number < bound);
            let from = match least {
                None => Some(0),
                Some(least) => self.first_behind(index, sort, below(least))?,
            };
            let to = match most {
                None => Some(order.len()),
                Some(most) => self.first_behind(index, sort, below(most.saturating_add(1)))?,
            };
            let (Some(from), Some(to)) = (from, to) else {
                return Ok(None);
            };
            let mut within = Slots::none(index.len());
            for slot in order.get(from..to).unwrap_or_default() {
                within.insert(*slot);
            }
            match &mut fitting {
                None => fitting = Some(within),
                Some(fitting) => fitting.retain(&within),
            }
        }
        Ok(Some(fitting))
    }

    /// The part of the order that is still to be shown, ascending; `None` if too much of it is gone.
    fn ahead<'i>(&self, index: &'i WordIndex) -> Result<Option<&'i [u32]>> {
        let order = index.order(self.search.sort);
        let Some(after) = &self.search.after else {
            return Ok(Some(order));
        };
        let at = (&after.key, after.id);
        let (from, to) = if self.search.is_descending {
            let is_before = |key: &PlaceKey, id| (key, id) < at;
            let end = self.first_behind(index, self.search.sort, is_before)?;
            (Some(0), end)
        } else {
            let is_shown = |key: &PlaceKey, id| (key, id) <= at;
            let begin = self.first_behind(index, self.search.sort, is_shown)?;
            (begin, Some(order.len()))
        };
        Ok(from.zip(to).and_then(|(from, to)| order.get(from..to)))
    }

    /// Where in an order that begins with entries of which something holds the others begin; `None` if too much of it is gone.
    fn first_behind(
        &self,
        index: &WordIndex,
        sort: FileSort,
        holds: impl Fn(&PlaceKey, u64) -> bool,
    ) -> Result<Option<usize>> {
        let column = sort.column();
        let query = format!("SELECT {column} FROM files WHERE id = ?1");
        let mut statement = self.sql.prepare_cached(&query)?;
        let order = index.order(sort);
        let (mut low, mut high) = (0, order.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let mut answer = None;
            let ahead = order.get(middle..high).unwrap_or_default();
            for (passed, slot) in ahead.iter().enumerate() {
                if passed >= GONE_IN_A_ROW_MAX {
                    return Ok(None);
                }
                let id = index.id(*slot);
                let key = statement.query_row([int(id)], |row| sort.key(row, 0));
                if let Some(key) = key.optional()? {
                    answer = Some((middle + passed, holds(&key, id)));
                    break;
                }
            }
            match answer {
                Some((at, true)) => low = at + 1,
                Some((_, false)) | None => high = middle,
            }
        }
        Ok(Some(low))
    }
}
