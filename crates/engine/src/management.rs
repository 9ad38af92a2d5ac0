//! What management interfaces ask beyond an operator's listings, from memory: they ask often, and the database is no place for that.

use std::sync::PoisonError;

use directory::Policy;

use crate::Shared;
use crate::administration::Handle;

impl Shared {
    /// Drops the policies of a virtual host that is gone: a new one of its name has none of them.
    pub(crate) fn forget_policies(&self, vhost: &str) {
        let mut stored = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        stored.retain(|policy| policy.vhost != vhost);
    }
}

impl Handle {
    /// Says whether a virtual host exists.
    #[must_use]
    pub fn has_vhost(&self, name: &str) -> bool {
        self.shared.topology().vhost(name).is_some()
    }

    /// All policies, by virtual host and name.
    #[must_use]
    pub fn policies(&self) -> Vec<Policy> {
        let stored = self.shared.policies.lock();
        let mut all = stored.unwrap_or_else(PoisonError::into_inner).clone();
        all.sort_by(|one, other| (&one.vhost, &one.name).cmp(&(&other.vhost, &other.name)));
        all
    }
}
