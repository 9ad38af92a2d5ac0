//! What is due every now and then: sessions and keys that expire, bytes to be counted, the audit log's way to the disk and its length.

use std::collections::BTreeSet;

use directory::{AuditFilter, Change, Failure, Reader};

use crate::quotas::Counting;
use crate::{Shared, SharedRef};

/// How often sessions and keys are looked at.
const EXPIRY_INTERVAL_MS: u64 = 1_000;
/// How often sessions are noted as in use while a connection of theirs is open.
const USE_INTERVAL_MS: u64 = 60_000;
/// How often the audit log's length is looked at.
const TRIM_INTERVAL_MS: u64 = 10 * 60_000;
/// What of the audit log is kept.
const AUDIT_KEPT: Kept = Kept {
    entries: 100_000,
    age_ms: 90 * 24 * 60 * 60 * 1_000,
};

/// How much of the audit log is kept, and how long.
#[derive(Debug, Clone, Copy)]
struct Kept {
    entries: u64,
    age_ms: u64,
}

/// When something was last done. Turns come at least as often as memory and disk are looked at, on the same thread.
#[derive(Debug)]
pub(crate) struct House {
    expired_ms: u64,
    used_ms: u64,
    trimmed_ms: u64,
    counting: Counting,
}

impl House {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            expired_ms: now_ms,
            used_ms: now_ms,
            trimmed_ms: 0,
            counting: Counting::default(),
        }
    }

    /// Does what is due.
    pub(crate) fn turn(&mut self, shared: &SharedRef) {
        let now_ms = shared.clock.now_ms();
        shared.flush_audit(false);
        self.counting.turn(shared, now_ms);
        if is_due(&mut self.used_ms, USE_INTERVAL_MS, now_ms) {
            note_use(shared, now_ms);
        }
        let since_ms = self.expired_ms;
        if is_due(&mut self.expired_ms, EXPIRY_INTERVAL_MS, now_ms) {
            let (revoked, gone) = shared.accounts.expire(since_ms, now_ms);
            shared.revoke(&revoked);
            shared.commit_quietly(gone);
        }
        if is_due(&mut self.trimmed_ms, TRIM_INTERVAL_MS, now_ms) {
            match trim(shared, AUDIT_KEPT, now_ms) {
                Ok(trimmed) => shared.commit_quietly(trimmed.into_iter().collect()),
                Err(error) => tracing::warn!(%error, "the audit log's length is not known"),
            }
        }
    }
}

fn is_due(last_ms: &mut u64, interval_ms: u64, now_ms: u64) -> bool {
    let is_due = now_ms.saturating_sub(*last_ms) >= interval_ms;
    if is_due {
        *last_ms = now_ms;
    }
    is_due
}

/// An open connection is use of the session that opened it.
fn note_use(shared: &SharedRef, now_ms: u64) {
    let views = shared
        .connections
        .of(|_, opened_by| opened_by.session().is_some());
    let ids: BTreeSet<_> = views.into_iter().filter_map(|view| view.session).collect();
    let sessions = ids.iter().filter_map(|id| shared.accounts.session(id));
    let seen = sessions.filter_map(|session| session.see(now_ms)).collect();
    shared.commit_quietly(seen);
}

/// Finds what of the audit log is too old or too much.
fn trim(shared: &Shared, kept: Kept, now_ms: u64) -> Result<Option<Change>, Failure> {
    let reader = Reader::open(&shared.directory_path)?;
    let first = |filter: AuditFilter| -> Result<Option<u64>, Failure> {
        let found = reader.audit(&AuditFilter { limit: 1, ..filter })?;
        Ok(found.first().map(|entry| entry.id))
    };
    let Some(newest) = first(AuditFilter {
        newest_first: true,
        ..AuditFilter::default()
    })?
    else {
        return Ok(None);
    };
    let oldest = first(AuditFilter::default())?;
    let young = first(AuditFilter {
        since_ms: Some(now_ms.saturating_sub(kept.age_ms)),
        ..AuditFilter::default()
    })?;
    let by_age = young.unwrap_or(newest + 1);
    let by_count = (newest + 1).saturating_sub(kept.entries);
    let before_id = by_age.max(by_count);
    let is_any = oldest.is_some_and(|oldest| oldest < before_id);
    Ok(is_any.then_some(Change::AuditTrimmed { before_id }))
}

#[cfg(test)]
mod tests;
