//! Sessions and invitations.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Applied, already_exists, check_bytes, check_chars, check_id, exists, invalid, number,
    require_account, run,
};
use crate::error::{Refused, Subject};
use crate::limits::{ADDRESS_BYTES_MAX, CLIENT_CHARS_MAX, DOOR_BYTES_MAX, SESSIONS_PER_LOGIN_MAX};
use crate::model::{Invitation, Session};

pub(super) fn add(sql: &Connection, session: &Session) -> Applied {
    let subject = Subject::Session;
    check_id(subject, &session.id)?;
    check_bytes(subject, "the door", &session.door, DOOR_BYTES_MAX)?;
    check_bytes(subject, "the address", &session.address, ADDRESS_BYTES_MAX)?;
    check_chars(subject, "the client", &session.client, CLIENT_CHARS_MAX)?;
    let created_ms = number(subject, session.created_ms)?;
    let last_seen_ms = number(subject, session.last_seen_ms)?;
    let expires_ms = number(subject, session.expires_ms)?;
    require_account(sql, &session.login)?;
    let is_taken = exists(
        sql,
        "SELECT 1 FROM sessions WHERE id = ?1 OR token_hash = ?2",
        params![session.id, session.token_hash],
    )?;
    if is_taken {
        return Err(already_exists(subject, &session.id).into());
    }
    // Before the new one is there, so that it stays whatever its clock says.
    run(
        sql,
        "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE login = ?1
              ORDER BY created_ms DESC, id DESC LIMIT -1 OFFSET ?2)",
        params![session.login, SESSIONS_PER_LOGIN_MAX as i64 - 1],
    )?;
    run(
        sql,
        "INSERT INTO sessions
             (id, login, token_hash, door, address, client,
              created_ms, last_seen_ms, expires_ms, csrf_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            session.id,
            session.login,
            session.token_hash,
            session.door,
            session.address,
            session.client,
            created_ms,
            last_seen_ms,
            expires_ms,
            session.csrf_hash
        ],
    )?;
    Ok(())
}

pub(super) fn end(sql: &Connection, id: &str) -> Applied {
    run(sql, "DELETE FROM sessions WHERE id = ?1", params![id])?;
    Ok(())
}

pub(super) fn end_all(sql: &Connection, login: &str, except: Option<&str>) -> Applied {
    run(
        sql,
        "DELETE FROM sessions WHERE login = ?1 AND id IS NOT ?2",
        params![login, except],
    )?;
    Ok(())
}

pub(super) fn see(sql: &Connection, id: &str, last_seen_ms: u64, expires_ms: u64) -> Applied {
    run(
        sql,
        "UPDATE sessions SET last_seen_ms = ?2, expires_ms = ?3 WHERE id = ?1",
        params![
            id,
            number(Subject::Session, last_seen_ms)?,
            number(Subject::Session, expires_ms)?
        ],
    )?;
    Ok(())
}

pub(super) fn expire(sql: &Connection, now_ms: u64) -> Applied {
    run(
        sql,
        "DELETE FROM sessions WHERE expires_ms <= ?1",
        params![number(Subject::Session, now_ms)?],
    )?;
    Ok(())
}

pub(super) fn invite(sql: &Connection, invitation: &Invitation) -> Applied {
    let subject = Subject::Invitation;
    if invitation.uses_left == 0 {
        return Err(invalid(subject, "it has to have at least one use").into());
    }
    let created_ms = number(subject, invitation.created_ms)?;
    let expires_ms = number(subject, invitation.expires_ms)?;
    require_account(sql, &invitation.created_by)?;
    let added = run(
        sql,
        "INSERT INTO invitations
             (code_hash, created_by, created_ms, expires_ms, uses_left, role)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
        params![
            invitation.code_hash,
            invitation.created_by,
            created_ms,
            expires_ms,
            invitation.uses_left,
            invitation.role.as_str()
        ],
    )?;
    if added == 0 {
        // The code has no name that may be told.
        return Err(already_exists(subject, "of this code").into());
    }
    Ok(())
}

pub(super) fn accept(sql: &Connection, code_hash: &[u8; 32], now_ms: u64) -> Applied {
    let uses_left: Option<u32> = sql
        .prepare_cached(
            "SELECT uses_left FROM invitations WHERE code_hash = ?1 AND expires_ms > ?2",
        )?
        .query_row(
            params![code_hash, number(Subject::Invitation, now_ms)?],
            |row| row.get(0),
        )
        .optional()?;
    match uses_left {
        None => Err(Refused::InvitationVoid.into()),
        Some(..=1) => uninvite(sql, code_hash),
        Some(2..) => {
            run(
                sql,
                "UPDATE invitations SET uses_left = uses_left - 1 WHERE code_hash = ?1",
                params![code_hash],
            )?;
            Ok(())
        }
    }
}

pub(super) fn uninvite(sql: &Connection, code_hash: &[u8; 32]) -> Applied {
    run(
        sql,
        "DELETE FROM invitations WHERE code_hash = ?1",
        params![code_hash],
    )?;
    Ok(())
}
