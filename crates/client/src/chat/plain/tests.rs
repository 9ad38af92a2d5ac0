use serde_json::json;

use super::*;
use crate::chat::link::tests::{Fake, joined, message, within};

/// What was printed and noted.
#[derive(Default)]
struct Out {
    printed: Vec<String>,
    noted: Vec<String>,
}

async fn talk(fake: &Fake, lines: &[&str]) -> (Ended, Out) {
    let (sender, receiver) = mpsc::channel(64);
    for line in lines {
        sender.send((*line).to_owned()).await.expect("room");
    }
    drop(sender);
    let mut out = Out::default();
    let mut print = |text: &str| out.printed.push(text.to_owned());
    let mut note = |text: &str| out.noted.push(text.to_owned());
    let ended = within(run(fake.door(), None, receiver, &mut print, &mut note)).await;
    (ended, out)
}

#[tokio::test]
async fn lines_are_said_in_their_order_and_acknowledged_before_it_ends() {
    let fake = Fake::open().await;
    let serve = async {
        let mut peer = fake.accept().await;
        let join = peer.asked("join").await;
        peer.answer(&join, joined("lobby", 0)).await;
        for (seq, text) in [(1, "one"), (2, "#two")] {
            let say = peer.asked("say").await;
            assert_eq!(
                (&say["text"], &say["room"]),
                (&json!(text), &json!("lobby"))
            );
            let mut said = message("lobby", seq, text);
            said["from"] = json!("anna");
            said["sent_id"] = say["sent_id"].clone();
            peer.say(said).await;
            let sent = json!({"type": "sent", "room": "lobby", "seq": seq, "at_ms": 5});
            peer.answer(&say, sent).await;
        }
        peer
    };
    let ((ended, out), _peer) = tokio::join!(talk(&fake, &["one", "##two"]), serve);
    assert_eq!(ended, Ended::Well);
    let texts: Vec<_> = out.printed.iter().map(|line| &line[5..]).collect();
    assert_eq!(texts, [" lobby anna: one", " lobby anna: #two"]);
}

#[tokio::test]
async fn a_line_that_is_refused_is_counted_and_nothing_of_others_is_executed() {
    let fake = Fake::open().await;
    let serve = async {
        let mut peer = fake.accept().await;
        let join = peer.asked("join").await;
        peer.answer(&join, joined("lobby", 0)).await;
        peer.say(message("lobby", 1, "\u{1b}[2J\u{202e}")).await;
        let say = peer.asked("say").await;
        let error = json!({"type": "error", "code": "forbidden", "text": "muted"});
        peer.answer(&say, error).await;
        peer
    };
    let ((ended, out), _peer) = tokio::join!(talk(&fake, &["hola"]), serve);
    assert_eq!(ended, Ended::Unsaid(1));
    assert_eq!(&out.printed[0][5..], " lobby bob: ␛[2J<U+202E>");
    assert!(
        out.noted.contains(&"not sent: muted".to_owned()),
        "{:?}",
        out.noted
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_at_first_ends_it() {
    let fake = Fake::open().await;
    let door = fake.door();
    drop(fake);
    let (_sender, receiver) = mpsc::channel(1);
    let (mut print, mut note) = (|_: &str| {}, |_: &str| {});
    let ended = within(run(door, None, receiver, &mut print, &mut note)).await;
    assert!(
        matches!(ended, Ended::Fault(Fault::Unreachable { .. })),
        "{ended:?}"
    );
}
