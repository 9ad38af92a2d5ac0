//! What each change does to the tables, and when it is refused.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

use super::change::{FileChange, FileOutcome, FileRefused};
use super::model::{Audience, AudienceMember, FileEntry, FileLink, FilePeer, PeerDraft};
use super::words::{fold, indexed};
use crate::chat::{int, optional_uint, run, uint};
use crate::limits::{LINKS_PER_LOGIN_MAX, SWEPT_AT_ONCE_MAX};

/// The columns that [`peer`] reads, in its order.
const PEER: &str =
    "id, number, login, account_ms, name, addresses, key, relay, revision, files, seen_ms, sealed";
/// The columns that [`link`] reads, in its order.
const LINK: &str = "id, hash, login, account_ms, root, created_ms, expires_ms";

/// The number of the audience of everyone.
pub(super) const EVERYONE: i64 = 1;
/// The number of the audience of links.
const LINKED: i64 = 2;

/// Makes one change.
pub(super) fn apply(sql: &Connection, change: &FileChange) -> Result<FileOutcome> {
    match change {
        FileChange::PeerSet {
            draft,
            now_ms,
            peers_max,
        } => set_peer(sql, draft, *now_ms, *peers_max),
        FileChange::PeerSeen { id, at_ms } => {
            let statement = "UPDATE peers SET seen_ms = max(seen_ms, ?2) WHERE id = ?1";
            run(sql, statement, params![id, int(*at_ms)])?;
            Ok(FileOutcome::Done)
        }
        FileChange::PeerForgotten { id } => forget(sql, id),
        FileChange::Published {
            id,
            from,
            to,
            put,
            remove,
            files_max,
        } => {
            let Some(found) = find_peer(sql, id)? else {
                return refused(FileRefused::NoPeer);
            };
            if *from != 0 && *from != found.revision {
                return refused(FileRefused::WrongRevision(found.revision));
            }
            publish(sql, found, (*from, *to), put, remove, *files_max)
        }
        FileChange::LinkAdded(link) => add_link(sql, link),
        FileChange::LinkDeleted { id, owner } => {
            let statement = "DELETE FROM links WHERE id = ?1 AND login = ?2 AND account_ms = ?3";
            let count = run(
                sql,
                statement,
                params![id, owner.name, int(owner.created_ms)],
            )?;
            done_if(count > 0, FileRefused::NoLink)
        }
        FileChange::CardNoted { room, root } => {
            let statement =
                "INSERT OR IGNORE INTO cards (room, created_ms, root) VALUES (?1, ?2, ?3)";
            let count = run(
                sql,
                statement,
                params![room.name, int(room.created_ms), root],
            )?;
            done_if(count > 0, FileRefused::Known)
        }
    }
}

const fn refused(reason: FileRefused) -> Result<FileOutcome> {
    Ok(FileOutcome::Refused(reason))
}

const fn done_if(is_done: bool, otherwise: FileRefused) -> Result<FileOutcome> {
    if is_done {
        Ok(FileOutcome::Done)
    } else {
        refused(otherwise)
    }
}

fn set_peer(
    sql: &Connection,
    draft: &PeerDraft,
    now_ms: u64,
    peers_max: u64,
) -> Result<FileOutcome> {
    let known = find_peer(sql, &draft.id)?;
    if known
        .as_ref()
        .is_some_and(|known| !known.is_of(&draft.login, draft.account_ms))
    {
        return refused(FileRefused::OtherAccount);
    }
    let number = match &known {
        Some(known) => known.number,
        None => {
            // What an earlier account of this name had is nobody's any more.
            let earlier = "SELECT id FROM peers WHERE login = ?1 AND account_ms <> ?2";
            let ids: Vec<String> = sql
                .prepare_cached(earlier)?
                .query_map(params![draft.login, int(draft.account_ms)], |row| {
                    row.get(0)
                })?
                .collect::<Result<_>>()?;
            for id in ids {
                forget(sql, &id)?;
            }
            let count = "SELECT count(*) FROM peers WHERE login = ?1";
            let count = sql
                .prepare_cached(count)?
                .query_row([&draft.login], |row| uint(row, 0))?;
            if count >= peers_max {
                return refused(FileRefused::TooMany);
            }
            next_number(sql)?
        }
    };
    run(
        sql,
        "INSERT INTO peers (id, number, login, account_ms, name, addresses, key, relay, revision, files, seen_ms, sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET name = ?5, addresses = ?6, key = ?7, relay = ?8, seen_ms = ?9, sealed = ?10",
        params![
            draft.id,
            int(number),
            draft.login,
            int(draft.account_ms),
            draft.name,
            draft.addresses.join("\n"),
            draft.key,
            draft.relay,
            int(now_ms),
            draft.sealed
        ],
    )?;
    outcome_of(sql, &draft.id, known.is_none())
}

/// A peer as it is now.
fn outcome_of(sql: &Connection, id: &str, is_new: bool) -> Result<FileOutcome> {
    Ok(match find_peer(sql, id)? {
        Some(peer) => FileOutcome::Peer {
            peer: Box::new(peer),
            is_new,
        },
        None => FileOutcome::Refused(FileRefused::NoPeer),
    })
}

fn next_number(sql: &Connection) -> Result<u64> {
    sql.prepare_cached("UPDATE counters SET value = value + 1 WHERE name = 'peer' RETURNING value")?
        .query_row([], |row| uint(row, 0))
}

fn forget(sql: &Connection, id: &str) -> Result<FileOutcome> {
    run(
        sql,
        "INSERT OR IGNORE INTO gone (number) SELECT number FROM peers WHERE id = ?1",
        [id],
    )?;
    run(sql, "DELETE FROM peers WHERE id = ?1", [id])?;
    Ok(FileOutcome::Done)
}

fn publish(
    sql: &Connection,
    mut peer: FilePeer,
    (from, to): (u64, u64),
    put: &[FileEntry],
    remove: &[String],
    files_max: u64,
) -> Result<FileOutcome> {
    // Undone as a whole where there turn out to be too many.
    sql.execute_batch("SAVEPOINT publish")?;
    if from == 0 && peer.revision != 0 {
        // Its old files go by and by; nobody sees what has this number.
        run(
            sql,
            "INSERT INTO gone (number) VALUES (?1)",
            [int(peer.number)],
        )?;
        peer.number = next_number(sql)?;
        peer.files = 0;
    }
    for file in remove {
        let was_there = remove_file(sql, peer.number, file)?;
        peer.files = peer.files.saturating_sub(u64::from(was_there));
    }
    let mut audiences = HashMap::new();
    let mut newest = newest_file(sql)?;
    for entry in put {
        let was_there = remove_file(sql, peer.number, &entry.file)?;
        peer.files = peer.files.saturating_sub(u64::from(was_there));
        let audience = match audiences.get(&entry.audience) {
            Some(number) => *number,
            None => {
                let number = audience_number(sql, &entry.audience)?;
                audiences.insert(entry.audience.clone(), number);
                number
            }
        };
        newest += 1;
        put_file(sql, (newest, peer.number), entry, audience)?;
        peer.files += 1;
    }
    let statement = "UPDATE counters SET value = ?1 WHERE name = 'file'";
    run(sql, statement, [int(newest)])?;
    if peer.files > files_max {
        sql.execute_batch("ROLLBACK TO publish; RELEASE publish")?;
        return refused(FileRefused::TooMany);
    }
    run(
        sql,
        "UPDATE peers SET number = ?2, revision = ?3, files = ?4 WHERE id = ?1",
        params![peer.draft.id, int(peer.number), int(to), int(peer.files)],
    )?;
    sql.execute_batch("RELEASE publish")?;
    peer.revision = to;
    Ok(FileOutcome::Peer {
        peer: Box::new(peer),
        is_new: false,
    })
}

/// Tells whether there was such a file.
fn remove_file(sql: &Connection, peer: u64, file: &str) -> Result<bool> {
    let id: Option<i64> = sql
        .prepare_cached("DELETE FROM files WHERE peer = ?1 AND file = ?2 RETURNING id")?
        .query_row(params![int(peer), file], |row| row.get(0))
        .optional()?;
    if let Some(id) = id {
        run(sql, "DELETE FROM words WHERE rowid = ?1", [id])?;
    }
    Ok(id.is_some())
}

/// The highest number of an entry that was ever given.
fn newest_file(sql: &Connection) -> Result<u64> {
    sql.prepare_cached("SELECT value FROM counters WHERE name = 'file'")?
        .query_row([], |row| uint(row, 0))
}

fn put_file(
    sql: &Connection,
    (id, peer): (u64, u64),
    entry: &FileEntry,
    audience: i64,
) -> Result<()> {
    let fold = fold(&entry.name);
    let path = Some(&entry.path).filter(|path| **path != entry.file);
    sql.prepare_cached(
        "INSERT INTO files (id, peer, file, name, fold, path, size, root, type, kind, have, part, since_ms, audience)
         VALUES (:id, :peer, :file, :name, :fold, :path, :size, :root, :type, :kind, :have, :part, :since_ms, :audience)",
    )?
    .execute(named_params! {
        ":id": int(id),
        ":peer": int(peer),
        ":file": entry.file,
        ":name": entry.name,
        ":fold": fold,
        ":path": path,
        ":size": int(entry.size),
        ":root": entry.root,
        ":type": entry.media_type,
        ":kind": entry.kind.word(),
        ":have": entry.have,
        ":part": entry.part,
        ":since_ms": int(entry.since_ms),
        ":audience": audience,
    })?;
    let statement = "INSERT INTO words (rowid, fold) VALUES (?1, ?2)";
    run(sql, statement, params![int(id), indexed(&fold)])?;
    Ok(())
}

/// The number of an audience, which is stored once however many files have it.
fn audience_number(sql: &Connection, audience: &Audience) -> Result<i64> {
    let (kind, members) = match audience {
        Audience::Everyone => return Ok(EVERYONE),
        Audience::Link => return Ok(LINKED),
        Audience::Rooms(members) => ("room", members),
        Audience::Accounts(members) => ("account", members),
    };
    let mut members: Vec<AudienceMember> = members.clone();
    members
        .iter_mut()
        .for_each(|member| member.name.make_ascii_lowercase());
    members.sort_unstable();
    members.dedup();
    let lines = members
        .iter()
        .map(|member| format!("\n{} {}", member.created_ms, member.name));
    let form: String = std::iter::once(kind.to_owned()).chain(lines).collect();
    let known = sql
        .prepare_cached("SELECT number FROM audiences WHERE form = ?1")?
        .query_row([&form], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    run(sql, "INSERT INTO audiences (form) VALUES (?1)", [&form])?;
    let number = sql.last_insert_rowid();
    for member in members {
        run(
            sql,
            "INSERT INTO audience_members (kind, name, created_ms, audience) VALUES (?1, ?2, ?3, ?4)",
            params![kind, member.name, int(member.created_ms), number],
        )?;
    }
    Ok(number)
}

fn add_link(sql: &Connection, link: &FileLink) -> Result<FileOutcome> {
    let count = "SELECT count(*) FROM links WHERE login = ?1";
    let count = sql
        .prepare_cached(count)?
        .query_row([&link.login], |row| uint(row, 0))?;
    if count >= LINKS_PER_LOGIN_MAX {
        return refused(FileRefused::TooMany);
    }
    put_link(sql, link)?;
    Ok(FileOutcome::Done)
}

/// Stores a link, as it was.
pub(super) fn put_link(sql: &Connection, link: &FileLink) -> Result<()> {
    run(
        sql,
        &format!("INSERT INTO links ({LINK}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
        params![
            link.id,
            link.hash,
            link.login,
            int(link.account_ms),
            link.root,
            int(link.created_ms),
            link.expires_ms.map(int)
        ],
    )?;
    Ok(())
}

/// Deletes some of the files whose peers are gone, and of audiences that nobody needs; tells how many, and `None` if no more are there.
pub(super) fn sweep(sql: &Connection) -> Result<Option<usize>> {
    let gone: Option<i64> = sql
        .prepare_cached("SELECT number FROM gone LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(gone) = gone else { return Ok(None) };
    let ids: Vec<i64> = sql
        .prepare_cached("SELECT id FROM files WHERE peer = ?1 LIMIT ?2")?
        .query_map(params![gone, int(SWEPT_AT_ONCE_MAX as u64)], |row| {
            row.get(0)
        })?
        .collect::<Result<_>>()?;
    for id in &ids {
        run(sql, "DELETE FROM words WHERE rowid = ?1", [id])?;
        run(sql, "DELETE FROM files WHERE id = ?1", [id])?;
    }
    if ids.len() < SWEPT_AT_ONCE_MAX {
        run(sql, "DELETE FROM gone WHERE number = ?1", [gone])?;
        let unused = "DELETE FROM audiences WHERE number > 2
             AND NOT EXISTS (SELECT 1 FROM files WHERE audience = audiences.number)";
        run(sql, unused, [])?;
    }
    Ok(Some(ids.len()))
}

/// Finds a peer by its id.
pub(super) fn find_peer(sql: &Connection, id: &str) -> Result<Option<FilePeer>> {
    sql.prepare_cached(&format!("SELECT {PEER} FROM peers WHERE id = ?1"))?
        .query_row([id], peer)
        .optional()
}

/// The peers of an account, by id.
pub(super) fn peers_of(sql: &Connection, owner: &AudienceMember) -> Result<Vec<FilePeer>> {
    let query =
        format!("SELECT {PEER} FROM peers WHERE login = ?1 AND account_ms = ?2 ORDER BY id");
    let mut statement = sql.prepare_cached(&query)?;
    let peers = statement.query_map(params![owner.name, int(owner.created_ms)], peer)?;
    peers.collect()
}

/// Peers that nobody has heard of since some time.
pub(super) fn peers_unseen_since(sql: &Connection, at_ms: u64) -> Result<Vec<FilePeer>> {
    let query = format!("SELECT {PEER} FROM peers WHERE seen_ms < ?1");
    let mut statement = sql.prepare_cached(&query)?;
    statement.query_map([int(at_ms)], peer)?.collect()
}

/// The links of a query behind `WHERE`.
pub(super) fn links(
    sql: &Connection,
    rest: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<FileLink>> {
    let mut statement = sql.prepare_cached(&format!("SELECT {LINK} FROM links {rest}"))?;
    statement.query_map(params, link)?.collect()
}

fn peer(row: &Row<'_>) -> Result<FilePeer> {
    let addresses: String = row.get(5)?;
    Ok(FilePeer {
        draft: PeerDraft {
            id: row.get(0)?,
            login: row.get(2)?,
            account_ms: uint(row, 3)?,
            name: row.get(4)?,
            addresses: addresses.lines().map(str::to_owned).collect(),
            key: row.get(6)?,
            relay: row.get(7)?,
            sealed: row.get(11)?,
        },
        number: uint(row, 1)?,
        revision: uint(row, 8)?,
        files: uint(row, 9)?,
        seen_ms: uint(row, 10)?,
    })
}

fn link(row: &Row<'_>) -> Result<FileLink> {
    Ok(FileLink {
        id: row.get(0)?,
        hash: row.get(1)?,
        login: row.get(2)?,
        account_ms: uint(row, 3)?,
        root: row.get(4)?,
        created_ms: uint(row, 5)?,
        expires_ms: optional_uint(row, 6)?,
    })
}
