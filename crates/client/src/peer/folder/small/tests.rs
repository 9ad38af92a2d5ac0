use super::*;
use crate::peer::download::Lie;
use crate::peer::download::tests::{One, Peers, content};

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_about_a_file_is_one_about_the_collection_that_was_asked_for() {
    let (bytes, outline) = content(9_000);
    let collection = Root::of(b"a list");
    let mut liar = One::new(&vec![1; bytes.len()], &outline);
    liar.collection = Some(collection);
    let mut peers = Peers::new();
    peers.add("liar", liar).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (liars, mut told) = mpsc::unbounded_channel();
    let means = Means {
        liars: Some(liars),
        ..Means::default()
    };
    let file = SmallFile {
        root: outline.root(),
        size: bytes.len() as u64,
        place: folder.path().join("file"),
    };
    let mut small = Small::new(collection, vec![file], means);
    small.connect(peers.found[0].clone());
    // Which way it is reached comes first.
    while !small.is_alone() {
        small.next().await.expect("the disk has room");
    }
    assert!(!small.is_done());
    let (key, root) = (peers.found[0].key, collection);
    assert_eq!(told.recv().await, Some(Lie { key, root }));
}
