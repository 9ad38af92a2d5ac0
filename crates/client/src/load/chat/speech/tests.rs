#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[test]
fn what_is_written_is_read() {
    let speech = Speech::new(0xab, 100);
    let mut text = b"what was there".to_vec();
    speech.write(&mut text, 199, 4_294_967_295, 60_000_000_000);
    assert_eq!(text.len(), 100);
    assert!(text.starts_with(b"bab.199.4294967295.60000000000 xxx"));
    let spoken = speech.read(&text).unwrap();
    assert_eq!((spoken.sender, spoken.number), (199, u32::MAX));
    assert_eq!(spoken.due(), Some(60_000_000_000));
}

#[test]
fn other_texts_are_none_of_the_runs() {
    let speech = Speech::new(1, 0);
    for text in [
        "",
        "b1",
        "b1.",
        "b1.2",
        "b1.2.3",
        "b1..3.4 x",
        "b2.2.3.4 x",
        "b11.2.3.4 x",
        "b1.2.4294967296.4 x",
        "xb1.2.3.4 x",
    ] {
        assert_eq!(speech.read(text.as_bytes()), None, "{text}");
    }
    assert_eq!(speech.read(b"b1.2.3.x").unwrap().due(), None);
}
