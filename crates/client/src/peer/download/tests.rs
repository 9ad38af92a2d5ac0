use std::collections::HashMap;
use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use files::content::Outline;
use files::have::Have;
use files::limits::GROUP_BYTES;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::*;
use crate::peer::identity::Identity;
use crate::peer::serving::{Contents, Gate, Stored, serve};

const SECRET: [u8; 32] = [7; 32];

/// One content, as one peer has it.
pub(in crate::peer) struct One {
    folder: TempDir,
    outline: Outline,
    have: Option<Have>,
    /// The collection that names it, which is what is offered then.
    pub(in crate::peer) collection: Option<Root>,
    opened: AtomicUsize,
}

impl One {
    pub(in crate::peer) fn new(bytes: &[u8], outline: &Outline) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("content"), bytes).expect("it is written");
        Self {
            folder,
            outline: outline.clone(),
            have: None,
            collection: None,
            opened: AtomicUsize::new(0),
        }
    }
}

impl Contents for One {
    fn open(&self, root: &Root) -> io::Result<Option<Stored>> {
        if *root != self.outline.root() {
            return Ok(None);
        }
        self.opened.fetch_add(1, Ordering::Relaxed);
        let file = fs::File::open(self.folder.path().join("content"))?;
        Ok(Some(Stored {
            modified: Some(file.metadata()?.modified()?),
            file,
            size: self.outline.shape().size(),
            segments: self.outline.top().encode(),
            have: self.have.clone(),
        }))
    }

    fn segment(&self, _root: &Root, segment: u32) -> io::Result<Option<Vec<u8>>> {
        let segment = self.outline.segment(segment);
        Ok(segment.map(|segment| segment.encode()))
    }

    fn is_member(&self, collection: &Root, _root: &Root) -> io::Result<bool> {
        Ok(self.collection == Some(*collection))
    }
}

/// Peers that serve while the test runs.
pub(in crate::peer) struct Peers {
    stop: watch::Sender<bool>,
    contents: HashMap<String, Arc<One>>,
    pub(in crate::peer) found: Vec<SourcePeer>,
}

impl Peers {
    pub(in crate::peer) fn new() -> Self {
        Self {
            stop: watch::channel(false).0,
            contents: HashMap::new(),
            found: Vec::new(),
        }
    }

    pub(in crate::peer) async fn add(&mut self, name: &str, content: One) {
        let identity = Identity::passing().expect("random numbers");
        let gate = Arc::new(Gate::new(identity.fingerprint()));
        gate.offer(
            SECRET,
            content.collection.unwrap_or_else(|| content.outline.root()),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let content = Arc::new(content);
        self.contents.insert(name.to_owned(), content.clone());
        self.found.push(SourcePeer {
            name: name.to_owned(),
            // The first one is nobody's.
            addresses: vec!["127.0.0.1:1".to_owned(), address],
            key: identity.fingerprint(),
            permission: Permission::Secret(SECRET.to_vec()),
            detour: None,
        });
        let stopping = self.stop.subscribe();
        tokio::spawn(async move { serve(listener, &identity, content, gate, stopping).await });
    }

    async fn fetch(&self, target: &Path, outline: &Outline) -> Result<Fetched, DownloadError> {
        self.fetch_of(None, target, outline, None).await
    }

    /// Fetches a content, perhaps of a collection, and tells of liars.
    async fn fetch_of(
        &self,
        collection: Option<Root>,
        target: &Path,
        outline: &Outline,
        liars: Option<mpsc::UnboundedSender<Lie>>,
    ) -> Result<Fetched, DownloadError> {
        let (sender, sources) = mpsc::channel(8);
        for found in &self.found {
            sender.send(found.clone()).await.expect("there is room");
        }
        drop(sender);
        let download = Download {
            wanted: Wanted {
                root: outline.root(),
                size: outline.shape().size(),
                collection,
                target: target.to_owned(),
                overwrite: false,
            },
            sources,
            status: watch::channel(Status::default()).0,
            means: Means {
                seed: 1,
                liars,
                ..Means::default()
            },
        };
        download.run().await
    }
}

pub(in crate::peer) fn content(bytes: u64) -> (Vec<u8>, Outline) {
    let bytes: Vec<u8> = (0..bytes).map(|at| (at / 3 % 251) as u8).collect();
    let outline = Outline::of(&bytes).expect("it is small");
    (bytes, outline)
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_of_every_shape_arrive_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    for size in [0, 1, GROUP_BYTES, GROUP_BYTES + 1, 9 * GROUP_BYTES - 5] {
        let (bytes, outline) = content(size);
        let mut peers = Peers::new();
        peers.add("anna", One::new(&bytes, &outline)).await;
        let target = folder.path().join(size.to_string());
        peers.fetch(&target, &outline).await.expect("it is there");
        assert_eq!(fs::read(&target).expect("a file"), bytes, "{size} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_costs_a_group_and_is_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bytes, outline) = content(40 * GROUP_BYTES);
    let mut wrong = bytes.clone();
    for group in wrong.chunks_mut(GROUP_BYTES as usize) {
        group[3] ^= 1;
    }
    let mut peers = Peers::new();
    peers.add("liar", One::new(&wrong, &outline)).await;
    peers.add("anna", One::new(&bytes, &outline)).await;
    let target = folder.path().join("content");
    let fetched = peers.fetch(&target, &outline).await.expect("anna has it");
    assert_eq!(fetched.liars, [peers.found[0].key]);
    assert_eq!(fs::read(&target).expect("a file"), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_about_a_part_of_a_collection_is_one_about_the_collection() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bytes, outline) = content(2 * GROUP_BYTES);
    let collection = Root::of(b"a list");
    let mut liar = One::new(&vec![1; bytes.len()], &outline);
    liar.collection = Some(collection);
    let mut peers = Peers::new();
    peers.add("liar", liar).await;
    let (liars, mut told) = mpsc::unbounded_channel();
    let target = folder.path().join("content");
    let fetched = peers.fetch_of(Some(collection), &target, &outline, Some(liars));
    fetched.await.expect_err("nobody else has it");
    let (key, root) = (peers.found[0].key, collection);
    assert_eq!(told.recv().await, Some(Lie { key, root }));
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_have_a_part_each_give_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bytes, outline) = content(30 * GROUP_BYTES);
    let mut peers = Peers::new();
    for (name, part) in [("anna", 0..12), ("ben", 10..30)] {
        let mut one = One::new(&bytes, &outline);
        let mut have = Have::none(30);
        have.insert_run(part);
        one.have = Some(have);
        peers.add(name, one).await;
    }
    let target = folder.path().join("content");
    peers.fetch(&target, &outline).await.expect("it is there");
    assert_eq!(fs::read(&target).expect("a file"), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_changed_is_not_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bytes, outline) = content(GROUP_BYTES);
    let mut peers = Peers::new();
    peers.add("anna", One::new(&bytes[..9], &outline)).await;
    let target = folder.path().join("content");
    let error = peers.fetch(&target, &outline).await.expect_err("changed");
    assert!(error.to_string().contains("was changed"), "{error}");
    assert!(!target.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_without_permission_and_nobody_else_is_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bytes, outline) = content(10);
    let mut peers = Peers::new();
    peers.add("anna", One::new(&bytes, &outline)).await;
    let target = folder.path().join("content");
    peers.found[0].permission = Permission::Secret(vec![8; 32]);
    let error = peers.fetch(&target, &outline).await.expect_err("a guess");
    assert!(error.to_string().contains("not offered"), "{error}");
    peers.found[0].permission = Permission::Ticket(vec![8; 32]);
    peers.fetch(&target, &outline).await.expect_err("no ticket");

    peers.found[0].permission = Permission::Secret(SECRET.to_vec());
    peers.found[0].key = Fingerprint::of(b"somebody else's");
    let error = peers.fetch(&target, &outline).await.expect_err("not she");
    assert!(error.to_string().contains("cannot reach"), "{error}");
    assert_eq!(peers.contents["anna"].opened.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_interrupted_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bytes, outline) = content(8 * GROUP_BYTES);
    let target = folder.path().join("content");
    let mut have = Have::none(8);
    have.insert_run(0..5);
    let mut first = One::new(&bytes, &outline);
    first.have = Some(have);
    let mut peers = Peers::new();
    peers.add("anna", first).await;
    // She has a part and goes: what she gave stays.
    let stop = peers.stop.clone();
    let (_, mut sources) = watch::channel(());
    let part = part_path(&target, outline.root());
    let half = async {
        // Allocated as it comes: the rest is a hole.
        use std::os::unix::fs::MetadataExt as _;
        let has_all =
            || fs::metadata(&part).is_ok_and(|facts| facts.blocks() * 512 >= 5 * GROUP_BYTES);
        while !has_all() {
            tokio::task::yield_now().await;
        }
        stop.send_replace(true);
        let _ = sources.changed().await;
    };
    let (error, ()) = tokio::join!(peers.fetch(&target, &outline), half);
    error.expect_err("nobody has the rest");

    let mut peers = Peers::new();
    peers.add("ben", One::new(&bytes, &outline)).await;
    let fetched = peers.fetch(&target, &outline).await.expect("he has it");
    assert_eq!(fetched.recovered, 5 * GROUP_BYTES);
    assert_eq!(fs::read(&target).expect("a file"), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_at_a_low_rate_that_is_given_up_lets_go_of_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bytes, outline) = content(4 * GROUP_BYTES);
    let mut peers = Peers::new();
    peers.add("anna", One::new(&bytes, &outline)).await;
    let target = folder.path().join("content");
    let (sender, sources) = mpsc::channel(1);
    sender.send(peers.found[0].clone()).await.expect("room");
    let (status, mut shown) = watch::channel(Status::default());
    let download = Download {
        wanted: Wanted {
            root: outline.root(),
            size: outline.shape().size(),
            collection: None,
            target: target.clone(),
            overwrite: false,
        },
        sources,
        status,
        means: Means {
            // The third group is waited for by a quarter of a minute.
            throttle: Arc::new(Throttle::new(NonZeroU64::new(20 << 10))),
            ..Means::default()
        },
    };
    let has_two = shown.wait_for(|status| status.bytes >= 2 * GROUP_BYTES);
    tokio::select! {
        ended = download.run() => panic!("{ended:?}"),
        _ = has_two => {}
    }
    let part = fs::File::open(part_path(&target, outline.root())).expect("it was begun");
    let free = spawn_blocking(move || flock(part, FlockOperation::LockExclusive));
    let free = timeout(Duration::from_secs(5), free).await;
    free.expect("it lets go")
        .expect("no panic")
        .expect("a lock");
    let fetched = peers.fetch(&target, &outline).await;
    fetched.expect("nobody has the file any more");
    assert_eq!(fs::read(&target).expect("a file"), bytes);
}
