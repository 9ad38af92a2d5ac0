//! What holds for every broker that lapin speaks to: set CONFORMANCE_URL to check these tests against another one.

use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Confirmation, ExchangeKind};

use super::{connect, declare, next};
use crate::server::Server;

/// The broker named by the environment, or a server of its own.
struct Broker {
    url: String,
    _server: Option<Server>,
}

impl Broker {
    fn start(arguments: &[&str]) -> Self {
        match std::env::var("CONFORMANCE_URL") {
            Ok(url) => Self { url, _server: None },
            Err(_) => {
                let server = Server::start(arguments);
                Self {
                    url: server.url(),
                    _server: Some(server),
                }
            }
        }
    }
}

#[tokio::test]
async fn confirmed_messages_reach_a_consumer_in_order() {
    let broker = Broker::start(&[]);
    let connection = connect(&broker.url).await;
    let channel = connection.create_channel().await.unwrap();
    declare(&channel, "work", true).await;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let properties = BasicProperties::default().with_delivery_mode(2);
    for number in 0..100_u32 {
        let body = number.to_be_bytes();
        let publish = channel.basic_publish(
            "".into(),
            "work".into(),
            BasicPublishOptions::default(),
            &body,
            properties.clone(),
        );
        assert!(
            matches!(
                publish.await.unwrap().await.unwrap(),
                Confirmation::Ack(None)
            ),
            "message {number}"
        );
    }
    channel
        .basic_qos(10, BasicQosOptions::default())
        .await
        .unwrap();
    let options = BasicConsumeOptions::default();
    let mut consumer = channel
        .basic_consume("work".into(), "me".into(), options, FieldTable::default())
        .await
        .unwrap();
    for number in 0..100_u32 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.data, number.to_be_bytes());
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_mandatory_message_that_no_queue_takes_comes_back() {
    let broker = Broker::start(&[]);
    let connection = connect(&broker.url).await;
    let channel = connection.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let publish = channel.basic_publish(
        "".into(),
        "nowhere".into(),
        options,
        b"lost",
        BasicProperties::default(),
    );
    match publish.await.unwrap().await.unwrap() {
        Confirmation::Ack(Some(returned)) => assert_eq!(
            (returned.reply_code, returned.delivery.data.as_slice()),
            (312, &b"lost"[..])
        ),
        other => panic!("an ack with the returned message, not {other:?}"),
    }
}

#[tokio::test]
async fn topics_reach_queues_by_pattern() {
    let broker = Broker::start(&["--shards", "2"]);
    let connection = connect(&broker.url).await;
    let channel = connection.create_channel().await.unwrap();
    let topic = ExchangeKind::Topic;
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare("events".into(), topic, options, FieldTable::default())
        .await
        .unwrap();
    for (queue, pattern) in [("all", "#"), ("errors", "*.error"), ("none", "nothing")] {
        declare(&channel, queue, false).await;
        let options = QueueBindOptions::default();
        channel
            .queue_bind(
                queue.into(),
                "events".into(),
                pattern.into(),
                options,
                FieldTable::default(),
            )
            .await
            .unwrap();
    }
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let publish = channel.basic_publish(
        "events".into(),
        "disk.error".into(),
        BasicPublishOptions::default(),
        b"full",
        BasicProperties::default(),
    );
    publish.await.unwrap().await.unwrap();
    for (queue, expected) in [("all", true), ("errors", true), ("none", false)] {
        let got = channel
            .basic_get(queue.into(), BasicGetOptions { no_ack: true })
            .await
            .unwrap();
        assert_eq!(got.is_some(), expected, "{queue}");
    }
}
