use directory::{AuditFilter, AuditRecord, Change};

use super::{Kept, trim};
use crate::rig::Rig;

/// An engine whose audit log holds five more entries, one each second before a time, and their numbers.
fn rig() -> (Rig, Vec<u64>, u64) {
    let rig = Rig::new();
    let now_ms = rig.handle.now_ms();
    let entry = |number: u64| {
        Change::AuditAdded(AuditRecord {
            at_ms: now_ms - (5 - number) * 1_000,
            actor: "ana".to_owned(),
            ..AuditRecord::default()
        })
    };
    rig.commit((0..5).map(entry).collect::<Vec<_>>());
    let filter = AuditFilter {
        actor: Some("ana".to_owned()),
        ..AuditFilter::default()
    };
    let found = rig.run(rig.handle.audit_entries(filter));
    let ids = found.expect("the disk did not fail").into_iter();
    let ids = ids.map(|entry| entry.id).collect();
    (rig, ids, now_ms)
}

#[test]
fn the_audit_log_loses_what_is_too_much_or_too_old() {
    let (rig, ids, now_ms) = rig();
    let before = |entries, age_ms| {
        let trimmed = trim(&rig.handle.shared, Kept { entries, age_ms }, now_ms);
        let trimmed = trimmed.expect("the disk did not fail")?;
        let Change::AuditTrimmed { before_id } = trimmed else {
            panic!("{trimmed:?} is no trimming");
        };
        Some(before_id)
    };
    assert_eq!(before(100, now_ms), None);
    assert_eq!(before(2, now_ms), Some(ids[3]), "two are kept");
    assert_eq!(before(100, 2_500), Some(ids[3]), "two are young");
    assert_eq!(before(1, 2_500), Some(ids[4]));
    assert_eq!(before(100, 0), Some(ids[4] + 1), "none is young");
}
