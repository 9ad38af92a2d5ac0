#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[test]
fn figures_are_taken_and_the_file_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    for (append, loopback) in [(false, false), (true, false), (false, true), (true, true)] {
        let report = run(&DiskOptions {
            directory: directory.path().to_owned(),
            bytes: 4_096,
            duration: Duration::from_millis(20),
            append,
            loopback,
        })
        .unwrap();
        assert!(report.writes_per_s > 0.0);
        assert!(report.latency.p50_us <= report.latency.max_us);
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 0, "append {append}, loopback {loopback}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = run(&DiskOptions {
        directory: PathBuf::from("/nonexistent"),
        bytes: 4_096,
        duration: Duration::ZERO,
        append: true,
        loopback: true,
    })
    .unwrap_err();
    assert!(
        error.to_string().contains("cannot create /nonexistent/"),
        "{error}"
    );
}

#[test]
fn a_write_that_fails_over_the_connection_says_why() {
    let full = |slot: usize| match slot {
        0 => Ok(()),
        _ => Err(io::Error::from(io::ErrorKind::StorageFull)),
    };
    let mut asker = loopback::Asker::start(full).unwrap();
    asker.ask(0).unwrap();
    let error = asker.ask(1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}
