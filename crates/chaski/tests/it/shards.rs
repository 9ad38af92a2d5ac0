//! The same rules when queues and connections lie on different shards.
//!
//! A queue's shard follows from its name and a connection's from the kernel, so each test uses enough of both to meet every pair.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions,
    BasicRejectOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    ExchangeKind,
};

use crate::server::{DEADLINE, Server};

const QUEUES: usize = 9;
const CONNECTIONS: usize = 6;

fn server() -> Server {
    Server::start(&["--shards", "3"])
}

async fn channel(server: &Server) -> (Connection, Channel) {
    let connection = Connection::connect(&server.url(), ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

async fn declare(channel: &Channel, name: &str, arguments: &[(&str, AMQPValue)]) {
    let mut table = FieldTable::default();
    for (key, value) in arguments {
        table.insert((*key).into(), value.clone());
    }
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(name.into(), options, table)
        .await
        .unwrap();
}

/// Publishes a persistent message; what is returned is its confirm.
async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &[u8],
) -> impl Future<Output = lapin::Result<Confirmation>> + use<> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    channel
        .basic_publish(
            exchange.into(),
            key.into(),
            BasicPublishOptions::default(),
            body,
            properties,
        )
        .await
        .unwrap()
}

async fn consume(channel: &Channel, queue: &str, no_ack: bool) -> Consumer {
    let options = BasicConsumeOptions {
        no_ack,
        ..BasicConsumeOptions::default()
    };
    channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await
        .unwrap()
}

async fn next(consumer: &mut Consumer) -> Delivery {
    tokio::time::timeout(DEADLINE, consumer.next())
        .await
        .expect("a delivery in time")
        .unwrap()
        .unwrap()
}

async fn count(channel: &Channel, queue: &str) -> u32 {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(queue.into(), options, FieldTable::default())
        .await
        .unwrap()
        .message_count()
}

fn names() -> Vec<String> {
    (0..QUEUES).map(|queue| format!("queue-{queue}")).collect()
}

#[tokio::test]
async fn a_fanout_is_confirmed_once_and_reaches_every_queue() {
    let server = server();
    let (_connection, setup) = channel(&server).await;
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    setup
        .exchange_declare(
            "all".into(),
            ExchangeKind::Fanout,
            options,
            FieldTable::default(),
        )
        .await
        .unwrap();
    for queue in names() {
        declare(&setup, &queue, &[]).await;
        let options = QueueBindOptions::default();
        setup
            .queue_bind(
                queue.as_str().into(),
                "all".into(),
                "".into(),
                options,
                FieldTable::default(),
            )
            .await
            .unwrap();
    }
    for publisher in 0..CONNECTIONS {
        let (_connection, channel) = channel(&server).await;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        let mut confirms = Vec::new();
        for number in 0..20 {
            confirms.push(
                publish(
                    &channel,
                    "all",
                    "",
                    &[u8::try_from(publisher).unwrap(), number],
                )
                .await,
            );
        }
        for confirm in confirms {
            assert!(matches!(confirm.await.unwrap(), Confirmation::Ack(None)));
        }
        for queue in names() {
            for number in 0..20 {
                let got = setup
                    .basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true })
                    .await
                    .unwrap();
                assert_eq!(
                    got.unwrap().delivery.data[1],
                    number,
                    "{queue}: all there once confirmed, in order"
                );
            }
            assert_eq!(count(&setup, &queue).await, 0);
        }
    }
}

#[tokio::test]
async fn a_prefetch_of_the_channel_holds_over_all_its_queues() {
    let server = server();
    for _ in 0..CONNECTIONS {
        let (connection, channel) = channel(&server).await;
        let filler = connection.create_channel().await.unwrap();
        filler
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        for queue in names() {
            declare(&filler, &queue, &[]).await;
            for number in 0..5 {
                publish(&filler, "", &queue, &[number]).await.await.unwrap();
            }
        }
        channel
            .basic_qos(4, BasicQosOptions { global: true })
            .await
            .unwrap();
        let mut consumers = Vec::new();
        for queue in names() {
            consumers.push(consume(&channel, &queue, false).await);
        }
        let mut all = futures_util::stream::select_all(consumers);
        let mut taken = 0;
        let mut held = Vec::new();
        while taken < 5 * QUEUES {
            while held.len() < 4 && taken < 5 * QUEUES {
                let delivery = tokio::time::timeout(DEADLINE, all.next())
                    .await
                    .expect("a delivery in time");
                held.push(delivery.unwrap().unwrap());
                taken += 1;
            }
            // A fifth one must not come while four are held: nothing comes until a round trip is over.
            if taken < 5 * QUEUES {
                let unacked: u32 =
                    5 * u32::try_from(QUEUES).unwrap() - u32::try_from(taken).unwrap();
                let mut ready = 0;
                for queue in names() {
                    ready += count(&filler, &queue).await;
                }
                assert_eq!(ready, unacked, "four are out, the rest is ready");
            }
            for delivery in held.drain(..) {
                delivery.ack(BasicAckOptions::default()).await.unwrap();
            }
        }
        connection.close(200, "".into()).await.unwrap();
    }
}

#[tokio::test]
async fn rejected_and_expired_messages_cross_shards_to_their_dead_letter_queue() {
    let server = server();
    let (_connection, channel) = channel(&server).await;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    declare(&channel, "graveyard", &[]).await;
    let to = |key: &str| {
        [
            ("x-dead-letter-exchange", AMQPValue::LongString("".into())),
            (
                "x-dead-letter-routing-key",
                AMQPValue::LongString(key.into()),
            ),
        ]
    };
    let mut graves = consume(&channel, "graveyard", true).await;
    for queue in names() {
        declare(&channel, &queue, &to("graveyard")).await;
        publish(&channel, "", &queue, queue.as_bytes())
            .await
            .await
            .unwrap();
        let got = channel
            .basic_get(queue.as_str().into(), BasicGetOptions::default())
            .await
            .unwrap()
            .unwrap();
        got.reject(BasicRejectOptions { requeue: false })
            .await
            .unwrap();
        assert_eq!(
            reason(&next(&mut graves).await, queue.as_bytes()),
            "rejected"
        );
        let expiring = format!("expiring-{queue}");
        let ttl = ("x-message-ttl", AMQPValue::LongInt(20));
        let [exchange, key] = to("graveyard");
        declare(&channel, &expiring, &[exchange, key, ttl]).await;
        publish(&channel, "", &expiring, queue.as_bytes())
            .await
            .await
            .unwrap();
        assert_eq!(
            reason(&next(&mut graves).await, queue.as_bytes()),
            "expired"
        );
    }
}

/// Checks the body and returns the reason of the first entry of `x-death`.
fn reason(delivery: &Delivery, body: &[u8]) -> String {
    assert_eq!(delivery.data, body);
    let headers = delivery.properties.headers().as_ref().expect("headers");
    let AMQPValue::FieldArray(deaths) = &headers.inner()["x-death"] else {
        panic!("x-death is a list");
    };
    let AMQPValue::FieldTable(death) = &deaths.as_slice()[0] else {
        panic!("of tables");
    };
    match &death.inner()["reason"] {
        AMQPValue::LongString(reason) => reason.to_string(),
        other => panic!("a reason, not {other:?}"),
    }
}

#[tokio::test]
async fn consumers_hear_that_their_queue_was_deleted_elsewhere() {
    let server = server();
    let (_connection, deleter) = channel(&server).await;
    let mut open = Vec::new();
    for queue in names() {
        declare(&deleter, &queue, &[]).await;
        let (connection, channel) = channel(&server).await;
        let consumer = consume(&channel, &queue, false).await;
        open.push((connection, channel, consumer));
    }
    for queue in names() {
        deleter
            .queue_delete(queue.as_str().into(), QueueDeleteOptions::default())
            .await
            .unwrap();
    }
    for (_, channel, consumer) in &mut open {
        let end = tokio::time::timeout(DEADLINE, consumer.next())
            .await
            .expect("a cancel in time");
        assert!(end.is_none(), "{end:?}");
        assert!(channel.status().connected(), "only the consumer ends");
    }
}

#[tokio::test]
async fn a_transaction_over_all_shards_is_seen_after_its_commit_only() {
    let server = server();
    let (_connection, observer) = channel(&server).await;
    for queue in names() {
        declare(&observer, &queue, &[]).await;
    }
    for round in 1..=u32::try_from(CONNECTIONS).unwrap() {
        let (_connection, channel) = channel(&server).await;
        channel.tx_select().await.unwrap();
        for queue in names() {
            drop(publish(&channel, "", &queue, b"rolled back").await);
        }
        channel.tx_rollback().await.unwrap();
        for queue in names() {
            drop(publish(&channel, "", &queue, b"committed").await);
        }
        // A round trip on the same channel: what it sent has been handled.
        assert_eq!(count(&channel, "queue-0").await, round - 1);
        for queue in names() {
            assert_eq!(
                count(&observer, &queue).await,
                round - 1,
                "{queue} before the commit"
            );
        }
        channel.tx_commit().await.unwrap();
        for queue in names() {
            assert_eq!(
                count(&observer, &queue).await,
                round,
                "{queue} after the commit"
            );
        }
    }
}

#[tokio::test]
async fn replies_find_their_way_between_connections() {
    let server = server();
    let (_connection, worker) = channel(&server).await;
    declare(&worker, "requests", &[]).await;
    let mut requests = consume(&worker, "requests", true).await;
    let mut answered = BTreeSet::new();
    for client in 0..CONNECTIONS {
        let (_connection, channel) = channel(&server).await;
        let mut replies = consume(&channel, "amq.rabbitmq.reply-to", true).await;
        let properties = BasicProperties::default()
            .with_reply_to("amq.rabbitmq.reply-to".into())
            .with_correlation_id(client.to_string().into());
        let options = BasicPublishOptions::default();
        channel
            .basic_publish(
                "".into(),
                "requests".into(),
                options,
                b"question",
                properties,
            )
            .await
            .unwrap();
        let request = next(&mut requests).await;
        let reply_to = request.properties.reply_to().clone().unwrap();
        assert_ne!(reply_to.as_str(), "amq.rabbitmq.reply-to");
        let properties = BasicProperties::default()
            .with_correlation_id(request.properties.correlation_id().clone().unwrap());
        worker
            .basic_publish("".into(), reply_to, options, b"answer", properties)
            .await
            .unwrap();
        let reply = next(&mut replies).await;
        assert_eq!(reply.data, b"answer");
        answered.insert(
            reply
                .properties
                .correlation_id()
                .clone()
                .unwrap()
                .to_string(),
        );
    }
    assert_eq!(answered.len(), CONNECTIONS);
}

#[tokio::test]
async fn exclusive_queues_go_with_their_connection() {
    let server = server();
    let (owner, mine) = channel(&server).await;
    let (_connection, other) = channel(&server).await;
    for queue in names() {
        let options = QueueDeclareOptions {
            exclusive: true,
            ..QueueDeclareOptions::default()
        };
        mine.queue_declare(queue.as_str().into(), options, FieldTable::default())
            .await
            .unwrap();
    }
    let locked = other
        .queue_purge("queue-0".into(), Default::default())
        .await
        .unwrap_err();
    assert!(
        locked.to_string().contains("RESOURCE_LOCKED")
            || locked.to_string().contains("RESOURCE-LOCKED"),
        "{locked}"
    );
    owner.close(200, "".into()).await.unwrap();
    let deadline = std::time::Instant::now() + DEADLINE;
    loop {
        let listed = server.chaski(&["queue", "list", "--json"]);
        if String::from_utf8(listed.stdout).unwrap().trim() == "[]" {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "they are still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (_connection, next) = channel(&server).await;
    for queue in names() {
        declare(&next, &queue, &[]).await;
    }
}

#[tokio::test]
async fn unacked_messages_return_in_order_when_their_connection_goes() {
    let server = server();
    let (_connection, setup) = channel(&server).await;
    setup
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    for queue in names() {
        declare(&setup, &queue, &[]).await;
        for number in 0..10 {
            publish(&setup, "", &queue, &[number]).await.await.unwrap();
        }
    }
    let (connection, taker) = channel(&server).await;
    for queue in names() {
        let mut consumer = consume(&taker, &queue, false).await;
        for number in 0..10 {
            assert_eq!(next(&mut consumer).await.data, [number]);
        }
    }
    connection.close(200, "".into()).await.unwrap();
    for queue in names() {
        let mut consumer = consume(&setup, &queue, true).await;
        for number in 0..10 {
            let delivery = next(&mut consumer).await;
            assert_eq!(
                (delivery.data.as_slice(), delivery.redelivered),
                (&[number][..], true),
                "{queue}"
            );
        }
    }
}
