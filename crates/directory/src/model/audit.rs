//! What is written down about who did what.

use crate::limits::AUDIT_PAGE_ENTRIES;

/// One thing that somebody did or tried, before it has a number.
///
/// Units: texts longer than [`crate::limits::AUDIT_TEXT_BYTES_MAX`], or
/// [`crate::limits::AUDIT_DETAIL_BYTES_MAX`] for `detail`, are stored cut off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditRecord {
    /// When.
    pub at_ms: u64,
    /// Who: a login, or how else the actor is called.
    pub actor: String,
    /// The interface it came in by.
    pub door: String,
    /// The actor's address.
    pub address: String,
    /// What was done.
    pub action: String,
    /// What kind of thing it was done to.
    pub object_kind: String,
    /// What it was done to.
    pub object: String,
    /// How it went.
    pub outcome: String,
    /// What else there is to know. Never a secret.
    pub detail: String,
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number, above those of all entries before it.
    pub id: u64,
    /// What happened.
    pub record: AuditRecord,
}

/// Which entries of the audit log are asked for: those that all of it holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only entries with a higher number; 0 leaves none out.
    pub after_id: u64,
    /// Only entries with a lower number.
    pub before_id: Option<u64>,
    /// Only what this actor did.
    pub actor: Option<String>,
    /// Only this action.
    pub action: Option<String>,
    /// Only what was done to this object.
    pub object: Option<String>,
    /// Only from this moment on.
    pub since_ms: Option<u64>,
    /// Only before this moment.
    pub until_ms: Option<u64>,
    /// How many entries at most.
    ///
    /// Units: up to [`crate::limits::AUDIT_LIMIT_MAX`]; more counts as that.
    pub limit: usize,
    /// Whether the highest number comes first, and not the lowest.
    pub newest_first: bool,
}

impl Default for AuditFilter {
    /// The first page of everything, oldest first.
    fn default() -> Self {
        Self {
            after_id: 0,
            before_id: None,
            actor: None,
            action: None,
            object: None,
            since_ms: None,
            until_ms: None,
            limit: AUDIT_PAGE_ENTRIES,
            newest_first: false,
        }
    }
}
