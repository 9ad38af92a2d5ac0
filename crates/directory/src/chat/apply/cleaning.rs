//! What goes and what is found: expiry, rooms that are gone, and the full-text index.

use rusqlite::{Params, Result, params};

use super::Batch;
use crate::chat::change::ChatOutcome;
use crate::chat::model::RoomNumber;
use crate::chat::row::{exists, int, run, uint};
use crate::limits::CLEANED_AT_ONCE_MAX;

impl Batch<'_> {
    /// Deletes the oldest messages; what is beyond the bound of one change is left to the next.
    pub(super) fn expire(&mut self, before_ms: u64, per_room_max: u64) -> Result<ChatOutcome> {
        // The numbers of the newest messages are looked at below.
        self.flush()?;
        if before_ms > 0 {
            // Ids rise with time, unless the clock was set meanwhile.
            let old = self.ids(
                "SELECT id FROM (SELECT id, at_ms FROM messages ORDER BY id LIMIT ?2) WHERE at_ms < ?1",
                params![int(before_ms), int(CLEANED_AT_ONCE_MAX as u64)],
            )?;
            self.remove(&old)?;
        }
        if per_room_max > 0 {
            let beyond = self.ids(
                "SELECT m.id FROM rooms AS r JOIN messages AS m ON m.room = r.number AND m.seq <= r.head - ?1
                 UNION ALL
                 SELECT m.id FROM conversations AS c JOIN messages AS m ON m.room = c.number AND m.seq <= c.head - ?1
                 LIMIT ?2",
                params![int(per_room_max), int(CLEANED_AT_ONCE_MAX as u64)],
            )?;
            self.remove(&beyond)?;
        }
        Ok(ChatOutcome::Done)
    }

    /// Deletes all that belongs to a room or conversation whose own row is deleted; of very many messages, the rest is left to
    /// [`Batch::sweep_gone`].
    pub(super) fn drop_place(&mut self, room: RoomNumber) -> Result<()> {
        self.places.remove(&room);
        let number = int(room.0);
        for statement in [
            "DELETE FROM mentions WHERE room = ?1",
            "DELETE FROM positions WHERE room = ?1",
            "INSERT INTO gone (room) VALUES (?1)",
        ] {
            run(self.sql, statement, params![number])?;
        }
        self.sweep(number, CLEANED_AT_ONCE_MAX)?;
        Ok(())
    }

    /// Deletes some messages of rooms that are gone, and tells whether there are more.
    pub(in crate::chat) fn sweep_gone(&mut self, rows_max: usize) -> Result<bool> {
        let gone = self.ids("SELECT room FROM gone LIMIT 1", [])?;
        if let Some(room) = gone.first() {
            self.sweep(int(*room), rows_max)?;
        }
        exists(self.sql, "SELECT 1 FROM gone", [])
    }

    fn sweep(&mut self, room: i64, rows_max: usize) -> Result<()> {
        let ids = self.ids(
            "SELECT id FROM messages WHERE room = ?1 LIMIT ?2",
            params![room, int(rows_max as u64)],
        )?;
        self.remove(&ids)?;
        if ids.len() < rows_max {
            run(self.sql, "DELETE FROM gone WHERE room = ?1", params![room])?;
        }
        Ok(())
    }

    /// Deletes messages with all that belongs to them.
    pub(super) fn remove(&self, ids: &[u64]) -> Result<()> {
        for &id in ids {
            if id <= self.counters.indexed {
                self.unindex(id)?;
            }
            run(
                self.sql,
                "DELETE FROM mentions WHERE (room, seq) = (SELECT room, seq FROM messages WHERE id = ?1)",
                params![int(id)],
            )?;
            // Its reactions go with it.
            run(
                self.sql,
                "DELETE FROM messages WHERE id = ?1",
                params![int(id)],
            )?;
        }
        Ok(())
    }

    /// Indexes some messages, and tells whether there are more.
    pub(in crate::chat) fn index(&mut self, rows_max: usize) -> Result<bool> {
        let mut statement = self.sql.prepare_cached(
            "SELECT id, text FROM messages WHERE id > ?1 AND deleted_ms IS NULL ORDER BY id LIMIT ?2",
        )?;
        let from = int(self.counters.indexed);
        let mut rows = statement.query(params![from, int(rows_max as u64)])?;
        let mut count = 0;
        let mut newest = self.counters.indexed;
        while let Some(row) = rows.next()? {
            newest = uint(row, 0)?;
            self.add_words(newest, row.get_ref(1)?.as_str()?)?;
            count += 1;
        }
        let has_more = count == rows_max;
        // Past those that are not there any more.
        self.counters.indexed = if has_more {
            newest
        } else {
            self.counters.message
        };
        Ok(has_more)
    }

    pub(super) fn add_words(&self, id: u64, text: &str) -> Result<()> {
        run(
            self.sql,
            "INSERT INTO words (rowid, text) VALUES (?1, ?2)",
            params![int(id), text],
        )?;
        Ok(())
    }

    pub(super) fn unindex(&self, id: u64) -> Result<()> {
        run(
            self.sql,
            "DELETE FROM words WHERE rowid = ?1",
            params![int(id)],
        )?;
        Ok(())
    }

    fn ids(&self, query: &str, params: impl Params) -> Result<Vec<u64>> {
        let mut statement = self.sql.prepare_cached(query)?;
        let ids = statement.query_map(params, |row| uint(row, 0))?;
        ids.collect()
    }
}
