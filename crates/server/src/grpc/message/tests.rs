use super::*;

fn queue(name: &str) -> Place {
    let target = Some(Target::Queue(name.to_owned()));
    Place::of(Some(v1::Address { target })).expect("it is there")
}

fn flaw(message: v1::Message) -> String {
    match outgoing(message, &queue("q"), 10) {
        Err(flaw) => flaw.field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_address_names_a_queue_or_a_topic() {
    let topic = |topic: &str| {
        Target::Topic(v1::TopicAddress {
            topic: topic.to_owned(),
            routing_key: "a.b".to_owned(),
        })
    };
    let place = Place::of(Some(v1::Address {
        target: Some(topic("t")),
    }));
    assert_eq!(place.expect("it is there").subject(), Subject::Topic("t"));
    assert_eq!(queue("q").subject(), Subject::Queue("q"));
    for target in [None, Some(topic("")), Some(Target::Queue(String::new()))] {
        let flaw = Place::of(Some(v1::Address { target })).expect_err("a flaw");
        assert_eq!(flaw.field, "address");
    }
    assert_eq!(Place::of(None).expect_err("a flaw").field, "address");
}

#[test]
fn a_message_is_persistent_unless_it_says_otherwise() {
    let sent = outgoing(v1::Message::default(), &queue("q"), 10).expect("it is there");
    assert!(sent.persistent);
    let transient = v1::Message {
        persistent: Some(false),
        ..v1::Message::default()
    };
    let sent = outgoing(transient, &queue("q"), 10).expect("it is there");
    assert!(!sent.persistent);
    let properties = PropertiesRef::parse(&sent.properties).expect("it is there");
    assert_eq!(properties.delivery_mode, None);
}

#[test]
fn properties_reach_their_places() {
    let message = v1::Message {
        content_type: "text/plain".to_owned(),
        correlation_id: "c".to_owned(),
        r#type: "t".to_owned(),
        timestamp_ms: Some(1_999),
        priority: 7,
        ttl_ms: Some(0),
        ..v1::Message::default()
    };
    let sent = outgoing(message, &queue("q"), 10).expect("it is there");
    assert_eq!((sent.priority, sent.expiration_ms), (7, Some(0)));
    let properties = PropertiesRef::parse(&sent.properties).expect("it is there");
    let properties = properties.to_owned().expect("it is there");
    let expected = Properties {
        content_type: Some("text/plain".to_owned()),
        delivery_mode: Some(2),
        priority: Some(7),
        correlation_id: Some("c".to_owned()),
        expiration: Some("0".to_owned()),
        timestamp: Some(1),
        kind: Some("t".to_owned()),
        ..Properties::default()
    };
    assert_eq!(properties, expected);
}

#[test]
fn what_cannot_be_is_named() {
    let base = v1::Message::default;
    let large = v1::Message {
        body: Bytes::from_static(b"eleven byte"),
        ..base()
    };
    assert_eq!(flaw(large), "body");
    let urgent = v1::Message {
        priority: 256,
        ..base()
    };
    assert_eq!(flaw(urgent), "priority");
    let early = v1::Message {
        timestamp_ms: Some(-1),
        ..base()
    };
    assert_eq!(flaw(early), "timestamp_ms");
    let wordy = v1::Message {
        app_id: "a".repeat(256),
        ..base()
    };
    assert_eq!(flaw(wordy), "app_id");
}

#[test]
fn a_partition_key_is_where_amqp_has_it() {
    let keyed = |key: &str| v1::Message {
        partition_key: key.to_owned(),
        ..v1::Message::default()
    };
    let sent = outgoing(keyed("p"), &queue("q"), 10).expect("it is sent");
    let properties = PropertiesRef::parse(&sent.properties).expect("they are right");
    let key = properties
        .headers
        .and_then(|headers| headers.get(PARTITION_KEY));
    assert_eq!(key.and_then(|key| key.as_str()), Some("p"));
    assert_eq!(flaw(keyed(&"k".repeat(256))), "partition_key");
}

#[test]
fn a_deduplication_id_is_where_amqp_has_it() {
    let once = |id: &str| v1::Message {
        deduplication_id: id.to_owned(),
        ..v1::Message::default()
    };
    let sent = outgoing(once("d"), &queue("q"), 10).expect("it is right");
    assert_eq!(sent.deduplication_id.as_deref(), Some("d"));
    let properties = PropertiesRef::parse(&sent.properties).expect("they are right");
    let mut headers = properties.to_owned().expect("they are right").headers;
    let headers = headers.as_mut().expect("the id is there");
    assert_eq!(
        take_text(headers, DEDUPLICATION_HEADER).as_deref(),
        Some("d")
    );
    assert_eq!(headers.iter().len(), 0);
    assert_eq!(flaw(once(&"d".repeat(129))), "deduplication_id");
}

#[test]
fn a_message_may_be_kept_back() {
    let cases = [
        (Schedule::DeliverAfterMs(5), Deliver::After(5)),
        (Schedule::DeliverAtMs(7), Deliver::At(7)),
        (Schedule::DeliverAtMs(-7), Deliver::At(0)),
    ];
    for (schedule, deliver) in cases {
        let message = v1::Message {
            schedule: Some(schedule),
            ..v1::Message::default()
        };
        let sent = outgoing(message, &queue("q"), 10).expect("it is right");
        assert_eq!(sent.deliver, Some(deliver));
    }
}
