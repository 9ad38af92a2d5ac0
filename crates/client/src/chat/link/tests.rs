//! A server that plays docs/chat.md by a script, and the link against it.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::*;
use crate::chat::wire::{Message, Said};

const DEADLINE: Duration = Duration::from_secs(20);

/// A server's door.
pub(crate) struct Fake {
    listener: TcpListener,
    pub(crate) url: String,
}

/// One connection as the server sees it.
pub(crate) struct Peer(WebSocketStream<TcpStream>);

impl Fake {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        Self { listener, url }
    }

    pub(crate) fn door(&self) -> Door {
        Door {
            url: self.url.clone(),
            credentials: Credentials::Token("t0ken".into()),
            ca: None,
        }
    }

    /// Takes a client in and greets it.
    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = within(self.listener.accept()).await.expect("a client");
        #[expect(clippy::result_large_err, reason = "the form that the library wants")]
        let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            assert_eq!(request.uri().path(), "/v1/chat");
            assert_eq!(request.headers()["authorization"], "Bearer t0ken");
            Ok(response)
        };
        let socket = within(tokio_tungstenite::accept_hdr_async(stream, check)).await;
        let mut peer = Peer(socket.expect("a WebSocket"));
        peer.say(json!({
            "type": "hello", "login": "anna", "version": "0", "time_ms": 1_760_000_000_000_u64,
            "default_room": "lobby", "lang": "en", "idle_ms": 60_000,
        }))
        .await;
        peer
    }

    /// Turns a client away.
    async fn refuse(&self, status: u16) {
        let (stream, _) = within(self.listener.accept()).await.expect("a client");
        #[expect(clippy::result_large_err, reason = "the form that the library wants")]
        let check = |_: &Request, _: Response| -> Result<Response, ErrorResponse> {
            let mut response = ErrorResponse::new(Some(r#"{"detail":"no such login"}"#.into()));
            *response.status_mut() = status.try_into().expect("a status");
            Err(response)
        };
        let turned_away = tokio_tungstenite::accept_hdr_async(stream, check).await;
        assert!(turned_away.is_err());
    }
}

impl Peer {
    pub(crate) async fn say(&mut self, object: Value) {
        self.0
            .send(Frame::text(object.to_string()))
            .await
            .expect("it listens");
    }

    /// Waits for a question of a type, and answers those of clocks on the way.
    pub(crate) async fn asked(&mut self, kind: &str) -> Value {
        within(self.look_for(kind)).await
    }

    async fn look_for(&mut self, kind: &str) -> Value {
        loop {
            let next = self.0.next();
            let frame = next.await.expect("it is there").expect("a frame");
            let Frame::Text(text) = frame else { continue };
            let object: Value = serde_json::from_str(&text).expect("JSON");
            if object["type"] == kind {
                return object;
            }
            if object["type"] == "time" {
                let now = 1_760_000_000_000_000_i64;
                let answer = json!({
                    "type": "time", "t1_us": object["t1_us"], "t2_us": now, "t3_us": now,
                    "ref": object["ref"],
                });
                self.say(answer).await;
            }
        }
    }

    /// Answers a question.
    pub(crate) async fn answer(&mut self, question: &Value, mut answer: Value) {
        answer["ref"] = question["ref"].clone();
        self.say(answer).await;
    }
}

pub(crate) fn message(room: &str, seq: u64, text: &str) -> Value {
    json!({
        "type": "message", "room": room, "id": seq, "seq": seq, "from": "bob", "text": text,
        "at_ms": 1_760_000_000_000_u64 + seq,
    })
}

pub(crate) fn joined(room: &str, head: u64) -> Value {
    json!({
        "type": "joined", "room": room, "head": head, "read": head, "unread": 0, "topic": "",
        "keep": false, "default": true, "members": 1, "cause": "asked",
    })
}

pub(crate) async fn within<T>(awaited: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, awaited)
        .await
        .expect("in time")
}

/// The next event that a filter takes.
async fn next<T>(link: &mut Link, mut wanted: impl FnMut(LinkEvent) -> Option<T>) -> T {
    loop {
        let event = within(link.next()).await.expect("the link is open");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

fn a_message(event: LinkEvent) -> Option<Message> {
    match event {
        LinkEvent::Said(Said::Message(message)) => Some(message),
        _ => None,
    }
}

fn is_down(event: LinkEvent) -> Option<(Fault, Instant)> {
    match event {
        LinkEvent::Down { fault, retry_at } => Some((fault, retry_at)),
        _ => None,
    }
}

fn is_up(event: LinkEvent) -> Option<()> {
    matches!(event, LinkEvent::Up(_)).then_some(())
}

fn an_end(event: LinkEvent) -> Option<Fault> {
    match event {
        LinkEvent::Ended(fault) => Some(fault),
        _ => None,
    }
}

fn following(room: &str, after: Option<u64>) -> Use {
    Use {
        keeps_all: true,
        follow: vec![(room.into(), after)],
    }
}

#[tokio::test]
async fn a_lost_connection_is_resumed_without_a_hole_and_without_a_duplicate() {
    let fake = Fake::open().await;
    let mut link = Link::start(fake.door(), following("lobby", None));
    let mut peer = fake.accept().await;
    let join = peer.asked("join").await;
    assert_eq!(join["after"], Value::Null);
    peer.answer(&join, joined("lobby", 4)).await;
    peer.say(message("lobby", 5, "five")).await;
    assert_eq!(next(&mut link, a_message).await.seq, 5);
    drop(peer);
    let (_, retry_at) = next(&mut link, is_down).await;
    assert!(retry_at > Instant::now());
    link.retry();

    let mut peer = fake.accept().await;
    let join = peer.asked("join").await;
    assert_eq!(join["after"], 5);
    for seq in [5, 6, 7] {
        peer.say(message("lobby", seq, "again")).await;
    }
    peer.answer(&join, joined("lobby", 7)).await;
    peer.say(message("lobby", 7, "again")).await;
    peer.say(message("lobby", 8, "new")).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&8) {
        seen.push(next(&mut link, a_message).await.seq);
    }
    assert_eq!(seen, [6, 7, 8]);
}

#[tokio::test]
async fn what_was_not_acknowledged_is_said_again_under_its_id() {
    let fake = Fake::open().await;
    let mut link = Link::start(fake.door(), Use::default());
    let mut peer = fake.accept().await;
    let say = Say {
        room: "lobby".into(),
        text: "hola".into(),
        sent_id: "my-1".into(),
        reply_to: None,
        action: false,
    };
    assert!(link.say(say));
    let first = peer.asked("say").await;
    drop(peer);
    next(&mut link, is_down).await;
    link.retry();
    let mut peer = fake.accept().await;
    let again = peer.asked("say").await;
    assert_eq!(again["sent_id"], "my-1");
    assert_eq!(again["text"], first["text"]);
    let sent =
        json!({"type": "sent", "room": "lobby", "id": 1, "seq": 9, "at_ms": 5, "duplicate": true});
    peer.answer(&again, sent).await;
    let seq = next(&mut link, |event| match event {
        LinkEvent::Said(Said::Sent { seq, sent_id, .. }) => {
            assert_eq!(sent_id.as_deref(), Some("my-1"));
            Some(seq)
        }
        _ => None,
    });
    assert_eq!(seq.await, 9);
    drop(peer);
    next(&mut link, is_down).await;
    link.retry();
    // Acknowledged is acknowledged: the next that comes is the clock's, and then what is asked.
    let mut peer = fake.accept().await;
    next(&mut link, is_up).await;
    link.ask(Ask::Rooms).expect("there is room");
    let object = loop {
        let frame = within(peer.0.next())
            .await
            .expect("there")
            .expect("a frame");
        let object: Value = serde_json::from_str(frame.to_text().expect("text")).expect("JSON");
        if object["type"] != "time" {
            break object;
        }
    };
    assert_eq!(object["type"], "rooms");
}

#[tokio::test]
async fn answers_find_their_questions_and_a_lost_connection_answers_none() {
    let fake = Fake::open().await;
    let mut link = Link::start(fake.door(), Use::default());
    let mut peer = fake.accept().await;
    next(&mut link, is_up).await;
    let (first, second) = (link.ask(Ask::Rooms), link.ask(Ask::Users));
    let rooms = peer.asked("rooms").await;
    let users = peer.asked("users").await;
    peer.answer(&users, json!({"type": "users", "users": []}))
        .await;
    let answered = next(&mut link, |event| match event {
        LinkEvent::Answer(number, said) => Some((number, said)),
        _ => None,
    });
    assert_eq!(
        answered.await,
        (second.expect("asked"), Said::Users { users: vec![] })
    );
    assert_eq!(rooms["type"], "rooms");
    drop(peer);
    let unasked = next(&mut link, |event| match event {
        LinkEvent::Unasked(number) => Some(number),
        _ => None,
    });
    assert_eq!(unasked.await, first.expect("asked"));
}

#[tokio::test]
async fn the_servers_clock_is_known_after_the_first_exchanges() {
    let fake = Fake::open().await;
    let mut link = Link::start(fake.door(), Use::default());
    let mut peer = fake.accept().await;
    next(&mut link, is_up).await;
    link.ask(Ask::Rooms);
    peer.asked("rooms").await;
    assert!(link.time.offset_us().is_none() || link.time.lag_us().is_some());
    // The eighth exchange is answered before what is asked after it is seen.
    for _ in 0..10 {
        link.ask(Ask::Users);
        let users = peer.asked("users").await;
        peer.answer(&users, json!({"type": "users", "users": []}))
            .await;
        next(&mut link, |event| match event {
            LinkEvent::Answer(..) => Some(()),
            _ => None,
        })
        .await;
    }
    let off = link.time.now_ms() - 1_760_000_000_000;
    assert!((0..60_000).contains(&off), "{off}");
}

#[tokio::test]
async fn a_wrong_password_ends_it_until_one_tries_again() {
    let fake = Fake::open().await;
    let mut link = Link::start(fake.door(), Use::default());
    let (fault, ()) = tokio::join!(next(&mut link, an_end), fake.refuse(401));
    assert_eq!(fault, Fault::Login("no such login".into()));
    link.retry();
    let (fault, ()) = tokio::join!(next(&mut link, an_end), fake.refuse(404));
    assert_eq!(fault.to_string(), "this server has no chat");
    link.retry();
    let ((fault, _), ()) = tokio::join!(next(&mut link, is_down), fake.refuse(503));
    assert!(!fault.is_final());
}

#[tokio::test]
async fn a_server_that_says_goodbye_for_good_is_not_asked_again() {
    let fake = Fake::open().await;
    let mut link = Link::start(fake.door(), Use::default());
    let mut peer = fake.accept().await;
    peer.say(json!({"type": "bye", "cause": "revoked", "text": "logged out"}))
        .await;
    let fault = next(&mut link, an_end).await;
    assert!(fault.to_string().contains("logged out"), "{fault}");
}

#[tokio::test]
async fn a_room_that_cannot_be_entered_again_is_told_as_left() {
    let fake = Fake::open().await;
    let mut link = Link::start(fake.door(), following("tea", None));
    let mut peer = fake.accept().await;
    let join = peer.asked("join").await;
    let error = json!({"type": "error", "code": "not_found", "text": "no room tea"});
    peer.answer(&join, error).await;
    let told = next(&mut link, |event| match event {
        LinkEvent::Said(Said::Left { room, text, .. }) => Some((room, text)),
        _ => None,
    });
    assert_eq!(told.await, ("tea".into(), Some("no room tea".into())));
}

#[tokio::test]
async fn a_server_without_trust_is_told_apart_from_one_that_is_gone() {
    let certificate = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).expect("a key");
    let key =
        rustls_pki_types::PrivateKeyDer::Pkcs8(certificate.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .expect("a certificate");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let door = Door {
        url: format!("https://127.0.0.1:{port}"),
        credentials: Credentials::None,
        ca: None,
    };
    let mut link = Link::start(door, Use::default());
    let shake = async {
        let (stream, _) = listener.accept().await.expect("a client");
        assert!(acceptor.accept(stream).await.is_err(), "it trusts nobody");
    };
    let (fault, ()) = tokio::join!(next(&mut link, an_end), shake);
    assert!(matches!(fault, Fault::NotTrusted { .. }), "{fault:?}");

    drop(listener);
    link.retry();
    let (fault, _) = next(&mut link, is_down).await;
    assert!(matches!(fault, Fault::Unreachable { .. }), "{fault:?}");
}
