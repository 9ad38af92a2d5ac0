//! The rights of accounts, for listings.

use directory::{Permission, TopicPermission};

use super::Accounts;

impl Accounts {
    /// All permissions, by virtual host and login.
    #[must_use]
    pub fn permissions(&self) -> Vec<Permission> {
        let mut all: Vec<_> = self.tables().permissions.values().cloned().collect();
        all.sort_by(|one, other| (&one.vhost, &one.login).cmp(&(&other.vhost, &other.login)));
        all
    }

    /// All restrictions on routing keys, by virtual host, login and exchange.
    #[must_use]
    pub fn topic_permissions(&self) -> Vec<TopicPermission> {
        let mut all = self.tables().topics.clone();
        all.sort_by(|one, other| {
            let key = |topic: &TopicPermission| {
                let TopicPermission {
                    vhost,
                    login,
                    exchange,
                    ..
                } = topic.clone();
                (vhost, login, exchange)
            };
            key(one).cmp(&key(other))
        });
        all
    }
}
