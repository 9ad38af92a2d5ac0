use std::net::{IpAddr, Ipv4Addr};

use broker::access::{Resource, Right};
use directory::{
    Account, Change, Grant, Invitation, Permission, QueueKey, Quota, ResourceKind, Role, Snapshot,
    TopicPermission, password, token,
};

use super::{Accounts, Denied, Login, Revoked};
use crate::clock::Clock;

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
    start(&snapshot)
}

fn start(snapshot: &Snapshot) -> Accounts {
    Accounts::start(snapshot, true, Clock::default(), || {}).expect("a thread can be started")
}

fn log_in(accounts: &Accounts, login: &str, password: &str) -> Result<Login, Denied> {
    log_in_from(accounts, login, password, Ipv4Addr::LOCALHOST.into())
}

fn log_in_from(
    accounts: &Accounts,
    login: &str,
    password: &str,
    address: IpAddr,
) -> Result<Login, Denied> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime can be made");
    runtime
        .block_on(accounts.check_password(login, password, address))
        .map(|accepted| accepted.login)
}

fn apply(accounts: &Accounts, change: Change) -> Vec<Revoked> {
    accounts.apply(&[change])
}

fn account_of(login: &str) -> Vec<Revoked> {
    vec![Revoked::Account(login.into())]
}

fn inside(login: &str, vhost: &str) -> Vec<Revoked> {
    vec![Revoked::Inside {
        login: login.into(),
        vhost: vhost.into(),
    }]
}

#[test]
fn a_login_is_void_once_its_password_is_another_or_its_account_is_gone() {
    let changes = [
        (
            Change::AccountPassword {
                login: "ana".into(),
                password_hash: password::hash("other").expect("it can be hashed"),
            },
            account_of("ana"),
        ),
        (
            Change::AccountDeleted {
                login: "ana".into(),
            },
            account_of("ana"),
        ),
        (
            Change::PermissionCleared {
                vhost: VHOST.into(),
                login: "ana".into(),
            },
            inside("ana", VHOST),
        ),
    ];
    for (change, revoked) in changes {
        let accounts = accounts("ana", ".*");
        let login = log_in(&accounts, "ana", "secret").expect("the password is right");
        assert!(accounts.access(&login, VHOST).is_some());
        assert_eq!(apply(&accounts, change.clone()), revoked);
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
        apply(&accounts, change);
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
    assert_eq!(apply(&accounts, tags(&["management"])), []);
    assert_eq!(apply(&accounts, tags(&["impersonator"])), account_of("ana"));
    let login = log_in(&accounts, "ana", "secret").expect("the password is right");
    let access = accounts.access(&login, VHOST).expect("it has rights");
    assert!(login.impersonator && access.impersonator);
    assert_eq!(apply(&accounts, tags(&[])), account_of("ana"));
    assert!(!accounts.is_valid(&login), "it was told that it may");
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
    let set = |role| {
        let change = Change::AccountRole {
            login: "ana".into(),
            role,
        };
        apply(&accounts, change)
    };
    let log_in = || log_in(&accounts, "ana", "secret").expect("the password is right");
    let is_member = |login: &Login| accounts.access(login, VHOST).map(|access| access.is_member);
    let service = log_in();
    assert_eq!(is_member(&service), Some(false), "made with tags alone");
    assert_eq!(set(Role::Member), []);
    assert_eq!(is_member(&service), Some(true));
    let member = log_in();
    assert_eq!(set(Role::Administrator), []);
    assert_eq!(is_member(&member), Some(true), "administrators own, too");
    let administrator = log_in();
    assert!(administrator.is_administrator() && !member.is_administrator());
    assert_eq!(
        set(Role::Service),
        account_of("ana"),
        "what it began as the owner may not go on"
    );
    for (login, expected) in [
        (service, Some(false)),
        (member, None),
        (administrator, None),
    ] {
        assert_eq!(is_member(&login), expected, "{login:?}");
    }
}

#[test]
fn a_member_is_at_home_in_the_first_virtual_host_and_elsewhere_where_it_is_let_in() {
    let accounts = accounts("ana", ".*");
    let role = Change::AccountRole {
        login: "ana".into(),
        role: Role::Member,
    };
    apply(&accounts, role);
    let login = log_in(&accounts, "ana", "secret").expect("the password is right");
    let cleared = Change::PermissionCleared {
        vhost: VHOST.into(),
        login: "ana".into(),
    };
    assert_eq!(apply(&accounts, cleared), inside("ana", VHOST));
    let access = accounts.access(&login, VHOST).expect("it is at home");
    assert!(!access.may(Right::Read, Resource::Queue, "q", None));
    assert!(access.may(Right::Read, Resource::Queue, "q", Some("ana")));
    assert!(accounts.access(&login, "other").is_none());
    apply(&accounts, Change::GrantSet(grant("other", "ana", true)));
    let access = accounts.access(&login, "other").expect("it was let in");
    assert!(access.may(Right::Read, Resource::Queue, "q", Some("ben")));
    assert!(!access.may(Right::Read, Resource::Queue, "r", Some("ben")));
}

fn grant(vhost: &str, login: &str, read: bool) -> Grant {
    Grant {
        vhost: vhost.into(),
        resource: ResourceKind::Queue,
        name: "q".into(),
        login: login.into(),
        configure: false,
        write: true,
        read,
    }
}

#[test]
fn rights_by_grant_end_connections_only_when_they_get_fewer() {
    let accounts = accounts("ana", ".*");
    let set = |read| apply(&accounts, Change::GrantSet(grant(VHOST, "ana", read)));
    assert_eq!(set(false), []);
    assert_eq!(set(true), []);
    assert_eq!(set(true), []);
    assert_eq!(set(false), inside("ana", VHOST));
    assert_eq!(
        accounts.grants_on(VHOST, ResourceKind::Queue, "q"),
        [grant(VHOST, "ana", false)]
    );
    assert_eq!(accounts.grants_on(VHOST, ResourceKind::Exchange, "q"), []);
    let clear = || {
        apply(
            &accounts,
            Change::GrantCleared {
                vhost: VHOST.into(),
                resource: ResourceKind::Queue,
                name: "q".into(),
                login: "ana".into(),
            },
        )
    };
    assert_eq!(clear(), inside("ana", VHOST));
    assert_eq!(clear(), []);
}

fn queue_key(id: &str, secret: &str, expires_ms: Option<u64>) -> QueueKey {
    QueueKey {
        id: id.into(),
        vhost: VHOST.into(),
        queue: "q".into(),
        secret_hash: token::hash(secret),
        write: false,
        read: true,
        note: String::new(),
        created_by: Some("ana".into()),
        created_ms: 1,
        expires_ms,
    }
}

#[test]
fn a_key_opens_its_queue_and_nothing_else_until_it_is_deleted_or_expires() {
    let now_ms = Clock::default().now_ms();
    let accounts = accounts("ana", ".*");
    for key in [
        queue_key("good", "chk_good", Some(now_ms + 3_600_000)),
        queue_key("late", "chk_late", Some(now_ms - 1)),
    ] {
        assert_eq!(apply(&accounts, Change::QueueKeyAdded(key)), []);
    }
    assert!(accounts.by_key("chk_late").is_none());
    assert!(accounts.by_key("chk_bad").is_none());
    let login = accounts.by_key("chk_good").expect("it is known");
    assert_eq!((&*login.name, login.role()), ("key:good", None));
    assert!(accounts.access(&login, "other").is_none());
    let access = accounts.access(&login, VHOST).expect("its queue is here");
    let may = |right, name| access.may(right, Resource::Queue, name, None);
    assert!(may(Right::Read, "q") && !may(Right::Write, "q") && !may(Right::Read, "r"));
    assert_eq!(accounts.keys_of(VHOST, "q").len(), 2);
    let deleted = Change::QueueKeyDeleted { id: "good".into() };
    assert_eq!(apply(&accounts, deleted), [Revoked::Key("good".into())]);
    assert!(accounts.access(&login, VHOST).is_none());
    assert!(accounts.by_key("chk_good").is_none());
    let (expired, _) = accounts.expire(now_ms - 2, now_ms);
    assert_eq!(expired, [Revoked::Key("late".into())]);
    assert_eq!(accounts.expire(now_ms, now_ms).0, []);
}

#[test]
fn what_is_shared_of_a_queue_goes_with_it() {
    let accounts = accounts("ana", ".*");
    let changes = [
        Change::GrantSet(grant(VHOST, "ben", true)),
        Change::GrantSet(grant("other", "ben", true)),
        Change::QueueKeyAdded(queue_key("good", "chk_good", None)),
    ];
    accounts.apply(&changes);
    assert_eq!(accounts.forget(VHOST, ResourceKind::Exchange, "q"), []);
    assert_eq!(
        accounts.forget(VHOST, ResourceKind::Queue, "q"),
        [Revoked::Key("good".into())]
    );
    assert!(accounts.by_key("chk_good").is_none());
    assert_eq!(accounts.grants_on(VHOST, ResourceKind::Queue, "q"), []);
    assert_eq!(
        accounts.grants_on("other", ResourceKind::Queue, "q").len(),
        1
    );
    let deleted = Change::VhostDeleted {
        name: "other".into(),
    };
    apply(&accounts, deleted);
    assert_eq!(accounts.grants_on("other", ResourceKind::Queue, "q"), []);
}

#[test]
fn what_is_shared_of_a_queue_follows_it_to_its_new_name() {
    let accounts = accounts("ana", ".*");
    accounts.apply(&[
        Change::GrantSet(grant(VHOST, "ben", true)),
        Change::GrantSet(grant("other", "ben", true)),
        Change::QueueKeyAdded(queue_key("good", "chk_good", None)),
    ]);
    let login = accounts.by_key("chk_good").expect("it is known");
    let version = accounts.version();
    accounts.rename(VHOST, "q", "r");
    assert!(accounts.version() > version, "connections ask again");
    let granted = |vhost, name| {
        let grants = accounts.grants_on(vhost, ResourceKind::Queue, name);
        grants.len()
    };
    assert_eq!((granted(VHOST, "q"), granted(VHOST, "r")), (0, 1));
    assert_eq!((granted("other", "q"), granted("other", "r")), (1, 0));
    let access = accounts.access(&login, VHOST).expect("the key holds");
    let may = |name| access.may(Right::Read, Resource::Queue, name, None);
    assert!(may("r") && !may("q"));
    let version = accounts.version();
    accounts.rename(VHOST, "q", "s");
    assert_eq!(accounts.version(), version, "nothing is shared of it");
}

#[test]
fn an_account_takes_what_is_its_own_with_it() {
    let accounts = accounts("ana", ".*");
    accounts.apply(&[
        Change::GrantSet(grant(VHOST, "ana", true)),
        Change::QueueKeyAdded(queue_key("good", "chk_good", None)),
        Change::QuotaSet(Quota {
            login: "ana".into(),
            queues: Some(3),
            bytes: None,
            connections: None,
            publish_rate: None,
        }),
        Change::InvitationAdded(Invitation {
            code_hash: [7; 32],
            created_by: "ana".into(),
            created_ms: 1,
            expires_ms: 2,
            uses_left: 2,
            role: Role::Member,
        }),
    ]);
    assert_eq!(
        accounts.quota("ana").and_then(|quota| quota.queues),
        Some(3)
    );
    assert_eq!(accounts.invitations().len(), 1);
    let deleted = Change::AccountDeleted {
        login: "ana".into(),
    };
    assert_eq!(apply(&accounts, deleted), account_of("ana"));
    assert_eq!(accounts.quota("ana"), None);
    assert_eq!(accounts.invitations(), []);
    assert_eq!(accounts.grants_on(VHOST, ResourceKind::Queue, "q"), []);
    let key = accounts.key("good").expect("the queue's keys stay");
    assert_eq!(key.created_by, None);
}

#[test]
fn an_invitation_goes_with_its_last_use() {
    let accounts = start(&Snapshot {
        invitations: vec![Invitation {
            code_hash: [7; 32],
            created_by: "ana".into(),
            created_ms: 1,
            expires_ms: 2,
            uses_left: 2,
            role: Role::Member,
        }],
        ..Snapshot::default()
    });
    let used = Change::InvitationUsed {
        code_hash: [7; 32],
        now_ms: 1,
    };
    apply(&accounts, used.clone());
    assert_eq!(
        accounts.invitations().first().map(|one| one.uses_left),
        Some(1)
    );
    apply(&accounts, used);
    assert_eq!(accounts.invitations(), []);
}

#[test]
fn whoever_guesses_has_to_wait_and_the_right_password_with_them() {
    let accounts = accounts("ana", ".*");
    let stranger = IpAddr::from([192, 0, 2, 1]);
    for _ in 0..11 {
        let denied = log_in_from(&accounts, "ana", "wrong", stranger);
        assert_eq!(denied.err(), Some(Denied::Credentials));
    }
    for password in ["wrong", "secret"] {
        let denied = log_in_from(&accounts, "ana", password, stranger).err();
        assert!(
            matches!(denied, Some(Denied::LockedOut { retry_after_ms }) if (1..=1_000).contains(&retry_after_ms)),
            "{password}: {denied:?}"
        );
    }
    assert!(log_in(&accounts, "ana", "secret").is_ok(), "from elsewhere");
}

#[test]
fn a_password_in_another_form_is_the_same_and_its_logins_go_on() {
    // RabbitMQ's salted SHA-256 of "test12".
    let stored = password::from_rabbit(
        "rabbit_password_hashing_sha256",
        "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
    );
    let stored = stored.expect("it is one of RabbitMQ's hashes");
    let accounts = start(&Snapshot {
        accounts: vec![Account::with_tags("ana".into(), stored, Vec::new(), 0)],
        ..Snapshot::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime can be made");
    let check = || {
        let address = Ipv4Addr::LOCALHOST.into();
        let checked = accounts.check_password("ana", "test12", address);
        runtime.block_on(checked).expect("the password is right")
    };
    let first = check();
    let rehashed = first.rehashed.expect("it is stored in a weaker form");
    assert_eq!(apply(&accounts, rehashed), []);
    assert!(accounts.is_valid(&first.login));
    let stored = accounts.account("ana").expect("it is there").password_hash;
    assert!(stored.starts_with("$argon2id$"));
    assert_eq!(check().rehashed, None);
}
