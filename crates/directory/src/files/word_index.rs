//! The words of names in memory: which entries have them, and where each entry stands in the three orders.
//!
//! The full-text index on disk finds few entries quickly, and the indexes of columns know an order, but a page of a common word in an order
//! needs both at once: this goes along the order and looks at nothing that has not the words. It is of one moment and is
//! not modified: what came later has a higher number and is merged by who searches, what went is not found any more.
//!
//! A million entries of four words take about 50 MiB; with more than four million there is none, and searches walk.

use rusqlite::{Connection, Result};

use super::model::FileSort;
use super::slots::Slots;
use super::words::{Word, Words};
use crate::chat::uint;
use crate::limits::{WORD_INDEX_ENTRIES_MAX, WORD_INDEX_OCCURRENCES_MAX};

/// Which entries have which words, and their orders, at one moment.
#[derive(Debug)]
pub struct WordIndex {
    /// Numbers of entries, ascending; where one stands is its slot.
    ids: Vec<u64>,
    /// Slots in the orders of names, sizes and times.
    orders: [Vec<u32>; 3],
    terms: Terms,
}

/// Words in their order, each with the slots that have it, all in four pieces of memory.
#[derive(Debug, Default)]
struct Terms {
    text: String,
    /// Where each word ends in `text`.
    text_ends: Vec<u32>,
    slots: Vec<u32>,
    /// Where the slots of each word end in `slots`.
    slot_ends: Vec<u32>,
}

impl WordIndex {
    /// Reads what there is; `None` if that is too much to be kept in memory.
    pub(super) fn build(sql: &Connection) -> Result<Option<Self>> {
        let count = sql.query_row("SELECT count(*) FROM files", [], |row| uint(row, 0))?;
        if count > WORD_INDEX_ENTRIES_MAX {
            return Ok(None);
        }
        let by_name = ids_by(sql, FileSort::Name)?;
        let mut ids = by_name.clone();
        ids.sort_unstable();
        let slots_by = |sort| ids_by(sql, sort).map(|order| slots_of(&ids, &order));
        let orders = [
            slots_of(&ids, &by_name),
            slots_by(FileSort::Size)?,
            slots_by(FileSort::Since)?,
        ];
        let terms = Terms::read(sql, &ids)?;
        Ok(terms.map(|terms| Self { ids, orders, terms }))
    }

    /// The highest number of an entry that it knows.
    pub(super) fn newest(&self) -> u64 {
        self.ids.last().copied().unwrap_or(0)
    }

    /// How many entries it knows.
    pub(super) const fn len(&self) -> usize {
        self.ids.len()
    }

    /// The slots in an order.
    pub(super) fn order(&self, sort: FileSort) -> &[u32] {
        let [names, sizes, times] = &self.orders;
        match sort {
            FileSort::Name => names,
            FileSort::Size => sizes,
            FileSort::Since => times,
        }
    }

    /// The number of the entry in a slot.
    pub(super) fn id(&self, slot: u32) -> u64 {
        self.ids.get(slot as usize).copied().unwrap_or(0)
    }

    /// The slots whose names may have all the words; `None` if the words rule nothing out.
    pub(super) fn having(&self, words: &Words) -> Option<Slots> {
        let mut all: Option<Slots> = None;
        // Of the others it is not certain that both indexes cut them alike.
        for word in words.iter().filter(|word| word.is_plain()) {
            let mut having = Slots::none(self.len());
            for slot in self.terms.slots_of(word) {
                having.insert(*slot);
            }
            match &mut all {
                None => all = Some(having),
                Some(all) => all.retain(&having),
            }
        }
        all
    }
}

impl Terms {
    fn read(sql: &Connection, ids: &[u64]) -> Result<Option<Self>> {
        let mut terms = Self::default();
        let mut statement = sql.prepare("SELECT term, doc FROM occurrences")?;
        let mut rows = statement.query([])?;
        let mut begun = String::new();
        while let Some(row) = rows.next()? {
            let (term, id) = (row.get_ref(0)?.as_str()?, uint(row, 1)?);
            // Terms come in their order, and the entries of each in that of their numbers.
            if term != begun {
                terms.end(&begun);
                term.clone_into(&mut begun);
            }
            if let Ok(slot) = ids.binary_search(&id) {
                terms.add(small(slot));
            }
            if terms.slots.len() > WORD_INDEX_OCCURRENCES_MAX {
                return Ok(None);
            }
        }
        terms.end(&begun);
        terms.slots.shrink_to_fit();
        Ok(Some(terms))
    }

    fn add(&mut self, slot: u32) {
        let begun = self.slot_ends.last().map_or(0, |end| *end as usize);
        let is_again = self.slots.len() > begun && self.slots.last() == Some(&slot);
        if !is_again {
            self.slots.push(slot);
        }
    }

    /// Ends the word whose slots were added; one without any is none.
    fn end(&mut self, term: &str) {
        let begun = self.slot_ends.last().map_or(0, |end| *end as usize);
        if self.slots.len() > begun {
            self.text.push_str(term);
            self.text_ends.push(small(self.text.len()));
            self.slot_ends.push(small(self.slots.len()));
        }
    }

    /// The slots that have a word; of a beginning some may be there twice.
    fn slots_of(&self, word: &Word) -> &[u32] {
        let text = word.text();
        let begin = self.first(|term| term >= text);
        let end = if word.is_prefix() {
            self.first(|term| term > text && !term.starts_with(text))
        } else {
            self.first(|term| term > text)
        };
        let from = begin
            .checked_sub(1)
            .map_or(0, |before| self.slot_ends.get(before).copied().unwrap_or(0));
        let to = end
            .checked_sub(1)
            .map_or(0, |last| self.slot_ends.get(last).copied().unwrap_or(0));
        self.slots
            .get(from as usize..to as usize)
            .unwrap_or_default()
    }

    /// The first word from which on something holds.
    fn first(&self, holds: impl Fn(&str) -> bool) -> usize {
        let (mut low, mut high) = (0, self.text_ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(self.term(middle)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    fn term(&self, at: usize) -> &str {
        let end_of = |at: usize| self.text_ends.get(at).map_or(0, |end| *end as usize);
        let from = at.checked_sub(1).map_or(0, end_of);
        self.text.get(from..end_of(at)).unwrap_or_default()
    }
}

fn ids_by(sql: &Connection, sort: FileSort) -> Result<Vec<u64>> {
    let column = sort.column();
    let mut statement = sql.prepare(&format!("SELECT id FROM files ORDER BY {column}, id"))?;
    let ids = statement.query_map([], |row| uint(row, 0))?;
    ids.collect()
}

/// The slots of entries, all of which there are.
fn slots_of(ids: &[u64], order: &[u64]) -> Vec<u32> {
    let slots = order.iter().filter_map(|id| ids.binary_search(id).ok());
    slots.map(small).collect()
}

/// A number that the bound of entries keeps small; the texts of all names are, too.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
