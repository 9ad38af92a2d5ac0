//! The files: synchronised, closed to others, full, locked, damaged.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A copy of the files as they are is what a killed process leaves behind.
#[test]
fn a_commit_is_in_the_files_before_it_returns() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let copies = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture.folder.path()).unwrap() {
        let entry = entry.unwrap();
        // The shared-memory index is rebuilt after a crash.
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), copies.path().join(entry.file_name())).unwrap();
        }
    }
    let recovered = Directory::open(&copies.path().join("directory.sqlite")).unwrap();
    assert_eq!(recovered.load().unwrap(), fixture.snapshot());
}

#[test]
fn every_commit_is_synchronised() {
    let fixture = Fixture::new();
    let pragma = |name: &str| -> rusqlite::types::Value {
        fixture
            .directory
            .connection
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap()
    };
    use rusqlite::types::Value::{Integer, Text};
    assert_eq!(pragma("journal_mode"), Text("wal".into()));
    assert_eq!(pragma("synchronous"), Integer(2));
    assert_eq!(pragma("foreign_keys"), Integer(1));
    assert_eq!(pragma("busy_timeout"), Integer(5000));
}

#[test]
fn nobody_else_may_read_the_files() {
    let fixture = Fixture::furnished();
    let modes = |folder: &Path| -> Vec<u32> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777)
            .collect()
    };
    assert_eq!(modes(fixture.folder.path()), [0o600, 0o600, 0o600]);

    let path = fixture.directory.path().to_owned();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let fixture = fixture.reopen();
    assert_eq!(modes(fixture.folder.path()), [0o600, 0o600, 0o600]);
}

#[test]
fn what_is_not_ours_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.sqlite");
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE t (a INT)").unwrap();
    drop(theirs);
    let before = fs::read(&path).unwrap();
    let failure = Directory::open(&path).unwrap_err();
    assert_eq!(
        format!("{failure}: {}", failure.source),
        format!(
            "cannot open {}: it is an SQLite database of another program",
            path.display()
        )
    );
    assert!(fs::read(&path).unwrap() == before);

    fs::write(
        &path,
        b"no database, just some text that a person wrote down",
    )
    .unwrap();
    assert_eq!(Directory::open(&path).unwrap_err().operation, "open");
    assert_eq!(
        Directory::open(folder.path()).unwrap_err().operation,
        "open"
    );
    let nowhere = folder.path().join("missing/directory.sqlite");
    assert_eq!(Directory::open(&nowhere).unwrap_err().operation, "create");
}

#[test]
fn a_full_disk_fails_the_whole_group_and_passes() {
    let mut fixture = Fixture::furnished();
    let before = fixture.snapshot();
    let set_pages_max = |directory: &Directory, pages: i64| {
        directory
            .connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
    };
    // SQLite reads this as "no more than there are".
    set_pages_max(&fixture.directory, 1);
    let huge = Change::ExchangeDeclared(Exchange {
        arguments: vec![7; 1 << 20],
        ..exchange("/", "huge")
    });
    let small = Change::ExchangeDeclared(exchange("/", "small"));
    let results = fixture
        .directory
        .commit_batches(&[vec![small.clone()], vec![huge.clone()]]);
    for result in results {
        let failure = failed(result);
        assert_eq!(failure.operation, "write to");
        assert!(failure.source.to_string().contains("full"), "{failure:?}");
    }
    assert_eq!(fixture.snapshot(), before);

    set_pages_max(&fixture.directory, 1 << 20);
    fixture.commit(&[small, huge]);
    assert_eq!(fixture.snapshot().exchanges.len(), 2);
}

#[test]
fn a_database_locked_by_another_process_fails_and_passes() {
    let mut fixture = Fixture::furnished();
    let connection = &fixture.directory.connection;
    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let other = Connection::open(fixture.directory.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let change = [Change::ExchangeDeclared(exchange("/", "x"))];
    let failure = failed(fixture.directory.commit(&change));
    assert!(failure.source.to_string().contains("locked"), "{failure:?}");
    other.execute_batch("ROLLBACK").unwrap();
    fixture.commit(&change);
}

#[test]
fn a_poisoned_directory_repeats_its_first_failure_and_writes_nothing() {
    use rusqlite::ffi;
    let error = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
    for code in [
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_CORRUPT,
        ffi::SQLITE_NOTADB,
    ] {
        assert!(file::is_poisonous(&error(code)), "{code}");
    }
    for code in [ffi::SQLITE_FULL, ffi::SQLITE_BUSY, ffi::SQLITE_CONSTRAINT] {
        assert!(!file::is_poisonous(&error(code)), "{code}");
    }

    let mut fixture = Fixture::furnished();
    let before = fixture.snapshot();
    let path = fixture.directory.path().to_owned();
    let first = Failure::new("write to", path, error(ffi::SQLITE_IOERR_FSYNC));
    fixture.directory.poison = Some(first.clone());
    let change = Change::ExchangeDeclared(exchange("/", "x"));
    let failure = failed(fixture.directory.commit(&[change]));
    assert_eq!(failure.to_string(), first.to_string());
    assert_eq!(failure.source.to_string(), first.source.to_string());
    // Reading what is known to be there goes on.
    assert_eq!(fixture.snapshot(), before);
}

#[test]
fn a_value_that_no_version_writes_is_a_failure_that_names_it() {
    let fixture = Fixture::furnished();
    fixture
        .directory
        .connection
        .execute_batch(
            "PRAGMA ignore_check_constraints = ON;
             INSERT INTO queues VALUES (1, '/', 'q', 'mystery', 1, 0, x'', NULL);",
        )
        .unwrap();
    let failure = fixture.directory.load().unwrap_err();
    assert_eq!(failure.operation, "read");
    assert!(
        format!("{:?}", failure.source).contains("mystery"),
        "{failure:?}"
    );
}
