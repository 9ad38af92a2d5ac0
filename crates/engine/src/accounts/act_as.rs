//! Acting in an account's name without its password, as the server does for what an account left it to do.

use broker::access::{Access, Resource, Right};

use super::{Accounts, Login, Proof, login_of};
use crate::Handle;

/// An account that the server acts for.
#[derive(Debug, Clone)]
pub struct Acting {
    /// The login; void, as one by password is, once the account is gone or has another password.
    pub login: Login,
    /// When the account was made, in milliseconds since 1970: another one that took its name later is not the one to act for.
    pub since_ms: u64,
}

impl Handle {
    /// Makes a login of an account for the server itself; `None` when there is no such account.
    ///
    /// It is no proof of anything: whoever calls must know that the account wanted this.
    #[must_use]
    pub fn act_as(&self, login: &str) -> Option<Acting> {
        self.shared.accounts.act_as(login)
    }

    /// Says whether there is a queue of this name in the virtual host of `access` on which it gives a right at this moment.
    #[must_use]
    pub fn may_on_queue(&self, access: &Access, right: Right, queue: &str) -> bool {
        let topology = self.shared.topology();
        let host = topology.vhost(&access.vhost);
        host.and_then(|host| host.queue(queue))
            .is_some_and(|found| access.may(right, Resource::Queue, queue, found.owner.as_deref()))
    }
}

impl Accounts {
    fn act_as(&self, login: &str) -> Option<Acting> {
        let tables = self.tables();
        let entry = tables.accounts.get(login)?;
        Some(Acting {
            login: login_of(&entry.account, Proof::Password(entry.generation)),
            since_ms: entry.account.created_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use directory::{Change, password};

    use super::super::tests::{VHOST, accounts};

    #[test]
    fn acting_for_an_account_ends_with_its_password_its_rights_and_itself() {
        let hash = password::hash("other").expect("it can be hashed");
        let login = "ana".to_owned();
        let changes = [
            Change::AccountPassword {
                login: login.clone(),
                password_hash: hash,
            },
            Change::AccountDeleted {
                login: login.clone(),
            },
            Change::PermissionCleared {
                vhost: VHOST.into(),
                login,
            },
        ];
        for change in changes {
            let accounts = accounts("ana", ".*");
            let acting = accounts.act_as("ana").expect("she has an account");
            assert!(accounts.access(&acting.login, VHOST).is_some());
            accounts.apply(std::slice::from_ref(&change));
            assert!(
                accounts.access(&acting.login, VHOST).is_none(),
                "after {change:?} nothing can be done in her name"
            );
        }
    }

    #[test]
    fn nobody_acts_for_an_account_that_is_not_there_and_a_new_one_is_another() {
        let accounts = accounts("ana", ".*");
        assert!(accounts.act_as("eva").is_none());
        let before = accounts.act_as("ana").expect("she has an account");
        accounts.apply(&[Change::AccountDeleted {
            login: "ana".into(),
        }]);
        assert!(accounts.act_as("ana").is_none());
        let again = directory::Account::with_tags("ana".into(), "hash".into(), vec![], 7);
        accounts.apply(&[Change::AccountAdded(again)]);
        let after = accounts.act_as("ana").expect("the name is taken again");
        assert_ne!(before.since_ms, after.since_ms);
    }
}
