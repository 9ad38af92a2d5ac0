use broker::{Reply, Request};
use codec::amqp::field::{Table, Value};
use directory::{Change, Role};

use crate::rig::{ADMIN, Client, Rig};

/// Declares a queue in which everything dies at once, and goes to the queue `target`.
fn declare_outlet(client: &mut Client<'_>) {
    let mut arguments = Table::new();
    arguments.insert("x-message-ttl", Value::I32(0));
    arguments.insert("x-dead-letter-exchange", "");
    arguments.insert("x-dead-letter-routing-key", "target");
    let declared = client.ask(Request::QueueDeclare {
        name: "outlet".to_owned(),
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments,
    });
    declared.expect("it may lead there");
}

/// Lets a message die in the outlet and says how many messages `owner` has in `target` then.
fn let_die(rig: &Rig, owner: &str) -> u64 {
    let mallory = rig.by_password("mallory");
    let mut mallory = rig.connect(&mallory).expect("she has an account");
    mallory.publish("outlet", b"for whom?");
    let owner = rig.by_password(owner);
    let mut owner = rig.connect(&owner).expect("there is an account");
    match owner.declare("target", true) {
        Ok(Reply::QueueDeclared { messages, .. }) => messages,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_dies_does_not_reach_whoever_took_the_name_of_its_target_not_after_a_start_either() {
    let mut rig = Rig::new();
    for login in ["mallory", "ana"] {
        rig.add(login, Role::Member);
    }
    {
        let mut mallory = rig.connect(&rig.by_password("mallory")).expect("at home");
        mallory.declare("target", true).expect("the name is free");
        declare_outlet(&mut mallory);
    }
    assert_eq!(let_die(&rig, "mallory"), 1, "it is hers");
    {
        let mut mallory = rig.connect(&rig.by_password("mallory")).expect("at home");
        mallory.delete("target").expect("it is hers");
        let mut ana = rig.connect(&rig.by_password("ana")).expect("at home");
        ana.declare("target", true).expect("the name is free");
    }
    assert_eq!(let_die(&rig, "ana"), 0, "before a restart");
    rig = rig.restart();
    assert_eq!(let_die(&rig, "ana"), 0, "after it");
}

#[test]
fn what_dies_follows_the_rights_that_its_owner_has_now() {
    let rig = Rig::new();
    for login in ["mallory", "ana"] {
        rig.add(login, Role::Member);
    }
    let grant = directory::Grant {
        vhost: "/".to_owned(),
        resource: directory::ResourceKind::Queue,
        name: "target".to_owned(),
        login: "mallory".to_owned(),
        configure: false,
        write: true,
        read: false,
    };
    {
        let mut ana = rig.connect(&rig.by_password("ana")).expect("at home");
        ana.declare("target", true).expect("the name is free");
        rig.commit([Change::GrantSet(grant)]);
        let mut mallory = rig.connect(&rig.by_password("mallory")).expect("at home");
        declare_outlet(&mut mallory);
    }
    assert_eq!(let_die(&rig, "ana"), 1);
    rig.commit([Change::GrantCleared {
        vhost: "/".to_owned(),
        resource: directory::ResourceKind::Queue,
        name: "target".to_owned(),
        login: "mallory".to_owned(),
    }]);
    assert_eq!(let_die(&rig, "ana"), 1, "the grant was taken back");
    rig.commit([Change::AccountRole {
        login: "mallory".to_owned(),
        role: Role::Service,
    }]);
    rig.commit([Change::PermissionSet(crate::startup::full_rights(
        "mallory",
    ))]);
    assert_eq!(let_die(&rig, "ana"), 2, "services name what they like");
    rig.commit([Change::AccountDeleted {
        login: "mallory".to_owned(),
    }]);
    let mut admin = rig.connect(&rig.by_password(ADMIN)).expect("at home");
    admin.publish("outlet", b"of nobody");
    let mut ana = rig.connect(&rig.by_password("ana")).expect("at home");
    let declared = ana.declare("target", true);
    assert!(
        matches!(declared, Ok(Reply::QueueDeclared { messages: 2, .. })),
        "what nobody owns leads to no member: {declared:?}"
    );
}
