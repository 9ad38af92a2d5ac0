use std::fs;

use super::super::lookup::BASE_NAME;
use super::{Audience, Catalog, FILE, Place};

#[test]
fn what_is_shared_is_found_by_its_exact_name() {
    let place = Place::new();
    let share = place.share(&Audience::Everyone);
    fs::create_dir(share.folder.join("deep")).expect("made");
    let root = place.put(&share, "50%_a.txt", b"one");
    let deep = place.put(&share, "deep/50%_a.txt", b"two");
    place.put(&share, "deep/x50%_a.txt", b"three");
    let named = |name: &str| {
        let named = place.catalog.named(name).expect("it is looked up");
        let roots: Vec<_> = named.into_iter().map(|named| named.root).collect();
        roots
    };
    assert_eq!(named("50%_a.txt"), [root, deep]);
    for name in [
        "50%_A.txt",
        "50x_a.txt",
        "a.txt",
        "deep",
        "deep/50%_a.txt/",
        "",
    ] {
        assert_eq!(named(name), [], "{name}");
    }
    let audience = Audience::Rooms(vec!["tea".to_owned()]);
    place.share(&audience);
    let named = place.catalog.named("x50%_a.txt").expect("looked up");
    assert_eq!((named[0].size, &named[0].audience), (5, &audience));
    place.catalog.share(&[]).expect("nothing is shared");
    assert_eq!(place.catalog.named("50%_a.txt").expect("looked up"), []);
}

#[test]
fn what_everyone_may_find_comes_first_then_the_first_path() {
    let place = Place::new();
    let (few, open) = (place.docs(), place.folder.path().join("open"));
    fs::create_dir_all(open.join("deep")).expect("made");
    let shares = place
        .catalog
        .share(&[(&*few, &Audience::Link), (&*open, &Audience::Everyone)]);
    let shares = shares.expect("they are shared");
    let closed = place.put(&shares[0], "a.txt", b"for few");
    let deep = place.put(&shares[1], "deep/a.txt", b"deep");
    let first = place.put(&shares[1], "a.txt", b"first");
    let named = place.catalog.named("a.txt").expect("it is looked up");
    let roots: Vec<_> = named.iter().map(|named| named.root).collect();
    assert_eq!(roots, [first, deep, closed]);
}

#[test]
fn a_name_is_found_without_reading_all_of_them() {
    let place = Place::new();
    let share = place.share(&Audience::Everyone);
    place.put(&share, "a.txt", b"one");
    // A catalog that an earlier program made.
    let index = "DROP INDEX files_by_name";
    let Place { folder, catalog } = place;
    catalog.read().execute_batch(index).expect("it is dropped");
    drop(catalog);
    let again = Catalog::open(&folder.path().join("state").join(FILE)).expect("it opens");
    assert_eq!(again.named("a.txt").expect("it is looked up").len(), 1);
    let reader = again.read();
    let sql = format!(
        "EXPLAIN QUERY PLAN SELECT root FROM files JOIN shares ON shares.id = share
         JOIN contents ON contents.id = content
         WHERE shared = 1 AND kind = 0 AND have IS NULL AND {BASE_NAME} = ?1
         ORDER BY audience = ?2 DESC, path LIMIT ?3"
    );
    let mut statement = reader.prepare(&sql).expect("it is understood");
    let steps = statement.query_map(("a", "b", 1), |row| row.get::<_, String>(3));
    let steps: Vec<_> = steps
        .expect("a plan")
        .map(Result::unwrap_or_default)
        .collect();
    let is_by_name = |step: &String| step.contains("files USING INDEX files_by_name");
    assert!(steps.iter().any(is_by_name), "{steps:?}");
    assert!(
        steps.iter().all(|step| !step.starts_with("SCAN files")),
        "{steps:?}"
    );
}
