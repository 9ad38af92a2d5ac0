//! Accounts, and what is shared between them, for listings and registration.

use std::sync::Arc;

use broker::Name;
use broker::access::Access;
use directory::account::check_account_name;
use directory::{
    Account, Change, CommitError, Grant, Invitation, Permission, Profile, QueueKey, Quota, Refused,
    ResourceKind, Role, Subject, token,
};

use super::Handle;
use crate::accounts::{Denied, Login};
use crate::audit::Author;
use crate::quotas::AccountLimits;
use crate::startup::full_rights;

/// An account as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// The name typed at login.
    pub login: String,
    /// What it is there for.
    pub role: Role,
    /// Words such as `monitoring`.
    pub tags: Vec<String>,
    /// What the person says of themselves.
    pub profile: Profile,
    /// When it was made, in milliseconds since 1970; 0 if that is not known.
    pub created_ms: u64,
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        Self {
            login: account.login,
            role: account.role,
            tags: account.tags,
            profile: account.profile,
            created_ms: account.created_ms,
        }
    }
}

/// A queue's key as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueKeyView {
    /// The name by which it is deleted; no secret.
    pub id: String,
    /// The virtual host of the queue.
    pub vhost: String,
    /// The queue.
    pub queue: String,
    /// It lets messages in.
    pub write: bool,
    /// It lets messages out.
    pub read: bool,
    /// What its maker wrote down about it.
    pub note: String,
    /// The account that made it; `None` once that is deleted.
    pub created_by: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// From when on it opens nothing, if ever.
    pub expires_ms: Option<u64>,
}

impl From<QueueKey> for QueueKeyView {
    fn from(key: QueueKey) -> Self {
        Self {
            id: key.id,
            vhost: key.vhost,
            queue: key.queue,
            write: key.write,
            read: key.read,
            note: key.note,
            created_by: key.created_by,
            created_ms: key.created_ms,
            expires_ms: key.expires_ms,
        }
    }
}

/// An account that somebody makes for themselves.
#[derive(Clone)]
pub struct Registration {
    /// The name to log in by; see [`directory::account::check_account_name`].
    pub login: String,
    /// The password, as [`Handle::hash_password`] returns it.
    pub password_hash: String,
    /// What the account is there for. Who may choose it is the caller's to decide.
    pub role: Role,
    /// What the person says of themselves.
    pub profile: Profile,
    /// The hash of the invitation's code, if there has to be one: it is used up in the same step.
    pub invitation: Option<[u8; 32]>,
}

// Written by hand so that no log line ever carries a hash.
impl std::fmt::Debug for Registration {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Registration")
            .field("login", &self.login)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// Makes an account. A member is at home in the default virtual host without any permission; an administrator gets full rights there.
    ///
    /// *Durability*: the account is on disk on return.
    ///
    /// # Errors
    /// The login is taken or malformed, the profile is out of bounds, the invitation is void, or the directory cannot be written.
    pub async fn register(
        &self,
        registration: Registration,
        by: &Author,
    ) -> Result<(), CommitError> {
        let now_ms = self.now_ms();
        let Registration {
            login,
            password_hash,
            role,
            profile,
            invitation,
        } = registration;
        check_account_name(&login).map_err(|error| Refused::Invalid {
            subject: Subject::Account,
            reason: error.to_string(),
        })?;
        let mut account = Account::with_tags(login, password_hash, Vec::new(), now_ms);
        account.set_role(role);
        account.profile = profile;
        let permission: Option<Permission> =
            (role == Role::Administrator).then(|| full_rights(&account.login));
        let used = invitation.map(|code_hash| Change::InvitationUsed { code_hash, now_ms });
        let changes = used
            .into_iter()
            .chain([Change::AccountAdded(account)])
            .chain(permission.map(Change::PermissionSet))
            .collect();
        self.commit_as(by, changes).await
    }

    /// Hashes a password for storing, on the thread that checks them.
    ///
    /// # Errors
    /// [`Denied::Busy`] and [`Denied::Unusable`].
    pub async fn hash_password(&self, password: &str) -> Result<String, Denied> {
        self.shared.accounts.hash_password(password).await
    }

    /// The rights of a login in a virtual host; `None` when it has none there, or does not hold any more.
    #[must_use]
    pub fn access(&self, login: &Login, vhost: &str) -> Option<Arc<Access>> {
        self.shared.accounts.access(login, vhost)
    }

    /// The virtual host of the queue that a login by key is for.
    #[must_use]
    pub fn vhost_of_key(&self, login: &Login) -> Option<Name> {
        let key = self.shared.accounts.key(login.key()?)?;
        Some(key.vhost.as_str().into())
    }

    /// One account.
    #[must_use]
    pub fn account(&self, login: &str) -> Option<AccountView> {
        self.shared.accounts.account(login).map(AccountView::from)
    }

    /// Every account, by login.
    #[must_use]
    pub fn account_list(&self) -> Vec<AccountView> {
        let all = self.shared.accounts.all().into_iter();
        all.map(AccountView::from).collect()
    }

    /// Who was granted what on a queue or an exchange, by login.
    #[must_use]
    pub fn grants(&self, vhost: &str, resource: ResourceKind, name: &str) -> Vec<Grant> {
        self.shared.accounts.grants_on(vhost, resource, name)
    }

    /// The keys of a queue, the oldest first; also those that have expired.
    #[must_use]
    pub fn queue_keys(&self, vhost: &str, queue: &str) -> Vec<QueueKeyView> {
        let keys = self.shared.accounts.keys_of(vhost, queue).into_iter();
        keys.map(QueueKeyView::from).collect()
    }

    /// A queue's key.
    #[must_use]
    pub fn queue_key(&self, id: &str) -> Option<QueueKeyView> {
        self.shared.accounts.key(id).map(QueueKeyView::from)
    }

    /// Says whether this is the hash of a queue's key; the comparison takes the same time wherever the two differ.
    #[must_use]
    pub fn is_key(&self, id: &str, hash: &[u8; 32]) -> bool {
        let key = self.shared.accounts.key(id);
        key.is_some_and(|key| token::equal(&key.secret_hash, hash))
    }

    /// Every invitation, the oldest first; also those that have expired.
    #[must_use]
    pub fn invitations(&self) -> Vec<Invitation> {
        let mut all = self.shared.accounts.invitations();
        all.sort_by_key(|invitation| (invitation.created_ms, invitation.code_hash));
        all
    }

    /// The bounds that hold for an account: its own, and the server's where it has none.
    #[must_use]
    pub fn account_limits(&self, login: &str) -> AccountLimits {
        self.shared.limits_of(login)
    }

    /// The bounds set for an account; `None` leaves the server's own.
    #[must_use]
    pub fn quota(&self, login: &str) -> Option<Quota> {
        self.shared.accounts.quota(login)
    }
}
