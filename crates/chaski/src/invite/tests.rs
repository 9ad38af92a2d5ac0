use super::parse_ttl;

#[test]
fn times_are_numbers_with_a_unit() {
    for (text, ms) in [
        ("1s", 1_000),
        ("30min", 1_800_000),
        ("24h", 86_400_000),
        ("7d", 604_800_000),
        ("0d", 0),
    ] {
        assert_eq!(parse_ttl(text), Ok(ms), "{text}");
    }
    for text in [
        "",
        "7",
        "d",
        "-1h",
        "1.5h",
        "1 h",
        "1m",
        "1w",
        "99999999999999999999d",
        "9999999999999999d",
    ] {
        let refused = parse_ttl(text).expect_err(text);
        assert!(refused.contains("as in 24h"), "{refused}");
    }
}
