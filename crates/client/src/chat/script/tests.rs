use serde_json::json;

use super::*;
use crate::chat::link::tests::{Fake, joined, message, within};

#[tokio::test]
async fn what_is_said_is_told_by_its_number_even_over_a_lost_connection() {
    let fake = Fake::open().await;
    let wait = Duration::from_secs(20);
    let serve = async {
        let mut peer = fake.accept().await;
        let first = peer.asked("say").await;
        drop(peer);
        let mut peer = fake.accept().await;
        let again = peer.asked("say").await;
        assert_eq!(again["sent_id"], first["sent_id"]);
        let sent = json!({"type": "sent", "room": "lobby", "id": 1, "seq": 7, "at_ms": 5});
        peer.answer(&again, sent).await;
        peer
    };
    let (stored, _peer) = tokio::join!(say(fake.door(), "lobby", "hola", false, wait), serve);
    let stored = stored.expect("it is stored");
    assert_eq!((stored.seq, &*stored.room), (7, "lobby"));
}

#[tokio::test]
async fn a_refusal_is_told_at_once() {
    let fake = Fake::open().await;
    let serve = async {
        let mut peer = fake.accept().await;
        let say = peer.asked("say").await;
        let error = json!({"type": "error", "code": "forbidden", "text": "muted"});
        peer.answer(&say, error).await;
        peer
    };
    let wait = Duration::from_secs(20);
    let (stored, _peer) = tokio::join!(say(fake.door(), "lobby", "hola", false, wait), serve);
    let error = stored.expect_err("it is refused");
    assert_eq!(error.to_string(), "muted");
}

#[tokio::test]
async fn a_listener_gets_what_is_behind_its_place_and_then_what_comes() {
    let fake = Fake::open().await;
    let serve = async {
        let mut peer = fake.accept().await;
        let join = peer.asked("join").await;
        assert_eq!(join["after"], 2);
        peer.say(message("lobby", 3, "three")).await;
        peer.answer(&join, joined("lobby", 3)).await;
        peer.say(message("other", 9, "elsewhere")).await;
        peer.say(message("lobby", 4, "four")).await;
        peer
    };
    let mut heard = Vec::new();
    let take = |message: &Message| -> Result<bool, ()> {
        heard.push(message.text.clone());
        Ok(heard.len() < 2)
    };
    let listening = within(listen(fake.door(), "lobby", Some(2), take));
    let (ended, _peer) = tokio::join!(listening, serve);
    assert_eq!(ended.expect("it listened"), Ok(()));
    assert_eq!(heard, ["three", "four"]);
}
