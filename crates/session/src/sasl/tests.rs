use codec::amqp::field::{Table, Value};

use super::Mechanism;

fn read(mechanism: Mechanism, response: &[u8]) -> Option<(String, Vec<u8>)> {
    mechanism
        .read(response)
        .map(|credentials| (credentials.login, credentials.password))
}

#[test]
fn plain_takes_a_login_and_a_password_and_nothing_else() {
    let good = Some(("ana".to_owned(), b"pw".to_vec()));
    let cases: [(&[u8], bool); 10] = [
        (b"\0ana\0pw", true),
        (b"ana\0ana\0pw", true),
        (b"bea\0ana\0pw", false),
        (b"\0ana\0p\0w", false),
        (b"ana\0pw", false),
        (b"ana", false),
        (b"", false),
        (b"\0\0pw", false),
        (b"\0ana\0", false),
        (b"\0an\xFF\0pw", false),
    ];
    for (response, is_good) in cases {
        assert_eq!(
            read(Mechanism::Plain, response),
            good.clone().filter(|_| is_good),
            "{response:?}"
        );
    }
}

#[test]
fn amqplain_takes_a_table_without_its_length() {
    let mut table = Table::new();
    table.insert("LOGIN", "ana");
    assert_eq!(
        read(Mechanism::Amqplain, &table.to_bytes()),
        None,
        "no password"
    );
    table.insert("PASSWORD", "pw");
    assert_eq!(
        read(Mechanism::Amqplain, &table.to_bytes()),
        Some(("ana".to_owned(), b"pw".to_vec()))
    );
    table.insert("LOGIN", Value::I32(1));
    assert_eq!(
        read(Mechanism::Amqplain, &table.to_bytes()),
        None,
        "a login that is no text"
    );
    assert_eq!(read(Mechanism::Amqplain, b"\xFF\xFF"), None, "no table");
}

#[test]
fn a_login_is_bounded() {
    let login = "a".repeat(256);
    assert_eq!(
        read(Mechanism::Plain, format!("\0{login}\0pw").as_bytes()),
        None
    );
}
