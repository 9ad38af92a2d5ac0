use std::fs;
use std::io::Read as _;
use std::time::Duration;

use files::collection::Collection;
use files::content::Root;
use futures_util::stream::{BoxStream, unfold};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rpc::v1::offer_response::State;
use rpc::v1::peer_service_server::{PeerService, PeerServiceServer};
use rpc::v1::{FetchRequest, FetchResponse, OfferRequest, OfferResponse};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status, Streaming};

use super::{Outcome, PackError, Packing, Parcels, Told, converse};
use crate::peer::download::SourcePeer;
use crate::peer::identity::Identity;
use crate::peer::serving::Contents as _;
use crate::peer::source::Permission;
use crate::peer::tls;

#[test]
fn a_file_is_packed_under_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("año.bin");
    let content = vec![7; 3 << 20];
    fs::write(&path, &content).expect("it is written");
    let mut parcels = Parcels::default();
    let mut hashed = 0;
    let parcel = parcels
        .pack(&path, |what| match what {
            Packing::Hashed(bytes) => hashed += bytes,
            Packing::LeftOut(what, _) => panic!("{what} is left out"),
        })
        .expect("it is packed");
    assert_eq!((&*parcel.name, parcel.is_folder), ("año.bin", false));
    assert_eq!(parcel.root, Root::of(&content));
    assert_eq!(
        (parcel.size, parcel.total, hashed),
        (3 << 20, 3 << 20, 3 << 20)
    );
    assert!(parcels.open(&parcel.root).expect("it is read").is_some());
    assert!(
        parcels
            .segment(&parcel.root, 0)
            .expect("it is read")
            .is_some()
    );
    fs::write(&path, b"changed").expect("it is written");
    assert!(parcels.open(&parcel.root).expect("it is read").is_none());
}

#[test]
fn a_folder_is_packed_with_what_is_in_it() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("plans");
    fs::create_dir_all(folder.join("old")).expect("it is made");
    fs::write(folder.join("old/one.txt"), b"one").expect("it is written");
    fs::write(folder.join("two.txt"), b"two two").expect("it is written");
    fs::write(folder.join(".hidden"), b"hidden").expect("it is written");
    std::os::unix::fs::symlink("two.txt", folder.join("link")).expect("it is made");
    let mut parcels = Parcels::default();
    let mut left_out = Vec::new();
    let parcel = parcels.pack(&folder, |what| {
        if let Packing::LeftOut(what, _) = what {
            left_out.push(what);
        }
    });
    let parcel = parcel.expect("it is packed");
    assert_eq!(
        (parcel.files, parcel.total, parcel.is_folder),
        (2, 10, true)
    );
    assert_eq!(left_out, ["link"]);
    let stored = parcels.open(&parcel.root).expect("it is read");
    let mut stored = stored.expect("it is there");
    std::io::Seek::rewind(&mut stored.file).expect("it is in memory");
    let mut list = Vec::new();
    stored.file.read_to_end(&mut list).expect("it is read");
    let collection = Collection::decode(&list).expect("a list");
    let names = collection.entries().iter().map(|entry| entry.path.as_str());
    let names: Vec<_> = names.collect();
    assert_eq!(names, ["old", "old/one.txt", "two.txt"]);
    let is_member = |content: &[u8]| parcels.is_member(&parcel.root, &Root::of(content));
    assert!(is_member(b"one").expect("it is known"));
    assert!(!is_member(b"hidden").expect("it is known"));
}

#[test]
fn what_cannot_be_put_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let pack = |name: &str| Parcels::default().pack(&folder.path().join(name), drop);
    assert!(matches!(pack("none"), Err(PackError::Unreadable { .. })));
    fs::write(folder.path().join("a\\b"), b"x").expect("it is written");
    let error = pack("a\\b").expect_err("it is refused").to_string();
    assert!(
        error.contains("a\\\\b") && error.contains("backslash"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_says_nothing_is_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let identity = Identity::passing().expect("random numbers");
    let at = SourcePeer {
        name: "ben/desk".to_owned(),
        addresses: vec![listener.local_addr().expect("it is bound").to_string()],
        key: identity.fingerprint(),
        permission: Permission::Ticket(Vec::new()),
        detour: None,
    };
    let (asked, mut states) = mpsc::channel(2);
    let service = PeerServiceServer::new(Receiving(asked));
    let config = tls::server_config(&identity).expect("a key");
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a caller");
        let stream = TlsAcceptor::from(config).accept(socket).await;
        let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(
            TokioIo::new(stream.expect("a handshake")),
            TowerToHyperService::new(service),
        );
        let _ = connection.await;
    });
    let mut told = Vec::new();
    let silence = Duration::from_millis(400);
    let offered = converse(&at, OfferRequest::default(), silence, |what| {
        told.push(what)
    });
    let says = async {
        let answers = states.recv().await.expect("it is asked");
        // As long as it says something, whatever it is, it is there.
        let mut often = interval(silence / 4);
        for _ in 0..8 {
            let state = Some(State::Asking(true));
            let _ = answers.send(Ok(OfferResponse { state })).await;
            often.tick().await;
        }
        answers
    };
    let ended = timeout(Duration::from_secs(20), async {
        tokio::join!(offered, says)
    });
    let (outcome, _answers) = ended.await.expect("it is not waited for without end");
    let Err(Outcome::Lost(why)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(why.contains("said nothing"), "{why}");
    assert_eq!(told, [Told::Asking]);
}

/// Hands out where the answers to each offer go.
struct Receiving(mpsc::Sender<mpsc::Sender<Result<OfferResponse, Status>>>);

#[tonic::async_trait]
impl PeerService for Receiving {
    type FetchStream = BoxStream<'static, Result<FetchResponse, Status>>;
    type OfferStream = BoxStream<'static, Result<OfferResponse, Status>>;

    async fn fetch(
        &self,
        _request: Request<Streaming<FetchRequest>>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        Err(Status::unimplemented("nothing is here"))
    }

    async fn offer(
        &self,
        _request: Request<OfferRequest>,
    ) -> Result<Response<Self::OfferStream>, Status> {
        let (answers, outbox) = mpsc::channel(1);
        let _ = self.0.send(answers).await;
        let said = unfold(outbox, |mut outbox| async move {
            outbox.recv().await.map(|answer| (answer, outbox))
        });
        Ok(Response::new(Box::pin(said)))
    }
}
