#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use broker::topology::{BindingView, Listeners};
use broker::{
    Body, Event, POSTED, Port, PostOutcome, Publish, Refusal, RefusalKind, Reply, Request,
};
use codec::amqp::field::Table;
use codec::amqp::properties::{Properties, PropertiesRef};
use directory::Role;

use super::{Hearing, Post, Rooms, Said};
use crate::accounts::Login;
use crate::rig::{ADMIN, Client, Rig};

/// A chat that keeps what it is given until a test answers.
#[derive(Debug, Default)]
struct Kept {
    posts: Mutex<Vec<Post>>,
    hearings: Mutex<Vec<Hearing>>,
}

impl Kept {
    fn post(&self) -> Post {
        self.posts.lock().unwrap().pop().expect("one was posted")
    }

    fn hearing(&self) -> Hearing {
        let mut hearings = self.hearings.lock().unwrap();
        hearings.pop().expect("one was asked for")
    }
}

impl Rooms for Kept {
    fn fold(&self, room: &str) -> String {
        room.to_lowercase()
    }

    fn read(&self, _: &PropertiesRef<'_>, body: &[u8]) -> Result<Said, Refusal> {
        let wrong = |_| Refusal::new(RefusalKind::PreconditionFailed, "no text");
        Ok(Said {
            text: String::from_utf8(body.to_vec()).map_err(wrong)?,
            is_action: false,
            sent_id: None,
            reply_to: None,
        })
    }

    fn say(&self, post: Post) {
        self.posts.lock().unwrap().push(post);
    }

    fn admit(&self, hearing: Hearing) {
        self.hearings.lock().unwrap().push(hearing);
    }
}

fn with_chat() -> (Rig, Arc<Kept>) {
    let rig = Rig::new();
    let kept = Arc::new(Kept::default());
    rig.handle.open_chat(kept.clone());
    rig.add("ana", Role::Member);
    (rig, kept)
}

fn publish(
    client: &mut Client<'_>,
    exchange: &str,
    key: &str,
    properties: &Properties,
    body: &[u8],
) -> Result<u32, Refusal> {
    let mut raw = Vec::new();
    properties.encode(&mut raw);
    let mut batch = client.connection().batch();
    let published = batch.publish(&Publish {
        channel: 1,
        exchange,
        routing_key: key,
        properties: &PropertiesRef::parse(&raw).unwrap(),
        forwarded: &raw,
        body: Body::Copy(body),
        persistent: true,
        priority: 0,
        expiration_ms: None,
        number: Some(1),
        wants_place: false,
        deliver_at_ms: None,
        dedup_id: None,
    });
    let _ = batch.finish();
    published
}

fn bind(queue: &str, key: &str, unbind: bool) -> Request {
    Request::Bind {
        unbind,
        source: "chat".to_owned(),
        destination: queue.to_owned(),
        to_exchange: false,
        routing_key: key.to_owned(),
        arguments: Table::new(),
    }
}

/// Sends a request whose answer comes later.
fn begin(client: &mut Client<'_>, request: Request) {
    let connection = client.connection();
    let mut batch = connection.batch();
    batch.request(1, request);
    let _ = batch.finish();
    connection.run_requests();
}

fn replied(client: &mut Client<'_>) -> Result<Reply, Refusal> {
    loop {
        if let Event::Replied { result, .. } = client.event() {
            return result;
        }
    }
}

fn keys(rig: &Rig) -> Vec<String> {
    let bindings = rig.handle.room_bindings();
    let of = |view: BindingView| view.routing_key.to_string();
    bindings.into_iter().map(|one| of(one.binding)).collect()
}

#[test]
fn a_publish_is_a_post_of_the_connections_account() {
    let (rig, kept) = with_chat();
    let ana = rig.by_password("ana");
    let mut client = rig.connect(&ana).unwrap();
    let none = Properties::default();
    let posted = publish(&mut client, "chat", "room.Lobby", &none, b"hola");
    assert_eq!(posted, Ok(POSTED));
    let post = kept.post();
    assert_eq!(
        (&*post.by, &*post.room, &*post.said.text),
        ("ana", "Lobby", "hola")
    );
    post.answer(PostOutcome::Stored);
    let told = client.event();
    assert!(
        matches!(
            told,
            Event::Posted {
                post: 1,
                outcome: PostOutcome::Stored
            }
        ),
        "{told:?}"
    );
    publish(&mut client, "chat", "room.Lobby", &none, b"again").unwrap();
    drop(kept.post());
    let told = client.event();
    assert!(
        matches!(told, Event::Posted { post: 2, outcome: PostOutcome::Refused(ref refusal) }
            if refusal.kind == RefusalKind::Unavailable),
        "whoever loses a post has answered it: {told:?}"
    );
}

#[test]
fn what_cannot_be_said_is_refused_at_once() {
    let (rig, kept) = with_chat();
    let admin = rig.by_password(ADMIN);
    let mut client = rig.connect(&admin).unwrap();
    let none = Properties::default();
    let forged = Properties {
        user_id: Some("ana".to_owned()),
        ..Properties::default()
    };
    let wrong = Some(RefusalKind::PreconditionFailed);
    let kind = |result: Result<u32, Refusal>| result.err().map(|refusal| refusal.kind);
    let mut say = |key, properties, body| publish(&mut client, "chat", key, properties, body);
    assert_eq!(kind(say("room.lobby", &forged, b"x")), wrong);
    assert_eq!(kind(say("room.lobby", &none, &[0xFF])), wrong);
    assert_eq!(say("lobby", &none, b"x"), Ok(0), "no room's key");
    assert!(kept.posts.lock().unwrap().is_empty());
}

#[test]
fn a_queue_hears_a_room_once_the_chat_says_so() {
    let (rig, kept) = with_chat();
    let ana = rig.by_password("ana");
    let mut client = rig.connect(&ana).unwrap();
    client.declare("mine", true).unwrap();
    begin(&mut client, bind("mine", "room.LOBBY", false));
    let hearing = kept.hearing();
    assert_eq!(hearing.room(), Some("lobby"));
    assert!(hearing.is_durable);
    assert_eq!(hearing.accounts.len(), 1, "she binds her own queue");
    assert_eq!(rig.handle.room_listeners("lobby"), Listeners::None);
    hearing.refuse(Refusal::new(RefusalKind::AccessRefused, "banned"));
    assert!(replied(&mut client).is_err());
    begin(&mut client, bind("mine", "room.lobby", false));
    kept.hearing().admit();
    replied(&mut client).unwrap();
    assert_eq!(rig.handle.room_listeners("lobby"), Listeners::Durable);
    let rig = {
        drop(client);
        rig.restart()
    };
    assert_eq!(keys(&rig), ["room.lobby"], "it is durable");
    rig.handle.open_chat(Arc::new(Kept::default()));
    let ana = rig.by_password("ana");
    let mut client = rig.connect(&ana).unwrap();
    client.ask(bind("mine", "room.Lobby", true)).unwrap();
    assert!(keys(&rig).is_empty());
}

#[test]
fn the_owner_of_a_queue_is_asked_about_too() {
    let (rig, kept) = with_chat();
    let ana = rig.by_password("ana");
    rig.connect(&ana).unwrap().declare("hers", false).unwrap();
    let admin = rig.by_password(ADMIN);
    let mut client = rig.connect(&admin).unwrap();
    begin(&mut client, bind("hers", "room.lobby", false));
    let hearing = kept.hearing();
    let accounts: Vec<&str> = hearing.accounts.iter().map(|one| &**one).collect();
    assert_eq!(accounts, [ADMIN, "ana"]);
    hearing.admit();
    replied(&mut client).unwrap();
    let found = rig.handle.room_bindings().remove(0);
    assert_eq!(found.owner.as_deref(), Some("ana"));
    rig.handle.end_room_binding(found.binding);
    assert_eq!(rig.handle.room_listeners("lobby"), Listeners::None);
}

#[test]
fn the_server_alone_publishes_to_the_bindings() {
    let (rig, kept) = with_chat();
    let ana = rig.by_password("ana");
    let mut client = rig.connect(&ana).unwrap();
    client.declare("mine", false).unwrap();
    begin(&mut client, bind("mine", "room.lobby", false));
    kept.hearing().admit();
    replied(&mut client).unwrap();
    let mut server = rig.connect(&Login::of_server()).unwrap();
    let none = Properties::default();
    let published = publish(&mut server, "chat", "room.lobby", &none, b"said");
    assert_eq!(published, Ok(1));
    let got = client.ask(Request::Get {
        queue: "mine".to_owned(),
        no_ack: true,
    });
    assert!(matches!(got, Ok(Reply::Got(..))), "{got:?}");
    assert!(kept.posts.lock().unwrap().is_empty());
}

#[test]
fn without_a_chat_the_exchange_is_closed() {
    let rig = Rig::new();
    let admin = rig.by_password(ADMIN);
    let mut client = rig.connect(&admin).unwrap();
    client.declare("q", false).unwrap();
    let unavailable = Some(RefusalKind::Unavailable);
    let bound = client.ask(bind("q", "room.lobby", false));
    assert_eq!(bound.err().map(|refusal| refusal.kind), unavailable);
    let none = Properties::default();
    let posted = publish(&mut client, "chat", "room.lobby", &none, b"x");
    assert_eq!(posted.err().map(|refusal| refusal.kind), unavailable);
}
