//! Who may come in, and what they may do: the directory's accounts in memory.
//!
//! Start reading at [`Login`]; [`crate::Handle::log_in`] makes one.

mod act_as;
mod listing;
mod lockout;
mod owners;
mod passwords;
mod sharing;
mod tables;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use broker::Name;
use broker::access::Access;
use directory::{
    Account, Change, Grant, Invitation, QueueKey, Quota, ResourceKind, Role, Snapshot, token,
};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::sessions::OpenSession;
pub(crate) use lockout::{Closed, neighbourhood};
use passwords::{Attempt, Passwords};
pub(crate) use tables::{Effect, Revoked};
use tables::{Tables, key_name, opens};

pub use act_as::Acting;

/// The account that only this machine may use.
pub const GUEST: &str = "guest";
/// What the names of logins by key begin with; the key's id follows.
pub const KEY_PREFIX: &str = "key:";

/// The name of the server's own login.
const SERVER: &str = "server:chat";

/// A login that was accepted.
#[derive(Clone)]
pub struct Login {
    /// The account; of a login by key, [`KEY_PREFIX`] and the key's id.
    pub name: Name,
    /// It may name others in the user-id property.
    pub impersonator: bool,
    /// The account's role when it logged in; a key has none.
    role: Option<Role>,
    proof: Proof,
}

/// What the login showed. Without it the login is void.
#[derive(Clone)]
enum Proof {
    /// The account's password; with another one the account has another generation.
    Password(u64),
    /// The token of a session.
    Session(Arc<str>),
    /// The key of a queue: it is no account.
    Key(Arc<str>),
    /// None: it is the server's own.
    Server,
}

impl Login {
    /// The login of the server itself, as which it does what no account asked for. No account can have its name.
    #[must_use]
    pub fn of_server() -> Self {
        Self {
            name: SERVER.into(),
            impersonator: true,
            role: None,
            proof: Proof::Server,
        }
    }

    /// Says whether it is the server's own.
    #[must_use]
    pub const fn is_server(&self) -> bool {
        matches!(self.proof, Proof::Server)
    }

    /// The session whose token was shown.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        match &self.proof {
            Proof::Session(id) => Some(id),
            Proof::Password(_) | Proof::Key(_) | Proof::Server => None,
        }
    }

    /// The queue's key that was shown, by its id: the login is no account.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match &self.proof {
            Proof::Key(id) => Some(id),
            Proof::Password(_) | Proof::Session(_) | Proof::Server => None,
        }
    }

    /// The account's role when it logged in; `None` for a key. Without that role the login is void.
    #[must_use]
    pub const fn role(&self) -> Option<Role> {
        self.role
    }

    /// Says whether it may do everything.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        self.role == Some(Role::Administrator)
    }
}

// Written by hand: whose login it is and how it was proven is all that a log line is to carry.
impl std::fmt::Debug for Login {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Login")
            .field("name", &self.name)
            .field("impersonator", &self.impersonator)
            .field("role", &self.role)
            .field("session", &self.session())
            .finish_non_exhaustive()
    }
}

/// Why a login was not accepted. Peers are told no more than that it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No such account, or another password.
    #[error("wrong login or password")]
    Credentials,
    /// No such token or key, or it has expired.
    #[error("unknown or expired token")]
    Secret,
    /// The guest account, from another machine.
    #[error("guest may log in from this machine only")]
    NotLocal,
    /// Too many logins wait to be checked.
    #[error("too many logins at once")]
    Busy,
    /// Too many logins failed: until some time has passed, a right one is not heard either.
    #[error("too many failed logins; try again in {retry_after_ms} ms")]
    LockedOut {
        /// Milliseconds until one is heard again.
        retry_after_ms: u64,
    },
    /// A password that cannot be one: it is empty or longer than [`directory::limits::PASSWORD_BYTES_MAX`].
    #[error("a password has 1 to {} bytes", directory::limits::PASSWORD_BYTES_MAX)]
    Unusable,
}

/// A login that was accepted by its password.
pub(crate) struct Accepted {
    pub(crate) login: Login,
    /// The password is to be stored in another form from now on.
    pub(crate) rehashed: Option<Change>,
}

/// The accounts, and the thread that checks passwords.
///
/// # Concurrency
/// A read-write lock around the tables; a leaf, held for a look-up.
pub struct Accounts {
    clock: Clock,
    tables: RwLock<Tables>,
    passwords: Passwords,
    version: AtomicU64,
    changes: watch::Sender<u64>,
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
        clock: Clock,
        release_memory: fn(),
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self {
            clock,
            tables: RwLock::new(Tables::new(snapshot)),
            passwords: Passwords::start(clock, release_memory)?,
            version: AtomicU64::new(1),
            changes: watch::Sender::new(1),
            guest,
        })
    }

    /// Grows whenever a right changes or a login becomes void.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Follows [`Self::version`].
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Checks a password.
    ///
    /// # Errors
    /// [`Denied`]; the same for a wrong password and an account that does not exist, after the same time.
    pub(crate) async fn check_password(
        &self,
        login: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<Accepted, Denied> {
        if login == GUEST && !address.to_canonical().is_loopback() {
            return Err(Denied::NotLocal);
        }
        let found = {
            let tables = self.tables();
            let entry = tables.accounts.get(login);
            entry
                .filter(|_| login != GUEST || self.guest)
                .map(|entry| (entry.account.clone(), entry.generation))
        };
        let stored = found
            .as_ref()
            .map(|(account, _)| account.password_hash.clone())
            .filter(|_| !password.is_empty());
        let right = self
            .passwords
            .check(Attempt {
                login: login.to_owned(),
                password: password.to_owned(),
                address,
                stored,
            })
            .await?;
        let (account, generation) = found.ok_or(Denied::Credentials)?;
        let rehashed = right.rehashed.map(|new_hash| Change::AccountRehashed {
            login: account.login.clone(),
            old_hash: account.password_hash.clone(),
            new_hash,
        });
        let login = login_of(&account, Proof::Password(generation));
        Ok(Accepted { login, rehashed })
    }

    /// Takes the doors that failed logins have closed since the last call.
    pub(crate) fn take_closed(&self) -> Vec<Closed> {
        self.passwords.take_closed()
    }

    /// Hashes a password for storing, on the thread that checks them.
    pub(crate) async fn hash_password(&self, password: &str) -> Result<String, Denied> {
        self.passwords.hash(password).await
    }

    /// Finds the login of a session's token; whoever it is may have to be on this machine.
    pub(crate) fn by_token(&self, secret: &str) -> Option<(Login, Arc<OpenSession>)> {
        let tables = self.tables();
        let session = tables.sessions.by_token(&token::hash(secret))?;
        let session = session.is_valid(self.clock.now_ms()).then_some(session)?;
        let login = &session.stored.login;
        let entry = tables.accounts.get(login);
        let entry = entry.filter(|_| login != GUEST || self.guest)?;
        let login = login_of(&entry.account, Proof::Session(session.id.clone()));
        Some((login, session.clone()))
    }

    /// Finds the login of a queue's key.
    pub(crate) fn by_key(&self, secret: &str) -> Option<Login> {
        let tables = self.tables();
        let key = tables.sharing.by_secret(&token::hash(secret))?;
        opens(key, self.clock.now_ms()).then(|| Login {
            name: key_name(&key.id),
            impersonator: false,
            role: None,
            proof: Proof::Key(key.id.as_str().into()),
        })
    }

    /// The rights of a login in a virtual host; `None` when it has none there, or does not hold any more.
    #[must_use]
    pub fn access(&self, login: &Login, vhost: &str) -> Option<Arc<Access>> {
        if login.is_server() {
            let access = Access::of_server(login.name.clone(), vhost.into());
            return Some(Arc::new(access));
        }
        let now_ms = self.clock.now_ms();
        {
            let tables = self.tables();
            if login.key().is_some() {
                return tables.key_access(login, vhost, now_ms);
            }
            if let Some(compiled) = tables.compiled(login, vhost, now_ms)? {
                return Some(compiled);
            }
        }
        self.tables_mut().access(login, vhost, now_ms)
    }

    /// Says whether a login still holds.
    #[must_use]
    pub fn is_valid(&self, login: &Login) -> bool {
        if login.is_server() {
            return true;
        }
        let (tables, now_ms) = (self.tables(), self.clock.now_ms());
        match login.key() {
            Some(_) => tables.check_key(login, now_ms).is_some(),
            None => tables.check(login, now_ms).is_some(),
        }
    }

    /// Says whether an account may see how the whole server is doing.
    #[must_use]
    pub fn may_monitor(&self, login: &Login) -> bool {
        let (tables, now_ms) = (self.tables(), self.clock.now_ms());
        let may = ["administrator", "monitoring"];
        let is_one = |tag: &String| may.contains(&tag.as_str());
        let account = tables.check(login, now_ms);
        account.is_some_and(|account| account.tags.iter().any(is_one))
    }

    /// Follows committed changes, in the order in which they were committed; returns whose connections may not go on.
    pub(crate) fn apply(&self, changes: &[Change]) -> Vec<Revoked> {
        let mut tables = self.tables_mut();
        let effects: Vec<_> = changes.iter().map(|change| tables.apply(change)).collect();
        drop(tables);
        self.note(effects)
    }

    /// Takes what was shared of a queue or exchange that is gone; returns whose connections may not go on.
    pub(crate) fn forget(&self, vhost: &str, resource: ResourceKind, name: &str) -> Vec<Revoked> {
        let effect = self.tables_mut().forget(vhost, resource, name);
        self.note(vec![effect])
    }

    /// Takes what is shared of a queue along to its new name.
    pub(crate) fn rename(&self, vhost: &str, old: &str, new: &str) {
        let effect = self.tables_mut().rename(vhost, old, new);
        drop(self.note(vec![effect]));
    }

    /// Ends what has expired after `since_ms`; returns whose connections may not go on, and which sessions have to go from the disk.
    pub(crate) fn expire(&self, since_ms: u64, now_ms: u64) -> (Vec<Revoked>, Vec<Change>) {
        let (is_any, keys) = {
            let tables = self.tables();
            let keys = tables.sharing.expired(since_ms, now_ms);
            (tables.sessions.has_expired(now_ms), keys)
        };
        let ended = if is_any {
            self.tables_mut().sessions.expire(now_ms)
        } else {
            Vec::new()
        };
        let gone = ended
            .iter()
            .map(|id| Change::SessionEnded { id: id.to_string() });
        let gone = gone.collect();
        let sessions = ended.into_iter().map(Revoked::Session);
        let revoked: Vec<_> = sessions.chain(keys.into_iter().map(Revoked::Key)).collect();
        let effect = Effect {
            revoked,
            is_rights: false,
        };
        (self.note(vec![effect]), gone)
    }

    /// Tells connections that something is void, and forgets the passwords of whoever was told to go.
    fn note(&self, effects: Vec<Effect>) -> Vec<Revoked> {
        let is_rights = effects.iter().any(|effect| effect.is_rights);
        let revoked: Vec<_> = effects
            .into_iter()
            .flat_map(|effect| effect.revoked)
            .collect();
        for one in &revoked {
            if let Revoked::Account(login) = one {
                self.passwords.forget(login);
            }
        }
        if is_rights || !revoked.is_empty() {
            let version = self.version.fetch_add(1, Ordering::AcqRel) + 1;
            self.changes
                .send_modify(|latest| *latest = version.max(*latest));
        }
        revoked
    }

    /// One account, with its password's hash.
    #[must_use]
    pub fn account(&self, login: &str) -> Option<Account> {
        let tables = self.tables();
        tables
            .accounts
            .get(login)
            .map(|entry| entry.account.clone())
    }

    /// Every account, by login, with the hashes of their passwords.
    #[must_use]
    pub fn all(&self) -> Vec<Account> {
        let tables = self.tables();
        let all = tables.accounts.values();
        let mut all: Vec<_> = all.map(|entry| entry.account.clone()).collect();
        all.sort_by(|one, other| one.login.cmp(&other.login));
        all
    }

    pub(crate) fn session(&self, id: &str) -> Option<Arc<OpenSession>> {
        self.tables().sessions.by_id(id).cloned()
    }

    pub(crate) fn sessions(&self, login: Option<&str>) -> Vec<Arc<OpenSession>> {
        self.tables().sessions.of(login)
    }

    pub(crate) fn grants_on(&self, vhost: &str, resource: ResourceKind, name: &str) -> Vec<Grant> {
        self.tables().sharing.grants_on(vhost, resource, name)
    }

    pub(crate) fn keys_of(&self, vhost: &str, queue: &str) -> Vec<QueueKey> {
        self.tables().sharing.keys_of(vhost, queue)
    }

    pub(crate) fn key(&self, id: &str) -> Option<QueueKey> {
        self.tables().sharing.key(id).cloned()
    }

    pub(crate) fn invitations(&self) -> Vec<Invitation> {
        self.tables().invitations.values().cloned().collect()
    }

    pub(crate) fn quota(&self, login: &str) -> Option<Quota> {
        self.tables().quotas.get(login).cloned()
    }

    fn tables(&self) -> std::sync::RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables_mut(&self) -> std::sync::RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn login_of(account: &Account, proof: Proof) -> Login {
    Login {
        name: account.login.as_str().into(),
        impersonator: is_impersonator(&account.tags),
        role: Some(account.role),
        proof,
    }
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
