use proptest::prelude::*;

use super::*;
use crate::limits::CONTENT_BYTES_MAX;

fn path(path: &str) -> RelativePath {
    RelativePath::parse(path).expect("a safe path")
}

fn file(name: &str, mode: u16, bytes: &[u8]) -> Entry {
    let (size, root) = (bytes.len() as u64, Root::of(bytes));
    let kind = Kind::File { size, root };
    Entry {
        path: path(name),
        mode,
        kind,
    }
}

fn folder(name: &str, mode: u16) -> Entry {
    Entry {
        path: path(name),
        mode,
        kind: Kind::Folder,
    }
}

const EMPTY: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

#[test]
fn a_folder_is_written_in_one_way() {
    let entries = vec![
        file("b/run me.sh", 0o755, b""),
        folder("b", 0o700),
        file("b.txt", 0o644, b""),
        folder("empty", 0o755),
    ];
    let mut reversed = entries.clone();
    reversed.reverse();
    let collection = Collection::new(entries).expect("good");
    assert_eq!(Collection::new(reversed), Ok(collection.clone()));
    let due = format!(
        "chaski-collection 1\nd 700 b\nf 644 0 {EMPTY} b.txt\nf 755 0 {EMPTY} b/run me.sh\nd 755 empty\n"
    );
    assert_eq!(collection.encode(), due);
    assert_eq!(Collection::decode(due.as_bytes()), Ok(collection.clone()));
    let executable = collection.entries().iter().map(Entry::is_executable);
    assert_eq!(executable.collect::<Vec<_>>(), [false, false, true, false]);
}

#[test]
fn entries_that_make_no_folder_are_refused() {
    let refused = |entries| Collection::new(entries).expect_err("no folder");
    let twice = refused(vec![file("a", 0, b""), folder("a", 0)]);
    assert_eq!(twice, CollectionError::Order(path("a")));
    let orphan = refused(vec![file("a/b", 0, b"")]);
    assert_eq!(orphan, CollectionError::Parent(path("a/b")));
    let in_a_file = refused(vec![file("a", 0, b""), file("a/b", 0, b"")]);
    assert_eq!(in_a_file, CollectionError::Parent(path("a/b")));
    let mode = refused(vec![file("a", 0o4755, b"")]);
    assert_eq!(mode, CollectionError::Mode(path("a")));
    let clash = refused(vec![file("a", 0, b""), folder("A", 0)]);
    assert!(matches!(clash, CollectionError::Clash(clash) if clash.one == "A"));
    let size = CONTENT_BYTES_MAX + 1;
    let root = Root::of(b"");
    let kind = Kind::File { size, root };
    let large = Entry {
        path: path("a"),
        mode: 0,
        kind,
    };
    assert_eq!(
        refused(vec![large]),
        CollectionError::TooLarge(TooLarge(size))
    );
}

#[test]
fn bytes_that_are_no_manifest_are_refused() {
    let first = "chaski-collection 1\n";
    for text in [
        "",
        "chaski-collection 1",
        "chaski-collection 2\n",
        "chaski-collection 1\nd 755 a",
    ] {
        assert_eq!(
            Collection::decode(text.as_bytes()),
            Err(CollectionError::Header),
            "{text:?}"
        );
    }
    let upper = EMPTY.to_uppercase();
    for line in [
        "",
        "d",
        "d 755",
        "x 755 a",
        "d 0755 a",
        "d 75 a",
        "d +75 a",
        "d 788 a",
        "f 644 0 a",
        &format!("f 644 00 {EMPTY} a"),
        &format!("f 644 +1 {EMPTY} a"),
        &format!("f 644 0 {upper} a"),
        &format!("f 644 -1 {EMPTY} a"),
    ] {
        let text = format!("{first}d 755 0\n{line}\n");
        assert_eq!(
            Collection::decode(text.as_bytes()),
            Err(CollectionError::Line(3)),
            "{line:?}"
        );
    }
    for unsafe_path in ["../x", "/etc/passwd", "a\rb", "CON", ""] {
        let text = format!("{first}d 755 {unsafe_path}\n");
        let refused = Collection::decode(text.as_bytes());
        assert!(
            matches!(refused, Err(CollectionError::Path(_))),
            "{unsafe_path:?}"
        );
    }
    let unsorted = format!("{first}d 755 b\nd 755 a\n");
    assert_eq!(
        Collection::decode(unsorted.as_bytes()),
        Err(CollectionError::Order(path("a")))
    );
    assert_eq!(
        Collection::decode(b"chaski-collection 1\nd 755 \xff\n"),
        Err(CollectionError::Header)
    );
}

#[test]
fn a_manifest_has_bounds() {
    let lines = |count: usize| -> String {
        (0..count)
            .map(|index| format!("d 755 {index:07}\n"))
            .collect()
    };
    let text = format!("{FIRST_LINE}\n{}", lines(COLLECTION_ENTRIES_MAX + 1));
    assert_eq!(
        Collection::decode(text.as_bytes()),
        Err(CollectionError::Entries)
    );
    let long = vec![b'x'; COLLECTION_BYTES_MAX + 1];
    assert_eq!(Collection::decode(&long), Err(CollectionError::Bytes));
}

proptest! {
    #[test]
    fn what_is_decoded_is_encoded_to_the_same_bytes(lines in proptest::collection::vec("[df] [0-7]{3} ([0-9]{1,2} R )?[a-c](/[a-c]){0,1}", 0..5)) {
        let text: String = lines.iter().map(|line| line.replace('R', EMPTY) + "\n").collect();
        let text = format!("{FIRST_LINE}\n{text}");
        if let Ok(collection) = Collection::decode(text.as_bytes()) {
            prop_assert_eq!(collection.encode(), text);
            prop_assert_eq!(Collection::new(collection.entries().to_vec()), Ok(collection));
        }
    }

    #[test]
    fn folders_go_over_the_wire(names in proptest::collection::btree_map("[a-d]{1,2}", (any::<bool>(), 0..0o1000_u16, "[a-z]{0,3}"), 0..8)) {
        let mut entries = Vec::new();
        for (name, (is_folder, mode, inner)) in &names {
            if *is_folder {
                entries.push(folder(name, *mode));
                if !inner.is_empty() && inner != "con" && inner != "nul" && inner != "aux" && inner != "prn" {
                    entries.push(file(&format!("{name}/{inner}"), *mode, inner.as_bytes()));
                }
            } else {
                entries.push(file(name, *mode, name.as_bytes()));
            }
        }
        let collection = Collection::new(entries).expect("good");
        prop_assert_eq!(Collection::decode(collection.encode().as_bytes()), Ok(collection));
    }
}
