use std::time::{SystemTime, UNIX_EPOCH};

use files::ticket::{KeyId, PeerKey, Right, Scope, Ticket};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rpc::v1::fetch_request::Ask;
use rpc::v1::fetch_response::Answer;
use rpc::v1::{FetchResponse, Groups, Open, RefusedReason};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::*;
use crate::peer::download::SourcePeer;
use crate::peer::put::{Parcel, Parcels};
use crate::peer::source::{Heard, Permission, SourceError, Talk};

const SECRET: [u8; SECRET_BYTES] = [7; SECRET_BYTES];
const KEY: KeyId = KeyId(1);
/// How long anything may take that happens by itself.
const SOON: Duration = Duration::from_secs(10);
/// How long nothing may be asked for, where that is waited for.
const SHORT: Duration = Duration::from_millis(50);

/// A peer that serves one file while the test runs.
struct Serving {
    parcel: Parcel,
    at: SourcePeer,
    pair: Ed25519KeyPair,
    stop: watch::Sender<bool>,
    _folder: TempDir,
}

impl Serving {
    async fn patient(patience: Patience) -> Self {
        let terms = Terms {
            patience,
            ..Terms::default()
        };
        Self::start(terms).await
    }

    async fn start(terms: Terms) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        std::fs::write(&path, b"content").expect("it is written");
        let mut parcels = Parcels::default();
        let parcel = parcels.pack(&path, drop).expect("it is packed");
        let identity = Identity::passing().expect("random numbers");
        let gate = Arc::new(Gate::with_terms(identity.fingerprint(), terms));
        gate.offer(SECRET, parcel.root);
        let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random numbers");
        let pair = Ed25519KeyPair::from_pkcs8(pair.as_ref()).expect("a key");
        let public = pair.public_key().as_ref().try_into().expect("32 bytes");
        gate.set_keys(vec![(KEY, public)]);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = SourcePeer {
            name: "anna".to_owned(),
            addresses: vec![listener.local_addr().expect("it is bound").to_string()],
            key: identity.fingerprint(),
            permission: Permission::Secret(SECRET.to_vec()),
            detour: None,
        };
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(
            async move { serve(listener, &identity, Arc::new(parcels), gate, stopping).await },
        );
        Self {
            parcel,
            at,
            pair,
            stop,
            _folder: folder,
        }
    }

    async fn talk(&self) -> Talk {
        Talk::open(&self.at, SOON).await.expect("it is there")
    }

    fn by_secret(&self) -> Ask {
        Ask::Open(Open {
            root: self.parcel.root.as_bytes().to_vec(),
            secret: SECRET.to_vec(),
            ..Open::default()
        })
    }

    fn by_ticket(&self, account: &str) -> Ask {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.expect("after 1970").as_millis() as u64;
        let ticket = Ticket {
            account: account.to_owned(),
            peer: PeerKey(*self.at.key.as_bytes()),
            scope: Scope::Content(self.parcel.root),
            right: Right::Fetch,
            issued_ms: now_ms,
            expires_ms: now_ms + 60_000,
            key: KEY,
        };
        Ask::Open(Open {
            root: self.parcel.root.as_bytes().to_vec(),
            ticket: ticket.sign(&self.pair).expect("it is short"),
            ..Open::default()
        })
    }

    fn by_guess(&self) -> Ask {
        Ask::Open(Open {
            root: self.parcel.root.as_bytes().to_vec(),
            secret: vec![8; SECRET_BYTES],
            ..Open::default()
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

async fn ask(talk: &Talk, content: u32, ask: Ask) {
    let request = FetchRequest {
        content,
        ask: Some(ask),
    };
    talk.ask(request).await.expect("it listens");
}

/// What is heard next; none when the stream has ended.
async fn hear(talk: &mut Talk) -> Result<Option<Answer>, SourceError> {
    let heard = timeout(SOON, talk.hear()).await.expect("something comes");
    Ok(match heard? {
        Some(Heard::Answer(FetchResponse { answer, .. })) => answer,
        Some(Heard::Moved) => panic!("there is no other way"),
        None => None,
    })
}

/// Why it is refused; `None` when it is opened.
async fn opened(talk: &mut Talk) -> Option<RefusedReason> {
    match hear(talk).await {
        Ok(Some(Answer::Opened(_))) => None,
        Ok(Some(Answer::Refused(refused))) => Some(refused.reason()),
        heard => panic!("{heard:?}"),
    }
}

async fn has_ended(talk: &mut Talk) {
    let heard = hear(talk).await;
    assert!(matches!(heard, Ok(None)), "{heard:?}");
}

fn two_streams() -> Terms {
    Terms {
        streams: 2,
        streams_per_account: 1,
        ..Terms::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_nothing_takes_no_slot() {
    let serving = Serving::start(two_streams()).await;
    let mut strangers = Vec::new();
    for _ in 0..4 {
        strangers.push(serving.talk().await);
    }
    for _ in 0..2 {
        let mut talk = serving.talk().await;
        ask(&talk, 1, serving.by_secret()).await;
        assert_eq!(opened(&mut talk).await, None);
        strangers.push(talk);
    }
    // All slots are taken now, and those who were there before get none.
    let late = &mut strangers[0];
    ask(late, 1, serving.by_secret()).await;
    assert_eq!(opened(late).await, Some(RefusedReason::Busy));
    has_ended(late).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_have_nothing_is_told_so_and_sent_away() {
    let serving = Serving::start(two_streams()).await;
    let mut talk = serving.talk().await;
    ask(&talk, 1, serving.by_guess()).await;
    // What is asked behind it does no harm to the answer.
    for content in 2..100 {
        let groups = Ask::Groups(Groups { first: 0, count: 1 });
        ask(&talk, content, groups).await;
    }
    assert_eq!(opened(&mut talk).await, Some(RefusedReason::Ticket));
    has_ended(&mut talk).await;

    let mut talk = serving.talk().await;
    ask(&talk, 1, Ask::Segment(0)).await;
    has_ended(&mut talk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_something_open_keeps_it_when_something_else_is_refused() {
    let serving = Serving::start(two_streams()).await;
    let mut talk = serving.talk().await;
    for (content, open, refused) in [
        (1, serving.by_ticket("ben"), None),
        (2, serving.by_guess(), Some(RefusedReason::Ticket)),
        (3, serving.by_ticket("ben"), None),
    ] {
        ask(&talk, content, open).await;
        assert_eq!(opened(&mut talk).await, refused);
    }
    let groups = Ask::Groups(Groups { first: 0, count: 1 });
    ask(&talk, 1, groups).await;
    let heard = hear(&mut talk).await;
    assert!(matches!(heard, Ok(Some(Answer::Group(_)))), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_has_its_streams_takes_no_slot_of_others() {
    let serving = Serving::start(two_streams()).await;
    let mut first = serving.talk().await;
    ask(&first, 1, serving.by_ticket("ben")).await;
    assert_eq!(opened(&mut first).await, None);
    let mut more = Vec::new();
    for _ in 0..3 {
        let mut talk = serving.talk().await;
        ask(&talk, 1, serving.by_ticket("ben")).await;
        assert_eq!(opened(&mut talk).await, Some(RefusedReason::Busy));
        has_ended(&mut talk).await;
        more.push(talk);
    }
    let mut other = serving.talk().await;
    ask(&other, 1, serving.by_ticket("cleo")).await;
    assert_eq!(opened(&mut other).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_ask_for_nothing_end() {
    let patience = Patience {
        first: SHORT,
        idle: SHORT,
        ..Patience::default()
    };
    let serving = Serving::patient(patience).await;
    let mut silent = serving.talk().await;
    let heard = hear(&mut silent).await;
    assert!(
        heard.is_err_and(|lost| lost.to_string().contains("nothing was asked for")),
        "it ends without a word"
    );
    // With something open it may be silent, for as long as it wants.
    let mut talk = serving.talk().await;
    ask(&talk, 1, serving.by_ticket("ben")).await;
    assert_eq!(opened(&mut talk).await, None);
    assert!(timeout(4 * SHORT, talk.hear()).await.is_err());
    ask(&talk, 1, Ask::Close(true)).await;
    has_ended(&mut talk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_last_with_those_who_may_have_something() {
    let patience = Patience {
        connection: SHORT,
        ..Patience::default()
    };
    let serving = Serving::patient(patience).await;
    let mut silent = serving.talk().await;
    let heard = hear(&mut silent).await;
    assert!(heard.is_err(), "{heard:?}");
    let mut talk = serving.talk().await;
    ask(&talk, 1, serving.by_ticket("ben")).await;
    assert_eq!(opened(&mut talk).await, None);
    assert!(timeout(4 * SHORT, talk.hear()).await.is_err());
}
