#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn version(connection: &Connection) -> i64 {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

fn error_of(result: Result<(), MigrateError>) -> String {
    result.unwrap_err().to_string()
}

/// The current steps and `further` ones, as a later version would have them.
fn later(further: &[&'static str]) -> Vec<&'static str> {
    STEPS.iter().chain(further).copied().collect()
}

#[test]
fn a_new_database_gets_the_current_version_and_keeps_it() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection, STEPS).unwrap();
    assert_eq!(version(&connection), VERSION);
    // A second run would fail on the first CREATE TABLE if it did anything.
    migrate(&mut connection, STEPS).unwrap();
    assert_eq!(version(&connection), VERSION);
}

#[test]
fn an_older_database_gets_only_the_steps_it_lacks_and_keeps_its_rows() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection, &STEPS[..1]).unwrap();
    connection
        .execute("INSERT INTO vhosts (name) VALUES ('kept')", [])
        .unwrap();

    let steps = later(&[
        "CREATE TABLE later_on (value TEXT) STRICT",
        "INSERT INTO later_on SELECT name FROM vhosts",
    ]);
    migrate(&mut connection, &steps).unwrap();

    assert_eq!(version(&connection), VERSION + 2);
    let carried: String = connection
        .query_row("SELECT value FROM later_on", [], |row| row.get(0))
        .unwrap();
    assert_eq!(carried, "kept");
}

#[test]
fn a_step_that_fails_is_undone_with_those_before_it() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection, STEPS).unwrap();
    let steps = later(&["CREATE TABLE half_done (a INT)", "this is not SQL"]);
    assert!(error_of(migrate(&mut connection, &steps)).contains("syntax error"));

    assert_eq!(version(&connection), VERSION);
    let tables: i64 = connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'half_done'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(tables, 0);
    migrate(&mut connection, STEPS).unwrap();
}

#[test]
fn a_newer_database_is_refused_in_one_line() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection, &later(&["CREATE TABLE later_on (a INT)"])).unwrap();
    let message = error_of(migrate(&mut connection, STEPS));
    assert_eq!(
        message,
        format!(
            "its schema version is {}, but this program knows versions up to {VERSION}; \
             use the version of chaski that wrote it, or a later one",
            VERSION + 1
        )
    );
}

#[test]
fn a_database_of_another_program_is_refused() {
    for sql in [
        "CREATE TABLE theirs (a INT)",
        "CREATE TABLE theirs (a INT); PRAGMA user_version = 1",
        "PRAGMA application_id = 7",
    ] {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        assert_eq!(
            error_of(migrate(&mut connection, STEPS)),
            "it is an SQLite database of another program",
            "{sql}"
        );
    }
}
