use broker::{RefusalKind, Reply, Request};
use directory::{Change, Quota, Role};

use super::{AccountLimits, Meter, Usage};
use crate::rig::Rig;

const NOTHING: Quota = Quota {
    login: String::new(),
    queues: None,
    bytes: None,
    connections: None,
    publish_rate: None,
};

fn set(rig: &Rig, quota: Quota) {
    rig.commit([Change::QuotaSet(Quota {
        login: "ana".to_owned(),
        ..quota
    })]);
}

#[test]
fn an_accounts_own_bounds_go_before_the_servers() {
    let server = AccountLimits {
        queues: Some(5),
        bytes: Some(7),
        connections: None,
        publish_rate: None,
    };
    assert_eq!(server.under(None), server);
    let quota = Quota {
        queues: Some(9),
        connections: Some(2),
        ..NOTHING
    };
    let expected = AccountLimits {
        queues: Some(9),
        bytes: Some(7),
        connections: Some(2),
        publish_rate: None,
    };
    assert_eq!(server.under(Some(&quota)), expected);
}

#[test]
fn a_seconds_worth_may_be_published_at_once_and_more_is_waited_for() {
    let meter = Meter::default();
    assert_eq!(meter.wait("ana", 5_000), None, "without a bound");
    meter.set(&AccountLimits {
        publish_rate: Some(10),
        ..AccountLimits::default()
    });
    let wait_ms = |now_ms| meter.wait("ana", now_ms).map(|wait| wait.until_ms - now_ms);
    assert_eq!(wait_ms(5_000), None);
    meter.note(9, 5_000);
    assert_eq!(wait_ms(5_000), None);
    meter.note(6, 5_000);
    assert_eq!(wait_ms(5_000), Some(501), "five too many");
    assert_eq!(wait_ms(5_500), Some(1));
    assert_eq!(wait_ms(5_501), None);
    // However long nothing came, there is no more than a second's worth.
    meter.note(11, 100_000);
    assert_eq!(wait_ms(100_000), Some(101));
    let refusal = meter.wait("ana", 100_000).expect("it has to wait").refusal;
    assert_eq!(refusal.kind, RefusalKind::LimitExceeded);
    assert!(refusal.detail.contains("10 messages per second"));
    meter.set(&AccountLimits::default());
    assert_eq!(wait_ms(100_000), None, "the bound is gone");
}

#[test]
fn queues_are_bounded_where_they_are_declared_anew() {
    let rig = Rig::new();
    rig.add("ana", Role::Member);
    let mut connection = rig.connect(&rig.by_password("ana")).expect("it is at home");
    connection.declare("one", true).expect("it has no bound");
    set(
        &rig,
        Quota {
            queues: Some(2),
            ..NOTHING
        },
    );
    connection.declare("two", false).expect("there is room");
    let refused = connection.declare("three", false).expect_err("it has two");
    assert_eq!(refused.kind, RefusalKind::LimitExceeded);
    assert!(refused.detail.contains("2 queues"), "{refused}");
    connection
        .declare("two", false)
        .expect("it is there already");
    connection.delete("one").expect("it is its own");
    connection
        .declare("three", true)
        .expect("there is room again");
    assert_eq!(
        rig.run(rig.handle.usage("ana")),
        Usage {
            queues: 2,
            bytes: 0,
            connections: 1
        }
    );
    rig.commit([Change::QuotaCleared {
        login: "ana".to_owned(),
    }]);
    connection.declare("four", false).expect("it has no bound");
}

#[test]
fn connections_are_bounded() {
    let rig = Rig::new();
    rig.add("ana", Role::Member);
    set(
        &rig,
        Quota {
            connections: Some(1),
            ..NOTHING
        },
    );
    let rig = rig.restart();
    let login = rig.by_password("ana");
    let first = rig.connect(&login).expect("there is room");
    let refused = rig.connect(&login).err().expect("it has one");
    assert_eq!(refused.kind, RefusalKind::NotAllowed);
    assert!(refused.detail.contains("1 connections"), "{refused}");
    drop(first);
    drop(rig.connect(&login).expect("there is room again"));
}

#[test]
fn whoever_owns_too_many_bytes_has_to_wait_until_some_are_gone() {
    let rig = Rig::new();
    rig.add("ana", Role::Member);
    let login = rig.by_password("ana");
    let mut connection = rig.connect(&login).expect("it is at home");
    connection.declare("full", false).expect("the name is free");
    set(
        &rig,
        Quota {
            bytes: Some(1_000),
            ..NOTHING
        },
    );
    assert_eq!(connection.connection().publish_wait(), None);
    connection.publish("full", &[7; 1_200]);
    let mut wait = None;
    rig.wait_for(|| {
        wait = connection.connection().publish_wait();
        wait.is_some()
    });
    let refusal = wait.expect("it was waited for").refusal;
    assert_eq!(refusal.kind, RefusalKind::LimitExceeded);
    assert!(refusal.detail.contains("1000 bytes"), "{refusal}");
    let purged = connection.ask(Request::QueuePurge {
        name: "full".to_owned(),
    });
    assert!(matches!(purged, Ok(Reply::Purged(1))), "{purged:?}");
    rig.wait_for(|| connection.connection().publish_wait().is_none());
}

#[test]
fn all_connections_of_an_account_publish_at_one_rate() {
    let rig = Rig::new();
    rig.add("ana", Role::Member);
    set(
        &rig,
        Quota {
            publish_rate: Some(100),
            ..NOTHING
        },
    );
    let login = rig.by_password("ana");
    let [mut one, mut other] = [(); 2].map(|()| rig.connect(&login).expect("it is at home"));
    assert_eq!(other.connection().publish_wait(), None);
    one.connection().note_published(1_000);
    assert!(other.connection().publish_wait().is_some());
    let admin = rig.by_password(crate::rig::ADMIN);
    let mut third = rig.connect(&admin).expect("it has rights");
    third.connection().note_published(1_000);
    assert_eq!(third.connection().publish_wait(), None, "it has no bound");
    rig.commit([Change::QuotaCleared {
        login: "ana".to_owned(),
    }]);
    assert_eq!(other.connection().publish_wait(), None);
}
