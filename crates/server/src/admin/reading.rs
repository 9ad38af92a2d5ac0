//! Questions that the directory answers, whether a server runs or not.

use directory::{ApplyTo, Snapshot, Subject};
use serde_json::Value;

use super::request::PolicyTarget;
use super::response::{PermissionRow, PolicyRow, Response, TopicPermissionRow, UserRow, VhostRow};

/// What is to be read from the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The accounts.
    Users,
    /// The virtual hosts.
    Vhosts,
    /// The permissions, of one account or in one virtual host if given.
    Permissions {
        /// The account.
        login: Option<String>,
        /// The virtual host.
        vhost: Option<String>,
    },
    /// The policies, in one virtual host if given.
    Policies {
        /// The virtual host.
        vhost: Option<String>,
    },
}

impl Reading {
    /// Answers from what the directory holds; a list of what belongs to something that does not exist is an error.
    #[must_use]
    pub fn answer(&self, snapshot: &Snapshot) -> Response {
        let (login, vhost) = match self {
            Self::Users | Self::Vhosts => (None, None),
            Self::Permissions { login, vhost } => (login.as_deref(), vhost.as_deref()),
            Self::Policies { vhost } => (None, vhost.as_deref()),
        };
        if let Some(absent) = absent(snapshot, login, vhost) {
            return absent;
        }
        match self {
            Self::Users => users(snapshot),
            Self::Vhosts => vhosts(snapshot),
            Self::Permissions { .. } => permissions(snapshot, login, vhost),
            Self::Policies { .. } => policies(snapshot, vhost),
        }
    }
}

fn absent(snapshot: &Snapshot, login: Option<&str>, vhost: Option<&str>) -> Option<Response> {
    let has_login = |login: &&str| {
        let mut accounts = snapshot.accounts.iter();
        accounts.any(|account| account.login == **login)
    };
    let has_vhost = |name: &&str| snapshot.vhosts.iter().any(|vhost| vhost.name == **name);
    let login = login.filter(|login| !has_login(login));
    let vhost = vhost.filter(|name| !has_vhost(name));
    login
        .map(|login| Response::not_found(Subject::Account, login))
        .or_else(|| vhost.map(|name| Response::not_found(Subject::VirtualHost, name)))
}

fn users(snapshot: &Snapshot) -> Response {
    let rows = snapshot.accounts.iter().map(|account| UserRow {
        login: account.login.clone(),
        tags: account.tags.clone(),
    });
    Response::Users(sorted(rows, |row| row.login.clone()))
}

fn vhosts(snapshot: &Snapshot) -> Response {
    let rows = snapshot.vhosts.iter().map(|vhost| VhostRow {
        name: vhost.name.clone(),
    });
    Response::Vhosts(sorted(rows, |row| row.name.clone()))
}

fn permissions(snapshot: &Snapshot, login: Option<&str>, vhost: Option<&str>) -> Response {
    let wanted = |row_login: &str, row_vhost: &str| {
        login.is_none_or(|login| login == row_login) && vhost.is_none_or(|vhost| vhost == row_vhost)
    };
    let permissions = snapshot
        .permissions
        .iter()
        .filter(|row| wanted(&row.login, &row.vhost))
        .map(|row| PermissionRow {
            vhost: row.vhost.clone(),
            login: row.login.clone(),
            configure: row.configure.clone(),
            write: row.write.clone(),
            read: row.read.clone(),
        });
    let topic_permissions = snapshot
        .topic_permissions
        .iter()
        .filter(|row| wanted(&row.login, &row.vhost))
        .map(|row| TopicPermissionRow {
            vhost: row.vhost.clone(),
            login: row.login.clone(),
            exchange: row.exchange.clone(),
            write: row.write.clone(),
            read: row.read.clone(),
        });
    Response::Permissions {
        permissions: sorted(permissions, |row| (row.vhost.clone(), row.login.clone())),
        topic_permissions: sorted(topic_permissions, |row| {
            (row.vhost.clone(), row.login.clone(), row.exchange.clone())
        }),
    }
}

fn policies(snapshot: &Snapshot, vhost: Option<&str>) -> Response {
    let rows = snapshot
        .policies
        .iter()
        .filter(|row| vhost.is_none_or(|vhost| vhost == row.vhost))
        .map(|row| PolicyRow {
            vhost: row.vhost.clone(),
            name: row.name.clone(),
            pattern: row.pattern.clone(),
            apply_to: shown_target(row.apply_to),
            priority: row.priority,
            // What somebody else wrote into the table is shown as it stands.
            definition: serde_json::from_str(&row.definition)
                .unwrap_or_else(|_| Value::String(row.definition.clone())),
        });
    Response::Policies(sorted(rows, |row| (row.vhost.clone(), row.name.clone())))
}

fn sorted<T, K: Ord>(rows: impl Iterator<Item = T>, key: impl FnMut(&T) -> K) -> Vec<T> {
    let mut rows: Vec<T> = rows.collect();
    rows.sort_by_key(key);
    rows
}

fn shown_target(target: ApplyTo) -> PolicyTarget {
    match target {
        ApplyTo::All => PolicyTarget::All,
        ApplyTo::Exchanges => PolicyTarget::Exchanges,
        ApplyTo::Queues => PolicyTarget::Queues,
        ApplyTo::ClassicQueues => PolicyTarget::ClassicQueues,
        ApplyTo::QuorumQueues => PolicyTarget::QuorumQueues,
        ApplyTo::Streams => PolicyTarget::Streams,
    }
}
