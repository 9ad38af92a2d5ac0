mod held;
mod known;
mod logins;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use files::content::{Outline, Root};
use rpc::pserver::p_server_client::PServerClient;
use rpc::pserver::{File, Response, UserData, Username};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tonic::Status;
use tonic::transport::Channel;

use super::code::{Code, of_check, of_download, of_find, of_older, of_outcome, of_receivers};
use super::door::is_local;
use super::older::{address, is_same};
use super::{Callers, Classroom, ClassroomEvent, Terms, file_name};
use crate::api::{Api, ApiError, Credentials};
use crate::peer::SinkError;
use crate::peer::catalog::{Audience, Catalog, Content, Found, Stamp};
use crate::peer::download::DownloadError;
use crate::peer::finder::FindError;
use crate::peer::identity::{Fingerprint, Identity};
use crate::peer::limits::PLAIN_NAMES_MAX;
use crate::peer::put::{Outcome, ReceiversError};
use crate::peer::serving::{Doors, Gate, serve};
use crate::peer::source;

/// A peer whose server is nowhere. It shares `open.txt` with everyone, and `closed.txt` with nobody.
struct Peer {
    _folder: TempDir,
    address: SocketAddr,
    key: Fingerprint,
    events: mpsc::Receiver<ClassroomEvent>,
    _stop: watch::Sender<bool>,
}

impl Peer {
    async fn start(is_open: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Arc::new(catalog(folder.path()));
        let identity = Identity::passing().expect("a key");
        let key = identity.fingerprint();
        let gate = Arc::new(Gate::new(key));
        let (classroom, events) = classroom(folder.path(), &catalog, &gate, key);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let doors = Doors {
            listener: Some(listener),
            plain: is_open.then(|| Arc::new(classroom)),
            ..Doors::default()
        };
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(async move { serve(doors, &identity, catalog, gate, stopping).await });
        Self {
            _folder: folder,
            address,
            key,
            events,
            _stop: stop,
        }
    }

    async fn call(&self) -> PServerClient<Channel> {
        let url = format!("http://{}", self.address);
        PServerClient::connect(url).await.expect("it answers")
    }
}

fn classroom(
    folder: &Path,
    catalog: &Arc<Catalog>,
    gate: &Arc<Gate>,
    key: Fingerprint,
) -> (Classroom, mpsc::Receiver<ClassroomEvent>) {
    classroom_of("127.0.0.1:1", folder, catalog, gate, key)
}

/// The same, with a server that is there.
fn classroom_of(
    server: &str,
    folder: &Path,
    catalog: &Arc<Catalog>,
    gate: &Arc<Gate>,
    key: Fingerprint,
) -> (Classroom, mpsc::Receiver<ClassroomEvent>) {
    let (tell, events) = mpsc::channel(16);
    let api = Api::new(&format!("http://{server}"), Credentials::None, None);
    let terms = Terms {
        callers: Callers::Local,
        folder: Some(folder.join("taken")),
        throttle: Arc::default(),
        peer: key.peer(),
        key,
        index: server.to_owned(),
    };
    let (catalog, gate) = (Arc::clone(catalog), Arc::clone(gate));
    let classroom = Classroom::new(terms, api.expect("an address"), catalog, gate, tell);
    (classroom, events)
}

fn catalog(folder: &Path) -> Catalog {
    let catalog = Catalog::open(&folder.join("state.sqlite")).expect("it opens");
    let (open, closed) = (folder.join("open"), folder.join("closed"));
    for place in [&open, &closed, &folder.join("taken")] {
        fs::create_dir(place).expect("it is made");
    }
    let shares = catalog.share(&[(&*open, &Audience::Everyone), (&*closed, &Audience::Link)]);
    for share in shares.expect("they are shared") {
        let relative = format!("{}.txt", share.label);
        let path = share.folder.join(&relative);
        fs::write(&path, &relative).expect("it is written");
        let found = Found {
            stamp: Stamp::of(&fs::symlink_metadata(&path).expect("a file")),
            mode: 0o644,
            content: Content::Hashed(Box::new(Outline::of(relative.as_bytes()).expect("hashed"))),
            relative,
        };
        catalog.put(&share, &[found], 7).expect("it is noted");
    }
    catalog
}

fn file(name: &str) -> File {
    File {
        file_name: name.to_owned(),
    }
}

fn status(answer: Result<tonic::Response<Response>, Status>) -> i32 {
    answer.expect("an answer").into_inner().status_code
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_without_tls_are_answered_on_the_port_of_tls() {
    let mut peer = Peer::start(true).await;
    let mut client = peer.call().await;
    source::connect(&[peer.address.to_string()], peer.key)
        .await
        .expect("TLS is answered, too");
    for (name, expected) in [
        ("open.txt", 200),
        ("closed.txt", 404),
        ("none.txt", 404),
        ("../open.txt", 404),
        ("a\0b", 404),
        ("", 404),
    ] {
        let given = status(client.download_file(file(name)).await);
        assert_eq!(given, expected, "{name:?}");
    }
    for (name, expected) in [
        ("new.txt", 200),
        ("new.txt", 409),
        ("open.txt", 409),
        // A name that is for few is none to whoever has not logged in.
        ("closed.txt", 200),
        ("..", 404),
        (".hidden", 404),
    ] {
        let taken = status(client.upload_file(file(name)).await);
        assert_eq!(taken, expected, "{name:?}");
    }
    let told = peer.events.recv().await.expect("it is told");
    let from = peer.address.ip();
    let name = "new.txt".to_owned();
    assert_eq!(told, ClassroomEvent::Announced { name, from });
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_moves_a_file_who_has_not_logged_in() {
    let peer = Peer::start(true).await;
    let mut client = peer.call().await;
    for name in ["open.txt", "none.txt", "../x"] {
        assert_eq!(status(client.download_file_request(file(name)).await), 401);
        assert_eq!(status(client.upload_file_request(file(name)).await), 401);
    }
    let username = "anna".to_owned();
    let password = "secret".to_owned();
    let user = UserData { username, password };
    // The server that could tell is nowhere.
    assert_eq!(status(client.login(user).await), 503);
    let username = "anna".to_owned();
    assert_eq!(status(client.logout(Username { username }).await), 401);
    let long = file(&"x".repeat(1 << 17));
    client
        .download_file(long)
        .await
        .expect_err("it is too long");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_closed() {
    let closed = Peer::start(false).await;
    let mut client = PServerClient::new(
        Channel::from_shared(format!("http://{}", closed.address))
            .expect("an address")
            .connect_lazy(),
    );
    let answer = client.download_file(file("open.txt")).await;
    answer.expect_err("nobody answers without TLS");

    let open = Peer::start(true).await;
    for peer in [&open, &closed] {
        let mut socket = TcpStream::connect(peer.address).await.expect("connected");
        socket
            .write_all(b"GET / HTTP/1.1\r\n\r\n")
            .await
            .expect("written");
        let mut said = Vec::new();
        // An alert of TLS, if anything.
        match socket.read_to_end(&mut said).await {
            Ok(_) => assert!(said.len() < 16, "{said:?}"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }
}

#[test]
fn what_happened_is_told_by_its_status() {
    let refused = |status| ApiError::Refused {
        status,
        detail: String::new(),
    };
    let find = |error: ApiError| of_find(&error.into());
    assert_eq!(find(refused(404)), Code::ABSENT);
    assert_eq!(find(refused(429)), Code::BUSY);
    assert_eq!(find(refused(401)), Code::AWAY);
    assert_eq!(of_find(&FindError::Nobody("a".into())), Code::ABSENT);
    let receivers = |status| of_receivers(&ReceiversError::Api(refused(status)));
    assert_eq!((receivers(404), receivers(503)), (Code::ABSENT, Code::AWAY));

    let sink = |error| of_download(&DownloadError::Sink(error));
    assert_eq!(sink(SinkError::Exists("a".into())), Code::PRESENT);
    assert_eq!(sink(SinkError::Busy("a".into())), Code::BUSY);
    let source = io::ErrorKind::StorageFull.into();
    let path = "a".into();
    assert_eq!(sink(SinkError::Disk { path, source }), Code::NO_ROOM);
    let nobody = DownloadError::NoSource(String::new());
    assert_eq!(of_download(&nobody), Code::ABSENT);

    for status in [200, 401, 404, 409] {
        assert_eq!(of_older(status), Code(status));
    }
    for status in [0, -1, 1, 201, 429, 500, i32::MAX] {
        assert_eq!(of_older(status), Code(502), "{status}");
    }
    let check = |status| of_check(&refused(status));
    assert_eq!((check(401), check(403)), (Code::DENIED, Code::DENIED));
    assert_eq!((check(429), check(503)), (Code::BUSY, Code::AWAY));

    assert_eq!(of_outcome(&Outcome::Took), Some(Code::DONE));
    assert_eq!(of_outcome(&Outcome::Already), Some(Code::PRESENT));
    for other in [
        Outcome::Closed,
        Outcome::Refused(String::new()),
        Outcome::Lost(String::new()),
    ] {
        assert_eq!(of_outcome(&other), None, "{other:?}: another may take it");
    }
}

#[test]
fn this_machine_is_known_by_either_address() {
    let ip = |text: &str| text.parse().expect("an address");
    assert!(is_local(ip("127.0.0.1"), ip("127.0.0.1")));
    assert!(is_local(ip("127.9.9.9"), ip("127.0.0.1")) && is_local(ip("::1"), ip("::1")));
    assert!(is_local(ip("192.0.2.7"), ip("192.0.2.7")));
    assert!(!is_local(ip("192.0.2.8"), ip("192.0.2.7")));
}

#[test]
fn addresses_of_older_peers_are_read_as_they_are_written() {
    for (url, read) in [
        ("10.0.0.1:5001", "10.0.0.1:5001"),
        ("http://10.0.0.1:6000/", "10.0.0.1:6000"),
        ("peer.example", "peer.example:5001"),
        ("http://peer.example/x", "peer.example:5001"),
        ("[::1]:7", "[::1]:7"),
        ("[::1]", "[::1]:5001"),
    ] {
        assert_eq!(address(url), read);
    }
    assert!(is_same("http://a", "a:5001") && !is_same("a:5002", "a"));
}

#[tokio::test]
async fn names_that_were_announced_are_remembered_up_to_a_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let catalog = Arc::new(catalog(folder.path()));
    let key = Identity::passing().expect("a key").fingerprint();
    let gate = Arc::new(Gate::new(key));
    let (classroom, _events) = classroom(folder.path(), &catalog, &gate, key);
    assert!(classroom.announce("first") && !classroom.announce("first"));
    for number in 0..PLAIN_NAMES_MAX {
        assert!(classroom.announce(&number.to_string()));
    }
    assert!(classroom.announce("first"), "others have taken its place");
}

#[test]
fn names_lead_nowhere_else() {
    assert_eq!(file_name("año 1.txt").as_deref(), Some("año 1.txt"));
    let long = "x".repeat(256);
    for name in [
        "", ".", "..", "../a", "/a", "a/b", "a\\b", "a\0", "con", ".a", "a ", &long,
    ] {
        assert_eq!(file_name(name), None, "{name:?}");
    }
}
