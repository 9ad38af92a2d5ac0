use broker::access::{Resource, Right};
use directory::{Account, Change, Permission, Role, Snapshot, TopicPermission, password};

use super::{Accounts, Denied, Login};

pub(super) const VHOST: &str = "/";

/// One account with the password `secret`, all rights and this restriction on `amq.topic`.
pub(super) fn accounts(login: &str, topic: &str) -> Accounts {
    let snapshot = Snapshot {
        accounts: vec![Account::with_tags(
            login.into(),
            password::hash("secret").expect("it can be hashed"),
            vec!["monitoring".into()],
            0,
        )],
        permissions: vec![Permission {
            vhost: VHOST.into(),
            login: login.into(),
            configure: ".*".into(),
            write: ".*".into(),
            read: ".*".into(),
        }],
        topic_permissions: vec![TopicPermission {
            vhost: VHOST.into(),
            login: login.into(),
            exchange: "amq.topic".into(),
            write: topic.into(),
            read: topic.into(),
        }],
        ..Snapshot::default()
    };
    Accounts::start(&snapshot, true).expect("a thread can be started")
}

fn log_in(accounts: &Accounts, login: &str, password: &str) -> Result<Login, Denied> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(accounts.authenticate(login, password, true))
}

#[test]
fn a_login_is_void_once_its_password_is_another_or_its_account_is_gone() {
    let changes = [
        Change::AccountPassword {
            login: "ana".into(),
            password_hash: password::hash("other").expect("it can be hashed"),
        },
        Change::AccountDeleted {
            login: "ana".into(),
        },
        Change::PermissionCleared {
            vhost: VHOST.into(),
            login: "ana".into(),
        },
    ];
    for change in changes {
        let accounts = accounts("ana", ".*");
        let login = log_in(&accounts, "ana", "secret").expect("the password is right");
        assert!(accounts.access(&login, VHOST).is_some());
        assert_eq!(accounts.apply(&change).as_deref(), Some("ana"));
        assert!(
            accounts.access(&login, VHOST).is_none(),
            "after {change:?} an earlier login opens nothing"
        );
    }
}

#[test]
fn a_new_account_of_the_same_name_is_another() {
    let accounts = accounts("ana", ".*");
    let login = log_in(&accounts, "ana", "secret").expect("the password is right");
    for change in [
        Change::AccountDeleted {
            login: "ana".into(),
        },
        Change::AccountAdded(Account::with_tags(
            "ana".into(),
            password::hash("secret").expect("it can be hashed"),
            Vec::new(),
            0,
        )),
        Change::PermissionSet(Permission {
            vhost: VHOST.into(),
            login: "ana".into(),
            configure: ".*".into(),
            write: ".*".into(),
            read: ".*".into(),
        }),
    ] {
        accounts.apply(&change);
    }
    assert!(accounts.access(&login, VHOST).is_none());
    let login = log_in(&accounts, "ana", "secret").expect("the password is right");
    assert!(accounts.access(&login, VHOST).is_some());
}

#[test]
fn whoever_may_no_longer_speak_for_others_is_told_to_go() {
    let accounts = accounts("ana", ".*");
    let tags = |tags: &[&str]| Change::AccountTags {
        login: "ana".into(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
    };
    assert_eq!(accounts.apply(&tags(&["management"])), None);
    assert_eq!(
        accounts.apply(&tags(&["impersonator"])).as_deref(),
        Some("ana")
    );
    let login = log_in(&accounts, "ana", "secret").expect("the password is right");
    let access = accounts.access(&login, VHOST).expect("it has rights");
    assert!(login.impersonator && access.impersonator);
    assert_eq!(accounts.apply(&tags(&[])).as_deref(), Some("ana"));
}

#[test]
fn a_name_in_a_topic_permission_stands_for_itself_whatever_its_letters() {
    for name in [
        "ana", "<ana>", "a.a", "\u{b7}", "^", "a-z", "(?i)a", "#", "x&&y",
    ] {
        let accounts = accounts(name, "^{username}\\.");
        let login = log_in(&accounts, name, "secret").expect("the password is right");
        let access = accounts.access(&login, VHOST).expect("it has rights");
        access
            .check(Right::Write, Resource::Exchange, "amq.topic", None)
            .expect("it may write to the exchange");
        let may = |key: &str| access.check_topic(Right::Write, "amq.topic", key).is_ok();
        assert!(may(&format!("{name}.news")), "{name} writes its own");
        assert!(
            !may("other.news") && !may("axa.news"),
            "{name} writes no other"
        );
    }
}

#[test]
fn a_topic_permission_that_makes_no_sense_allows_nothing() {
    let accounts = accounts("ana", "^(");
    let login = log_in(&accounts, "ana", "secret").expect("the password is right");
    let access = accounts.access(&login, VHOST).expect("it has rights");
    assert!(access.check_topic(Right::Read, "amq.topic", "any").is_err());
}

#[test]
fn a_member_owns_what_it_declares_until_it_is_none() {
    let accounts = accounts("ana", ".*");
    let role = |role| Change::AccountRole {
        login: "ana".into(),
        role,
    };
    let login = log_in(&accounts, "ana", "secret").expect("the password is right");
    let is_member = || {
        let access = accounts.access(&login, VHOST).expect("it has rights");
        access.is_member
    };
    assert!(!is_member(), "an account made with tags alone is a service");
    assert_eq!(accounts.apply(&role(Role::Member)), None);
    assert!(is_member());
    assert_eq!(accounts.apply(&role(Role::Member)), None);
    assert_eq!(
        accounts.apply(&role(Role::Service)).as_deref(),
        Some("ana"),
        "what it began as the owner may not go on"
    );
    assert!(!is_member());
    accounts.apply(&role(Role::Member));
    let tags = Change::AccountTags {
        login: "ana".into(),
        tags: vec!["administrator".into()],
    };
    assert_eq!(accounts.apply(&tags).as_deref(), Some("ana"));
}
