use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;

use files::content::{Outline, Root};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::api::Credentials;
use crate::peer::catalog::{Audience, Content, FILE, Found, Share, Stamp};

const DEADLINE: Duration = Duration::from_secs(60);
const PEER: &str = "00112233445566778899aabbccddeeff";

/// What a server's index would have, and what it was asked.
#[derive(Default)]
struct Index {
    is_live: bool,
    revision: u64,
    files: BTreeMap<String, Value>,
    asked: Vec<(String, Value)>,
    /// Announcements that are answered with 503.
    failures: u32,
    /// Requests with this name are refused.
    refused: Option<&'static str>,
}

impl Index {
    fn answer(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let what = path.strip_prefix(&format!("/v1/peers/{PEER}"));
        let what = what.expect("nothing else is asked").to_owned();
        self.asked.push((format!("{method} {what}"), body.clone()));
        match (method, &*what) {
            ("PUT", "") if self.failures > 0 => {
                self.failures -= 1;
                (503, json!({"detail": "come again"}))
            }
            ("PUT", "") => {
                self.is_live = true;
                let key = json!({"id": 7, "key": "ab".repeat(32)});
                (
                    200,
                    json!({"peer": PEER, "heartbeat_s": 1, "silence_s": 2, "revision": self.revision,
                    "addresses": ["192.0.2.7:5001"], "ticket_keys": [key]}),
                )
            }
            ("DELETE", "") => {
                self.is_live = false;
                (204, Value::Null)
            }
            _ if !self.is_live => (404, json!({"detail": "not live"})),
            ("POST", "/heartbeat") => (200, json!({"revision": self.revision, "offers": 3})),
            ("PATCH", "/files") => self.publish(&body),
            _ => panic!("{method} {what}"),
        }
    }

    fn publish(&mut self, body: &Value) -> (u16, Value) {
        let put = body["put"].as_array().expect("a list");
        let remove = body["remove"].as_array().expect("a list");
        assert!(put.len() + remove.len() <= 1_000);
        let from = body["from"].as_u64().expect("a revision");
        if from != 0 && from != self.revision {
            return (
                409,
                json!({"detail": "wrong revision", "revision": self.revision}),
            );
        }
        let is_refused = |entry: &Value| entry["name"].as_str() == self.refused;
        if put.iter().any(is_refused) {
            return (400, json!({"detail": "not that one"}));
        }
        if from == 0 {
            self.files.clear();
        }
        for file in remove {
            self.files.remove(file.as_str().expect("an id"));
        }
        for entry in put {
            let file = entry["file"].as_str().expect("an id").to_owned();
            self.files.insert(file, entry.clone());
        }
        let to = body["to"].as_u64().expect("a revision");
        assert!(to > from && to < 1 << 53, "{from} to {to}");
        self.revision = to;
        (200, json!({"revision": to, "ignored": ["room attic"]}))
    }
}

struct Place {
    folder: TempDir,
    catalog: Arc<Catalog>,
    index: Arc<Mutex<Index>>,
    url: String,
}

impl Place {
    fn new(index: Index) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(&folder.path().join(FILE)).expect("a catalog");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let index = Arc::new(Mutex::new(index));
        let shared = Arc::clone(&index);
        // It ends with the process: nothing waits for it.
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.expect("a connection"), &shared);
            }
        });
        Self {
            folder,
            catalog: Arc::new(catalog),
            index,
            url,
        }
    }

    fn share(&self, audience: &Audience) -> Share {
        let folder = self.folder.path().join("docs");
        let shares = self.catalog.share(&[(&folder, audience)]);
        shares.expect("shared").remove(0)
    }

    fn put(&self, share: &Share, names: impl IntoIterator<Item = String>) {
        let found: Vec<Found> = names.into_iter().map(found).collect();
        self.catalog.put(share, &found, 5).expect("noted");
    }

    fn start(&self) -> Announcing {
        let api = Api::new(&self.url, Credentials::Token("token".into()), None);
        let me = Me {
            peer: PEER.into(),
            name: "laptop".into(),
            addresses: vec!["192.0.2.7:5001".into()],
            port: Some(5001),
            relay: false,
            takes: true,
            key: [0xcd; 32],
        };
        Announcing::start(api.expect("an API"), Arc::clone(&self.catalog), me).expect("it starts")
    }

    fn files(&self) -> Vec<String> {
        let index = self.index.lock().expect("no panic");
        index.files.keys().cloned().collect()
    }

    fn asked(&self, what: &str) -> Vec<Value> {
        let index = self.index.lock().expect("no panic");
        let asked = index.asked.iter().filter(|(asked, _)| asked == what);
        asked.map(|(_, body)| body.clone()).collect()
    }
}

fn found(name: String) -> Found {
    Found {
        stamp: Stamp {
            mtime_ns: 1,
            ctime_ns: 1,
            inode: 1,
            birth_ns: 1,
        },
        mode: 0o644,
        content: Content::Hashed(Box::new(Outline::of(name.as_bytes()).expect("hashed"))),
        relative: name,
    }
}

/// Answers one request.
fn serve(mut stream: TcpStream, index: &Mutex<Index>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let mut words = head.split(' ');
    let (method, path) = (
        words.next().expect("a method"),
        words.next().expect("a path"),
    );
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (status, answer) = index.lock().expect("no panic").answer(method, path, body);
    let text = if answer.is_null() {
        String::new()
    } else {
        answer.to_string()
    };
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 {status} It\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    );
    stream.write_all(answer.as_bytes()).expect("written");
}

/// Waits for a state.
fn until(announcing: &Announcing, is_it: impl FnMut(&State) -> bool) -> State {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(async {
        let mut state = announcing.state();
        let found = tokio::time::timeout(DEADLINE, state.wait_for(is_it)).await;
        found.expect("in time").expect("it runs").clone()
    })
}

fn told(place: &Place) -> impl FnMut(&State) -> bool {
    let revision = place.catalog.revision().expect("a revision");
    move |state| state.stage == Stage::Live && state.told >= revision
}

#[test]
fn the_server_is_told_everything_and_then_what_differs() {
    let place = Place::new(Index::default());
    let share = place.share(&Audience::Rooms(vec!["tea".into()]));
    place.put(&share, ["a.txt".into(), "sub/b.PNG".into()]);
    let announcing = place.start();
    let state = until(&announcing, told(&place));
    assert_eq!(state.ticket_keys, [(KeyId(7), [0xab; 32])]);
    assert_eq!(state.addresses, ["192.0.2.7:5001"]);
    assert_eq!(state.ignored, ["room attic"]);
    assert_eq!(place.files(), ["docs/a.txt", "docs/sub/b.PNG"]);
    let root = Root::of(b"sub/b.PNG").to_string();
    let due = json!({"file": "docs/sub/b.PNG", "name": "b.PNG", "path": "docs/sub/b.PNG", "size": 9, "root": root, "type": "image/png",
        "kind": "file", "have": null, "since_ms": 5, "audience": {"rooms": ["tea"]}});
    assert_eq!(place.asked("PATCH /files")[0]["put"][1], due);
    let due = json!({"name": "laptop", "addresses": ["192.0.2.7:5001"], "port": 5001, "key": "cd".repeat(32), "relay": false, "takes": true});
    assert_eq!(place.asked("PUT ")[0], due);

    place
        .catalog
        .remove(&share, &["a.txt".into()])
        .expect("removed");
    place.put(&share, ["c".into()]);
    until(&announcing, told(&place));
    assert_eq!(place.files(), ["docs/c", "docs/sub/b.PNG"]);
    let last = place.asked("PATCH /files").pop().expect("a request");
    assert_eq!(last["remove"], json!(["docs/a.txt"]));
    assert_eq!(last["put"].as_array().map(Vec::len), Some(1));
    drop(announcing);
    assert_eq!(place.asked("DELETE ").len(), 1);
}

#[test]
fn a_long_list_goes_in_steps() {
    let place = Place::new(Index::default());
    let share = place.share(&Audience::Everyone);
    place.put(&share, (0..2_500).map(|number| format!("{number}")));
    let announcing = place.start();
    until(&announcing, told(&place));
    assert_eq!(place.files().len(), 2_500);
    assert_eq!(place.asked("PATCH /files").len(), 3);
}

#[test]
fn a_server_that_has_everything_is_told_nothing() {
    let place = Place::new(Index::default());
    let share = place.share(&Audience::Everyone);
    place.put(&share, ["a".into()]);
    let announcing = place.start();
    until(&announcing, told(&place));
    drop(announcing);
    let before = place.asked("PATCH /files").len();
    let announcing = place.start();
    until(&announcing, |state| state.stage == Stage::Live);
    assert_eq!(place.asked("PATCH /files").len(), before);
}

#[test]
fn a_server_that_has_forgotten_is_told_again() {
    let place = Place::new(Index::default());
    let share = place.share(&Audience::Everyone);
    place.put(&share, ["a".into()]);
    let announcing = place.start();
    until(&announcing, told(&place));
    // It dropped the peer, and lost the index.
    {
        let mut index = place.index.lock().expect("no panic");
        (index.is_live, index.revision) = (false, 0);
        index.files.clear();
    }
    until(&announcing, |state| {
        matches!(state.stage, Stage::Away { .. })
    });
    until(&announcing, |state| state.stage == Stage::Live);
    assert_eq!(place.files(), ["docs/a"]);
}

#[test]
fn a_wrong_revision_is_put_right() {
    let place = Place::new(Index::default());
    let share = place.share(&Audience::Everyone);
    place.put(&share, ["a".into(), "b".into()]);
    let announcing = place.start();
    until(&announcing, told(&place));
    // Something else published under this peer's id.
    {
        let mut index = place.index.lock().expect("no panic");
        index.revision = 5;
        index.files = BTreeMap::from([("docs/other".into(), Value::Null)]);
    }
    place.put(&share, ["c".into()]);
    until(&announcing, told(&place));
    assert_eq!(place.files(), ["docs/a", "docs/b", "docs/c"]);
}

#[test]
fn a_server_that_is_away_is_tried_again() {
    let place = Place::new(Index {
        failures: 2,
        ..Index::default()
    });
    let announcing = place.start();
    let state = until(&announcing, |state| {
        matches!(state.stage, Stage::Away { .. })
    });
    assert!(matches!(state.stage, Stage::Away { reason, .. } if reason == "come again"));
    until(&announcing, |state| state.stage == Stage::Live);
    assert_eq!(place.asked("PUT ").len(), 3);
}

#[test]
fn what_the_server_refuses_holds_up_nothing_else() {
    let place = Place::new(Index {
        refused: Some("bad"),
        ..Index::default()
    });
    let share = place.share(&Audience::Everyone);
    let good = (0..40).map(|number| format!("{number}"));
    place.put(
        &share,
        good.clone()
            .take(20)
            .chain(["bad".into()])
            .chain(good.skip(20)),
    );
    let announcing = place.start();
    let state = until(&announcing, told(&place));
    assert_eq!(place.files().len(), 40);
    assert_eq!(state.refused, ["docs/bad: not that one"]);
}

#[test]
fn one_who_never_was_there_does_not_say_good_bye() {
    let place = Place::new(Index {
        failures: u32::MAX,
        ..Index::default()
    });
    let announcing = place.start();
    until(&announcing, |state| {
        matches!(state.stage, Stage::Away { .. })
    });
    drop(announcing);
    assert_eq!(place.asked("DELETE "), Vec::<Value>::new());
}
