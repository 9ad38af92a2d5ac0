//! What the topology asks of accounts that declared something and need not be connected.

use std::sync::Arc;

use broker::access::Access;
use broker::topology::Owners;
use directory::Role;

use super::Accounts;

impl Owners for Accounts {
    fn is_member(&self, login: &str) -> bool {
        let tables = self.tables();
        let entry = tables.accounts.get(login);
        entry.is_some_and(|entry| entry.account.role == Role::Member)
    }

    fn access(&self, login: &str, vhost: &str) -> Option<Arc<Access>> {
        if let Some(compiled) = self.tables().compiled_for(login, vhost)? {
            return Some(compiled);
        }
        self.tables_mut().access_for(login, vhost)
    }
}

#[cfg(test)]
mod tests;
