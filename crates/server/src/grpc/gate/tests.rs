use super::*;

#[test]
fn timeouts_are_digits_and_a_unit() {
    let read = [
        ("1H", Some(Duration::from_secs(3_600))),
        ("2M", Some(Duration::from_secs(120))),
        ("3S", Some(Duration::from_secs(3))),
        ("4m", Some(Duration::from_millis(4))),
        ("5u", Some(Duration::from_micros(5))),
        ("6n", Some(Duration::from_nanos(6))),
        ("0m", Some(Duration::ZERO)),
        ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
        ("", None),
        ("S", None),
        ("1", None),
        ("+1S", None),
        ("-1S", None),
        ("1 S", None),
        ("1X", None),
        ("1é", None),
        ("123456789S", None),
    ];
    for (text, expected) in read {
        assert_eq!(parse_timeout(text), expected, "{text:?}");
    }
}

#[test]
fn a_timeout_that_cannot_be_read_is_a_flaw_and_none_is_none() {
    let mut headers = HeaderMap::new();
    assert_eq!(timeout_of(&headers), Ok(None));
    headers.insert(TIMEOUT, "soon".parse().expect("it is there"));
    let flaw = timeout_of(&headers).expect_err("a flaw");
    assert_eq!(flaw.field, "grpc-timeout");
}
