//! What the server's index is told: the differences since a revision.

use files::have::Have;
use rusqlite::{Row, params};

use crate::peer::sink::whole_name;

use super::{Audience, Catalog, CatalogError, Changes, Entry, have_of, kind_of, root_of, unsigned};

enum Change {
    Put(Box<Entry>),
    Remove(String),
    /// Nothing that others are told of.
    None,
}

impl Catalog {
    /// The revision of what is here; never 0.
    ///
    /// # Errors
    /// The database fails.
    pub fn revision(&self) -> Result<u64, CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached("SELECT revision FROM head")?;
        unsigned(statement.query_row([], |row| row.get(0))?)
    }

    /// Whether the differences since a revision are known. If not, everything is to be told from 0 on.
    ///
    /// # Errors
    /// The database fails.
    pub fn remembers(&self, revision: u64) -> Result<bool, CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached("SELECT floor, revision FROM head")?;
        let (floor, last) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((unsigned(floor)?..=unsigned(last)?).contains(&revision))
    }

    /// Up to `count_max` differences behind a revision, the oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn changes(&self, from: u64, count_max: usize) -> Result<Changes, CatalogError> {
        let mut reader = self.read();
        // One state of the database for all that is asked.
        let reader = reader.transaction()?;
        let head: i64 = reader.query_row("SELECT revision FROM head", [], |row| row.get(0))?;
        let mut statement = reader.prepare_cached(CHANGES)?;
        let limit = i64::try_from(count_max).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![from.cast_signed(), limit])?;
        let mut changes = Changes {
            to: from,
            is_last: false,
            put: Vec::new(),
            remove: Vec::new(),
        };
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            changes.to = unsigned(row.get(0)?)?;
            match change_of(row)? {
                Change::Put(entry) => changes.put.push(*entry),
                Change::Remove(file) => changes.remove.push(file),
                Change::None => {}
            }
        }
        if count < count_max {
            changes.is_last = true;
            changes.to = unsigned(head)?;
        }
        Ok(changes)
    }

    /// Forgets removals that the server was told of.
    ///
    /// # Errors
    /// The database fails.
    pub fn forget_removals(&self, to: u64) -> Result<(), CatalogError> {
        self.write(|batch| {
            let mut statement = batch
                .transaction
                .prepare_cached("DELETE FROM removals WHERE revision <= ?")?;
            if statement.execute([to.cast_signed()])? == 0 {
                return Ok(());
            }
            batch.execute("UPDATE head SET floor = max(floor, ?)", [to.cast_signed()])
        })
    }
}

/// Columns: revision, id of one that is gone, label, relative path, size, root, kind, parts, since when, audience.
const CHANGES: &str = "
SELECT * FROM (
    SELECT * FROM (
        SELECT files.revision, NULL, label, relative, size, root, kind, have, since_ms, audience
        FROM files JOIN shares ON shares.id = share JOIN contents ON contents.id = content
        WHERE shared = 1 AND relative IS NOT NULL AND files.revision > ?1 ORDER BY files.revision LIMIT ?2)
    UNION ALL SELECT * FROM (
        SELECT revision, file, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        FROM removals WHERE revision > ?1 ORDER BY revision LIMIT ?2))
ORDER BY 1 LIMIT ?2";

fn change_of(row: &Row<'_>) -> Result<Change, CatalogError> {
    if let Some(file) = row.get(1)? {
        return Ok(Change::Remove(file));
    }
    let (label, relative): (String, String) = (row.get(2)?, row.get(3)?);
    let size = unsigned(row.get(4)?)?;
    let have = have_of(size, row.get(7)?)?;
    let file = format!("{label}/{relative}");
    if have.as_ref().is_some_and(|have| have.count() == 0) {
        return Ok(Change::None);
    }
    let path = shown(&file, have.is_some());
    let name = path.rsplit_once('/').map_or(&*path, |(_, name)| name);
    let audience: String = row.get(9)?;
    let audience = serde_json::from_str(&audience);
    let audience = audience.map_err(|_| CatalogError::Damaged("an audience that is none"))?;
    Ok(Change::Put(Box::new(Entry {
        name: name.to_owned(),
        path,
        size,
        root: root_of(row, 5)?,
        kind: kind_of(row.get(6)?),
        have: have.as_ref().map(Have::encode),
        since_ms: unsigned(row.get(8)?)?,
        audience: Audience::from_json(&audience),
        file,
    })))
}

/// Where a file is, as others see it: a folder without the slash at its end, and what is being fetched as it will be called.
fn shown(file: &str, is_partial: bool) -> String {
    let file = file.strip_suffix('/').unwrap_or(file);
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    match whole_name(name) {
        Some(name) if is_partial => format!("{folder}/{name}"),
        Some(_) | None => file.to_owned(),
    }
}
