use super::*;

#[test]
fn a_number_outside_its_range_is_told_the_range() {
    let read = within(1_u32..=1_000);
    assert_eq!(read("1000"), Ok(1_000));
    for outside in ["0", "1001", "99999999999"] {
        assert_eq!(read(outside), Err("it is from 1 to 1000".to_owned()));
    }
    // A minus is no digit of a number without a sign.
    for other in ["", "x", "1.5", "-1"] {
        assert_eq!(read(other), Err("not a whole number".to_owned()), "{other}");
    }
    assert_eq!(
        within(-3_i64..=3)("-4"),
        Err("it is from -3 to 3".to_owned())
    );
}

#[test]
fn a_number_from_zero_has_no_other_bound_than_its_width() {
    assert_eq!(from_zero("18446744073709551615"), Ok(u64::MAX));
    assert_eq!(
        from_zero("18446744073709551616"),
        Err("it is too great".to_owned())
    );
    assert_eq!(from_zero("-1"), Err("it cannot be negative".to_owned()));
    assert_eq!(from_zero("soon"), Err("not a whole number".to_owned()));
}

#[test]
fn times_are_numbers_with_a_unit() {
    for (text, ms) in [
        ("1s", 1_000),
        ("30min", 1_800_000),
        ("24h", 86_400_000),
        ("7d", 604_800_000),
        ("0d", 0),
    ] {
        assert_eq!(parse_time(text), Ok(ms), "{text}");
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
        let refused = parse_time(text).expect_err(text);
        assert!(refused.contains("as in 24h"), "{refused}");
    }
}
