//! Every verb of the rules by every kind of actor, in one table.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use codec::amqp::field::Value;
use codec::amqp::properties::PropertiesRef;

use super::super::{
    Actor, Addressed, ExchangeDeclaration, QueueDeclaration, RouteCache, Topology, Vhost,
};
use super::{VHOST, access, binding, exchange, queue, table};
use crate::access::{Access, Grants, QueueKey, Resource, Right, Rights};
use crate::message::tests::with_headers;
use crate::{ConnectionId, ExchangeKind, Refusal, RefusalKind};

/// Who acts, in the order of the table's columns.
const ACTORS: [&str; 12] = [
    "server",
    "owner, a member",
    "member with a grant to configure",
    "member with a grant to write",
    "member with a grant to read",
    "member without rights",
    "service with patterns for everything",
    "service with a grant to write",
    "service without rights",
    "owner, but a service",
    "key to write",
    "key to read",
];

/// What comes of a verb on what the owner has, then on what does not exist: `+` done, `A` access refused, `N` not found, `P` precondition
/// failed. To whoever has no right on the former, both sentences must be the same.
#[rustfmt::skip]
const TABLE: [(&str, Verb, &str, &str); 20] = [
    //                                                  S O c w r - * w - o W R    S O c w r - * w - o W R
    ("declare a queue",          declare_queue,        "+ + + A A A + A A A A A", "+ + + + + + + A A A A A"),
    ("declare it otherwise",     declare_otherwise,    "P P P A A A P A A A A A", "+ + + + + + + A A A A A"),
    ("declare a queue passively", find_queue,          "+ + + + + A + + A A + +", "N A A A A A N A A A A A"),
    ("delete a queue",           configure_queue,      "+ + + A A A + A A A A A", "N A A A A A N A A A A A"),
    ("purge, get or consume",    read_queue,           "+ + A A + A + A A A A +", "N A A A A A N A A A A A"),
    ("publish to a queue",       publish_to_queue,     "+ + A + A A + + A A + A", "+ A A A A A + A A A A A"),
    ("send a queue a copy",      publish_copy,         "+ + A + A A + + A A A A", "+ A A A A A + A A A A A"),
    ("dead-letter to a queue",   dead_letter_to_queue, "+ + A + A A + + A A A A", "+ A A A A A + A A A A A"),
    ("bind a queue",             bind_queue,           "+ + A + A A + + A A A A", "N A A A A A N A A A A A"),
    ("unbind a queue",           unbind_queue,         "+ + A + A A + + A A A A", "+ A A A A A + A A A A A"),
    ("rename a queue",           rename,               "+ + + A A A + A A A A A", "N A A A A A N A A A A A"),
    ("rename one to the name",   rename_to,            "P P P A A A P A A A A A", "+ + + + + + + A A A A A"),
    ("declare an exchange",      declare_exchange,     "+ + + A A A + A A A A A", "+ + + + + + + A A A A A"),
    // Services may ask after any exchange, as in RabbitMQ.
    ("declare one passively",    find_exchange,        "+ + + + + A + + + + A A", "N A A A A A N N N N A A"),
    ("delete an exchange",       delete_exchange,      "+ + + A A A + A A A A A", "+ A A A A A + A A A A A"),
    ("publish to an exchange",   publish_to_exchange,  "+ + A + A A + + A A A A", "N A A A A A N A A A A A"),
    ("bind to an exchange",      bind_from,            "+ + A A + A + A A A A A", "N A A A A A N A A A A A"),
    ("bind an exchange",         bind_exchange,        "+ + A + A A + + A A A A", "N A A A A A N A A A A A"),
    ("alternate to an exchange", alternate_to,         "+ + A + A A + + A A A A", "+ A A A A A + A A A A A"),
    ("dead-letter to one",       dead_letter_to,       "+ + A + A A + + A A A A", "+ A A A A A + A A A A A"),
];

type Verb = fn(&mut World, &str) -> Result<(), Refusal>;

/// The queue and the exchange that the owner has.
const TAKEN: &str = "taken";
/// A name that nothing has.
const FREE: &str = "free";
/// A queue and an exchange on which every account of the table has every right, for the other end of what is tried.
const OWN: &str = "own";
/// Names under which every account of the table may declare something new.
const NEW: &str = "new";

struct World {
    topology: Topology,
    access: Option<Access>,
}

impl World {
    fn new(actor: &str) -> Self {
        let mut topology = Topology::new(1, 1);
        topology.add_vhost(VHOST);
        let mut world = Self {
            topology,
            access: None,
        };
        world.make(OWN);
        world.access = Some(member("owner"));
        world.make(TAKEN);
        world.access = access_of(actor);
        world
    }

    fn make(&mut self, name: &str) {
        declare_queue(self, name).unwrap();
        declare_exchange(self, name).unwrap();
    }

    fn run<T>(
        &mut self,
        verb: impl FnOnce(&mut Topology, &Actor<'_>) -> Result<T, Refusal>,
    ) -> Result<(), Refusal> {
        let actor = Actor {
            connection: ConnectionId(1),
            access: self.access.as_ref(),
        };
        verb(&mut self.topology, &actor).map(drop)
    }

    fn look<T>(
        &mut self,
        verb: impl FnOnce(&Vhost, &Actor<'_>) -> Result<T, Refusal>,
    ) -> Result<(), Refusal> {
        self.run(|topology, actor| verb(topology.vhost(VHOST).unwrap(), actor).map(drop))
    }

    fn publish(&mut self, exchange: &str, key: &str, copies: &[&str]) -> Result<(), Refusal> {
        let headers = (!copies.is_empty()).then(|| {
            let copies = copies.iter().map(|key| Value::from(*key)).collect();
            table(&[("BCC", Value::Array(copies))])
        });
        let message = with_headers(key, "", headers);
        let publish = Addressed {
            exchange,
            routing_key: key,
            properties: &PropertiesRef::parse(message.properties()).unwrap(),
        };
        self.run(|topology, actor| {
            let mut cache = RouteCache::default();
            cache.route(topology, VHOST, &publish, actor).map(drop)
        })
    }

    /// Declares a queue whose dead letters go to `exchange` with `key`.
    fn dead_letter(&mut self, exchange: &str, key: &str) -> Result<(), Refusal> {
        let wish = QueueDeclaration {
            arguments: table(&[
                ("x-dead-letter-exchange", exchange.into()),
                ("x-dead-letter-routing-key", key.into()),
            ]),
            ..queue(NEW)
        };
        self.run(|topology, actor| topology.declare_queue(VHOST, wish, actor))
    }
}

fn access_of(actor: &str) -> Option<Access> {
    let all = Rights {
        configure: true,
        write: true,
        read: true,
    };
    let right = |name: &str| Rights {
        configure: actor.ends_with(name) && name == "configure",
        write: actor.ends_with(name) && name == "write",
        read: actor.ends_with(name) && name == "read",
    };
    let login = if actor.starts_with("owner") {
        "owner"
    } else {
        "other"
    };
    let mut access = match actor {
        "server" => return None,
        "service with patterns for everything" => access(".*", ".*", ".*"),
        _ => access("", "", ""),
    };
    access.login = login.into();
    access.is_member = actor.contains("member");
    let mut grants = Grants::default();
    for resource in [Resource::Queue, Resource::Exchange] {
        for name in [OWN, NEW] {
            grants.give(resource, name.into(), all);
        }
        for name in ["configure", "write", "read"] {
            if actor.contains("grant") && actor.ends_with(name) {
                grants.give(resource, TAKEN.into(), right(name));
            }
        }
    }
    access.grants = Arc::new(grants);
    access.key = actor.starts_with("key").then(|| QueueKey {
        queue: TAKEN.into(),
        write: actor.ends_with("write"),
        read: actor.ends_with("read"),
    });
    Some(access)
}

fn member(login: &str) -> Access {
    Access {
        login: login.into(),
        is_member: true,
        ..access("", "", "")
    }
}

fn declare_queue(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.run(|topology, actor| topology.declare_queue(VHOST, queue(name), actor))
}

fn declare_otherwise(world: &mut World, name: &str) -> Result<(), Refusal> {
    let wish = QueueDeclaration {
        durable: false,
        ..queue(name)
    };
    world.run(|topology, actor| topology.declare_queue(VHOST, wish, actor))
}

fn find_queue(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.look(|host, actor| host.visible_queue(name, actor).map(drop))
}

fn configure_queue(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.look(|host, actor| host.usable_queue(name, Right::Configure, actor).map(drop))
}

fn read_queue(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.look(|host, actor| host.usable_queue(name, Right::Read, actor).map(drop))
}

fn publish_to_queue(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.publish("", name, &[])
}

fn publish_copy(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.publish("", OWN, &[name])
}

fn dead_letter_to_queue(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.dead_letter("", name)
}

fn bind_queue(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.run(|topology, actor| topology.bind(binding(OWN, name, false, "k"), actor))
}

fn unbind_queue(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.run(|topology, actor| topology.unbind(binding(OWN, name, false, "k"), actor))
}

fn rename(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.run(|topology, actor| topology.rename_queue(VHOST, name, "elsewhere", actor))
}

fn rename_to(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.run(|topology, actor| topology.rename_queue(VHOST, OWN, name, actor))
}

fn declare_exchange(world: &mut World, name: &str) -> Result<(), Refusal> {
    let wish = exchange(name, ExchangeKind::Direct);
    world.run(|topology, actor| topology.declare_exchange(VHOST, wish, actor))
}

fn find_exchange(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.run(|topology, actor| topology.find_exchange(VHOST, name, actor).map(drop))
}

fn delete_exchange(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.run(|topology, actor| topology.delete_exchange(VHOST, name, false, actor))
}

fn publish_to_exchange(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.publish(name, "k", &[])
}

fn bind_from(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.run(|topology, actor| topology.bind(binding(name, OWN, false, "k"), actor))
}

fn bind_exchange(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.run(|topology, actor| topology.bind(binding(OWN, name, true, "k"), actor))
}

fn alternate_to(world: &mut World, name: &str) -> Result<(), Refusal> {
    let wish = ExchangeDeclaration {
        arguments: table(&[("alternate-exchange", name.into())]),
        ..exchange(NEW, ExchangeKind::Direct)
    };
    world.run(|topology, actor| topology.declare_exchange(VHOST, wish, actor))
}

fn dead_letter_to(world: &mut World, name: &str) -> Result<(), Refusal> {
    world.dead_letter(name, "k")
}

fn letter(result: &Result<(), Refusal>) -> char {
    match result.as_ref().map_err(|refusal| refusal.kind) {
        Ok(()) => '+',
        Err(RefusalKind::AccessRefused) => 'A',
        Err(RefusalKind::NotFound) => 'N',
        Err(RefusalKind::PreconditionFailed) => 'P',
        Err(kind) => panic!("{kind:?} is in no table"),
    }
}

#[test]
fn every_verb_is_allowed_to_whom_the_rules_say_and_tells_others_nothing() {
    for (verb, run, on_taken, on_free) in TABLE {
        let [on_taken, on_free] =
            [on_taken, on_free].map(|row| row.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!([on_taken.len(), on_free.len()], [ACTORS.len(); 2], "{verb}");
        for ((actor, taken), free) in ACTORS.iter().zip(&on_taken).zip(&on_free) {
            let of_taken = run(&mut World::new(actor), TAKEN);
            let of_free = run(&mut World::new(actor), FREE);
            let found = [&of_taken, &of_free].map(|result| letter(result).to_string());
            assert_eq!(
                found,
                [taken.clone(), free.clone()],
                "{verb} by {actor}: {of_taken:?} {of_free:?}"
            );
            let knows = find_queue(&mut World::new(actor), TAKEN).is_ok();
            if found == ["A", "A"] && !knows {
                let sentence = |result: Result<(), Refusal>, name: &str| {
                    result
                        .unwrap_err()
                        .detail
                        .replace(&format!("'{name}'"), "'?'")
                };
                assert_eq!(
                    sentence(of_taken, TAKEN),
                    sentence(of_free, FREE),
                    "{verb} by {actor}: the answer tells whether it exists"
                );
            }
        }
    }
}

#[test]
fn a_member_owns_what_it_declares_and_a_service_does_not() {
    for (actor, may) in [
        ("member without rights", true),
        ("service with patterns for everything", false),
    ] {
        let mut world = World::new(actor);
        world.make(FREE);
        // From now on only owning counts.
        let access = world.access.as_mut().unwrap();
        *access = Access {
            is_member: access.is_member,
            ..access.without_rights()
        };
        for verb in [
            declare_queue,
            find_queue,
            configure_queue,
            read_queue,
            publish_to_queue,
            declare_exchange,
            publish_to_exchange,
            delete_exchange,
        ] {
            assert_eq!(verb(&mut world, FREE).is_ok(), may, "{actor}");
        }
    }
}

#[test]
fn what_a_member_may_not_take_is_refused_in_the_same_words_whether_it_is_taken_or_the_brokers() {
    let mut world = World::new("server");
    let generated = QueueDeclaration {
        generated: "amq.gen-theirs".to_owned(),
        ..queue("")
    };
    world
        .run(|topology, actor| topology.declare_queue(VHOST, generated.clone(), actor))
        .unwrap();
    world.access = Some(member("other"));
    for name in [TAKEN, "amq.gen-theirs", "amq.gen-none", "amq.direct"] {
        let queue = declare_queue(&mut world, name).unwrap_err();
        assert_eq!(
            (queue.kind, queue.detail),
            (
                RefusalKind::AccessRefused,
                format!("configure access to queue '{name}' in vhost '/' refused for user 'other'")
            )
        );
    }
    let exchange = declare_exchange(&mut world, "amq.direct").unwrap_err();
    assert_eq!(
        exchange.detail,
        "configure access to exchange 'amq.direct' in vhost '/' refused for user 'other'"
    );
    let mine = QueueDeclaration {
        generated: "amq.gen-mine".to_owned(),
        ..generated
    };
    world
        .run(|topology, actor| topology.declare_queue(VHOST, mine, actor))
        .unwrap();
    read_queue(&mut world, "amq.gen-mine").expect("a name that the broker chose is a member's own");
}

#[test]
fn a_members_dead_letters_reach_by_the_default_exchange_what_it_may_write_alone() {
    let outlet = |arguments: &[(&str, Value)]| {
        let mut world = World::new("member without rights");
        world.access = Some(member("other"));
        let wish = QueueDeclaration {
            arguments: table(arguments),
            ..queue(FREE)
        };
        let declared = world.run(|topology, actor| topology.declare_queue(VHOST, wish, actor));
        declared.map_err(|refusal| refusal.detail)
    };
    let refused =
        Err("write access to exchange 'amq.default' in vhost '/' refused for user 'other'".into());
    let to_default = ("x-dead-letter-exchange", Value::from(""));
    let key = |name: &str| ("x-dead-letter-routing-key", Value::from(name));
    assert_eq!(
        outlet(&[to_default.clone(), key(FREE)]),
        Ok(()),
        "its own name"
    );
    assert_eq!(outlet(&[to_default.clone(), key(TAKEN)]), refused);
    assert_eq!(outlet(&[to_default.clone(), key("missing")]), refused);
    assert_eq!(
        outlet(&[to_default]),
        refused,
        "with its own key a message would reach any queue"
    );
    let mut world = World::new("member without rights");
    assert_eq!(
        alternate_to(&mut world, "").map_err(|refusal| refusal.detail),
        refused,
        "with its own key a message would reach any queue"
    );
}

#[test]
fn what_a_deleted_account_owned_is_nobodys() {
    let mut world = World::new("owner, a member");
    world.topology.disown("other");
    read_queue(&mut world, TAKEN).expect("it is not theirs");
    world.topology.disown("owner");
    let host = world.topology.vhost(VHOST).unwrap();
    assert_eq!(host.queue(TAKEN).unwrap().owner, None);
    assert_eq!(host.exchange(TAKEN).unwrap().owner, None);
    for verb in [read_queue, publish_to_queue, publish_to_exchange] {
        assert_eq!(letter(&verb(&mut world, TAKEN)), 'A');
    }
}

#[test]
fn listings_show_what_one_has_a_right_on() {
    for (actor, sees) in ACTORS.iter().zip([
        true, true, true, true, true, false, true, true, false, false, true, true,
    ]) {
        let world = World::new(actor);
        let Some(access) = &world.access else {
            continue;
        };
        let host = world.topology.vhost(VHOST).unwrap();
        assert_eq!(
            access.sees_queue(host.queue(TAKEN).unwrap()),
            sees,
            "{actor}"
        );
        let is_key = access.key.is_some();
        let exchange = host.exchange(TAKEN).unwrap();
        assert_eq!(access.sees_exchange(exchange), sees && !is_key, "{actor}");
    }
}

#[test]
fn a_route_is_learnt_anew_when_rights_or_owners_change() {
    let mut world = World::new("owner, a member");
    let properties = PropertiesRef::default();
    let publish = Addressed {
        exchange: "",
        routing_key: TAKEN,
        properties: &properties,
    };
    let mut cache = RouteCache::default();
    let mut count = |world: &World, forgets: bool| {
        if forgets {
            cache.clear();
        }
        let actor = Actor {
            connection: ConnectionId(1),
            access: world.access.as_ref(),
        };
        let routed = cache.route(&world.topology, VHOST, &publish, &actor);
        routed
            .map(|(_, routes)| routes.len())
            .map_err(|refusal| refusal.kind)
    };
    let refused = Err(RefusalKind::AccessRefused);
    assert_eq!(count(&world, false), Ok(1));
    world.topology.disown("owner");
    assert_eq!(count(&world, false), refused, "the owner is another");
    world.access = access_of("member with a grant to write");
    assert_eq!(count(&world, true), Ok(1));
    world.access = access_of("member with a grant to read");
    assert_eq!(count(&world, true), refused, "the grant is another");
    world.access = access_of("key to write");
    assert_eq!(count(&world, true), Ok(1));
    let place = world
        .topology
        .vhost(VHOST)
        .unwrap()
        .queue(TAKEN)
        .unwrap()
        .place;
    assert!(world.topology.remove_queue(VHOST, TAKEN, place));
    assert_eq!(count(&world, false), refused, "the queue is gone");
}

#[test]
fn without_rights_nothing_is_left() {
    for actor in ACTORS {
        let Some(access) = access_of(actor) else {
            continue;
        };
        let mut world = World::new("server");
        world.access = Some(access.without_rights());
        for (verb, run, ..) in TABLE {
            // Services may ask after any exchange.
            if verb != "declare one passively" {
                assert_eq!(letter(&run(&mut world, TAKEN)), 'A', "{verb} by {actor}");
            }
        }
    }
}
