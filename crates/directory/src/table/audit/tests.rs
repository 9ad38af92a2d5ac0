#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::schema::DIRECTORY;

/// How the database goes about a question.
fn plan(filter: &AuditFilter) -> String {
    let mut connection = Connection::open_in_memory().unwrap();
    DIRECTORY.migrate(&mut connection).unwrap();
    let (statement, values) = question(filter);
    let rows: Result<Vec<String>> = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
        .unwrap()
        .query_map(params_from_iter(values), |row| row.get("detail"))
        .unwrap()
        .collect();
    rows.unwrap().join("; ")
}

#[test]
fn numbers_actors_and_times_are_found_by_an_index() {
    let page = AuditFilter::default;
    for (filter, expected) in [
        (page(), "SEARCH audit USING INTEGER PRIMARY KEY (rowid>?)"),
        (
            AuditFilter {
                newest_first: true,
                before_id: Some(9),
                ..page()
            },
            "SEARCH audit USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        ),
        (
            AuditFilter {
                actor: Some("ana".into()),
                ..page()
            },
            "SEARCH audit USING INDEX audit_by_actor (actor=? AND id>?)",
        ),
        (
            AuditFilter {
                since_ms: Some(1),
                until_ms: Some(2),
                ..page()
            },
            // Times need not rise with the numbers, so these are put in order.
            "SEARCH audit USING INDEX audit_by_time (at_ms>? AND at_ms<?); \
             USE TEMP B-TREE FOR ORDER BY",
        ),
    ] {
        assert_eq!(plan(&filter), expected, "{filter:?}");
    }
}
