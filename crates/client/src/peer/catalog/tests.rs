mod named;

use std::fs;

use files::content::{Chaining, Outline};
use files::limits::{GROUP_BYTES, SEGMENT_BYTES};
use tempfile::TempDir;

use super::*;
use crate::peer::sink::part_path;

const GROUP: usize = GROUP_BYTES as usize;

struct Place {
    folder: TempDir,
    catalog: Catalog,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("docs")).expect("a share");
        let catalog = Catalog::open(&folder.path().join("state").join(FILE));
        Self {
            catalog: catalog.expect("it opens"),
            folder,
        }
    }

    fn docs(&self) -> PathBuf {
        self.folder.path().join("docs")
    }

    fn share(&self, audience: &Audience) -> Share {
        let shares = self.catalog.share(&[(&self.docs(), audience)]);
        shares.expect("it is shared").remove(0)
    }

    /// Writes a file of the share and notes it, as a scan would.
    fn put(&self, share: &Share, relative: &str, bytes: &[u8]) -> Root {
        let path = share.folder.join(relative);
        fs::write(&path, bytes).expect("it is written");
        let outline = Outline::of(bytes).expect("it is hashed");
        let found = found(&path, relative, Content::Hashed(Box::new(outline.clone())));
        self.catalog.put(share, &[found], 7).expect("it is noted");
        outline.root()
    }

    /// Everything from a revision on, in steps of `step`.
    fn told(&self, mut from: u64, step: usize) -> (Vec<String>, Vec<String>) {
        let (mut put, mut remove) = (Vec::new(), Vec::new());
        loop {
            let changes = self.catalog.changes(from, step).expect("changes");
            assert!(changes.put.len() + changes.remove.len() <= step);
            put.extend(changes.put.into_iter().map(|entry| entry.file));
            remove.extend(changes.remove);
            if changes.is_last {
                return (put, remove);
            }
            assert!(changes.to > from, "it goes on");
            from = changes.to;
        }
    }
}

fn found(path: &Path, relative: &str, content: Content) -> Found {
    Found {
        relative: relative.to_owned(),
        stamp: Stamp::of(&fs::symlink_metadata(path).expect("a file")),
        mode: 0o644,
        content,
    }
}

/// An outline of a content that nobody could keep for a test.
fn large(size: u64) -> Outline {
    let shape = Shape::new(size).expect("not too large");
    let value = |group: u32| {
        let mut value = [3; 32];
        value[..4].copy_from_slice(&group.to_le_bytes());
        Chaining::from_bytes(value)
    };
    Outline::new(shape, (0..shape.groups()).map(value).collect()).expect("as many as groups")
}

#[test]
fn a_content_is_found_while_its_file_is_as_it_was() {
    let place = Place::new();
    let share = place.share(&Audience::Everyone);
    let root = place.put(&share, "a.txt", b"a text");
    let holding = place.catalog.find(&root).expect("find").expect("here");
    assert_eq!(holding.path, share.folder.join("a.txt"));
    assert_eq!((holding.size, holding.have.clone()), (6, None));
    holding.open().expect("as it was");
    fs::write(&holding.path, b"another text").expect("written");
    assert_eq!(place.catalog.find(&root).expect("find"), None);
    assert!(holding.open().is_err());
    assert_eq!(place.catalog.find(&Root::of(b"other")).expect("find"), None);
}

#[test]
fn of_two_files_with_one_content_either_serves() {
    let place = Place::new();
    let share = place.share(&Audience::Everyone);
    let root = place.put(&share, "a", b"same");
    place.put(&share, "b", b"same");
    fs::remove_file(share.folder.join("a")).expect("removed");
    let holding = place.catalog.find(&root).expect("find").expect("here");
    assert_eq!(holding.path, share.folder.join("b"));
    // The content stays as long as one of its files.
    let gone = |name: &str| place.catalog.remove(&share, &[name.to_owned()]);
    gone("a").expect("noted");
    assert!(place.catalog.find(&root).expect("find").is_some());
    gone("b").expect("noted");
    assert!(matches!(place.catalog.top(&root), Err(CatalogError::NotHere(it)) if it == root));
}

#[test]
fn a_symbolic_link_in_place_of_the_file_is_not_followed() {
    let place = Place::new();
    let share = place.share(&Audience::Everyone);
    let root = place.put(&share, "a", b"bytes");
    let holding = place.catalog.find(&root).expect("find").expect("here");
    let moved = place.folder.path().join("moved");
    fs::rename(&holding.path, &moved).expect("moved");
    std::os::unix::fs::symlink(&moved, &holding.path).expect("a link");
    assert!(holding.open().is_err());
    assert_eq!(place.catalog.find(&root).expect("find"), None);
}

#[test]
fn hashes_are_given_as_peers_are_told_them() {
    let place = Place::new();
    let share = place.share(&Audience::Everyone);
    let empty = place.put(&share, "empty", b"");
    assert!(place.catalog.top(&empty).expect("top").is_empty());
    assert_eq!(place.catalog.segment(&empty, 0).expect("segment"), None);
    let small = place.put(&share, "small", b"small");
    assert!(place.catalog.top(&small).expect("top").is_empty());
    let alone = place.catalog.segment(&small, 0).expect("segment");
    assert_eq!(alone.as_deref(), Some(small.as_bytes().as_slice()));

    let outlines = [GROUP_BYTES + 1, SEGMENT_BYTES, 2 * SEGMENT_BYTES + 5].map(large);
    for (index, outline) in outlines.into_iter().enumerate() {
        let name = index.to_string();
        let path = share.folder.join(&name);
        fs::write(&path, "").expect("written");
        let content = Content::Hashed(Box::new(outline.clone()));
        let noted = place
            .catalog
            .put(&share, &[found(&path, &name, content)], 7);
        noted.expect("it is noted");
        let root = outline.root();
        let top = place.catalog.top(&root).expect("top");
        assert_eq!(top, outline.top().encode());
        for index in 0..outline.shape().segments() {
            let segment = place.catalog.segment(&root, index).expect("segment");
            let due = outline.segment(index).expect("there is one").encode();
            assert_eq!(segment, Some(due), "segment {index}");
        }
        let behind = outline.shape().segments();
        assert_eq!(place.catalog.segment(&root, behind).expect("none"), None);
    }
}

#[test]
fn what_is_fetched_is_given_as_far_as_it_is_there() {
    let place = Place::new();
    place.share(&Audience::Everyone);
    let bytes = vec![5; 2 * GROUP + 9];
    let outline = Outline::of(&bytes).expect("hashed");
    let (root, size) = (outline.root(), bytes.len() as u64);
    let whole = place.docs().join("a.iso");
    let part = part_path(&whole, root);
    fs::write(&part, &bytes).expect("written");
    let top = outline.top().encode();
    let catalog = &place.catalog;
    assert!(catalog.begin_partial(&root, size, &part, &[1; 32]).is_err());
    catalog
        .begin_partial(&root, size, &part, &top)
        .expect("begun");
    // Nothing of it is here, so nobody is told.
    assert_eq!(place.told(0, 10), (vec![], vec![]));
    assert_eq!(catalog.segment(&root, 0).expect("segment"), None);
    let early = catalog.complete(&root, &part);
    assert!(matches!(early, Err(CatalogError::Incomplete(it)) if it == root));

    assert!(catalog.add_segment(&root, 0, &[1; 96]).is_err());
    let hashes = outline.segment(0).expect("a segment").encode();
    catalog.add_segment(&root, 0, &hashes).expect("added");
    let mut have = Have::none(3);
    have.insert(1);
    catalog.grow(&root, &have).expect("grown");
    let holding = catalog.find(&root).expect("find").expect("here");
    assert_eq!((holding.have, &holding.path), (Some(have.clone()), &part));
    let told = catalog.changes(0, 10).expect("changes").put.remove(0);
    assert_eq!((&*told.name, &*told.path), ("a.iso", "docs/a.iso"));
    assert_eq!(told.have, Some(have.encode()));

    // Whoever begins again with the same file goes on.
    catalog
        .begin_partial(&root, size, &part, &top)
        .expect("again");
    assert_eq!(catalog.partial(&root).expect("partial"), Some(have));
    fs::rename(&part, &whole).expect("renamed");
    catalog.complete(&root, &whole).expect("complete");
    let holding = catalog.find(&root).expect("find").expect("here");
    assert_eq!((holding.have, holding.path), (None, whole));
    assert_eq!(catalog.partial(&root).expect("partial"), None);
    let (put, remove) = place.told(0, 10);
    assert_eq!(put, ["docs/a.iso"]);
    let grew = part.file_name().expect("a name").to_string_lossy();
    assert_eq!(remove, [format!("docs/{grew}")]);
}

#[test]
fn a_file_outside_of_all_shares_is_given_and_not_told_of() {
    let place = Place::new();
    place.share(&Audience::Everyone);
    let path = place.folder.path().join("elsewhere");
    fs::write(&path, "some").expect("written");
    let root = Root::of(b"some");
    let catalog = &place.catalog;
    catalog.begin_partial(&root, 4, &path, &[]).expect("begun");
    catalog.complete(&root, &path).expect("complete");
    assert!(catalog.find(&root).expect("find").is_some());
    assert_eq!(place.told(0, 10), (vec![], vec![]));
    catalog.forget_path(&path).expect("forgotten");
    assert_eq!(catalog.find(&root).expect("find"), None);
}

#[test]
fn differences_are_told_once_in_steps() {
    let place = Place::new();
    let share = place.share(&Audience::Everyone);
    for name in ["a", "b", "c"] {
        place.put(&share, name, name.as_bytes());
    }
    let (put, remove) = place.told(0, 2);
    assert_eq!(
        (put, remove),
        (
            ["a", "b", "c"].map(|name| format!("docs/{name}")).to_vec(),
            vec![]
        )
    );
    let before = place.catalog.revision().expect("a revision");
    assert!(place.catalog.remembers(before).expect("remembers"));
    assert!(!place.catalog.remembers(before + 1).expect("remembers"));
    assert!(!place.catalog.remembers(4).expect("remembers"));

    place.put(&share, "b", b"B");
    place
        .catalog
        .remove(&share, &["a".into()])
        .expect("removed");
    assert_eq!(
        place.told(before, 1),
        (vec!["docs/b".into()], vec!["docs/a".into()])
    );
    let last = place.catalog.revision().expect("a revision");
    place.catalog.forget_removals(last).expect("forgotten");
    assert!(!place.catalog.remembers(before).expect("remembers"));
    assert!(place.catalog.remembers(last).expect("remembers"));
    // One that comes again is not gone.
    place
        .catalog
        .remove(&share, &["b".into()])
        .expect("removed");
    place.put(&share, "b", b"B");
    assert_eq!(place.told(last, 9), (vec!["docs/b".into()], vec![]));
}

#[test]
fn another_audience_is_told_and_what_is_not_shared_any_more_is_gone() {
    let place = Place::new();
    let share = place.share(&Audience::Everyone);
    let root = place.put(&share, "a", b"a");
    let first = place.catalog.revision().expect("a revision");
    place.share(&Audience::Everyone);
    assert_eq!(place.told(first, 9), (vec![], vec![]));

    let room = Audience::Rooms(vec!["tea".into()]);
    place.share(&room);
    let changes = place.catalog.changes(first, 9).expect("changes");
    assert_eq!(changes.put[0].audience, room);

    let second = place.catalog.revision().expect("a revision");
    place.catalog.share(&[]).expect("nothing is shared");
    assert_eq!(place.told(second, 9), (vec![], vec!["docs/a".into()]));
    assert_eq!(place.catalog.find(&root).expect("find"), None);
    // What is shared again need not be hashed again.
    let third = place.catalog.revision().expect("a revision");
    let share = place.share(&room);
    assert_eq!(place.told(third, 9), (vec!["docs/a".into()], vec![]));
    let known = place.catalog.known(share.id, &share.folder).expect("known");
    assert_eq!(known["a"].root, root);
    assert!(known["a"].is_there);
}

#[test]
fn folders_of_one_name_are_told_apart() {
    let place = Place::new();
    let other = place.folder.path().join("other").join("docs");
    let shares = [
        (&*place.docs(), &Audience::Everyone),
        (&*other, &Audience::Link),
    ];
    let shares = place.catalog.share(&shares).expect("shared");
    let labels: Vec<_> = shares.iter().map(|share| &*share.label).collect();
    assert_eq!(labels, ["docs", "docs-2"]);
}

#[test]
fn a_folders_collection_takes_the_place_of_the_one_before() {
    let place = Place::new();
    let share = place.share(&Audience::Everyone);
    let member = place.put(&share, "a", b"a");
    let mut removed = Vec::new();
    let mut roots = Vec::new();
    for number in 0..6_u8 {
        let outline = Outline::of(&[number]).expect("hashed");
        let path = place.folder.path().join(outline.root().to_string());
        fs::write(&path, [number]).expect("written");
        let former = place
            .catalog
            .put_collection(&share, &path, &outline, &[member], 7);
        removed.extend(former.expect("noted"));
        roots.push((outline.root(), path));
    }
    let changes = place.catalog.changes(0, 9).expect("changes");
    let told = changes
        .put
        .iter()
        .find(|entry| entry.kind == Kind::Collection);
    let told = told.expect("the collection");
    assert_eq!(
        (told.root, &*told.name, &*told.path),
        (roots[5].0, "docs", "docs")
    );
    assert_eq!(changes.put.len(), 2);
    // Whoever fetches one of the last few may end that.
    assert_eq!(removed, [roots[0].1.clone(), roots[1].1.clone()]);
    assert!(
        place
            .catalog
            .is_member(&roots[2].0, &member)
            .expect("asked")
    );
    assert_eq!(place.catalog.members(&roots[5].0).expect("asked"), [member]);
    assert!(
        !place
            .catalog
            .is_member(&roots[1].0, &member)
            .expect("asked")
    );
    assert!(
        !place
            .catalog
            .is_member(&roots[5].0, &roots[5].0)
            .expect("asked")
    );
}

#[test]
fn what_was_noted_is_there_when_it_is_opened_again() {
    let place = Place::new();
    let share = place.share(&Audience::Everyone);
    let root = place.put(&share, "a", &vec![1; GROUP + 1]);
    let again = Catalog::open(&place.folder.path().join("state").join(FILE)).expect("it opens");
    assert!(again.find(&root).expect("find").is_some());
    assert_eq!(
        again.segment(&root, 0).expect("segment"),
        place.catalog.segment(&root, 0).expect("segment")
    );
    let stamp = Stamp::of(&fs::metadata(share.folder.join("a")).expect("a file"));
    let moved = again.by_inode(&stamp, GROUP_BYTES + 1).expect("asked");
    assert_eq!(moved, [(share.folder.join("a"), root)]);
    assert_eq!(again.by_inode(&stamp, GROUP_BYTES).expect("asked"), []);
}

#[test]
fn a_damaged_catalog_is_moved_aside_and_a_foreign_one_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    fs::write(&path, vec![7; 9_000]).expect("written");
    let catalog = Catalog::open(&path).expect("a new one");
    assert!(catalog.revision().expect("a revision") > 0);
    let aside = folder.path().join(format!("{FILE}.damaged"));
    assert_eq!(fs::read(aside).expect("moved aside").len(), 9_000);

    let foreign = folder.path().join("foreign.sqlite");
    let connection = Connection::open(&foreign).expect("made");
    connection
        .execute_batch("CREATE TABLE mine (it)")
        .expect("a table");
    assert!(matches!(Catalog::open(&foreign), Err(CatalogError::Foreign(it)) if it == foreign));
}
