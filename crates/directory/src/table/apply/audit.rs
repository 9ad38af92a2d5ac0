//! The audit log.

use rusqlite::{Connection, params};

use super::{Applied, number, run};
use crate::error::Subject;
use crate::limits::{AUDIT_DETAIL_BYTES_MAX, AUDIT_TEXT_BYTES_MAX};
use crate::model::AuditRecord;

/// Cuts long texts off: what somebody sent must never be why the log, or the
/// change that is logged with it, is refused.
pub(super) fn add(sql: &Connection, record: &AuditRecord) -> Applied {
    let text = |text| cut(text, AUDIT_TEXT_BYTES_MAX);
    run(
        sql,
        "INSERT INTO audit
             (at_ms, actor, door, address, action, object_kind, object, outcome, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            number(Subject::AuditEntry, record.at_ms)?,
            text(&record.actor),
            text(&record.door),
            text(&record.address),
            text(&record.action),
            text(&record.object_kind),
            text(&record.object),
            text(&record.outcome),
            cut(&record.detail, AUDIT_DETAIL_BYTES_MAX)
        ],
    )?;
    Ok(())
}

pub(super) fn trim(sql: &Connection, before_id: u64) -> Applied {
    run(
        sql,
        "DELETE FROM audit WHERE id < ?1",
        params![number(Subject::AuditEntry, before_id)?],
    )?;
    Ok(())
}

/// The beginning of a text, up to the end of a character.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
