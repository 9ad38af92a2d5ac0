use super::first_line;

#[track_caller]
fn check(input: &[u8], password: &str) {
    assert_eq!(first_line(input).expect("valid UTF-8"), password);
}

#[test]
fn only_the_first_line_counts_and_its_end_is_cut() {
    check(b"secret\nmore\n", "secret");
    check(b"secret\r\n", "secret");
    check(b"without feed", "without feed");
    check(b" spaces stay \n", " spaces stay ");
    check(b"", "");
}
