//! Giving a queue another name, from any thread.

use std::sync::Arc;

use broker::access::Access;
use broker::topology::{Actor, QueueRenamed};
use broker::{ConnectionId, Refusal, RefusalKind};
use directory::CommitError;
use tokio::sync::oneshot;

use crate::Shared;
use crate::administration::Handle;
use crate::audit::Author;
use crate::declared::to_store;
use crate::mailbox::Letter;

/// Who asks by a handle: no connection, so that every exclusive queue is another's.
pub(crate) const NO_CONNECTION: ConnectionId = ConnectionId(u64::MAX);

impl Handle {
    /// Renames a queue of the virtual host that `access` is for, by the rights that it gives, on behalf of `by`; see
    /// [`broker::topology::Topology::rename_queue`].
    ///
    /// # Durability
    /// A durable queue has its new name on disk on return. When it cannot be written the queue has its old one again.
    ///
    /// # Errors
    /// As there; also `PreconditionFailed` for a name that cannot be stored and `Unavailable` when the disk fails.
    pub async fn rename_queue(
        &self,
        access: &Access,
        old: &str,
        new: &str,
        by: &Author,
    ) -> Result<(), Refusal> {
        let actor = Actor {
            connection: NO_CONNECTION,
            access: Some(access),
        };
        let (answer, answered) = oneshot::channel();
        {
            let mut topology = self.shared.topology_mut();
            let renamed = topology.rename_queue(&access.vhost, old, new, &actor)?;
            let changes = to_store(topology.take_changes());
            let name = renamed
                .first()
                .map_or_else(|| new.into(), |one| one.name.clone());
            self.shared.tell_all(renamed);
            // At once: what takes the old name from now on is another.
            self.shared.accounts.rename(&access.vhost, old, &name);
            self.shared.audit(by.renamed(&access.vhost, old, &name));
            let shared = Arc::downgrade(&self.shared);
            let (vhost, old) = (access.vhost.clone(), old.to_owned());
            // Under the topology's lock, so that the directory and the queue's shard see names in the order in which they were given.
            self.shared.metadata.commit(changes, move |result| {
                if let Some(shared) = shared.upgrade() {
                    // And in the order of commits: until now somebody may have been given a right on it.
                    shared.accounts.rename(&vhost, &old, &name);
                    if result.is_err() {
                        undo(&shared, &vhost, &name, &old);
                    }
                }
                // Whoever asked may have gone.
                let _ = answer.send(result);
            });
        }
        match answered.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(refusal(&error)),
            // The directory's thread ends only with the engine.
            Err(_) => Err(unavailable()),
        }
    }
}

impl Shared {
    fn tell_all(&self, renamed: Vec<QueueRenamed>) {
        for one in renamed {
            self.tell(one);
        }
    }

    fn tell(&self, renamed: QueueRenamed) {
        let QueueRenamed {
            place,
            name,
            options,
        } = renamed;
        let letter = Letter::Rename {
            place,
            name,
            options: Box::new(options),
        };
        self.post(place.shard, letter);
    }
}

/// Gives a queue its old name again, which alone is on disk.
fn undo(shared: &Shared, vhost: &str, new: &str, old: &str) {
    let server = Actor {
        connection: NO_CONNECTION,
        access: None,
    };
    let mut topology = shared.topology_mut();
    match topology.rename_queue(vhost, new, old, &server) {
        Ok(renamed) => {
            shared.accounts.rename(vhost, new, old);
            // Written again, it is refused or changes nothing: whatever was declared meanwhile comes after it.
            let changes = to_store(topology.take_changes());
            shared.tell_all(renamed);
            shared.metadata.commit(changes, |_| ());
        }
        Err(refusal) => {
            tracing::error!(vhost, new, old, %refusal, "a queue has its old name after the next start only");
        }
    }
}

fn refusal(error: &CommitError) -> Refusal {
    match error {
        CommitError::Refused(refused) => {
            Refusal::new(RefusalKind::PreconditionFailed, refused.to_string())
        }
        CommitError::Failure(_) => {
            tracing::error!(%error, "a queue's name could not be made durable");
            unavailable()
        }
    }
}

fn unavailable() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "the new name could not be made durable; try again later",
    )
}

#[cfg(test)]
mod tests;
