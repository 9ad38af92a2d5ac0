//! What of the directory's changes is written down, and in which words. Never a secret, nor the hash of one.

use directory::{Change, Grant, Permission, ResourceKind};

use super::Entry;

/// Says what a change is to whoever reads the audit log; `None` is not worth a word.
pub(super) fn entry_of(change: &Change) -> Option<Entry> {
    let (action, kind, object, detail) = words(change)?;
    Some(Entry {
        action,
        kind,
        object: object.to_owned(),
        outcome: "",
        detail,
    })
}

type Words<'a> = (&'static str, &'static str, &'a str, String);

fn words(change: &Change) -> Option<Words<'_>> {
    let plain = String::new;
    Some(match change {
        Change::VhostAdded { name } => ("vhost.add", "vhost", name, plain()),
        Change::VhostDeleted { name } => ("vhost.delete", "vhost", name, plain()),
        Change::AccountAdded(account) => {
            let role = account.role.as_str();
            (
                "account.add",
                "account",
                &account.login,
                format!("as {role}"),
            )
        }
        Change::AccountPassword { login, .. } => ("account.password", "account", login, plain()),
        Change::AccountTags { login, tags } => ("account.tags", "account", login, tags.join(",")),
        Change::AccountRole { login, role } => {
            ("account.role", "account", login, role.as_str().to_owned())
        }
        Change::AccountProfile { login, .. } => ("account.profile", "account", login, plain()),
        Change::AccountDeleted { login } => ("account.delete", "account", login, plain()),
        Change::PermissionSet(permission) => {
            let detail = patterns(permission);
            ("permission.set", "account", &permission.login, detail)
        }
        Change::PermissionCleared { vhost, login } => {
            ("permission.clear", "account", login, in_vhost(vhost))
        }
        Change::TopicPermissionSet(topic) => {
            let detail = on_exchange(&topic.vhost, Some(&topic.exchange));
            ("topic_permission.set", "account", &topic.login, detail)
        }
        Change::TopicPermissionCleared {
            vhost,
            login,
            exchange,
        } => {
            let detail = on_exchange(vhost, exchange.as_deref());
            ("topic_permission.clear", "account", login, detail)
        }
        Change::ExchangeDeclared(exchange) => {
            let detail = in_vhost(&exchange.vhost);
            ("exchange.declare", "exchange", &exchange.name, detail)
        }
        Change::ExchangeDeleted { vhost, name } => {
            ("exchange.delete", "exchange", name, in_vhost(vhost))
        }
        Change::QueueDeclared(queue) => (
            "queue.declare",
            "queue",
            &queue.name,
            in_vhost(&queue.vhost),
        ),
        Change::QueueRenamed { id, name } => {
            ("queue.rename", "queue", name, format!("number {id}"))
        }
        Change::Bound(binding) => ("binding.add", "exchange", &binding.source, ends(binding)),
        Change::Unbound(binding) => ("binding.delete", "exchange", &binding.source, ends(binding)),
        Change::PolicySet(policy) => (
            "policy.set",
            "policy",
            &policy.name,
            in_vhost(&policy.vhost),
        ),
        Change::PolicyCleared { vhost, name } => ("policy.clear", "policy", name, in_vhost(vhost)),
        Change::SessionAdded(session) => (
            "session.open",
            "session",
            &session.id,
            format!("of {}", session.login),
        ),
        Change::SessionEnded { id } => ("session.end", "session", id, plain()),
        Change::SessionsEnded { login, .. } => ("session.end_all", "account", login, plain()),
        Change::InvitationAdded(invitation) => {
            let detail = format!("{} uses", invitation.uses_left);
            ("invitation.add", "role", invitation.role.as_str(), detail)
        }
        Change::InvitationUsed { .. } => ("invitation.use", "invitation", "", plain()),
        Change::InvitationDeleted { .. } => ("invitation.delete", "invitation", "", plain()),
        Change::GrantSet(grant) => {
            let kind = grant.resource.as_str();
            ("grant.set", kind, &grant.name, rights(grant))
        }
        Change::GrantCleared {
            vhost,
            resource,
            name,
            login,
        } => {
            let detail = format!("{login}, {}", in_vhost(vhost));
            ("grant.clear", resource.as_str(), name, detail)
        }
        Change::QueueKeyAdded(key) => {
            let detail = format!("key {}, {}", key.id, in_vhost(&key.vhost));
            (
                "queue_key.add",
                ResourceKind::Queue.as_str(),
                &key.queue,
                detail,
            )
        }
        Change::QueueKeyDeleted { id } => ("queue_key.delete", "queue_key", id, plain()),
        Change::QuotaSet(quota) => ("quota.set", "account", &quota.login, plain()),
        Change::QuotaCleared { login } => ("quota.clear", "account", login, plain()),
        Change::WebhookSet(webhook) => {
            let detail = format!("queue '{}', {}", webhook.queue, in_vhost(&webhook.vhost));
            ("webhook.set", "webhook", &webhook.id, detail)
        }
        Change::WebhookDeleted { id } => ("webhook.delete", "webhook", id, plain()),
        // A queue that goes is written down where its name is known. The rest is the server's own housekeeping.
        Change::QueueDeleted { .. }
        | Change::AccountRehashed { .. }
        | Change::ParameterSet { .. }
        | Change::StreamGroupSet(_)
        | Change::StreamGroupDeleted { .. }
        | Change::SessionSeen { .. }
        | Change::SessionsExpired { .. }
        | Change::AuditAdded(_)
        | Change::AuditTrimmed { .. } => return None,
    })
}

pub(super) fn in_vhost(vhost: &str) -> String {
    format!("in vhost '{vhost}'")
}

fn on_exchange(vhost: &str, exchange: Option<&str>) -> String {
    let exchange = exchange.map_or_else(String::new, |name| format!("exchange '{name}', "));
    format!("{exchange}{}", in_vhost(vhost))
}

fn patterns(permission: &Permission) -> String {
    let Permission {
        configure,
        write,
        read,
        ..
    } = permission;
    let place = in_vhost(&permission.vhost);
    format!("{place}: configure '{configure}', write '{write}', read '{read}'")
}

fn rights(grant: &Grant) -> String {
    let given = [
        (grant.configure, "configure"),
        (grant.write, "write"),
        (grant.read, "read"),
    ];
    let given: Vec<_> = given
        .iter()
        .filter(|(is_given, _)| *is_given)
        .map(|(_, right)| *right)
        .collect();
    let place = in_vhost(&grant.vhost);
    format!("{}: {}, {place}", grant.login, given.join("+"))
}

fn ends(binding: &directory::Binding) -> String {
    let key = String::from_utf8_lossy(&binding.routing_key);
    let place = in_vhost(&binding.vhost);
    format!("to '{}' with key '{key}', {place}", binding.destination)
}
