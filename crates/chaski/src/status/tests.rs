use super::*;

#[test]
fn sizes_and_times_are_written_for_people() {
    assert_eq!(bytes(1023), "1023 B");
    assert_eq!(bytes(1536), "1.5 KiB");
    assert_eq!(bytes(5 << 30), "5.0 GiB");
    assert_eq!(duration(59), "59 s");
    assert_eq!(duration(3_661), "1 h 1 min");
    assert_eq!(duration(90_000), "1 d 1 h");
}
