use std::fs;

use super::{Audience, Place};

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
