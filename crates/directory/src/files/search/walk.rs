//! Going along an order on disk, past everything that does not fit.

use rusqlite::{Result, params};

use super::super::model::{FilePage, FilePlace, PlaceKey};
use super::gathered::Gathered;
use super::{ENTRY, Look};
use crate::chat::int;
use crate::limits::WALK_ROWS_MAX;

impl Look<'_> {
    /// Looks at entries in their order until there are enough contents.
    pub(super) fn walk(&self) -> Result<FilePage> {
        let column = self.search.sort.column();
        let (sign, order) = if self.search.is_descending {
            ("<", "DESC")
        } else {
            (">", "ASC")
        };
        let behind = match self.search.after {
            None => String::new(),
            Some(_) => format!("WHERE ({column}, id) {sign} (?2, ?3)"),
        };
        let query = format!(
            "SELECT {ENTRY} FROM files {behind} ORDER BY {column} {order}, id {order} LIMIT ?1"
        );
        let mut statement = self.sql.prepare_cached(&query)?;
        let limit = int(WALK_ROWS_MAX as u64);
        let mut rows = match &self.search.after {
            None => statement.query([limit])?,
            Some(FilePlace { key, id }) => match key {
                PlaceKey::Text(text) => statement.query(params![limit, text, int(*id)])?,
                PlaceKey::Number(number) => {
                    statement.query(params![limit, int(*number), int(*id)])?
                }
            },
        };
        let mut gathered = Gathered::default();
        let mut count = 0;
        let mut last = None;
        while let Some(row) = rows.next()? {
            count += 1;
            if count == WALK_ROWS_MAX {
                last = Some(self.place_of_row(row)?);
            }
            // Most entries of a walk are others: they cost no more than a look at their name.
            if !self.is_named(row.get_ref(6)?.as_str()?) {
                continue;
            }
            let Some(entry) = self.entry(row)?.filter(|entry| entry.fits) else {
                continue;
            };
            let place = self.place(&entry);
            if self.show(&mut gathered, place, entry)? {
                return Ok(gathered.full());
            }
        }
        Ok(gathered.end(last))
    }
}
