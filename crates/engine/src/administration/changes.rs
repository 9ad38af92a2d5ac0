//! An operator's and the accounts' own changes: made durable, then acted on.

use std::sync::{Arc, PoisonError};

use directory::{Change, CommitError};
use tokio::sync::oneshot;

use super::Handle;
use crate::audit::Author;
use crate::mailbox::Letter;
use crate::startup::DEFAULT_VHOST;
use crate::{Shared, SharedRef};

impl Handle {
    /// Makes an operator's changes durable, then acts on them: accounts, rights, virtual hosts, policies.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        self.commit_as(&Author::operator(), changes).await
    }

    /// Makes changes durable, with what is to be known of whoever made them, then acts on them.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn commit_as(&self, by: &Author, changes: Vec<Change>) -> Result<(), CommitError> {
        let (answer, answered) = oneshot::channel();
        self.shared
            .commit(by, changes, move |result| drop(answer.send(result)));
        // The directory's thread ends only with the engine.
        answered.await.unwrap_or(Ok(()))
    }
}

impl Shared {
    /// Commits changes and acts on them, both in the order of all commits; `done` is called afterwards, on the directory's thread.
    fn commit(
        self: &SharedRef,
        by: &Author,
        changes: Vec<Change>,
        done: impl FnOnce(Result<(), CommitError>) + Send + 'static,
    ) {
        let written_down = by.changed(&changes, self.clock.now_ms());
        let is_written_down = !written_down.is_empty();
        let stored = changes.iter().cloned().chain(written_down).collect();
        let shared = Arc::downgrade(self);
        self.metadata.commit(stored, move |result| {
            if result.is_ok()
                && let Some(shared) = shared.upgrade()
            {
                shared.act_on(&changes);
                if is_written_down {
                    shared.audit.note();
                }
            }
            done(result);
        });
    }

    /// Commits what nobody waits for.
    pub(crate) fn commit_quietly(self: &SharedRef, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        self.commit(&Author::server(), changes, |result| {
            if let Err(error) = result {
                tracing::warn!(%error, "the server's own change could not be made durable");
            }
        });
    }

    fn act_on(&self, changes: &[Change]) {
        self.revoke(&self.accounts.apply(changes));
        for change in changes {
            if let Change::AccountDeleted { login } = change {
                self.topology_mut().disown(login);
            }
            if let Change::VhostAdded { name } = change {
                let mut topology = self.topology_mut();
                topology.add_vhost(name);
                if name == DEFAULT_VHOST {
                    topology.add_chat(name);
                }
            }
            if let Change::VhostDeleted { name } = change {
                self.forget_policies(name);
                self.end_vhost(name);
            }
        }
        let policies = changes
            .iter()
            .any(|change| matches!(change, Change::PolicySet(_) | Change::PolicyCleared { .. }));
        if policies {
            self.follow_policies(changes);
        }
    }

    fn end_vhost(&self, name: &str) {
        let reason = format!("vhost '{name}' is deleted");
        for view in self.connections.of(|info, _| *info.vhost == *name) {
            self.close(&view, &reason);
        }
        for place in self.topology_mut().remove_vhost(name) {
            let letter = Letter::Delete {
                place,
                if_unused: false,
                if_empty: false,
                answer: None,
            };
            self.post(place.shard, letter);
        }
    }

    /// Applies changed policies to the queues and exchanges that they are for.
    fn follow_policies(&self, changes: &[Change]) {
        let mut stored = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            if let Change::PolicySet(policy) = change {
                stored.retain(|known| known.vhost != policy.vhost || known.name != policy.name);
                stored.push(policy.clone());
            }
            if let Change::PolicyCleared { vhost, name } = change {
                stored.retain(|known| known.vhost != *vhost || known.name != *name);
            }
        }
        for vhost in self.vhost_names() {
            let compiled = crate::policies::compile_all(&stored, &vhost);
            let options = self.topology_mut().set_policies(&vhost, compiled);
            for (place, options) in options {
                self.post(
                    place.shard,
                    Letter::Configure {
                        place,
                        options: Box::new(options),
                    },
                );
            }
        }
    }
}
