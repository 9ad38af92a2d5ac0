use std::fs;
use std::io::Read as _;

use files::collection::Collection;
use files::content::Root;

use super::{PackError, Packing, Parcels};
use crate::peer::serving::Contents as _;

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
