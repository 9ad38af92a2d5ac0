//! Reads lines as a server does, in pieces of any size, and what they say; then shows them to others.
//!
//! Nothing may panic, a line is the same however it was split, and nothing that a terminal acts on is left in it.
#![no_main]

use codec::line::{Heard, LineDecoder, parse, sanitise};
use libfuzzer_sys::fuzz_target;

const BYTES_MAX: u16 = 64;

fuzz_target!(|input: &[u8]| {
    let Some((&size, stream)) = input.split_first() else {
        return;
    };
    let whole = lines([stream].into_iter());
    let pieces = lines(stream.chunks(usize::from(size).max(1)));
    assert_eq!(whole, pieces);
    for line in whole.into_iter().flatten() {
        let _ = parse(&line);
        let mut shown = Vec::new();
        sanitise(&line, &mut shown);
        let shown = String::from_utf8(shown).expect("text stays text");
        assert!(!shown.contains(char::is_control));
    }
});

/// The lines of a stream; `None` for what else was heard.
fn lines<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Option<String>> {
    let mut decoder = LineDecoder::new(BYTES_MAX);
    let mut lines = Vec::new();
    for mut rest in pieces {
        loop {
            let (used, heard) = decoder.decode(rest);
            rest = &rest[used..];
            match heard {
                None => break,
                Some(Heard::Line(line)) => lines.push(Some(line.into_owned())),
                Some(Heard::TooLong | Heard::NotText | Heard::Telnet(_)) => lines.push(None),
            }
        }
        assert!(rest.is_empty());
        assert!(decoder.held_bytes() <= 2 * usize::from(BYTES_MAX));
    }
    lines
}
