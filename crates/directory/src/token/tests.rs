#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[test]
fn tokens_are_long_prefixed_and_different() {
    let tokens: Vec<String> = (0..100).map(|_| generate("cht_").unwrap()).collect();
    for token in &tokens {
        let random = token.strip_prefix("cht_").unwrap();
        assert_eq!(random.len(), 43, "{token}");
        assert!(
            random
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
            "{token}"
        );
    }
    let different: std::collections::BTreeSet<&String> = tokens.iter().collect();
    assert_eq!(different.len(), tokens.len());
}

#[test]
fn what_is_derived_depends_on_prefix_and_token_alone() {
    let derived = derive("chc_", "cht_one");
    assert_eq!(derived, derive("chc_", "cht_one"));
    assert!(
        derived.starts_with("chc_") && derived.len() == "chc_".len() + 43,
        "{derived}"
    );
    for other in [
        derive("chc_", "cht_two"),
        derive("chd_", "cht_one"),
        derive("chc", "_\ncht_one"),
    ] {
        assert_ne!(derived, other);
    }
    // What is stored of the token is not what it is made of.
    assert_ne!(hash(&derived), hash("cht_one"));
}

#[test]
fn a_hash_is_sha_256() {
    // FIPS 180-2, appendix B.1.
    let expected = [
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22,
        0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00,
        0x15, 0xad,
    ];
    assert_eq!(hash("abc"), expected);
}

#[test]
fn only_equal_hashes_are_equal() {
    let one = hash("a");
    assert!(equal(&one, &hash("a")));
    for index in 0..32 {
        let mut other = one;
        other[index] ^= 1;
        assert!(!equal(&one, &other), "byte {index}");
    }
}
