use super::*;

/// Makes one thing about the options different.
type Change = fn(&mut LoadOptions);

fn nats(change: impl FnOnce(&mut LoadOptions)) -> Result<(), String> {
    let mut options = LoadOptions::new(Target::Nats(NatsUrl::default()));
    change(&mut options);
    options.check()
}

#[test]
fn what_nats_cannot_do_is_refused() {
    let acks = AckMode::Manual {
        prefetch: 10,
        every: 1,
    };
    assert_eq!(nats(|_| ()), Ok(()));
    assert_eq!(nats(|options| options.routing = Routing::Fanout), Ok(()));
    let durable = |options: &mut LoadOptions| {
        options.durable = true;
        options.acks = acks;
        options.confirms = Some(1);
    };
    assert_eq!(nats(durable), Ok(()));
    let refused: [(&str, Change); 10] = [
        ("confirms", |options| options.confirms = Some(1)),
        ("acks", |options| {
            options.acks = AckMode::Manual {
                prefetch: 10,
                every: 1,
            };
        }),
        ("backlog", |options| options.length = RunLength::Backlog(1)),
        ("prefetch", |options| options.durable = true),
        ("fan-out", |options| {
            options.durable = true;
            options.routing = Routing::Fanout;
        }),
        ("by itself", |options| {
            options.durable = true;
            options.acks = AckMode::Manual {
                prefetch: 10,
                every: 2,
            };
        }),
        ("above 0", |options| {
            options.durable = true;
            options.acks = AckMode::Manual {
                prefetch: 0,
                every: 1,
            };
        }),
        ("exchanges", |options| options.routing = Routing::Topic),
        ("prefix", |options| options.prefix = "a.b".to_owned()),
        ("bodies", |options| {
            options.size = SizeRange {
                min: 0,
                max: PAYLOAD_MAX + 1,
            };
        }),
    ];
    for (word, change) in refused {
        let sentence = nats(change).expect_err(word);
        assert!(sentence.contains(word), "{word:?} is not in {sentence:?}");
    }
}

#[test]
fn nats_owes_a_subscriber_less_than_it_cuts_for() {
    let limit = |target| {
        let mut options = LoadOptions::new(target);
        options.size = SizeRange {
            min: 16 << 10,
            max: 16 << 10,
        };
        options.sensible_backlog()
    };
    assert_eq!(limit(Target::Relay(String::new())), Some(4_096));
    assert_eq!(limit(Target::Nats(NatsUrl::default())), Some(2_048));
}

#[test]
fn what_has_no_place_over_http_and_grpc_is_refused() {
    let web = |door: Door, change: Change| {
        let target = WebTarget {
            url: WebUrl::default(),
            door,
        };
        let mut options = LoadOptions::new(Target::Web(target));
        options.confirms = Some(1);
        options.consumers = 0;
        change(&mut options);
        options.check()
    };
    let http = Door::Http { one_stream: false };
    let grpc = Door::Grpc { unary: false };
    let fanout: Change = |options| {
        options.routing = Routing::Fanout;
        options.consumers = 3;
        options.queues = 3;
    };
    let consumed: Change = |options| {
        options.consumers = 1;
        options.acks = AckMode::Manual {
            prefetch: 1,
            every: 1,
        };
    };
    for door in [http, grpc] {
        assert_eq!(web(door, |_| ()), Ok(()));
        assert_eq!(web(door, fanout), Ok(()));
    }
    assert_eq!(web(grpc, consumed), Ok(()));
    let refused: [(&str, Door, Change); 8] = [
        ("pace", http, |options| options.rate = Some(1.0)),
        ("size", grpc, |options| options.size.max = 17),
        ("confirmed", http, |options| options.confirms = None),
        ("x-max-length", grpc, |options| {
            let kind = QueueArgument::Text("quorum".to_owned());
            options.queue_arguments = vec![("x-queue-type".to_owned(), kind)];
        }),
        ("one queue", http, |options| options.queues = 2),
        ("to a queue", grpc, |options| {
            options.routing = Routing::Topic
        }),
        ("reader", http, consumed),
        ("prefetch", grpc, |options| options.consumers = 1),
    ];
    for (word, door, change) in refused {
        let said = web(door, change).expect_err(word);
        assert!(said.contains(word), "'{said}' does not say {word}");
    }
}
