//! The open connections of all shards.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use broker::ConnectionId;
use directory::ResourceKind;

use super::Handle;
use crate::Shared;
use crate::accounts::{Login, Revoked};
use crate::audit::Author;
use crate::connection::ConnectionInfo;
use crate::mailbox::Letter;

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

#[derive(Debug)]
struct Open {
    info: ConnectionInfo,
    login: Login,
}

/// The open connections of all shards, for listings. A leaf lock, taken when a connection opens or closes.
#[derive(Debug, Default)]
pub(crate) struct ConnectionTable {
    open: Mutex<HashMap<ConnectionId, Open>>,
}

impl ConnectionTable {
    pub(crate) fn insert(&self, connection: ConnectionId, info: ConnectionInfo, login: Login) {
        self.lock().insert(connection, Open { info, login });
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
