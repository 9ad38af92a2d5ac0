//! lapin, a client library that nobody here wrote, against the real process.

mod any_broker;

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::server::{DEADLINE, Server};

async fn connect(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap()
}

async fn declare(channel: &Channel, name: &str, durable: bool) {
    let options = QueueDeclareOptions {
        durable,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(name.into(), options, FieldTable::default())
        .await
        .unwrap();
}

async fn next(consumer: &mut lapin::Consumer) -> lapin::message::Delivery {
    tokio::time::timeout(DEADLINE, consumer.next())
        .await
        .expect("a delivery in time")
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn what_was_confirmed_survives_a_kill() {
    let server = Server::start(&[]);
    let connection = connect(&server.url()).await;
    let channel = connection.create_channel().await.unwrap();
    declare(&channel, "kept", true).await;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let properties = BasicProperties::default().with_delivery_mode(2);
    for number in 0..50_u32 {
        let body = number.to_be_bytes();
        let publish = channel.basic_publish(
            "".into(),
            "kept".into(),
            BasicPublishOptions::default(),
            &body,
            properties.clone(),
        );
        publish.await.unwrap().await.unwrap();
    }
    let data = server.data.clone();
    let _kept = server.kill();
    let server = Server::start_on(&data, &[]);
    let connection = connect(&server.url()).await;
    let channel = connection.create_channel().await.unwrap();
    for number in 0..50_u32 {
        let got = channel
            .basic_get("kept".into(), BasicGetOptions { no_ack: true })
            .await
            .unwrap();
        assert_eq!(
            got.map(|got| got.delivery.data),
            Some(number.to_be_bytes().to_vec())
        );
    }
    assert!(
        channel
            .basic_get("kept".into(), BasicGetOptions { no_ack: true })
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_terminated_server_tells_its_clients() {
    let mut server = Server::start(&[]);
    let connection = connect(&server.url()).await;
    let mut events = Box::pin(connection.events_listener());
    let started = std::time::Instant::now();
    let ended = tokio::task::spawn_blocking(move || server.terminate())
        .await
        .unwrap();
    assert!(ended.success(), "{ended}");
    assert!(started.elapsed() < Duration::from_secs(5));
    let reason = tokio::time::timeout(DEADLINE, async {
        loop {
            if let lapin::Event::Error(error) = events.next().await.unwrap() {
                break error.to_string();
            }
        }
    });
    let reason = reason.await.unwrap();
    assert!(
        reason.contains("CONNECTION_FORCED") || reason.contains("CONNECTION-FORCED"),
        "{reason}"
    );
}
