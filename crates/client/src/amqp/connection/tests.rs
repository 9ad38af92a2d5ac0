//! The connection against a peer that plays a server's part frame by frame.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use codec::amqp::content::{encode_body_frames, encode_deliver};
use codec::amqp::method::{
    BasicAck, BasicCancel, BasicConsumeOk, ChannelClose, ChannelOpenOk, ConfirmSelectOk,
    ConnectionClose, ConnectionOpenOk, ConnectionStart, ConnectionTune, QueueDeclareOk,
};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::amqp::{Failure, Properties};

/// A server that has accepted one connection.
struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Peer {
    async fn accept(listener: TcpListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut peer = Self {
            stream,
            input: Vec::new(),
        };
        while peer.input.len() < 8 {
            peer.stream.read_buf(&mut peer.input).await.unwrap();
        }
        assert_eq!(
            peer.input.drain(..8).collect::<Vec<u8>>(),
            b"AMQP\0\0\x09\x01"
        );
        let start = ConnectionStart {
            mechanisms: b"PLAIN",
            locales: b"en_US",
            ..ConnectionStart::default()
        };
        peer.send(0, start).await;
        peer
    }

    /// Plays the handshake to its end.
    async fn open(listener: TcpListener) -> Self {
        let mut peer = Self::accept(listener).await;
        peer.expect("connection.start-ok").await;
        peer.send(
            0,
            ConnectionTune {
                channel_max: 10,
                frame_max: 4_096,
                heartbeat: 0,
            },
        )
        .await;
        peer.expect("connection.tune-ok").await;
        peer.expect("connection.open").await;
        peer.send(0, ConnectionOpenOk {}).await;
        peer.expect("channel.open").await;
        peer.send(1, ChannelOpenOk {}).await;
        peer
    }

    async fn send<'a>(&mut self, channel: u16, method: impl Into<Method<'a>>) {
        let mut bytes = Vec::new();
        method.into().encode_frame(channel, &mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// Skips content frames until the next method, which must be this one.
    async fn expect(&mut self, name: &str) {
        loop {
            let Some((frame, taken)) = frame::parse(&self.input, 0).unwrap() else {
                assert_ne!(
                    self.stream.read_buf(&mut self.input).await.unwrap(),
                    0,
                    "cut before {name}"
                );
                continue;
            };
            let is_method = frame.kind == frame::FrameKind::Method;
            let got = is_method.then(|| Method::decode(frame.payload).unwrap().name());
            self.input.drain(..taken);
            if let Some(got) = got {
                assert_eq!(got, name);
                return;
            }
        }
    }
}

async fn listen() -> (TcpListener, AmqpUrl) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, format!("amqp://u:p@{address}").parse().unwrap())
}

async fn connect(url: &AmqpUrl) -> Result<Connection, ClientError> {
    Connection::open(url, &ConnectOptions::default()).await
}

#[tokio::test]
async fn deliveries_that_overtake_an_answer_are_kept() {
    let (listener, url) = listen().await;
    let server = async {
        let mut peer = Peer::open(listener).await;
        peer.expect("basic.consume").await;
        peer.send(1, BasicConsumeOk { consumer_tag: "c" }).await;
        peer.expect("queue.declare").await;
        let mut bytes = Vec::new();
        encode_deliver(1, "c", 1, false, "ex", "key", &[0, 0], 5_000, &mut bytes);
        encode_body_frames(1, &[7; 5_000], 4_096, &mut bytes);
        peer.stream.write_all(&bytes).await.unwrap();
        let state = QueueDeclareOk {
            queue: "q",
            message_count: 3,
            consumer_count: 1,
        };
        peer.send(1, state).await;
        peer.expect("basic.ack").await;
        peer.send(
            1,
            BasicCancel {
                consumer_tag: "c",
                no_wait: true,
            },
        )
        .await;
        peer
    };
    let client = async {
        let mut connection = connect(&url).await.unwrap();
        let consume = Consume {
            queue: "q".to_owned(),
            ..Consume::default()
        };
        assert_eq!(connection.consume(&consume).await.unwrap(), "c");
        assert_eq!(connection.queue_state("q").await.unwrap().messages, 3);
        let message = connection.next_delivery().await.unwrap();
        assert_eq!(
            (message.routing_key.as_str(), message.body.len()),
            ("key", 5_000)
        );
        connection.ack(message.delivery_tag, false).await.unwrap();
        connection.next_delivery().await.unwrap_err()
    };
    let (_peer, error) = tokio::join!(server, client);
    assert!(
        matches!(&error, ClientError::Cancelled(tag) if tag == "c"),
        "{error}"
    );
}

#[tokio::test]
async fn confirms_are_awaited_and_refusals_told() {
    let (listener, url) = listen().await;
    let server = async {
        let mut peer = Peer::open(listener).await;
        peer.expect("confirm.select").await;
        peer.send(1, ConfirmSelectOk {}).await;
        for _ in 0..3 {
            peer.expect("basic.publish").await;
        }
        peer.send(
            1,
            BasicAck {
                delivery_tag: 2,
                multiple: true,
            },
        )
        .await;
        let nack = codec::amqp::method::BasicNack {
            delivery_tag: 3,
            multiple: false,
            requeue: false,
        };
        peer.send(1, nack).await;
        peer
    };
    let client = async {
        let mut connection = connect(&url).await.unwrap();
        connection.select_confirms().await.unwrap();
        for number in 1..=3 {
            let to = Publish {
                routing_key: "q",
                ..Publish::default()
            };
            let tag = connection
                .publish(to, &Properties::default(), b"x")
                .await
                .unwrap();
            assert_eq!(tag, number);
        }
        connection.wait_confirms(0).await.unwrap_err()
    };
    let (_peer, error) = tokio::join!(server, client);
    assert!(matches!(error, ClientError::PublishRefused(1)), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_called_that() {
    let (listener, url) = listen().await;
    let server = async {
        let mut peer = Peer::accept(listener).await;
        peer.expect("connection.start-ok").await;
        let close = ConnectionClose {
            reply_code: 403,
            reply_text: "ACCESS_REFUSED",
            ..ConnectionClose::default()
        };
        peer.send(0, close).await;
        peer.expect("connection.close-ok").await;
    };
    let (error, ()) = tokio::join!(async { connect(&url).await.err().unwrap() }, server);
    assert_eq!(error.to_string(), "login refused: ACCESS_REFUSED");
    assert_eq!(error.failure(), Failure::Refused);
}

#[tokio::test]
async fn a_closed_channel_is_answered_and_can_be_opened_again() {
    let (listener, url) = listen().await;
    let server = async {
        let mut peer = Peer::open(listener).await;
        peer.expect("queue.declare").await;
        let close = ChannelClose {
            reply_code: 404,
            reply_text: "NOT_FOUND - no queue 'q'",
            ..ChannelClose::default()
        };
        peer.send(1, close).await;
        peer.expect("channel.close-ok").await;
        peer.expect("channel.open").await;
        peer.send(1, ChannelOpenOk {}).await;
    };
    let client = async {
        let mut connection = connect(&url).await.unwrap();
        let error = connection.queue_state("q").await.unwrap_err();
        connection.open_channel().await.unwrap();
        error
    };
    let ((), error) = tokio::join!(server, client);
    assert_eq!(error.reply_code(), Some(404));
    assert_eq!(error.failure(), Failure::NotFound);
}

#[tokio::test]
async fn a_port_where_nobody_listens_suggests_the_command() {
    let (listener, url) = listen().await;
    drop(listener);
    let error = connect(&url).await.err().unwrap();
    assert!(error.to_string().contains("chaski serve"), "{error}");
    assert_eq!(error.failure(), Failure::Unreachable);
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_when_named() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("cert.pem");
    std::fs::write(&ca, certified.cert.pem()).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![certified.cert.der().clone()], key)
    .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    for (trust, trusted) in [
        (
            Trust {
                ca: Some(ca.clone()),
                insecure: false,
            },
            true,
        ),
        (
            Trust {
                ca: None,
                insecure: true,
            },
            true,
        ),
        (Trust::default(), false),
    ] {
        let (listener, mut url) = listen().await;
        url.tls = true;
        let server = async {
            let (tcp, _) = listener.accept().await.unwrap();
            acceptor.accept(tcp).await.is_ok()
        };
        let (client, accepted) = tokio::join!(Stream::connect(&url, &trust), server);
        assert_eq!(client.is_ok(), trusted, "{trust:?}");
        assert_eq!(accepted, trusted, "{trust:?}");
    }
}
