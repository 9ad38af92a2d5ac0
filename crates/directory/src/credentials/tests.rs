#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[test]
fn only_exactly_what_was_remembered_is_recalled() {
    let mut cache = CredentialCache::new(8).unwrap();
    assert!(!cache.recalls("ana", "secret", "hash"));
    cache.remember("ana", "secret", "hash");
    assert!(cache.recalls("ana", "secret", "hash"));
    for (login, password, stored) in [
        ("ana", "Secret", "hash"),
        ("ana", "", "hash"),
        ("ben", "secret", "hash"),
        // Same bytes in a row, cut elsewhere.
        ("ana", "secreth", "ash"),
    ] {
        assert!(
            !cache.recalls(login, password, stored),
            "{login} {password}"
        );
    }
    assert!(cache.recalls("ana", "secret", "hash"));
}

#[test]
fn a_changed_stored_hash_invalidates_what_was_remembered() {
    let mut cache = CredentialCache::new(8).unwrap();
    cache.remember("ana", "old", "hash of old");
    assert!(!cache.recalls("ana", "old", "hash of new"));
    cache.remember("ana", "new", "hash of new");
    assert!(cache.recalls("ana", "new", "hash of new"));
    assert!(!cache.recalls("ana", "old", "hash of new"));
    cache.forget("ana");
    assert!(!cache.recalls("ana", "new", "hash of new"));
}

#[test]
fn a_full_cache_gives_up_the_login_unused_for_longest() {
    let mut cache = CredentialCache::new(2).unwrap();
    cache.remember("ana", "a", "h");
    cache.remember("ben", "b", "h");
    assert!(cache.recalls("ana", "a", "h"));
    cache.remember("cleo", "c", "h");
    assert_eq!(cache.entries.len(), 2);
    assert!(!cache.recalls("ben", "b", "h"));
    assert!(cache.recalls("ana", "a", "h"));
    assert!(cache.recalls("cleo", "c", "h"));
    // Replacing an entry gives up nobody else.
    cache.remember("ana", "a2", "h2");
    assert!(cache.recalls("cleo", "c", "h"));
}

#[test]
fn a_wrong_guess_does_not_keep_an_entry_alive() {
    let mut cache = CredentialCache::new(2).unwrap();
    cache.remember("ana", "a", "h");
    cache.remember("ben", "b", "h");
    assert!(!cache.recalls("ana", "guess", "h"));
    cache.remember("cleo", "c", "h");
    assert!(!cache.recalls("ana", "a", "h"));
    assert!(cache.recalls("ben", "b", "h"));
}

#[test]
fn a_cache_without_capacity_remembers_nothing() {
    let mut cache = CredentialCache::new(0).unwrap();
    cache.remember("ana", "a", "h");
    assert!(!cache.recalls("ana", "a", "h"));
}

#[test]
fn nothing_secret_is_kept_in_the_clear_or_shared_between_caches() {
    let mut first = CredentialCache::new(8).unwrap();
    let mut second = CredentialCache::new(8).unwrap();
    first.remember("ana", "secret", "hash");
    second.remember("ana", "secret", "hash");
    assert_ne!(first.entries["ana"].tag, second.entries["ana"].tag);
    assert_eq!(
        format!("{first:?}"),
        "CredentialCache { entries: 1, capacity: 8, .. }"
    );
}
