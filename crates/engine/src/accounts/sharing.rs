//! What lets others at single queues and exchanges: grants to accounts, and keys.

use std::collections::HashMap;
use std::sync::Arc;

use broker::Name;
use broker::access::{Grants, Resource, Rights};
use directory::{Grant, QueueKey, ResourceKind, Snapshot};

/// Virtual host and login.
type Place = (String, String);

#[derive(Debug, Default)]
pub(super) struct Sharing {
    grants: HashMap<Place, HashMap<(ResourceKind, String), Rights>>,
    keys: HashMap<Arc<str>, QueueKey>,
    by_secret: HashMap<[u8; 32], Arc<str>>,
}

impl Sharing {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let mut sharing = Self::default();
        for grant in &snapshot.grants {
            sharing.grant(grant);
        }
        for key in &snapshot.queue_keys {
            sharing.add_key(key);
        }
        sharing
    }

    /// Gives rights in place of those given before; true when some of those are gone.
    pub(super) fn grant(&mut self, grant: &Grant) -> bool {
        let rights = Rights {
            configure: grant.configure,
            write: grant.write,
            read: grant.read,
        };
        let place = (grant.vhost.clone(), grant.login.clone());
        let name = (grant.resource, grant.name.clone());
        let before = self.grants.entry(place).or_default().insert(name, rights);
        before.is_some_and(|before| {
            (before.configure && !rights.configure)
                || (before.write && !rights.write)
                || (before.read && !rights.read)
        })
    }

    /// Takes a grant away; false when there was none.
    pub(super) fn clear(
        &mut self,
        vhost: &str,
        resource: ResourceKind,
        name: &str,
        login: &str,
    ) -> bool {
        let place = (vhost.to_owned(), login.to_owned());
        let Some(granted) = self.grants.get_mut(&place) else {
            return false;
        };
        let is_cleared = granted.remove(&(resource, name.to_owned())).is_some();
        if granted.is_empty() {
            self.grants.remove(&place);
        }
        is_cleared
    }

    /// What an account was granted in a virtual host; `None` is nothing.
    pub(super) fn granted(&self, vhost: &str, login: &str) -> Option<Grants> {
        let granted = self.grants.get(&(vhost.to_owned(), login.to_owned()))?;
        let given = granted.iter().map(|((resource, name), rights)| {
            let resource = match resource {
                ResourceKind::Queue => Resource::Queue,
                ResourceKind::Exchange => Resource::Exchange,
            };
            (resource, Name::from(name.as_str()), *rights)
        });
        Some(given.collect())
    }

    /// Who was granted what on a queue or exchange, by login.
    pub(super) fn grants_on(&self, vhost: &str, resource: ResourceKind, name: &str) -> Vec<Grant> {
        let wanted = (resource, name.to_owned());
        let places = self.grants.iter().filter(|((host, _), _)| host == vhost);
        let mut found: Vec<_> = places
            .filter_map(|((_, login), granted)| {
                let rights = granted.get(&wanted)?;
                Some(Grant {
                    vhost: vhost.to_owned(),
                    resource,
                    name: name.to_owned(),
                    login: login.clone(),
                    configure: rights.configure,
                    write: rights.write,
                    read: rights.read,
                })
            })
            .collect();
        found.sort_by(|one, other| one.login.cmp(&other.login));
        found
    }

    /// Takes the grants on a queue or exchange with it, and a queue's keys; says whether there were grants, and returns the keys.
    pub(super) fn forget(
        &mut self,
        vhost: &str,
        resource: ResourceKind,
        name: &str,
    ) -> (bool, Vec<Arc<str>>) {
        let gone = (resource, name.to_owned());
        let mut had_grants = false;
        self.grants.retain(|(host, _), granted| {
            had_grants |= host == vhost && granted.remove(&gone).is_some();
            !granted.is_empty()
        });
        let keys = match resource {
            ResourceKind::Queue => self.end_keys(|key| key.vhost == vhost && key.queue == name),
            ResourceKind::Exchange => Vec::new(),
        };
        (had_grants, keys)
    }

    /// Takes the grants on a queue and its keys along to its new name; false when there are none.
    pub(super) fn rename(&mut self, vhost: &str, old: &str, new: &str) -> bool {
        let mut is_any = false;
        let [from, to] = [old, new].map(|name| (ResourceKind::Queue, name.to_owned()));
        for ((host, _), granted) in &mut self.grants {
            if host == vhost
                && let Some(rights) = granted.remove(&from)
            {
                granted.insert(to.clone(), rights);
                is_any = true;
            }
        }
        for key in self.keys.values_mut() {
            if key.vhost == vhost && key.queue == old {
                new.clone_into(&mut key.queue);
                is_any = true;
            }
        }
        is_any
    }

    /// Takes everything in a virtual host away; returns its keys.
    pub(super) fn forget_vhost(&mut self, vhost: &str) -> Vec<Arc<str>> {
        self.grants.retain(|(host, _), _| host != vhost);
        self.end_keys(|key| key.vhost == vhost)
    }

    /// Takes an account's grants away; the keys that it made stay.
    pub(super) fn forget_account(&mut self, login: &str) {
        self.grants.retain(|(_, owner), _| owner != login);
        for key in self.keys.values_mut() {
            if key.created_by.as_deref() == Some(login) {
                key.created_by = None;
            }
        }
    }

    pub(super) fn add_key(&mut self, key: &QueueKey) {
        let id = Arc::from(key.id.as_str());
        self.by_secret.insert(key.secret_hash, Arc::clone(&id));
        self.keys.insert(id, key.clone());
    }

    /// Deletes a key; false when there was none.
    pub(super) fn end_key(&mut self, id: &str) -> bool {
        let Some(key) = self.keys.remove(id) else {
            return false;
        };
        self.by_secret.remove(&key.secret_hash);
        true
    }

    /// The keys that have expired. They stay, so that whoever made them sees why they open nothing.
    pub(super) fn expired(&self, since_ms: u64, now_ms: u64) -> Vec<Arc<str>> {
        let expired = |key: &QueueKey| {
            key.expires_ms
                .is_some_and(|at_ms| since_ms < at_ms && at_ms <= now_ms)
        };
        let all = self.keys.iter();
        all.filter(|(_, key)| expired(key))
            .map(|(id, _)| id.clone())
            .collect()
    }

    fn end_keys(&mut self, is_ended: impl Fn(&QueueKey) -> bool) -> Vec<Arc<str>> {
        let all = self.keys.iter();
        let ended: Vec<_> = all
            .filter(|(_, key)| is_ended(key))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &ended {
            self.end_key(id);
        }
        ended
    }

    /// Finds the key of a secret.
    pub(super) fn by_secret(&self, hash: &[u8; 32]) -> Option<&QueueKey> {
        self.keys.get(self.by_secret.get(hash)?)
    }

    pub(super) fn key(&self, id: &str) -> Option<&QueueKey> {
        self.keys.get(id)
    }

    /// The keys of a queue, the oldest first.
    pub(super) fn keys_of(&self, vhost: &str, queue: &str) -> Vec<QueueKey> {
        let all = self.keys.values();
        let mut found: Vec<_> = all
            .filter(|key| key.vhost == vhost && key.queue == queue)
            .cloned()
            .collect();
        found.sort_by(|one, other| (one.created_ms, &one.id).cmp(&(other.created_ms, &other.id)));
        found
    }
}
