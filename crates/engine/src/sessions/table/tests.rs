use directory::limits::SESSIONS_PER_LOGIN_MAX;
use directory::{Change, Session};

use super::SessionTable;

fn session(number: u64, login: &str) -> Session {
    let mut token_hash = [0; 32];
    token_hash[..8].copy_from_slice(&number.to_le_bytes());
    Session {
        id: format!("s-{number}"),
        login: login.into(),
        token_hash,
        door: "http".into(),
        address: "127.0.0.1".into(),
        client: String::new(),
        created_ms: 1_000 + number,
        last_seen_ms: 10_000,
        expires_ms: 15_000,
        csrf_hash: None,
    }
}

#[test]
fn the_oldest_session_of_an_account_gives_way_to_one_too_many() {
    let mut table = SessionTable::default();
    let most = u64::try_from(SESSIONS_PER_LOGIN_MAX).expect("it is small");
    assert!(table.add(&session(0, "ben")).is_empty());
    for number in 1..=most {
        assert!(table.add(&session(number, "ana")).is_empty());
    }
    let ended = table.add(&session(most + 1, "ana"));
    assert_eq!(ended.iter().map(|id| &**id).collect::<Vec<_>>(), ["s-1"]);
    assert!(table.by_id("s-1").is_none() && table.by_id("s-2").is_some());
    assert!(table.by_token(&session(1, "ana").token_hash).is_none());
    assert_eq!(table.of(Some("ana")).len(), SESSIONS_PER_LOGIN_MAX);
    assert_eq!(table.of(Some("ben")).len(), 1);
}

#[test]
fn ending_the_others_leaves_the_one_that_asks() {
    let mut table = SessionTable::new(&[session(1, "ana"), session(2, "ana"), session(3, "ben")]);
    let ended = table.end_of("ana", Some("s-2"));
    assert_eq!(ended.iter().map(|id| &**id).collect::<Vec<_>>(), ["s-1"]);
    assert_eq!(table.of(None).len(), 2);
    assert!(table.end("s-2") && !table.end("s-2"));
    assert!(table.of(Some("ana")).is_empty());
}

#[test]
fn use_puts_the_end_off_and_is_written_down_once_a_minute() {
    let mut table = SessionTable::new(&[session(1, "ana")]);
    let open = table.by_id("s-1").expect("it is there").clone();
    assert!(open.is_valid(14_999) && !open.is_valid(15_000));
    assert_eq!(open.see(14_000), None);
    assert!(open.is_valid(18_999) && !open.is_valid(19_000));
    let seen = |at_ms| {
        Some(Change::SessionSeen {
            id: "s-1".into(),
            last_seen_ms: at_ms,
            expires_ms: at_ms + 5_000,
        })
    };
    assert_eq!(open.see(70_000), seen(70_000));
    assert_eq!(open.see(70_001), None);
    assert_eq!(open.see(129_999), None);
    assert_eq!(open.see(130_000), seen(130_000));
    assert!(!table.has_expired(134_999) && table.expire(134_999).is_empty());
    assert!(table.has_expired(135_000));
    assert_eq!(table.expire(135_000).len(), 1);
    assert!(table.by_id("s-1").is_none());
}
