use directory::{AuditEntry, AuditFilter, Change, Role};

use super::Author;
use crate::alarm::Alarm;
use crate::rig::{ADMIN, PASSWORD, Rig, VHOST, origin};
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

#[test]
fn a_rename_is_written_down_with_where_it_came_from() {
    let rig = Rig::new();
    let login = rig.by_password(ADMIN);
    let mut connection = rig.connect(&login).expect("it has rights");
    connection.declare("old", true).expect("it may");
    let access = rig.handle.access(&login, VHOST).expect("it has rights");
    let author = Author::of(&login, &origin());
    rig.run(rig.handle.rename_queue(&access, "old", "new", &author))
        .expect("it may");
    let record = entry(&rig, "queue.rename").record;
    assert_eq!(
        (&*record.actor, &*record.door, &*record.address),
        (ADMIN, "amqp", "127.0.0.1")
    );
    assert_eq!(
        (&*record.object, &*record.detail),
        ("old", "to 'new' in vhost '/'")
    );
}

#[test]
fn refused_tokens_and_keys_are_written_down_once_and_counted() {
    let rig = Rig::new();
    for _ in 0..5 {
        assert!(rig.log_in(Credentials::Token("cht_wrong")).is_err());
        assert!(rig.log_in(Credentials::QueueKey("chk_wrong")).is_err());
    }
    let rig = rig.restart();
    let logins = AuditFilter {
        action: Some("login".to_owned()),
        ..AuditFilter::default()
    };
    let mut found: Vec<_> = entries(&rig, logins)
        .into_iter()
        .map(|AuditEntry { record, .. }| {
            assert_eq!((&*record.outcome, &*record.door), ("refused", "amqp"));
            assert!(!record.detail.contains("wrong"), "{record:?}");
            (record.actor, record.detail)
        })
        .collect();
    found.sort();
    let more = "4 more within a minute";
    let first = "unknown or expired";
    let expected = [
        (":key", more),
        (":key", first),
        (":token", more),
        (":token", first),
    ];
    assert_eq!(
        found,
        expected.map(|(actor, detail)| (actor.to_owned(), detail.to_owned()))
    );
}

#[test]
fn the_beginning_of_a_lockout_is_written_down_once() {
    let rig = Rig::new();
    for _ in 0..20 {
        let wrong = rig.log_in(Credentials::Password {
            login: "ana",
            password: "wrong",
        });
        assert!(wrong.is_err());
    }
    let record = entry(&rig, "login.lockout").record;
    assert_eq!(
        (&*record.actor, &*record.object_kind, &*record.object),
        ("server", "account", "ana")
    );
    assert!(record.detail.contains("127.0.0.1"), "{record:?}");
    let lockouts = AuditFilter {
        action: Some("login.lockout".to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(entries(&rig, lockouts).len(), 1);
}

#[test]
fn alarms_are_written_down_when_they_begin_and_end() {
    let rig = Rig::new();
    for is_raised in [true, true, false] {
        rig.handle.set_alarm(Alarm::OperatorDisk, is_raised);
    }
    for action in ["alarm.set", "alarm.clear"] {
        let record = entry(&rig, action).record;
        assert_eq!(
            (&*record.actor, &*record.object_kind, &*record.object),
            ("operator", "alarm", "disk")
        );
    }
    let set = AuditFilter {
        action: Some("alarm.set".to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(entries(&rig, set).len(), 1, "the second changed nothing");
}
