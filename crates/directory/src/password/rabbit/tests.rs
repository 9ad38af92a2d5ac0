#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::password::verify;

const SHA256_NAME: &str = "rabbit_password_hashing_sha256";
const SHA512_NAME: &str = "rabbit_password_hashing_sha512";

/// The example of RabbitMQ's documentation, and two made with Python's `hashlib`.
const VECTORS: [(&str, &str, &str); 3] = [
    (
        SHA256_NAME,
        "test12",
        "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
    ),
    (
        SHA256_NAME,
        "contraseña",
        "AP+AQScBT575m7X4PB5Pa7lYHYnbLfmgVwDrLM5ZS+fLfkbI",
    ),
    (
        SHA512_NAME,
        "contraseña",
        "AP+AQQWNXHRkDOeWinflqoEcOo4S5RUwjIGAkTZwWouITEYrWT6/ErFrEv1ykc7VDyETBpo45wJlTEsQqziJmIn6Tsg=",
    ),
];

#[test]
fn a_hash_of_rabbitmq_verifies_its_own_password_only() {
    for (algorithm, password, base64) in VECTORS {
        let stored = from_rabbit(algorithm, base64).unwrap();
        assert!(stored.ends_with(base64), "{stored}");
        assert!(verify(password, &stored), "{stored}");
        for wrong in ["", "test1", "test123", "contrasena", "Contraseña"] {
            assert!(!verify(wrong, &stored), "{wrong:?} {stored}");
        }
    }
}

#[test]
fn every_bit_of_a_hash_counts() {
    for (algorithm, password, base64) in VECTORS {
        let mut buffer = [0; SALT_BYTES + HASH_BYTES_MAX];
        let bytes = Base64::decode(base64, &mut buffer).unwrap().to_vec();
        for index in 0..bytes.len() {
            let mut other = bytes.clone();
            other[index] ^= 1;
            let mut text = [0; 92];
            let other = Base64::encode(&other, &mut text).unwrap();
            let stored = from_rabbit(algorithm, other).unwrap();
            assert!(!parse(&stored).unwrap().matches(password), "byte {index}");
        }
    }
}

#[test]
fn only_hashes_of_rabbitmq_need_an_upgrade() {
    for (algorithm, _, base64) in VECTORS {
        assert!(needs_upgrade(&from_rabbit(algorithm, base64).unwrap()));
    }
    for stored in ["", &crate::password::hash("x").unwrap(), "rabbit-sha256$"] {
        assert!(!needs_upgrade(stored), "{stored}");
    }
}

#[test]
fn what_an_algorithm_does_not_make_is_refused() {
    let [(_, _, short), _, (_, _, long)] = VECTORS;
    for (algorithm, base64, bytes) in [
        (SHA256_NAME, long, 36),
        (SHA512_NAME, short, 68),
        (SHA256_NAME, "not base64 at all!", 36),
        (SHA256_NAME, &short[1..], 36),
        (SHA256_NAME, &format!("{short}AAAA"), 36),
        (SHA512_NAME, &format!("{long}AAAA"), 68),
        // Without its padding.
        (SHA512_NAME, long.trim_end_matches('='), 68),
    ] {
        assert_eq!(
            from_rabbit(algorithm, base64),
            Err(RabbitHashError::Malformed { algorithm, bytes }),
            "{base64}"
        );
    }
    for algorithm in ["rabbit_password_hashing_md5", "", "sha256"] {
        assert_eq!(
            from_rabbit(algorithm, short),
            Err(RabbitHashError::Algorithm(algorithm.to_owned()))
        );
    }
}

#[test]
fn an_account_without_a_password_keeps_none() {
    let stored = from_rabbit(SHA256_NAME, "").unwrap();
    assert_eq!(stored, "");
    assert!(!verify("", &stored) && !verify("x", &stored));
}
