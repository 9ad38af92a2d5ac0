#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const VERSION: i64 = DIRECTORY.version();

fn version(connection: &Connection) -> i64 {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

fn error_of(result: Result<(), MigrateError>) -> String {
    result.unwrap_err().to_string()
}

fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), MigrateError> {
    Schema { steps, ..DIRECTORY }.migrate(connection)
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

/// A database of the first version, with these logins and tags.
fn first(accounts: &[(&str, &str)]) -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    migrate(&mut connection, &STEPS[..1]).unwrap();
    for account in accounts {
        let sql = "INSERT INTO accounts VALUES (?1, 'hash', ?2)";
        connection.execute(sql, *account).unwrap();
    }
    connection
}

#[test]
fn the_second_step_gives_accounts_a_role_by_their_tags_and_keeps_the_rest() {
    let mut connection = first(&[
        ("ana", "administrator"),
        ("ben", "monitoring,administrator,x"),
        ("cleo", "administrators,co-administrator"),
        ("dora", ""),
        ("emil", "Administrator"),
    ]);
    connection
        .execute_batch(
            "INSERT INTO vhosts VALUES ('/');
             INSERT INTO exchanges VALUES ('/', 'b', 'topic', 1, 0, 0, x'01');
             INSERT INTO exchanges VALUES ('/', 'a', 'topic', 1, 0, 0, x'02');
             INSERT INTO queues VALUES (7, '/', 'work', 'classic', 1, 0, x'', 'dora');",
        )
        .unwrap();
    migrate(&mut connection, STEPS).unwrap();

    let snapshot = crate::table::load(&connection).unwrap();
    let roles: Vec<(&str, &str)> = snapshot
        .accounts
        .iter()
        .map(|account| (&*account.login, account.role.as_str()))
        .collect();
    assert_eq!(
        roles,
        [
            ("ana", "administrator"),
            ("ben", "administrator"),
            ("cleo", "service"),
            ("dora", "service"),
            ("emil", "service"),
        ]
    );
    let ben = &snapshot.accounts[1];
    assert_eq!(ben.tags, ["monitoring", "administrator", "x"]);
    assert_eq!(ben.password_hash, "hash");
    assert_eq!(ben.profile, crate::Profile::default());
    assert_eq!(ben.created_ms, 0);
    // Still in the order of their declaration, and nobody's.
    let exchanges: Vec<_> = snapshot
        .exchanges
        .iter()
        .map(|exchange| (&*exchange.name, &exchange.owner))
        .collect();
    assert_eq!(exchanges, [("b", &None), ("a", &None)]);
    assert_eq!(snapshot.queues[0].owner.as_deref(), Some("dora"));
}

#[test]
fn logins_that_differ_only_in_case_keep_the_second_step_from_being_taken() {
    let mut connection = first(&[("ana", ""), ("Ben", ""), ("ben", "")]);
    assert_eq!(
        error_of(migrate(&mut connection, STEPS)),
        "the logins 'Ben' and 'ben' differ only in case, which this version does not allow; \
         delete one of the two accounts with the version of chaski that wrote them"
    );
    // The version that wrote it still reads it.
    assert_eq!(version(&connection), 1);
    migrate(&mut connection, &STEPS[..1]).unwrap();

    connection
        .execute("DELETE FROM accounts WHERE login = 'ben'", [])
        .unwrap();
    migrate(&mut connection, STEPS).unwrap();
    assert_eq!(version(&connection), VERSION);
}

#[test]
fn a_released_step_is_as_it_was_released() {
    // SHA-256 of the step: whoever has to edit it breaks databases that are out there.
    assert_eq!(
        digest(STEPS[0]),
        "f5463656360ea397bbccc60000efd3c0ca47d70684abd6fbb591e86f0d48470d"
    );
}

fn digest(step: &str) -> String {
    let hash = crate::token::hash(step);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
