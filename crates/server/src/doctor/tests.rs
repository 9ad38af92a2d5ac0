use std::fs;
use std::os::unix::fs::symlink;

use directory::Directory;
use directory::chat::ChatStore;
use tempfile::TempDir;

use super::*;

/// A data directory as the first start leaves it, but for its messages.
fn data_directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).expect("the owner's");
    drop(Directory::open(&paths::directory(directory.path())).expect("a new database"));
    for name in ["journal", "queues"] {
        fs::create_dir(directory.path().join(name)).expect("a new directory");
    }
    directory
}

#[track_caller]
fn check(report: &Report, severity: Severity, subject: &str, fragment: &str) {
    let found = report.findings.iter().any(|finding| {
        finding.severity == severity
            && finding.subject.contains(subject)
            && finding.message.contains(fragment)
    });
    assert!(
        found,
        "no {severity:?} about {subject}: {fragment} in {report:#?}"
    );
}

#[test]
fn a_new_data_directory_is_sound() {
    let directory = data_directory();
    let report = examine(directory.path());
    assert!(report.is_sound(), "{report:#?}");
    check(&report, Severity::Good, "directory.sqlite", "accounts");
}

#[test]
fn a_database_whose_messages_are_missing_is_broken() {
    let directory = data_directory();
    fs::remove_dir(directory.path().join("journal")).expect("it is empty");
    let report = examine(directory.path());
    check(&report, Severity::Broken, "journal", "put it back");
}

#[test]
fn a_missing_directory_is_worth_a_note_and_stays_missing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let missing = directory.path().join("none");
    let report = examine(&missing);
    assert!(report.is_sound());
    check(&report, Severity::Warning, "none", "first start");
    assert!(!missing.exists());
}

#[test]
fn a_file_in_place_of_the_directory_is_broken() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("data");
    fs::write(&file, "").expect("a small file");
    check(&examine(&file), Severity::Broken, "data", "not a directory");
}

#[test]
fn an_open_directory_and_a_link_in_it_are_named() {
    let directory = data_directory();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("the owner's");
    symlink("/etc/passwd", directory.path().join("extra")).expect("a new link");
    let report = examine(directory.path());
    check(&report, Severity::Warning, "", "chmod 700");
    check(&report, Severity::Broken, "extra", "symbolic link");
    assert!(!report.is_sound());
}

#[test]
fn a_damaged_database_is_broken_and_not_touched() {
    let directory = data_directory();
    let database = paths::directory(directory.path());
    let mut bytes = fs::read(&database).expect("the database");
    bytes.iter_mut().take(64).for_each(|byte| *byte ^= 0xff);
    fs::write(&database, &bytes).expect("the owner's");
    let report = examine(directory.path());
    check(&report, Severity::Broken, "directory.sqlite", "");
    assert_eq!(fs::read(&database).expect("still there"), bytes);
}

#[test]
fn the_chat_is_counted_and_damage_to_it_named() {
    let directory = data_directory();
    let place = paths::chat(directory.path());
    let absent = examine(directory.path());
    check(&absent, Severity::Warning, "chat.sqlite", "first start");
    drop(ChatStore::open(&place).expect("a new database"));
    let report = examine(directory.path());
    assert!(report.is_sound(), "{report:#?}");
    check(&report, Severity::Good, "chat.sqlite", "0 rooms");
    fs::write(&place, "some text that is no database").expect("the owner's");
    let report = examine(directory.path());
    check(&report, Severity::Broken, "chat.sqlite", "damaged");
}

#[test]
fn an_empty_journal_is_sound() {
    let directory = data_directory();
    check(
        &examine(directory.path()),
        Severity::Good,
        "messages",
        "0 live in 0 durable queues",
    );
}
