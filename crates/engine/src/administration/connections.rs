//! The open connections: those of all shards, and those that are served elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use broker::{ConnectionId, Refusal, RefusalKind};
use directory::ResourceKind;

use super::Handle;
use crate::accounts::{Login, Revoked};
use crate::audit::Author;
use crate::connection::ConnectionInfo;
use crate::mailbox::Letter;
use crate::{Shared, SharedRef};

/// A connection as listings show it.
#[derive(Debug, Clone)]
pub struct ConnectionView {
    /// Its identity.
    pub id: ConnectionId,
    /// What it is.
    pub info: ConnectionInfo,
    /// The session whose token opened it.
    pub session: Option<String>,
}

/// The shard of connections that no shard hosts.
const ELSEWHERE: u16 = u16::MAX;

/// Tells whoever serves a connection elsewhere to close it, for a reason that its client is shown. It must not wait.
pub type Closer = Arc<dyn Fn(&str) + Send + Sync>;

struct Open {
    info: ConnectionInfo,
    login: Login,
    /// How it is closed, if no shard hosts it.
    closer: Option<Closer>,
}

/// The open connections, for listings. A leaf lock, taken when a connection opens or closes.
#[derive(Default)]
pub(crate) struct ConnectionTable {
    open: Mutex<HashMap<ConnectionId, Open>>,
    elsewhere: AtomicU64,
}

impl std::fmt::Debug for ConnectionTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ConnectionTable")
            .field("open", &self.len())
            .finish_non_exhaustive()
    }
}

/// A connection that no shard hosts, in the listings as long as this is kept.
pub struct Admission {
    id: ConnectionId,
    shared: SharedRef,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Admission").field(&self.id).finish()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.shared.connections.remove(self.id);
    }
}

impl ConnectionTable {
    pub(crate) fn insert(&self, connection: ConnectionId, info: ConnectionInfo, login: Login) {
        let closer = None;
        self.lock().insert(
            connection,
            Open {
                info,
                login,
                closer,
            },
        );
    }

    /// Tells all connections that no shard hosts to close.
    pub(crate) fn close_elsewhere(&self, reason: &str) {
        let closers: Vec<_> = {
            let open = self.lock();
            open.values()
                .filter_map(|open| open.closer.clone())
                .collect()
        };
        for close in closers {
            close(reason);
        }
    }

    fn closer(&self, connection: ConnectionId) -> Option<Closer> {
        self.lock().get(&connection)?.closer.clone()
    }

    pub(crate) fn remove(&self, connection: ConnectionId) {
        self.lock().remove(&connection);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Counts them by protocol, and their channels.
    pub(crate) fn census(&self) -> (BTreeMap<&'static str, u64>, u64) {
        let mut protocols = BTreeMap::new();
        let mut channels = 0;
        for Open { info, .. } in self.lock().values() {
            *protocols.entry(info.protocol).or_default() += 1;
            channels += u64::from(info.channels.load(Ordering::Relaxed));
        }
        (protocols, channels)
    }

    /// Those that are wanted, by what they are and by whom they were opened.
    pub(crate) fn of(
        &self,
        is_wanted: impl Fn(&ConnectionInfo, &Login) -> bool,
    ) -> Vec<ConnectionView> {
        let open = self.lock();
        let wanted = open
            .iter()
            .filter(|(_, open)| is_wanted(&open.info, &open.login));
        let mut views: Vec<_> = wanted
            .map(|(id, open)| ConnectionView {
                id: *id,
                info: open.info.clone(),
                session: open.login.session().map(str::to_owned),
            })
            .collect();
        views.sort_by_key(|view| view.id);
        views
    }

    /// How many connections an account has.
    pub(crate) fn count_of(&self, login: &str) -> u64 {
        let open = self.lock();
        let is_theirs = |open: &&Open| open.login.key().is_none() && *open.login.name == *login;
        open.values().filter(is_theirs).count() as u64
    }

    /// Who is at the other end of a connection.
    pub(crate) fn author(&self, connection: ConnectionId) -> Option<Author> {
        let open = self.lock();
        open.get(&connection).map(|open| Author::at(&open.info))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ConnectionId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Tells a connection to close, for a reason that its client is shown.
    pub(crate) fn close(&self, view: &ConnectionView, reason: &str) {
        if view.id.shard() == ELSEWHERE {
            if let Some(close) = self.connections.closer(view.id) {
                close(reason);
            }
            return;
        }
        self.post(
            view.id.shard(),
            Letter::Close {
                connection: Some(view.id),
                reason: reason.into(),
            },
        );
    }

    /// Closes the connections that may not go on.
    pub(crate) fn revoke(&self, revoked: &[Revoked]) {
        if revoked.is_empty() {
            return;
        }
        for reason in [Revoked::ACCOUNT, Revoked::SESSION, Revoked::KEY] {
            let of_reason = || revoked.iter().filter(|one| one.reason() == reason);
            let views = self
                .connections
                .of(|info, login| of_reason().any(|one| one.concerns(login, &info.vhost)));
            for view in views {
                self.close(&view, reason);
            }
        }
    }
}

impl Shared {
    /// Takes what was shared of a queue or exchange that is gone.
    pub(crate) fn forget(&self, resource: ResourceKind, vhost: &str, name: &str) {
        self.revoke(&self.accounts.forget(vhost, resource, name));
    }
}

impl Handle {
    /// Lets a connection in that no shard hosts: it is listed, counts for its account, and is closed with its login like all others.
    ///
    /// # Errors
    /// The login is void, the account has as many connections as it may have, or the server stops.
    pub fn admit(
        &self,
        login: &Login,
        info: ConnectionInfo,
        closer: Closer,
    ) -> Result<Admission, Refusal> {
        if self.shared.is_draining.load(Ordering::Relaxed) {
            let detail = "the server is shutting down";
            return Err(Refusal::new(RefusalKind::Unavailable, detail));
        }
        let number = self
            .shared
            .connections
            .elsewhere
            .fetch_add(1, Ordering::Relaxed);
        let admission = Admission {
            id: ConnectionId::new(ELSEWHERE, number),
            shared: self.shared.clone(),
        };
        let open = Open {
            info,
            login: login.clone(),
            closer: Some(closer),
        };
        self.shared.connections.lock().insert(admission.id, open);
        // Whoever takes a login away looks for connections afterwards: one that was void before is found here.
        if !self.is_valid(login) {
            let detail = "the login does not hold any more";
            return Err(Refusal::new(RefusalKind::AccessRefused, detail));
        }
        self.shared.check_connections(login)?;
        Ok(admission)
    }

    /// Every open connection.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionView> {
        self.shared.connections.of(|_, _| true)
    }

    /// Closes one connection or all, for a reason that clients are shown; returns how many.
    #[must_use]
    pub fn close_connections(&self, connection: Option<ConnectionId>, reason: &str) -> usize {
        let views = self.connections();
        let wanted = views
            .iter()
            .filter(|view| connection.is_none_or(|id| view.id == id));
        wanted.map(|view| self.shared.close(view, reason)).count()
    }
}
