//! Rooms and those who may not come in.

use rusqlite::{Result, params};

use super::Batch;
use crate::chat::change::{ChatChange, ChatOutcome};
use crate::chat::model::{ChatSanction, RoomNumber, SanctionKind};
use crate::chat::row::{int, run};

impl Batch<'_> {
    /// Makes a [`ChatChange::RoomAdded`].
    pub(super) fn add_room(&mut self, change: &ChatChange) -> Result<ChatOutcome> {
        let ChatChange::RoomAdded {
            name,
            fold,
            skeleton,
            owner,
            keep,
            created_ms,
        } = change
        else {
            return Ok(ChatOutcome::Done);
        };
        let number = self.next_room();
        run(
            self.sql,
            "INSERT INTO rooms (number, name, fold, skeleton, owner, keep, topic, slow_s, created_ms, head)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', 0, ?7, 0)",
            params![
                int(number.0),
                name,
                fold,
                skeleton,
                owner,
                keep,
                int(*created_ms)
            ],
        )?;
        Ok(ChatOutcome::Room(number))
    }

    /// Makes a [`ChatChange::RoomSet`].
    pub(super) fn set_room(&mut self, change: &ChatChange) -> Result<ChatOutcome> {
        if let ChatChange::RoomSet {
            room,
            keep,
            topic,
            slow_s,
        } = change
        {
            run(
                self.sql,
                "UPDATE rooms SET keep = ifnull(?2, keep), topic = ifnull(?3, topic), slow_s = ifnull(?4, slow_s)
                 WHERE number = ?1",
                params![int(room.0), keep, topic, slow_s],
            )?;
        }
        Ok(ChatOutcome::Done)
    }

    /// Makes a [`ChatChange::RoomOrphaned`].
    pub(super) fn orphan_room(&mut self, room: RoomNumber) -> Result<ChatOutcome> {
        run(
            self.sql,
            "UPDATE rooms SET owner = NULL WHERE number = ?1",
            params![int(room.0)],
        )?;
        Ok(ChatOutcome::Done)
    }

    /// Deletes a room with all that belongs to it.
    pub(super) fn delete_room(&mut self, room: RoomNumber) -> Result<ChatOutcome> {
        let number = int(room.0);
        if run(
            self.sql,
            "DELETE FROM rooms WHERE number = ?1",
            params![number],
        )? > 0
        {
            self.drop_place(room)?;
        }
        Ok(ChatOutcome::Done)
    }

    /// Bans or mutes somebody.
    pub(super) fn set_sanction(
        &mut self,
        room: RoomNumber,
        sanction: &ChatSanction,
    ) -> Result<ChatOutcome> {
        run(
            self.sql,
            "INSERT OR REPLACE INTO sanctions (room, login, kind, until_ms, \"by\", reason)
             SELECT number, ?2, ?3, ?4, ?5, ?6 FROM rooms WHERE number = ?1",
            params![
                int(room.0),
                sanction.login,
                sanction.kind.as_str(),
                sanction.until_ms.map(int),
                sanction.by,
                sanction.reason
            ],
        )?;
        Ok(ChatOutcome::Done)
    }

    /// Ends a ban or a mute.
    pub(super) fn end_sanction(
        &mut self,
        room: RoomNumber,
        login: &str,
        kind: SanctionKind,
    ) -> Result<ChatOutcome> {
        run(
            self.sql,
            "DELETE FROM sanctions WHERE room = ?1 AND login = ?2 AND kind = ?3",
            params![int(room.0), login, kind.as_str()],
        )?;
        Ok(ChatOutcome::Done)
    }
}
