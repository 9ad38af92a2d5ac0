use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A data directory with an entry of each kind.
fn sample() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for name in ["journal", "queues", "tls"] {
        fs::create_dir(dir.path().join(name)).expect("a new directory");
    }
    for name in [
        "LOCK",
        "directory.sqlite",
        "chat.sqlite",
        "journal/0000000001.journal",
        "journal/spare",
        "queues/0000000001-000000.segment",
        "tls/server.crt",
        "tls/server.key",
    ] {
        fs::write(dir.path().join(name), "x").expect("a new file");
    }
    dir
}

/// The one obstacle in a directory that was changed in one way.
fn only(change: impl FnOnce(&Path)) -> String {
    let dir = sample();
    assert_eq!(obstacles(dir.path(), own()), []);
    change(dir.path());
    let found = obstacles(dir.path(), own());
    let [obstacle] = found.as_slice() else {
        panic!("one obstacle, not {found:?}");
    };
    let said = obstacle.to_string();
    assert!(
        said.starts_with(&dir.path().display().to_string()),
        "{said}"
    );
    said
}

#[test]
fn a_link_is_named_whatever_it_stands_for() {
    for name in [
        "LOCK",
        "journal",
        "queues",
        "tls",
        "directory.sqlite",
        "chat.sqlite",
        "journal/0000000001.journal",
        "journal/spare",
        "queues/0000000001-000000.segment",
        "tls/server.crt",
        "tls/server.key",
    ] {
        let said = only(|dir| {
            let place = dir.join(name);
            let aside = dir.join("aside");
            fs::rename(&place, &aside).expect("it is there");
            symlink(&aside, &place).expect("a new link");
        });
        assert!(
            said.contains(&format!("{name} is a symbolic link")),
            "{said}"
        );
    }
}

#[test]
fn something_of_another_kind_is_named() {
    let said = only(|dir| {
        fs::remove_file(dir.join("directory.sqlite")).expect("it is there");
        fs::create_dir(dir.join("directory.sqlite")).expect("a new directory");
    });
    assert!(
        said.contains("directory.sqlite is not a regular file"),
        "{said}"
    );
    let said = only(|dir| fs::write(dir.join("admin.sock"), "x").expect("a new file"));
    assert!(said.contains("admin.sock is not a socket"), "{said}");
    let said = only(|dir| {
        fs::rename(dir.join("tls"), dir.join("aside")).expect("it is there");
        fs::write(dir.join("tls"), "x").expect("a new file");
    });
    assert!(said.contains("tls is not a directory"), "{said}");
}

#[test]
fn entries_of_another_account_are_named_and_not_what_is_unknown() {
    let dir = sample();
    fs::write(dir.path().join("lost+found"), "x").expect("a new file");
    fs::write(dir.path().join("journal/notes.txt"), "x").expect("a new file");
    let found = obstacles(dir.path(), own() + 1);
    let named = |name: &str| {
        found
            .iter()
            .any(|obstacle| obstacle.path.ends_with(name) && obstacle.remedy.contains("chown"))
    };
    assert!(named("LOCK") && named("directory.sqlite") && named("tls/server.key"));
    assert!(!named("lost+found") && !named("notes.txt"));
}

#[test]
fn what_may_not_be_written_is_named() {
    if rustix::process::geteuid().is_root() {
        // Root may write whatever its mode says; tests of the whole server give it another account.
        return;
    }
    let said = only(|dir| {
        let place = dir.join("directory.sqlite");
        fs::set_permissions(place, fs::Permissions::from_mode(0o400)).expect("the owner's");
    });
    assert!(said.contains("chmod 600"), "{said}");
}

#[test]
fn parts_that_are_missing_beside_others_are_named() {
    let said = only(|dir| fs::remove_dir_all(dir.join("journal")).expect("it is there"));
    assert!(said.contains("journal is missing"), "{said}");
    let said = only(|dir| {
        fs::remove_file(dir.join("journal/0000000001.journal")).expect("it is there");
    });
    assert!(said.contains("has no file"), "{said}");
    let said = only(|dir| {
        fs::rename(
            dir.join("directory.sqlite"),
            dir.join("directory.sqlite-wal"),
        )
        .expect("it is there");
    });
    assert!(said.contains("put that file back"), "{said}");
}
