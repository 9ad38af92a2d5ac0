//! The directory's accounts in memory, and how they follow its changes.

use std::collections::HashMap;
use std::sync::Arc;

use broker::access::{Access, Office, Pattern, QueueKey, TopicAccess};
use directory::{
    Account, Change, Invitation, Permission, Quota, ResourceKind, Role, Snapshot, TopicPermission,
};

use super::sharing::Sharing;
use super::{KEY_PREFIX, Login, Proof, is_impersonator};
use crate::sessions::SessionTable;
use crate::startup::DEFAULT_VHOST;

/// An account, and which one it is: another of the same name, or with another password, has another generation.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) account: Account,
    pub(super) generation: u64,
}

/// Whose connections may not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Revoked {
    /// All of an account.
    Account(String),
    /// Those of an account in one virtual host.
    Inside {
        /// The account.
        login: String,
        /// The virtual host.
        vhost: String,
    },
    /// Those that a session opened.
    Session(Arc<str>),
    /// Those that a queue's key opened.
    Key(Arc<str>),
}

impl Revoked {
    pub(crate) const ACCOUNT: &str = "the account's rights or password were changed";
    pub(crate) const SESSION: &str = "the session has ended";
    pub(crate) const KEY: &str = "the queue's key opens nothing any more";

    /// What the client is told.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Account(_) | Self::Inside { .. } => Self::ACCOUNT,
            Self::Session(_) => Self::SESSION,
            Self::Key(_) => Self::KEY,
        }
    }

    /// Says whether it is about a connection of this login to this virtual host.
    pub(crate) fn concerns(&self, login: &Login, vhost: &str) -> bool {
        match self {
            Self::Account(name) => login.key().is_none() && *login.name == **name,
            Self::Inside {
                login: name,
                vhost: inside,
            } => login.key().is_none() && *login.name == **name && inside == vhost,
            Self::Session(id) => login.session() == Some(id),
            Self::Key(id) => login.key() == Some(id),
        }
    }
}

/// What a change did to logins.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) revoked: Vec<Revoked>,
    /// Rights may be others: what was compiled is void.
    pub(crate) is_rights: bool,
}

impl Effect {
    fn rights(revoked: Option<Revoked>) -> Self {
        Self {
            revoked: revoked.into_iter().collect(),
            is_rights: true,
        }
    }

    fn sessions(ended: Vec<Arc<str>>) -> Self {
        Self {
            revoked: ended.into_iter().map(Revoked::Session).collect(),
            is_rights: false,
        }
    }

    fn keys(ended: Vec<Arc<str>>) -> Self {
        Self {
            revoked: ended.into_iter().map(Revoked::Key).collect(),
            is_rights: true,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) accounts: HashMap<String, Entry>,
    pub(super) permissions: HashMap<(String, String), Permission>,
    pub(super) topics: Vec<TopicPermission>,
    pub(super) sessions: SessionTable,
    pub(super) sharing: Sharing,
    pub(super) invitations: HashMap<[u8; 32], Invitation>,
    pub(super) quotas: HashMap<String, Quota>,
    /// Rights that were compiled since the last change, by virtual host and login.
    compiled: HashMap<(String, String), Arc<Access>>,
    generations: u64,
}

impl Tables {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let mut tables = Self {
            permissions: snapshot
                .permissions
                .iter()
                .map(|permission| (key(permission), permission.clone()))
                .collect(),
            topics: snapshot.topic_permissions.clone(),
            sessions: SessionTable::new(&snapshot.sessions),
            sharing: Sharing::new(snapshot),
            invitations: snapshot
                .invitations
                .iter()
                .map(|invitation| (invitation.code_hash, invitation.clone()))
                .collect(),
            quotas: snapshot
                .quotas
                .iter()
                .map(|quota| (quota.login.clone(), quota.clone()))
                .collect(),
            ..Self::default()
        };
        for account in &snapshot.accounts {
            tables.add(account);
        }
        tables
    }

    fn add(&mut self, account: &Account) {
        let generation = self.next_generation();
        let account = account.clone();
        let entry = Entry {
            account,
            generation,
        };
        self.accounts.insert(entry.account.login.clone(), entry);
    }

    fn next_generation(&mut self) -> u64 {
        self.generations += 1;
        self.generations
    }

    /// Finds the account of a login, if the login still holds.
    pub(super) fn check(&self, login: &Login, now_ms: u64) -> Option<&Account> {
        let entry = self.accounts.get(&*login.name)?;
        let is_proven = match &login.proof {
            Proof::Password(generation) => entry.generation == *generation,
            Proof::Session(id) => {
                let session = self.sessions.by_id(id);
                session.is_some_and(|session| session.is_valid(now_ms))
            }
            Proof::Key(_) | Proof::Server => false,
        };
        // What the login was told it may do, it may not go on doing without.
        let keeps = login
            .role
            .is_none_or(|role| rank(entry.account.role) >= rank(role))
            && (!login.impersonator || is_impersonator(&entry.account.tags));
        (is_proven && keeps).then_some(&entry.account)
    }

    /// Finds the key of a login, if it still holds.
    pub(super) fn check_key(&self, login: &Login, now_ms: u64) -> Option<&directory::QueueKey> {
        let key = self.sharing.key(login.key()?)?;
        opens(key, now_ms).then_some(key)
    }

    /// The rights of a login that holds, if they were compiled already.
    pub(super) fn compiled(
        &self,
        login: &Login,
        vhost: &str,
        now_ms: u64,
    ) -> Option<Option<Arc<Access>>> {
        self.check(login, now_ms)?;
        self.compiled_for(&login.name, vhost)
    }

    /// Compiles an account's rights and keeps them.
    pub(super) fn access(
        &mut self,
        login: &Login,
        vhost: &str,
        now_ms: u64,
    ) -> Option<Arc<Access>> {
        self.check(login, now_ms)?;
        self.access_for(&login.name, vhost)
    }

    /// The rights of a login by key.
    pub(super) fn key_access(
        &self,
        login: &Login,
        vhost: &str,
        now_ms: u64,
    ) -> Option<Arc<Access>> {
        let key = self
            .check_key(login, now_ms)
            .filter(|key| key.vhost == vhost)?;
        let [configure, write, read] = [Pattern::NOTHING; 3];
        Some(Arc::new(Access {
            login: login.name.clone(),
            vhost: vhost.into(),
            configure,
            write,
            read,
            topics: Vec::new(),
            impersonator: false,
            is_member: false,
            grants: Arc::default(),
            key: Some(QueueKey {
                queue: key.queue.as_str().into(),
                write: key.write,
                read: key.read,
            }),
            office: Office::None,
        }))
    }

    /// The rights of an account that need not be connected, if they were compiled already; the outer `None` is no such account.
    pub(super) fn compiled_for(&self, login: &str, vhost: &str) -> Option<Option<Arc<Access>>> {
        self.accounts.get(login)?;
        let place = (vhost.to_owned(), login.to_owned());
        Some(self.compiled.get(&place).cloned())
    }

    /// Compiles the rights of an account that need not be connected and keeps them.
    pub(super) fn access_for(&mut self, login: &str, vhost: &str) -> Option<Arc<Access>> {
        let account = &self.accounts.get(login)?.account;
        let access = Arc::new(self.compile(account, vhost)?);
        let place = (vhost.to_owned(), login.to_owned());
        self.compiled.insert(place, access.clone());
        Some(access)
    }

    fn compile(&self, account: &Account, vhost: &str) -> Option<Access> {
        let login = account.login.as_str();
        let place = (vhost.to_owned(), login.to_owned());
        let permission = self.permissions.get(&place);
        let grants = self.sharing.granted(vhost, login);
        // Whoever registers is at home in the first virtual host; elsewhere somebody has to let them in.
        let is_home = account.role == Role::Member && vhost == DEFAULT_VHOST;
        if permission.is_none() && grants.is_none() && !is_home {
            return None;
        }
        let compile = |pattern: fn(&Permission) -> &str| {
            permission.map_or(Some(Pattern::NOTHING), |permission| {
                Pattern::compile(pattern(permission)).ok()
            })
        };
        // One that cannot be compiled allows nothing: left out, its exchange would be open.
        let expand = |pattern: &str| {
            let expanded = pattern
                .replace("{vhost}", &Pattern::quote(vhost))
                .replace("{username}", &Pattern::quote(login));
            Pattern::compile(&expanded).unwrap_or(Pattern::NOTHING)
        };
        let topics = self
            .topics
            .iter()
            .filter(|topic| topic.vhost == vhost && topic.login == login);
        Some(Access {
            login: login.into(),
            vhost: vhost.into(),
            configure: compile(|permission| &permission.configure)?,
            write: compile(|permission| &permission.write)?,
            read: compile(|permission| &permission.read)?,
            topics: topics
                .map(|topic| TopicAccess {
                    exchange: topic.exchange.clone(),
                    write: expand(&topic.write),
                    read: expand(&topic.read),
                })
                .collect(),
            impersonator: is_impersonator(&account.tags),
            is_member: owns(account.role),
            grants: Arc::new(grants.unwrap_or_default()),
            key: None,
            office: match account.role {
                Role::Administrator => Office::Administrator,
                Role::Member | Role::Service => Office::None,
            },
        })
    }

    /// Takes what was shared of a queue or exchange that is gone.
    pub(super) fn forget(&mut self, vhost: &str, resource: ResourceKind, name: &str) -> Effect {
        let (had_grants, keys) = self.sharing.forget(vhost, resource, name);
        if had_grants {
            self.compiled.clear();
        }
        let mut effect = Effect::keys(keys);
        effect.is_rights = had_grants || !effect.revoked.is_empty();
        effect
    }

    /// Takes what is shared of a queue along to its new name.
    pub(super) fn rename(&mut self, vhost: &str, old: &str, new: &str) -> Effect {
        let is_rights = self.sharing.rename(vhost, old, new);
        if is_rights {
            self.compiled.clear();
        }
        Effect {
            revoked: Vec::new(),
            is_rights,
        }
    }

    /// Follows a committed change.
    pub(super) fn apply(&mut self, change: &Change) -> Effect {
        let effect = self.follow(change);
        if effect.is_rights {
            self.compiled.clear();
        }
        effect
    }

    fn follow(&mut self, change: &Change) -> Effect {
        match change {
            Change::AccountAdded(account) => {
                self.add(account);
                return Effect::rights(None);
            }
            Change::AccountPassword {
                login,
                password_hash,
            } => return self.replace_password(login, password_hash),
            Change::AccountRehashed {
                login,
                old_hash,
                new_hash,
            } => self.rehash(login, old_hash, new_hash),
            Change::AccountProfile { login, profile } => {
                if let Some(entry) = self.accounts.get_mut(login) {
                    entry.account.profile.clone_from(profile);
                }
            }
            Change::AccountRole { login, role } => {
                return self.modify(login, |account| account.set_role(*role));
            }
            Change::AccountTags { login, tags } => {
                return self.modify(login, |account| account.set_tags(tags.clone()));
            }
            Change::AccountDeleted { login } => return self.delete(login),
            Change::PermissionSet(permission) => return self.permit(permission),
            Change::PermissionCleared { vhost, login } => return self.forbid(vhost, login),
            Change::TopicPermissionSet(topic) => {
                self.clear_topics(&topic.vhost, &topic.login, Some(&topic.exchange));
                self.topics.push(topic.clone());
                return Effect::rights(None);
            }
            Change::TopicPermissionCleared {
                vhost,
                login,
                exchange,
            } => {
                self.clear_topics(vhost, login, exchange.as_deref());
                return Effect::rights(None);
            }
            Change::GrantSet(grant) => {
                let is_less = self.sharing.grant(grant);
                return Effect::rights(is_less.then(|| inside(&grant.vhost, &grant.login)));
            }
            Change::GrantCleared {
                vhost,
                resource,
                name,
                login,
            } => {
                let is_cleared = self.sharing.clear(vhost, *resource, name, login);
                return Effect::rights(is_cleared.then(|| inside(vhost, login)));
            }
            Change::QueueKeyAdded(key) => self.sharing.add_key(key),
            Change::QueueKeyDeleted { id } => {
                let is_deleted = self.sharing.end_key(id);
                return Effect::rights(is_deleted.then(|| Revoked::Key(id.as_str().into())));
            }
            Change::SessionAdded(session) => return Effect::sessions(self.sessions.add(session)),
            Change::SessionEnded { id } => {
                let ended = self.sessions.end(id).then(|| Arc::from(id.as_str()));
                return Effect::sessions(ended.into_iter().collect());
            }
            Change::SessionsEnded { login, except } => {
                return Effect::sessions(self.sessions.end_of(login, except.as_deref()));
            }
            Change::SessionsExpired { now_ms } => {
                return Effect::sessions(self.sessions.expire(*now_ms));
            }
            Change::InvitationAdded(invitation) => {
                let hash = invitation.code_hash;
                self.invitations.insert(hash, invitation.clone());
            }
            Change::InvitationUsed { code_hash, .. } => self.use_invitation(code_hash),
            Change::InvitationDeleted { code_hash } => {
                self.invitations.remove(code_hash);
            }
            Change::QuotaSet(quota) => {
                self.quotas.insert(quota.login.clone(), quota.clone());
                return Effect::rights(None);
            }
            Change::QuotaCleared { login } => {
                self.quotas.remove(login);
                return Effect::rights(None);
            }
            Change::VhostDeleted { name } => {
                self.permissions.retain(|(vhost, _), _| vhost != name);
                self.topics.retain(|topic| topic.vhost != *name);
                return Effect::keys(self.sharing.forget_vhost(name));
            }
            Change::ExchangeDeleted { vhost, name } => {
                return self.forget(vhost, ResourceKind::Exchange, name);
            }
            // A session's own clock goes ahead of what is written down of it. What is shared of queues goes by name: see `forget` and `rename`.
            Change::SessionSeen { .. }
            | Change::QueueDeleted { .. }
            | Change::QueueRenamed { .. }
            | Change::VhostAdded { .. }
            | Change::ExchangeDeclared(_)
            | Change::QueueDeclared(_)
            | Change::Bound(_)
            | Change::Unbound(_)
            | Change::PolicySet(_)
            | Change::PolicyCleared { .. }
            | Change::ParameterSet { .. }
            | Change::StreamGroupSet(_)
            | Change::StreamGroupDeleted { .. }
            | Change::WebhookSet(_)
            | Change::WebhookDeleted { .. }
            | Change::AuditAdded(_)
            | Change::AuditTrimmed { .. } => {}
        }
        Effect::default()
    }

    fn replace_password(&mut self, login: &str, password_hash: &str) -> Effect {
        let generation = self.next_generation();
        let Some(entry) = self.accounts.get_mut(login) else {
            return Effect::default();
        };
        password_hash.clone_into(&mut entry.account.password_hash);
        entry.generation = generation;
        // Their connections go with those of the account.
        drop(self.sessions.end_of(login, None));
        Effect::rights(Some(Revoked::Account(login.to_owned())))
    }

    /// The password is the same, and so is whoever showed it.
    fn rehash(&mut self, login: &str, old_hash: &str, new_hash: &str) {
        if let Some(entry) = self.accounts.get_mut(login)
            && entry.account.password_hash == old_hash
        {
            new_hash.clone_into(&mut entry.account.password_hash);
        }
    }

    /// Changes an account's role or tags.
    fn modify(&mut self, login: &str, change: impl FnOnce(&mut Account)) -> Effect {
        let Some(Entry { account, .. }) = self.accounts.get_mut(login) else {
            return Effect::default();
        };
        let (role, had) = (account.role, is_impersonator(&account.tags));
        change(account);
        // A connection goes by what it was told when it logged in, and what was begun with a role may not go on without it.
        let is_told_otherwise = had != is_impersonator(&account.tags);
        let is_over = is_told_otherwise || rank(account.role) < rank(role);
        Effect::rights(is_over.then(|| Revoked::Account(login.to_owned())))
    }

    fn delete(&mut self, login: &str) -> Effect {
        self.accounts.remove(login);
        self.permissions.retain(|(_, owner), _| owner != login);
        self.topics.retain(|topic| topic.login != *login);
        drop(self.sessions.end_of(login, None));
        self.sharing.forget_account(login);
        self.invitations
            .retain(|_, invitation| invitation.created_by != *login);
        self.quotas.remove(login);
        Effect::rights(Some(Revoked::Account(login.to_owned())))
    }

    fn permit(&mut self, permission: &Permission) -> Effect {
        let before = self.permissions.insert(key(permission), permission.clone());
        // Rights that were taken away end what was begun with them.
        let lost = before.filter(|before| before != permission);
        Effect::rights(lost.map(|before| inside(&before.vhost, &before.login)))
    }

    fn forbid(&mut self, vhost: &str, login: &str) -> Effect {
        let place = (vhost.to_owned(), login.to_owned());
        let lost = self.permissions.remove(&place);
        Effect::rights(lost.map(|_| inside(vhost, login)))
    }

    fn clear_topics(&mut self, vhost: &str, login: &str, exchange: Option<&str>) {
        self.topics.retain(|known| {
            known.vhost != vhost
                || known.login != login
                || exchange.is_some_and(|name| known.exchange != name)
        });
    }

    fn use_invitation(&mut self, code_hash: &[u8; 32]) {
        let Some(invitation) = self.invitations.get_mut(code_hash) else {
            return;
        };
        invitation.uses_left = invitation.uses_left.saturating_sub(1);
        if invitation.uses_left == 0 {
            self.invitations.remove(code_hash);
        }
    }
}

fn inside(vhost: &str, login: &str) -> Revoked {
    Revoked::Inside {
        login: login.to_owned(),
        vhost: vhost.to_owned(),
    }
}

/// Says whether a key still opens its queue.
pub(super) fn opens(key: &directory::QueueKey, now_ms: u64) -> bool {
    key.expires_ms.is_none_or(|at_ms| now_ms < at_ms)
}

/// What a login by key is called.
pub(super) fn key_name(id: &str) -> broker::Name {
    format!("{KEY_PREFIX}{id}").into()
}

fn key(permission: &Permission) -> (String, String) {
    (permission.vhost.clone(), permission.login.clone())
}

/// Says whether accounts of a role own what they create.
const fn owns(role: Role) -> bool {
    match role {
        Role::Administrator | Role::Member => true,
        Role::Service => false,
    }
}

/// Each role may do what those of a lower rank may.
const fn rank(role: Role) -> u8 {
    match role {
        Role::Service => 0,
        Role::Member => 1,
        Role::Administrator => 2,
    }
}
