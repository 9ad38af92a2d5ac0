use super::*;
use crate::Name;
use crate::access::QueueKey;
use crate::shard::DeadLetter;
use crate::topology::{CHAT_EXCHANGE, Listeners, room_of};

/// A rig whose virtual host has the chat's exchange, for an account without any pattern.
fn with_chat() -> Rig {
    let mut rig = Rig::new();
    rig.topology.add_chat(VHOST);
    rig.access = Access {
        is_member: true,
        ..access("^$", "^$", "^$")
    };
    rig.queue(queue("mine")).unwrap();
    rig
}

fn room(key: &str) -> BindingView {
    binding(CHAT_EXCHANGE, "mine", false, key)
}

fn as_administrator(rig: &mut Rig) {
    rig.access = Access {
        office: Office::Administrator,
        ..access(".*", ".*", ".*")
    };
}

fn as_server(rig: &mut Rig) {
    rig.access = Access::of_server("server".into(), VHOST.into());
}

#[test]
fn whatever_reaches_the_bindings_is_the_servers() {
    let mut rig = with_chat();
    rig.bind(room("room.lobby")).unwrap();
    assert!(rig.routes(CHAT_EXCHANGE, "room.lobby").is_empty());
    as_administrator(&mut rig);
    assert!(rig.routes(CHAT_EXCHANGE, "room.lobby").is_empty());
    as_server(&mut rig);
    assert_eq!(rig.routes(CHAT_EXCHANGE, "room.lobby"), ["mine"]);
    assert!(rig.routes(CHAT_EXCHANGE, "room.other").is_empty());
}

#[test]
fn nothing_leads_into_the_exchange() {
    let mut rig = with_chat();
    rig.bind(room("room.lobby")).unwrap();
    as_administrator(&mut rig);
    let refused = Some(RefusalKind::AccessRefused);
    rig.exchange(exchange("outer", ExchangeKind::Topic))
        .unwrap();
    for name in [CHAT_EXCHANGE, "chat\n"] {
        let wish = binding("outer", name, true, "room.lobby");
        assert_eq!(kind(rig.bind(wish)), refused, "{name:?}");
    }
    let alternate = ExchangeDeclaration {
        arguments: table(&[("alternate-exchange", CHAT_EXCHANGE.into())]),
        ..exchange("ae", ExchangeKind::Topic)
    };
    assert_eq!(kind(rig.exchange(alternate)), refused);
    let dead = QueueDeclaration {
        arguments: table(&[
            ("x-dead-letter-exchange", CHAT_EXCHANGE.into()),
            ("x-dead-letter-routing-key", "room.lobby".into()),
        ]),
        ..queue("dead")
    };
    assert_eq!(kind(rig.queue(dead)), refused);
    let cc = table(&[("CC", Value::Array(vec!["room.lobby".into()]))]);
    for key in ["room.lobby", "x"] {
        let copied = rig.publish(CHAT_EXCHANGE, key, Some(cc.clone()));
        assert_eq!(kind(copied), Some(RefusalKind::PreconditionFailed));
    }
}

#[test]
fn what_leads_there_by_policy_or_from_an_earlier_version_goes_nowhere() {
    let mut rig = Rig::new();
    // As a version without a chat restored it.
    let mut outer = exchange("outer", ExchangeKind::Topic);
    outer.arguments = table(&[("alternate-exchange", CHAT_EXCHANGE.into())]);
    rig.exchange(outer).unwrap();
    rig.topology.add_chat(VHOST);
    rig.queue(queue("mine")).unwrap();
    rig.bind(room("room.lobby")).unwrap();
    let server = Actor {
        connection: rig.connection,
        access: None,
    };
    let inward = binding("outer", CHAT_EXCHANGE, true, "#");
    assert!(rig.routes("outer", "room.lobby").is_empty(), "alternate");
    rig.topology.bind(inward, &server).unwrap();
    assert!(rig.routes("outer", "room.lobby").is_empty(), "bound");
    let place = rig.usable("mine").unwrap();
    let message = Arc::new(with_headers("room.lobby", "", None));
    let letter = DeadLetter {
        vhost: VHOST.into(),
        queue: "mine".into(),
        place,
        sequence: None,
        reason: crate::Reason::Rejected,
        message: message.clone(),
        exchange: CHAT_EXCHANGE.into(),
        routing_key: Some(Name::from("room.lobby")),
    };
    let dead = crate::shard::dead_message(&letter, 0);
    let mut routes = crate::topology::Routes::new();
    let host = rig.topology.vhost(VHOST).unwrap();
    host.route_dead_letter(&letter, &dead, &mut routes).unwrap();
    assert!(routes.is_empty(), "a dead letter");
}

#[test]
fn accounts_bind_rooms_and_administrators_patterns() {
    let mut rig = with_chat();
    let refused = Some(RefusalKind::AccessRefused);
    for key in ["room.*", "#", "room.lobby.#", "*.lobby"] {
        assert_eq!(kind(rig.bind(room(key))), refused, "{key}");
    }
    for key in ["", "lobby", "room.", "room.a.b", "room.a*"] {
        let wrong = Some(RefusalKind::PreconditionFailed);
        assert_eq!(kind(rig.bind(room(key))), wrong, "{key}");
    }
    rig.bind(room("room.lobby")).unwrap();
    let outward = binding(CHAT_EXCHANGE, "mine-too", true, "room.lobby");
    rig.exchange(exchange("mine-too", ExchangeKind::Fanout))
        .unwrap();
    assert_eq!(kind(rig.bind(outward.clone())), refused);
    rig.unbind(room("room.lobby")).unwrap();
    as_administrator(&mut rig);
    rig.bind(outward).unwrap();
    rig.bind(room("room.*")).unwrap();
    as_server(&mut rig);
    assert_eq!(rig.routes(CHAT_EXCHANGE, "room.any"), ["mine"]);
}

#[test]
fn a_queues_key_opens_no_room() {
    let mut rig = with_chat();
    rig.access.is_member = false;
    rig.access.key = Some(QueueKey {
        queue: "mine".into(),
        write: true,
        read: true,
    });
    let refused = Some(RefusalKind::AccessRefused);
    assert_eq!(kind(rig.bind(room("room.lobby"))), refused);
    assert_eq!(
        kind(rig.publish(CHAT_EXCHANGE, "room.lobby", None)),
        refused
    );
}

#[test]
fn the_exchange_is_there_for_good_and_may_be_declared_by_everyone() {
    let mut rig = with_chat();
    let declared = exchange(CHAT_EXCHANGE, ExchangeKind::Topic);
    for (durable, auto_delete) in [(true, false), (false, false), (false, true)] {
        let again = ExchangeDeclaration {
            durable,
            auto_delete,
            ..declared.clone()
        };
        rig.exchange(again).unwrap();
    }
    let other = ExchangeDeclaration {
        kind: ExchangeKind::Fanout,
        ..declared
    };
    assert_eq!(
        kind(rig.exchange(other)),
        Some(RefusalKind::PreconditionFailed)
    );
    let actor = Actor {
        connection: rig.connection,
        access: Some(&rig.access),
    };
    let found = rig.topology.find_exchange(VHOST, CHAT_EXCHANGE, &actor);
    assert!(rig.access.sees_exchange(found.unwrap()));
    as_administrator(&mut rig);
    let refused = Some(RefusalKind::AccessRefused);
    for name in [CHAT_EXCHANGE, "chat\r"] {
        assert_eq!(kind(rig.delete_exchange(name, false)), refused);
    }
    assert!(rig.has(CHAT_EXCHANGE));
}

#[test]
fn it_is_known_who_hears_a_room() {
    let mut rig = with_chat();
    let heard = |rig: &Rig| rig.topology.listeners(VHOST, "room.lobby");
    assert_eq!(heard(&rig), Listeners::None);
    let transient = QueueDeclaration {
        exclusive: true,
        ..queue("passing")
    };
    rig.queue(transient).unwrap();
    rig.bind(binding(CHAT_EXCHANGE, "passing", false, "room.lobby"))
        .unwrap();
    assert_eq!(heard(&rig), Listeners::Transient);
    rig.bind(room("room.lobby")).unwrap();
    assert_eq!(heard(&rig), Listeners::Durable);
    let bindings = rig.topology.room_bindings(VHOST);
    let names: Vec<_> = bindings
        .iter()
        .map(|one| (&*one.binding.destination, one.owner.as_deref()))
        .collect();
    assert_eq!(names, [("mine", Some("ana")), ("passing", Some("ana"))]);
    assert_eq!(room_of("room.lobby"), Some("lobby"));
}
