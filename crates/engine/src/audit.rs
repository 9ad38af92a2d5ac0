//! Writing down who did what.
//!
//! What is written down with a change is committed with it. The rest waits a moment, bounded, and is written together: nobody waits for the
//! disk, and connections that come and go do not keep it busy.

mod changes;
mod refusals;

use std::sync::{Mutex, PoisonError};

use directory::{AuditEntry, AuditFilter, AuditRecord, Change, Failure, Reader};
use tokio::sync::watch;

use crate::accounts::{Closed, Login};
use crate::administration::Handle;
use crate::alarm::Alarm;
use crate::connection::ConnectionInfo;
use crate::sessions::Origin;
use crate::{Shared, SharedRef, aside};
use refusals::Refusals;
pub(crate) use refusals::Secret;

/// Entries that may wait to be written; further ones are dropped and counted.
const WAITING_MAX: usize = 4_096;
/// What is kept of an actor's name.
const NAME_BYTES_MAX: usize = 256;

/// Who did something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// A login, or how else the actor is called.
    pub name: String,
    /// The interface it came in by.
    pub door: String,
    /// The peer's address.
    pub address: String,
}

/// What somebody did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) action: &'static str,
    /// What kind of thing it was done to.
    pub(crate) kind: &'static str,
    /// What it was done to.
    pub(crate) object: String,
    /// How it went; empty is well.
    pub(crate) outcome: &'static str,
    pub(crate) detail: String,
}

impl Author {
    /// Whoever says to be `name`.
    #[must_use]
    pub fn new(name: &str, origin: &Origin) -> Self {
        // Whoever is refused may call themselves anything, at any length.
        let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        Self {
            name: name.to_owned(),
            door: origin.door.to_owned(),
            address: origin.address.to_canonical().to_string(),
        }
    }

    /// Somebody who is logged in.
    #[must_use]
    pub fn of(login: &Login, origin: &Origin) -> Self {
        Self::new(&login.name, origin)
    }

    /// The operator, at the administration socket.
    #[must_use]
    pub fn operator() -> Self {
        Self {
            name: "operator".to_owned(),
            door: "admin".to_owned(),
            address: String::new(),
        }
    }

    /// The server itself.
    #[must_use]
    pub fn server() -> Self {
        Self {
            name: "server".to_owned(),
            door: String::new(),
            address: String::new(),
        }
    }

    /// Whoever is at the other end of a connection.
    pub(crate) fn at(info: &ConnectionInfo) -> Self {
        Self {
            name: info.login.to_string(),
            door: info.protocol.to_owned(),
            address: info.peer.clone(),
        }
    }

    /// Writes down that a queue went, which the change alone does not name.
    pub(crate) fn deleted_queue(&self, vhost: &str, queue: &str, at_ms: u64) -> Change {
        Change::AuditAdded(AuditRecord {
            at_ms,
            ..self.did(&on_queue("queue.delete", vhost, queue))
        })
    }

    /// Says that the author gave a queue another name, without the time.
    pub(crate) fn renamed(&self, vhost: &str, old: &str, new: &str) -> AuditRecord {
        let entry = on_queue("queue.rename", vhost, old);
        self.did(&Entry {
            detail: format!("to '{new}' {}", entry.detail),
            ..entry
        })
    }

    /// Says that a lock-out began, without the time.
    pub(crate) fn locked_out(closed: &Closed) -> AuditRecord {
        let (kind, object, detail) = match closed {
            Closed::Pair(login, address) => ("account", login.clone(), format!("from {address}")),
            Closed::Login(login) => ("account", login.clone(), "from new places".to_owned()),
            Closed::Address(address) => {
                ("address", address.to_string(), "whatever login".to_owned())
            }
        };
        Self::server().did(&Entry {
            action: "login.lockout",
            kind,
            object,
            outcome: "refused",
            detail: format!("{detail}: too many failed logins"),
        })
    }

    /// Says that publishers wait from now on, or may go on, without the time.
    pub(crate) fn alarmed(alarm: Alarm, is_raised: bool) -> AuditRecord {
        let (author, object) = match alarm {
            Alarm::Memory => (Self::server(), "memory"),
            Alarm::Disk => (Self::server(), "disk"),
            Alarm::OperatorMemory => (Self::operator(), "memory"),
            Alarm::OperatorDisk => (Self::operator(), "disk"),
        };
        author.did(&Entry {
            action: if is_raised {
                "alarm.set"
            } else {
                "alarm.clear"
            },
            kind: "alarm",
            object: object.to_owned(),
            ..Entry::default()
        })
    }

    /// Says that the author opened a connection, without the time.
    pub(crate) fn connected(&self, vhost: &str) -> AuditRecord {
        self.did(&Entry {
            action: "connection.open",
            kind: "vhost",
            object: vhost.to_owned(),
            ..Entry::default()
        })
    }

    /// Says that the author emptied a queue, without the time.
    pub(crate) fn purged(&self, vhost: &str, queue: &str) -> AuditRecord {
        self.did(&on_queue("queue.purge", vhost, queue))
    }

    /// What is written down of changes that the author made.
    pub(crate) fn changed(&self, changes: &[Change], at_ms: u64) -> Vec<Change> {
        let entries = changes.iter().filter_map(changes::entry_of);
        let record = |entry| AuditRecord {
            at_ms,
            ..self.did(&entry)
        };
        entries
            .map(|entry| Change::AuditAdded(record(entry)))
            .collect()
    }

    /// Says that the author did something, without the time.
    pub(crate) fn did(&self, entry: &Entry) -> AuditRecord {
        AuditRecord {
            at_ms: 0,
            actor: self.name.clone(),
            door: self.door.clone(),
            address: self.address.clone(),
            action: entry.action.to_owned(),
            object_kind: entry.kind.to_owned(),
            object: entry.object.clone(),
            outcome: if entry.outcome.is_empty() {
                "ok".to_owned()
            } else {
                entry.outcome.to_owned()
            },
            detail: entry.detail.clone(),
        }
    }
}

fn on_queue(action: &'static str, vhost: &str, queue: &str) -> Entry {
    Entry {
        action,
        kind: "queue",
        object: queue.to_owned(),
        detail: changes::in_vhost(vhost),
        ..Entry::default()
    }
}

/// What the audit log has in memory.
///
/// # Concurrency
/// A leaf lock, held to add an entry or to take all.
#[derive(Debug)]
pub(crate) struct Audit {
    waiting: Mutex<Waiting>,
    /// Another leaf.
    refusals: Mutex<Refusals>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: Vec<Change>,
    dropped: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            refusals: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Audit {
    /// Tells those who follow the log that there is more of it.
    pub(crate) fn note(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn add(&self, record: AuditRecord) {
        let mut waiting = self.waiting();
        if waiting.entries.len() < WAITING_MAX {
            waiting.entries.push(Change::AuditAdded(record));
        } else {
            waiting.dropped += 1;
        }
    }

    fn refusals(&self) -> std::sync::MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Writes something down that happens now, some time soon. Never waits.
    pub(crate) fn audit(&self, record: AuditRecord) {
        let at_ms = self.clock.now_ms();
        self.audit.add(AuditRecord { at_ms, ..record });
    }

    /// Writes down that a token or a key opened nothing, or counts it: there is no end of those.
    pub(crate) fn audit_refusal(&self, secret: Secret, origin: &Origin) {
        let noted = self
            .audit
            .refusals()
            .note(secret, origin, self.clock.now_ms());
        if let Some(record) = noted {
            self.audit(record);
        }
    }

    /// Hands what waits to the directory, at the end also what is still counted.
    pub(crate) fn flush_audit(self: &SharedRef, is_end: bool) {
        let now_ms = if is_end {
            u64::MAX
        } else {
            self.clock.now_ms()
        };
        // Those too whose clients had gone when their passwords were found wrong.
        for closed in self.accounts.take_closed() {
            self.audit(Author::locked_out(&closed));
        }
        let counted = self.audit.refusals().take_due(now_ms);
        counted.into_iter().for_each(|record| self.audit(record));
        let Waiting { entries, dropped } = std::mem::take(&mut *self.audit.waiting());
        if dropped > 0 {
            tracing::warn!(dropped, "audit entries were dropped: too many at once");
        }
        if entries.is_empty() {
            return;
        }
        let shared = std::sync::Arc::downgrade(self);
        self.metadata.commit(entries, move |result| match result {
            Ok(()) => {
                if let Some(shared) = shared.upgrade() {
                    shared.audit.note();
                }
            }
            Err(error) => tracing::warn!(%error, "audit entries could not be written"),
        });
    }
}

impl Handle {
    /// Writes something down that happens now; of the record, the time is filled in.
    ///
    /// *Durability*: within a second. Of too many at once, some are dropped, with a warning.
    pub fn audit(&self, record: AuditRecord) {
        self.shared.audit(record);
    }

    /// Reads a part of the audit log.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn audit_entries(&self, filter: AuditFilter) -> Result<Vec<AuditEntry>, Failure> {
        let path = self.shared.directory_path.clone();
        aside(move || Reader::open(&path)?.audit(&filter)).await
    }

    /// Changes whenever the audit log may have grown: then is the time to ask [`Self::audit_entries`] for what follows the last one seen.
    #[must_use]
    pub fn audit_changes(&self) -> watch::Receiver<u64> {
        self.shared.audit.changes.subscribe()
    }
}

#[cfg(test)]
mod tests;
