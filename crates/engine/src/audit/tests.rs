use directory::{AuditEntry, AuditFilter, Change, Role};

use super::Author;
use crate::rig::{ADMIN, PASSWORD, Rig, origin};
use crate::sessions::{Credentials, SessionWish};

fn entries(rig: &Rig, filter: AuditFilter) -> Vec<AuditEntry> {
    rig.run(rig.handle.audit_entries(filter))
        .expect("the disk did not fail")
}

/// Waits for the first entry of an action.
fn entry(rig: &Rig, action: &str) -> AuditEntry {
    let mut changes = rig.handle.audit_changes();
    let filter = AuditFilter {
        action: Some(action.to_owned()),
        ..AuditFilter::default()
    };
    loop {
        if let Some(found) = entries(rig, filter.clone()).into_iter().next() {
            return found;
        }
        rig.run(changes.changed()).expect("the engine runs");
    }
}

#[test]
fn it_is_written_down_who_came_in_and_what_they_did() {
    let rig = Rig::new();
    let wrong = rig.log_in(Credentials::Password {
        login: "nobody",
        password: PASSWORD,
    });
    assert!(wrong.is_err());
    let refused = entry(&rig, "login").record;
    assert_eq!(
        (&*refused.actor, &*refused.outcome, &*refused.address),
        ("nobody", "refused", "127.0.0.1")
    );
    assert!(!refused.detail.contains(PASSWORD));
    let login = rig.by_password(ADMIN);
    let mut connection = rig.connect(&login).expect("it has rights");
    connection.declare("letters", true).expect("it may");
    connection.declare("letters", true).expect("it is there");
    connection.delete("letters").expect("it may");
    let origin = origin();
    let opening = rig
        .handle
        .open_session(&login, &origin, SessionWish::default());
    let opened = rig.run(opening).expect("it is an account");
    for (action, kind, object) in [
        ("connection.open", "vhost", "/"),
        ("queue.declare", "queue", "letters"),
        ("queue.delete", "queue", "letters"),
        ("session.open", "session", &*opened.view.id),
    ] {
        let AuditEntry { record, .. } = entry(&rig, action);
        assert_eq!(
            (&*record.actor, &*record.door, &*record.outcome),
            (ADMIN, "amqp", "ok"),
            "{action}"
        );
        assert_eq!((&*record.object_kind, &*record.object), (kind, object));
        assert!(record.at_ms > 0);
    }
    let declared = AuditFilter {
        action: Some("queue.declare".to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(
        entries(&rig, declared).len(),
        1,
        "the second changed nothing"
    );
}

#[test]
fn what_is_written_down_with_a_change_is_on_disk_with_it() {
    let rig = Rig::new();
    rig.add("ana", Role::Member);
    let author = Author::new("boss", &origin());
    let change = Change::AccountRole {
        login: "ana".to_owned(),
        role: Role::Administrator,
    };
    rig.run(rig.handle.commit_as(&author, vec![change]))
        .expect("the rules allow it");
    let AuditEntry { record, .. } = entry(&rig, "account.role");
    assert_eq!(
        (&*record.actor, &*record.object, &*record.detail),
        ("boss", "ana", "administrator")
    );
    let refused = Change::AccountDeleted {
        login: "nobody".to_owned(),
    };
    let outcome = rig.run(rig.handle.commit_as(&author, vec![refused]));
    assert!(outcome.is_err());
    let deleted = AuditFilter {
        action: Some("account.delete".to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(entries(&rig, deleted), []);
}

#[test]
fn what_waits_is_written_when_the_engine_closes() {
    let rig = Rig::new();
    let author = Author::new("boss", &origin());
    rig.handle.audit(author.purged("/", "letters"));
    let rig = rig.restart();
    assert_eq!(entry(&rig, "queue.purge").record.object, "letters");
}
