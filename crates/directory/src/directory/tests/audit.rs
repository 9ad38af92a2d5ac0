//! The audit log: written with what it is about, and read a part at a time.

use super::*;
use crate::limits::{AUDIT_DETAIL_BYTES_MAX, AUDIT_TEXT_BYTES_MAX};
use crate::{AuditFilter, Reader};

fn record(at_ms: u64, actor: &str, action: &str, object: &str) -> AuditRecord {
    AuditRecord {
        at_ms,
        actor: actor.into(),
        door: "http".into(),
        address: "192.0.2.1:9".into(),
        action: action.into(),
        object_kind: "queue".into(),
        object: object.into(),
        outcome: "done".into(),
        detail: "because".into(),
    }
}

/// Five entries, 1 to 5.
fn logged() -> (Fixture, Reader) {
    let mut fixture = Fixture::furnished();
    let changes: Vec<Change> = [
        record(100, "ana", "declare", "work"),
        record(200, "ben", "declare", "jobs"),
        record(300, "ana", "delete", "work"),
        record(300, "ana", "declare", "work"),
        record(400, "ben", "delete", "work"),
    ]
    .map(Change::AuditAdded)
    .into();
    fixture.commit(&changes);
    let reader = Reader::open(fixture.directory.path()).unwrap();
    (fixture, reader)
}

fn ids(reader: &Reader, filter: AuditFilter) -> Vec<u64> {
    let entries = reader.audit(&filter).unwrap();
    entries.iter().map(|entry| entry.id).collect()
}

#[test]
fn each_part_of_a_filter_leaves_entries_out() {
    let (_fixture, reader) = logged();
    let all = AuditFilter::default;
    let some = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (all(), &[1, 2, 3, 4, 5][..]),
        (
            AuditFilter {
                newest_first: true,
                ..all()
            },
            &[5, 4, 3, 2, 1],
        ),
        (
            AuditFilter {
                after_id: 2,
                before_id: Some(5),
                ..all()
            },
            &[3, 4],
        ),
        (
            AuditFilter {
                actor: some("ana"),
                ..all()
            },
            &[1, 3, 4],
        ),
        (
            AuditFilter {
                action: some("delete"),
                ..all()
            },
            &[3, 5],
        ),
        (
            AuditFilter {
                object: some("jobs"),
                ..all()
            },
            &[2],
        ),
        // From the first moment on, before the second one.
        (
            AuditFilter {
                since_ms: Some(200),
                until_ms: Some(300),
                ..all()
            },
            &[2],
        ),
        (
            AuditFilter {
                since_ms: Some(300),
                until_ms: Some(u64::MAX),
                ..all()
            },
            &[3, 4, 5],
        ),
        (
            AuditFilter {
                limit: 2,
                newest_first: true,
                before_id: Some(5),
                ..all()
            },
            &[4, 3],
        ),
        (
            AuditFilter {
                actor: some("ana"),
                action: some("declare"),
                object: some("work"),
                after_id: 1,
                ..all()
            },
            &[4],
        ),
        (AuditFilter { limit: 0, ..all() }, &[]),
        (
            AuditFilter {
                after_id: u64::MAX,
                ..all()
            },
            &[],
        ),
    ] {
        assert_eq!(ids(&reader, filter.clone()), expected, "{filter:?}");
    }
}

#[test]
fn a_reader_follows_what_is_committed_and_nothing_else() {
    let (mut fixture, reader) = logged();
    let after = AuditFilter {
        after_id: 5,
        ..AuditFilter::default()
    };
    let entry = record(500, "ana", "rename", "work");
    // A refused batch is not logged.
    let refused = refused(fixture.directory.commit(&[
        Change::AuditAdded(entry.clone()),
        Change::VhostAdded { name: "/".into() },
    ]));
    assert_eq!(refused, already_exists(Subject::VirtualHost, "/"));
    assert_eq!(reader.audit(&after).unwrap(), []);

    fixture.commit(&[
        Change::VhostAdded { name: "v".into() },
        Change::AuditAdded(entry.clone()),
    ]);
    let entries = reader.audit(&after).unwrap();
    assert_eq!(entries.len(), 1);
    assert!(entries[0].id > 5);
    assert_eq!(entries[0].record, entry);
    assert_eq!(reader.snapshot().unwrap(), fixture.snapshot());
}

#[test]
fn a_trimmed_log_never_gives_a_number_twice() {
    let (mut fixture, reader) = logged();
    fixture.commit(&[Change::AuditTrimmed { before_id: 4 }]);
    assert_eq!(ids(&reader, AuditFilter::default()), [4, 5]);
    fixture.commit(&[
        Change::AuditTrimmed {
            before_id: i64::MAX.unsigned_abs(),
        },
        Change::AuditAdded(record(1, "ana", "declare", "work")),
    ]);
    assert_eq!(ids(&reader, AuditFilter::default()), [6]);
}

#[test]
fn an_entry_outlives_what_it_is_about() {
    let (mut fixture, reader) = logged();
    fixture.commit(&[
        Change::AccountDeleted {
            login: "ana".into(),
        },
        Change::VhostDeleted { name: "/".into() },
    ]);
    assert_eq!(ids(&reader, AuditFilter::default()).len(), 5);
}

#[test]
fn a_text_that_is_too_long_is_cut_off_between_characters() {
    let mut fixture = Fixture::furnished();
    let long = "é".repeat(5_000);
    // One byte in front, so that the bound falls into a character.
    let odd = format!("x{long}");
    fixture.commit(&[Change::AuditAdded(AuditRecord {
        actor: odd.clone(),
        object: long.clone(),
        detail: odd,
        ..record(1, "", "declare", "")
    })]);
    let reader = Reader::open(fixture.directory.path()).unwrap();
    let entries = reader.audit(&AuditFilter::default()).unwrap();
    let record = &entries[0].record;
    assert_eq!(record.actor.len(), AUDIT_TEXT_BYTES_MAX - 1);
    assert_eq!(record.object.len(), AUDIT_TEXT_BYTES_MAX);
    assert_eq!(record.detail.len(), AUDIT_DETAIL_BYTES_MAX - 1);
    assert!(long.starts_with(&record.object));
}
