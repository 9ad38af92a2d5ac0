#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[test]
fn durations_carry_units() {
    for (text, millis) in [
        ("250ms", 250),
        ("3", 3_000),
        ("1.5s", 1_500),
        ("2m", 120_000),
    ] {
        let duration = parse_duration(text).unwrap();
        assert_eq!(duration, Duration::from_millis(millis), "{text}");
    }
    for text in ["", "s", "5x", "-1s"] {
        assert!(parse_duration(text).is_err(), "{text:?} was taken");
    }
}

#[test]
fn sizes_are_numbers_or_ranges() {
    let range = |min, max| SizeRange { min, max };
    assert_eq!(parse_size_range("16").unwrap(), range(16, 16));
    assert_eq!(parse_size_range("1KiB").unwrap(), range(1_024, 1_024));
    assert_eq!(parse_size_range("100..4k").unwrap(), range(100, 4_096));
    assert!(parse_size_range("4k..100").is_err());
    assert!(parse_size_range("4kb..").is_err());
}

#[test]
fn arguments_keep_their_type() {
    let value = |text: &str| parse_argument(text).unwrap().1;
    assert_eq!(value("x-max-length=5"), QueueArgument::Number(5));
    assert_eq!(
        value("x-queue-type=quorum"),
        QueueArgument::Text("quorum".to_owned())
    );
    assert_eq!(
        value("x-single-active-consumer=true"),
        QueueArgument::Flag(true)
    );
    assert!(parse_argument("x-max-length").is_err());
}
