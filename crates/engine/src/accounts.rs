//! Who may come in, and what they may do: the directory's accounts in memory.

mod listing;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};

use broker::Name;
use broker::access::{Access, Pattern, TopicAccess};
use directory::credentials::CredentialCache;
use directory::{Account, Change, Permission, Snapshot, TopicPermission, password};
use tokio::sync::oneshot;

/// Password checks that may wait; one more is refused at once.
const CHECKS_WAITING_MAX: usize = 256;
/// Credentials whose proof is remembered.
const CREDENTIALS_REMEMBERED: usize = 4_096;
/// The account that only this machine may use.
pub const GUEST: &str = "guest";

/// A login that was accepted.
#[derive(Clone)]
pub struct Login {
    /// The account.
    pub name: Name,
    /// It may name others in the user-id property.
    pub impersonator: bool,
    /// What was stored of the password that was right: with another one the login is void.
    proof: Arc<str>,
}

// Written by hand so that no log line ever carries a hash.
impl std::fmt::Debug for Login {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Login")
            .field("name", &self.name)
            .field("impersonator", &self.impersonator)
            .finish_non_exhaustive()
    }
}

/// Why a login was not accepted. Peers are told no more than that it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No such account, or another password.
    #[error("wrong login or password")]
    Credentials,
    /// The guest account, from another machine.
    #[error("guest may log in from this machine only")]
    NotLocal,
    /// Too many logins wait to be checked.
    #[error("too many logins at once")]
    Busy,
}

#[derive(Debug, Default)]
struct Tables {
    accounts: HashMap<String, Account>,
    permissions: HashMap<(String, String), Permission>,
    topics: Vec<TopicPermission>,
    /// Rights that were compiled since the last change, by virtual host and login.
    compiled: HashMap<(String, String), Arc<Access>>,
}

struct Check {
    login: String,
    password: String,
    stored: Option<String>,
    answer: oneshot::Sender<bool>,
}

/// The accounts, and the thread that checks passwords.
///
/// # Concurrency
/// A read-write lock around the tables, a mutex around the proven credentials; both are leaves and held for a look-up. One thread
/// checks passwords, so that a flood of logins costs one core at most.
pub struct Accounts {
    tables: RwLock<Tables>,
    proven: Mutex<CredentialCache>,
    checks: mpsc::SyncSender<Check>,
    version: AtomicU64,
    guest: bool,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Accounts").finish_non_exhaustive()
    }
}

impl Accounts {
    pub(crate) fn start(
        snapshot: &Snapshot,
        guest: bool,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (checks, inbox) = mpsc::sync_channel::<Check>(CHECKS_WAITING_MAX);
        std::thread::Builder::new()
            .name("passwords".into())
            .spawn(move || {
                for check in inbox {
                    let is_right = match &check.stored {
                        Some(stored) => password::verify(&check.password, stored),
                        // The same work for an account that does not exist: time tells nothing.
                        None => {
                            password::verify_absent(&check.password);
                            false
                        }
                    };
                    tracing::debug!(login = %check.login, is_right, "password checked");
                    // The peer may have gone meanwhile.
                    let _ = check.answer.send(is_right);
                }
            })?;
        let tables = Tables {
            accounts: snapshot
                .accounts
                .iter()
                .map(|account| (account.login.clone(), account.clone()))
                .collect(),
            permissions: snapshot
                .permissions
                .iter()
                .map(|permission| (key(permission), permission.clone()))
                .collect(),
            topics: snapshot.topic_permissions.clone(),
            compiled: HashMap::new(),
        };
        Ok(Self {
            tables: RwLock::new(tables),
            proven: Mutex::new(CredentialCache::new(CREDENTIALS_REMEMBERED)?),
            checks,
            version: AtomicU64::new(1),
            guest,
        })
    }

    /// Grows whenever an account or a right changes.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Checks a login.
    ///
    /// # Errors
    /// [`Denied`]; the same for a wrong password and an account that does not exist, after the same time.
    pub async fn authenticate(
        &self,
        login: &str,
        password: &str,
        is_local: bool,
    ) -> Result<Login, Denied> {
        let account = self.tables().accounts.get(login).cloned();
        let account = account.filter(|_| login != GUEST || self.guest);
        if login == GUEST && !is_local {
            return Err(Denied::NotLocal);
        }
        let stored = account
            .as_ref()
            .map(|account| account.password_hash.clone())
            .filter(|_| !password.is_empty());
        let is_proven = stored
            .as_ref()
            .is_some_and(|stored| self.proven().recalls(login, password, stored));
        if !is_proven {
            let (answer, answered) = oneshot::channel();
            let check = Check {
                login: login.into(),
                password: password.into(),
                stored: stored.clone(),
                answer,
            };
            self.checks.try_send(check).map_err(|_| Denied::Busy)?;
            if !answered.await.unwrap_or(false) {
                return Err(Denied::Credentials);
            }
            if let Some(stored) = &stored {
                self.proven().remember(login, password, stored);
            }
        }
        let account = account.ok_or(Denied::Credentials)?;
        Ok(Login {
            name: login.into(),
            impersonator: is_impersonator(&account.tags),
            proof: account.password_hash.into(),
        })
    }

    /// The rights of an account in a virtual host; `None` when it has none there, or its login does not hold any more.
    #[must_use]
    pub fn access(&self, login: &Login, vhost: &str) -> Option<Arc<Access>> {
        let place = (vhost.to_owned(), login.name.to_string());
        {
            let tables = self.tables();
            tables.check(login)?;
            if let Some(compiled) = tables.compiled.get(&place) {
                return Some(compiled.clone());
            }
        }
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let access = Arc::new(tables.compile(login, vhost)?);
        tables.compiled.insert(place, access.clone());
        Some(access)
    }

    /// Follows a committed change; returns the logins whose connections may not go on.
    pub(crate) fn apply(&self, change: &Change) -> Option<String> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.compiled.clear();
        let revoked = tables.apply(change);
        drop(tables);
        if let Some(login) = &revoked {
            self.proven().forget(login);
        }
        self.version.fetch_add(1, Ordering::AcqRel);
        revoked
    }

    fn tables(&self) -> std::sync::RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn proven(&self) -> std::sync::MutexGuard<'_, CredentialCache> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Says whether an account is still the one that logged in, with the same password.
    fn check(&self, login: &Login) -> Option<&Account> {
        self.accounts
            .get(&*login.name)
            .filter(|account| *account.password_hash == *login.proof)
    }

    fn compile(&self, login: &Login, vhost: &str) -> Option<Access> {
        let account = self.check(login)?;
        let permission = self
            .permissions
            .get(&(vhost.to_owned(), login.name.to_string()))?;
        let compile = |pattern: &str| Pattern::compile(pattern).ok();
        // One that cannot be compiled allows nothing: left out, its exchange would be open.
        let expand = |pattern: &str| {
            let expanded = pattern
                .replace("{vhost}", &Pattern::quote(vhost))
                .replace("{username}", &Pattern::quote(&login.name));
            compile(&expanded).unwrap_or(Pattern::NOTHING)
        };
        let topics = self
            .topics
            .iter()
            .filter(|topic| topic.vhost == vhost && *topic.login == *login.name);
        Some(Access {
            login: login.name.clone(),
            vhost: vhost.into(),
            configure: compile(&permission.configure)?,
            write: compile(&permission.write)?,
            read: compile(&permission.read)?,
            topics: topics
                .map(|topic| TopicAccess {
                    exchange: topic.exchange.clone(),
                    write: expand(&topic.write),
                    read: expand(&topic.read),
                })
                .collect(),
            impersonator: is_impersonator(&account.tags),
            is_member: false,
            grants: Arc::default(),
            key: None,
        })
    }

    fn apply(&mut self, change: &Change) -> Option<String> {
        match change {
            Change::AccountAdded(account) => {
                drop(self.accounts.insert(account.login.clone(), account.clone()))
            }
            Change::AccountPassword {
                login,
                password_hash,
            } => {
                self.accounts
                    .get_mut(login)?
                    .password_hash
                    .clone_from(password_hash);
                return Some(login.clone());
            }
            Change::AccountRehashed {
                login,
                old_hash,
                new_hash,
            } => {
                let account = self.accounts.get_mut(login)?;
                if account.password_hash == *old_hash {
                    account.password_hash.clone_from(new_hash);
                }
            }
            Change::AccountProfile { login, profile } => {
                self.accounts.get_mut(login)?.profile.clone_from(profile);
            }
            // A role comes and goes with one tag, which no connection is told of.
            Change::AccountRole { login, role } => self.accounts.get_mut(login)?.set_role(*role),
            Change::AccountTags { login, tags } => {
                let account = self.accounts.get_mut(login)?;
                let had = is_impersonator(&account.tags);
                account.set_tags(tags.clone());
                // A connection goes by what it was told when it logged in.
                return (had != is_impersonator(tags)).then(|| login.clone());
            }
            Change::AccountDeleted { login } => {
                self.accounts.remove(login);
                self.permissions.retain(|(_, owner), _| owner != login);
                self.topics.retain(|topic| topic.login != *login);
                return Some(login.clone());
            }
            Change::PermissionSet(permission) => {
                let before = self.permissions.insert(key(permission), permission.clone());
                // Rights that were taken away end what was begun with them.
                return before
                    .filter(|before| before != permission)
                    .map(|before| before.login);
            }
            Change::PermissionCleared { vhost, login } => {
                return self
                    .permissions
                    .remove(&(vhost.clone(), login.clone()))
                    .map(|before| before.login);
            }
            Change::TopicPermissionSet(topic) => {
                self.topics.retain(|known| !same_topic(known, topic));
                self.topics.push(topic.clone());
            }
            Change::TopicPermissionCleared {
                vhost,
                login,
                exchange,
            } => self.topics.retain(|known| {
                known.vhost != *vhost
                    || known.login != *login
                    || exchange
                        .as_ref()
                        .is_some_and(|name| known.exchange != *name)
            }),
            Change::VhostDeleted { name } => {
                self.permissions.retain(|(vhost, _), _| vhost != name);
                self.topics.retain(|topic| topic.vhost != *name);
            }
            Change::VhostAdded { .. }
            | Change::ExchangeDeclared(_)
            | Change::ExchangeDeleted { .. }
            | Change::QueueDeclared(_)
            | Change::QueueDeleted { .. }
            | Change::Bound(_)
            | Change::Unbound(_)
            | Change::PolicySet(_)
            | Change::PolicyCleared { .. }
            | Change::ParameterSet { .. }
            | Change::QueueRenamed { .. }
            | Change::PartitionedSet(_)
            | Change::PartitionedDeleted { .. }
            | Change::SessionAdded(_)
            | Change::SessionEnded { .. }
            | Change::SessionsEnded { .. }
            | Change::SessionSeen { .. }
            | Change::SessionsExpired { .. }
            | Change::InvitationAdded(_)
            | Change::InvitationUsed { .. }
            | Change::InvitationDeleted { .. }
            | Change::GrantSet(_)
            | Change::GrantCleared { .. }
            | Change::QueueKeyAdded(_)
            | Change::QueueKeyDeleted { .. }
            | Change::QuotaSet(_)
            | Change::QuotaCleared { .. }
            | Change::WebhookSet(_)
            | Change::WebhookDeleted { .. }
            | Change::AuditAdded(_)
            | Change::AuditTrimmed { .. } => {}
        }
        None
    }
}

fn same_topic(one: &TopicPermission, other: &TopicPermission) -> bool {
    one.vhost == other.vhost && one.login == other.login && one.exchange == other.exchange
}

fn key(permission: &Permission) -> (String, String) {
    (permission.vhost.clone(), permission.login.clone())
}

fn is_impersonator(tags: &[String]) -> bool {
    tags.iter().any(|tag| tag == "impersonator")
}

/// A name of 128 random bits that nobody can guess, in letters, digits, `-` and `_`.
#[must_use]
pub fn random_name() -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; 22];
    // Without randomness nothing here is safe, and Linux always has it once it has booted.
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect()
}

#[cfg(test)]
mod tests;
