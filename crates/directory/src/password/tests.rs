#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use super::*;

#[test]
fn a_hash_verifies_its_own_password_only() {
    let stored = hash("correct horse").unwrap();
    assert!(verify("correct horse", &stored));
    for wrong in ["correct hors", "correct horse ", "Correct horse", "x", ""] {
        assert!(!verify(wrong, &stored), "{wrong:?}");
    }
}

#[test]
fn a_hash_is_argon2id_with_the_promised_cost_and_its_own_salt() {
    let first = hash("same").unwrap();
    let second = hash("same").unwrap();
    assert!(
        first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{first}"
    );
    assert_ne!(first, second);
    assert!(!first.contains("same"));
}

#[test]
fn passwords_out_of_bounds_are_neither_hashed_nor_verified() {
    assert!(matches!(hash(""), Err(PasswordError::Empty)));
    let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
    assert!(matches!(
        hash(&long),
        Err(PasswordError::TooLong { bytes }) if bytes == PASSWORD_BYTES_MAX + 1
    ));
    // Even against hashes that do match them.
    for password in ["", &long] {
        let stored = hasher()
            .hash_password_with_salt(password.as_bytes(), &[1; SALT_BYTES])
            .unwrap()
            .to_string();
        assert!(!verify(password, &stored));
    }
    let longest = "x".repeat(PASSWORD_BYTES_MAX);
    assert!(verify(&longest, &hash(&longest).unwrap()));
}

#[test]
fn stored_hashes_that_cannot_be_read_never_match() {
    let good = hash("password").unwrap();
    for stored in [
        "",
        "!",
        "password",
        "$argon2id$v=19$m=19456,t=2,p=1",
        &good[..good.len() - 1],
        &good.replace("argon2id", "scrypt"),
        &good.replace("m=19456", "m=4"),
    ] {
        assert!(!verify("password", stored), "{stored:?}");
    }
}

#[test]
fn a_stored_hash_cannot_ask_for_all_memory_or_time() {
    let good = hash("password").unwrap();
    assert!(parse(&good).is_some());
    assert!(parse(&good.replace("m=19456", "m=4294967295")).is_none());
    assert!(parse(&good.replace("t=2", "t=4294967295")).is_none());
}

#[test]
fn every_login_costs_the_same_whatever_is_stored_for_it() {
    let stored = hash("password").unwrap();
    let timed = |work: &dyn Fn()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    let rabbit = from_rabbit(
        "rabbit_password_hashing_sha256",
        "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
    )
    .unwrap();
    let mut fastest = [Duration::MAX; 4];
    // Other work on the machine only ever adds, so the fastest of enough runs
    // converge; work that is skipped stays thousands of times faster.
    let even = (0..50).any(|_| {
        let round = [
            timed(&|| assert!(!verify("wrong", &stored))),
            timed(&|| verify_absent("wrong")),
            timed(&|| assert!(!verify("wrong", ""))),
            timed(&|| assert!(!verify("wrong", &rabbit))),
        ];
        for (fastest, time) in fastest.iter_mut().zip(round) {
            *fastest = time.min(*fastest);
        }
        let [known, others @ ..] = fastest;
        others
            .iter()
            .all(|&other| other * 2 > known && known * 2 > other)
    });
    assert!(even, "{fastest:?}");
}

#[test]
fn generated_passwords_are_long_typeable_and_different() {
    let passwords: Vec<String> = (0..100).map(|_| generate_password().unwrap()).collect();
    for password in &passwords {
        let groups: Vec<&str> = password.split('-').collect();
        assert_eq!(groups.len(), GROUPS, "{password}");
        for group in groups {
            assert_eq!(group.len(), GROUP_CHARACTERS, "{password}");
            assert!(
                group.bytes().all(|byte| ALPHABET.contains(&byte)),
                "{password}"
            );
        }
    }
    let different: std::collections::BTreeSet<&String> = passwords.iter().collect();
    assert_eq!(different.len(), passwords.len());
    // 2,800 characters of 32 kinds: a kind that never occurs has odds of 1e-37.
    for character in ALPHABET {
        assert!(passwords.iter().any(|p| p.as_bytes().contains(character)));
    }
}
