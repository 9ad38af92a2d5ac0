//! The sessions that tokens prove, in memory: found by token, by name and by account.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use directory::limits::SESSIONS_PER_LOGIN_MAX;
use directory::{Change, Session};

/// How often the use of a session is written down at most.
const NOTED_EVERY_MS: u64 = 60_000;

/// One session. Its times move while it is in use.
#[derive(Debug)]
pub(crate) struct OpenSession {
    /// As it was stored; of its times only `created_ms` still holds.
    pub(crate) stored: Session,
    pub(crate) id: Arc<str>,
    /// From its last use on it holds this long.
    ttl_ms: u64,
    last_seen_ms: AtomicU64,
    /// The last use that was written down.
    noted_ms: AtomicU64,
}

impl OpenSession {
    fn new(stored: &Session) -> Self {
        Self {
            stored: stored.clone(),
            id: stored.id.as_str().into(),
            ttl_ms: stored.expires_ms.saturating_sub(stored.last_seen_ms),
            last_seen_ms: AtomicU64::new(stored.last_seen_ms),
            noted_ms: AtomicU64::new(stored.last_seen_ms),
        }
    }

    pub(crate) fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn expires_ms(&self) -> u64 {
        self.last_seen_ms().saturating_add(self.ttl_ms)
    }

    pub(crate) fn is_valid(&self, now_ms: u64) -> bool {
        now_ms < self.expires_ms()
    }

    /// Notes that the session is in use; a change when that is to be written down.
    pub(crate) fn see(&self, now_ms: u64) -> Option<Change> {
        self.last_seen_ms.fetch_max(now_ms, Ordering::Relaxed);
        let due = |noted: u64| (now_ms >= noted + NOTED_EVERY_MS).then_some(now_ms);
        let relaxed = Ordering::Relaxed;
        self.noted_ms.fetch_update(relaxed, relaxed, due).ok()?;
        Some(Change::SessionSeen {
            id: self.stored.id.clone(),
            last_seen_ms: now_ms,
            expires_ms: now_ms.saturating_add(self.ttl_ms),
        })
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct SessionTable {
    by_id: HashMap<Arc<str>, Arc<OpenSession>>,
    by_token: HashMap<[u8; 32], Arc<OpenSession>>,
    /// By account, the oldest first.
    by_login: HashMap<String, BTreeSet<(u64, Arc<str>)>>,
}

impl SessionTable {
    pub(crate) fn new(stored: &[Session]) -> Self {
        let mut table = Self::default();
        for session in stored {
            table.insert(session);
        }
        table
    }

    /// Adds a session; returns the ids of those that had to give way, as the directory decides it.
    pub(crate) fn add(&mut self, session: &Session) -> Vec<Arc<str>> {
        let mut ended = Vec::new();
        while let Some(own) = self.by_login.get(&session.login)
            && own.len() >= SESSIONS_PER_LOGIN_MAX
            && let Some((_, oldest)) = own.first().cloned()
        {
            self.end(&oldest);
            ended.push(oldest);
        }
        self.insert(session);
        ended
    }

    fn insert(&mut self, session: &Session) {
        let open = Arc::new(OpenSession::new(session));
        let id = open.id.clone();
        self.by_token.insert(session.token_hash, open.clone());
        self.by_login
            .entry(session.login.clone())
            .or_default()
            .insert((session.created_ms, id.clone()));
        self.by_id.insert(id, open);
    }

    /// Ends a session; false when there was none.
    pub(crate) fn end(&mut self, id: &str) -> bool {
        let Some(open) = self.by_id.remove(id) else {
            return false;
        };
        self.by_token.remove(&open.stored.token_hash);
        if let Some(own) = self.by_login.get_mut(&open.stored.login) {
            own.remove(&(open.stored.created_ms, open.id.clone()));
            if own.is_empty() {
                self.by_login.remove(&open.stored.login);
            }
        }
        true
    }

    /// Ends the sessions of an account but for one; returns their ids.
    pub(crate) fn end_of(&mut self, login: &str, except: Option<&str>) -> Vec<Arc<str>> {
        let own = self.by_login.get(login).into_iter().flatten();
        let ended: Vec<_> = own
            .map(|(_, id)| id.clone())
            .filter(|id| except != Some(&**id))
            .collect();
        for id in &ended {
            self.end(id);
        }
        ended
    }

    pub(crate) fn has_expired(&self, now_ms: u64) -> bool {
        self.by_id.values().any(|open| !open.is_valid(now_ms))
    }

    /// Ends the sessions that have expired; returns their ids.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Vec<Arc<str>> {
        let expired = |open: &&Arc<OpenSession>| !open.is_valid(now_ms);
        let all = self.by_id.values();
        let ended: Vec<_> = all.filter(expired).map(|open| open.id.clone()).collect();
        for id in &ended {
            self.end(id);
        }
        ended
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Arc<OpenSession>> {
        self.by_id.get(id)
    }

    pub(crate) fn by_token(&self, hash: &[u8; 32]) -> Option<&Arc<OpenSession>> {
        self.by_token.get(hash)
    }

    /// Those of one account or of all, in no order.
    pub(crate) fn of(&self, login: Option<&str>) -> Vec<Arc<OpenSession>> {
        match login {
            None => self.by_id.values().cloned().collect(),
            Some(login) => {
                let own = self.by_login.get(login).into_iter().flatten();
                own.filter_map(|(_, id)| self.by_id.get(id).cloned())
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests;
