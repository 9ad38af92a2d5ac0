#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::{Actor, Change, QueueDeclaration, QueueRenamed};
use super::{Rig, VHOST, access, binding, exchange, kind, queue, table};
use crate::{ApplyTo, ConnectionId, ExchangeKind, Policy, Refusal, RefusalKind};

fn rename(rig: &mut Rig, old: &str, new: &str) -> Result<QueueRenamed, Refusal> {
    let actor = Actor {
        connection: rig.connection,
        access: Some(&rig.access),
    };
    let renamed = rig.topology.rename_queue(VHOST, old, new, &actor)?;
    Ok(renamed.into_iter().next().unwrap())
}

#[test]
fn a_renamed_queue_keeps_its_place_and_its_bindings_of_every_kind() {
    let mut rig = Rig::new();
    let place = rig.queue(queue("old")).unwrap();
    let other = rig.queue(queue("other")).unwrap();
    let exchanges = [
        ("direct", ExchangeKind::Direct, "k"),
        ("fanout", ExchangeKind::Fanout, ""),
        ("topic", ExchangeKind::Topic, "#.k"),
        ("headers", ExchangeKind::Headers, "k"),
        ("hash", ExchangeKind::ConsistentHash, "7"),
    ];
    for (name, of, key) in exchanges {
        rig.exchange(exchange(name, of)).unwrap();
        rig.bind(binding(name, "old", false, key)).unwrap();
    }
    rig.bind(binding("direct", "old", false, "k2")).unwrap();
    rig.bind(binding("direct", "other", false, "k")).unwrap();
    drop(rig.topology.take_changes());
    let version = rig.topology.version();

    let renamed = rename(&mut rig, "old", "n\rew").unwrap();
    assert_eq!((renamed.place, &*renamed.name), (place, "new"));
    assert!(rig.topology.version() > version, "what was learnt is void");
    assert_eq!(
        rig.topology.take_changes(),
        [Change::QueueRenamed {
            id: place.id,
            vhost: VHOST.into(),
            name: "new".into()
        }]
    );
    assert_eq!(
        rig.topology.queue_name(VHOST, place).as_deref(),
        Some("new")
    );
    assert_eq!(kind(rig.usable("old")), Some(RefusalKind::NotFound));
    assert_eq!(rig.routes("", "new"), ["new"]);
    assert!(rig.routes("", "old").is_empty());
    for (name, ..) in exchanges {
        let reached = rig.routes(name, "k");
        assert!(reached.contains(&"new".to_owned()), "{name}: {reached:?}");
    }
    assert_eq!(rig.routes("direct", "k2"), ["new"]);

    // The name is free again, and what is made under it has none of the bindings.
    rig.queue(queue("old")).unwrap();
    assert_eq!(rig.routes("fanout", ""), ["new"]);
    let views = rig.topology.vhost(VHOST).unwrap().bindings();
    let led = |name: &str| {
        let explicit = views.iter().filter(|view| !view.source.is_empty());
        explicit.filter(|view| *view.destination == *name).count()
    };
    assert_eq!([led("old"), led("new"), led("other")], [0, 6, 1]);

    // They go as they would have gone.
    rig.unbind(binding("direct", "new", false, "k2")).unwrap();
    assert!(rig.routes("direct", "k2").is_empty());
    assert!(rig.topology.remove_queue(VHOST, "new", place));
    for (name, ..) in exchanges {
        let left = rig.publish(name, "k", None).unwrap();
        assert!(
            left.iter().all(|queue| queue == "other"),
            "{name}: {left:?}"
        );
    }
    assert!(rig.topology.remove_queue(VHOST, "other", other));
}

#[test]
fn a_queue_goes_also_by_the_name_that_its_shard_still_knows() {
    let mut rig = Rig::new();
    let place = rig.queue(queue("old")).unwrap();
    rename(&mut rig, "old", "new").unwrap();
    let successor = rig.queue(queue("old")).unwrap();
    assert!(rig.topology.remove_queue(VHOST, "old", place));
    assert_eq!(kind(rig.usable("new")), Some(RefusalKind::NotFound));
    assert_eq!(rig.usable("old"), Ok(successor), "it is another queue");
    assert!(!rig.topology.remove_queue(VHOST, "old", place));
}

#[test]
fn a_queue_without_a_row_is_renamed_without_a_note() {
    let mut rig = Rig::new();
    rig.queue(QueueDeclaration {
        exclusive: true,
        ..queue("mine")
    })
    .unwrap();
    rename(&mut rig, "mine", "still-mine").unwrap();
    assert_eq!(rig.topology.take_changes(), []);
    rig.connection = ConnectionId(2);
    assert_eq!(
        kind(rename(&mut rig, "still-mine", "theirs")),
        Some(RefusalKind::ResourceLocked)
    );
    assert_eq!(
        kind(rig.usable("still-mine")),
        Some(RefusalKind::ResourceLocked)
    );
}

#[test]
fn a_name_must_be_free_and_sayable() {
    let mut rig = Rig::new();
    rig.queue(queue("q")).unwrap();
    rig.queue(queue("taken")).unwrap();
    drop(rig.topology.take_changes());
    for (new, refused) in [
        ("q", None),
        ("taken", Some(RefusalKind::PreconditionFailed)),
        ("", Some(RefusalKind::PreconditionFailed)),
        ("\r\n", Some(RefusalKind::PreconditionFailed)),
        ("amq.mine", Some(RefusalKind::AccessRefused)),
        (&"n".repeat(256), Some(RefusalKind::PreconditionFailed)),
    ] {
        assert_eq!(kind(rename(&mut rig, "q", new)), refused, "{new:?}");
        assert_eq!(rig.topology.take_changes(), [], "{new:?}");
        assert!(rig.usable("q").is_ok(), "{new:?}");
    }
    assert_eq!(
        kind(rename(&mut rig, "missing", "new")),
        Some(RefusalKind::NotFound)
    );
}

#[test]
fn a_new_name_gives_whoever_renames_no_right_that_it_lacked() {
    for (write, read, refused) in [
        ("", "", false),
        ("^new", "", true),
        ("", "^new", true),
        ("^old|^new", "^old|^new", false),
    ] {
        let mut rig = Rig::new();
        rig.queue(queue("old")).unwrap();
        rig.access = access(".*", write, read);
        let expected = refused.then_some(RefusalKind::AccessRefused);
        assert_eq!(
            kind(rename(&mut rig, "old", "new")),
            expected,
            "{write} {read}"
        );
    }
}

#[test]
fn another_name_is_another_policys() {
    let mut rig = Rig::new();
    rig.queue(queue("long")).unwrap();
    let definition = table(&[("max-length", 5.into())]);
    let policy = Policy::new("p".into(), "^short", ApplyTo::Queues, 0, &definition).unwrap();
    drop(rig.topology.set_policies(VHOST, vec![policy]));
    let renamed = rename(&mut rig, "long", "short").unwrap();
    assert_eq!(renamed.options.length_max, Some(5));
    let renamed = rename(&mut rig, "short", "long").unwrap();
    assert_eq!(renamed.options.length_max, None);
}
