//! What the generator's members say: `b<run>.<sender>.<number>.<due> xxxx`.
//!
//! The run's own number tells its messages from what an earlier run left in a room's history; the due time, in nanoseconds of the run's
//! clock, is read by the first listener only.

use std::io::Write as _;

/// The longest text that all protocols take whole: a line of IRC has 512 bytes with everything around it.
pub(super) const SIZE_MAX: usize = 400;
/// Room for a run, a sender, a number and a time.
pub(super) const SIZE_MIN: usize = 48;

/// One message, as it is written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spoken<'a> {
    /// The member who says it, counted over all rooms.
    pub(super) sender: u32,
    /// The sender's first message is 0.
    pub(super) number: u32,
    /// The due time and the padding.
    rest: &'a [u8],
}

/// Writes and reads one run's messages.
#[derive(Debug)]
pub(super) struct Speech {
    /// `b<run>.`
    mark: Vec<u8>,
    size: usize,
}

impl Speech {
    /// Messages of `size` bytes, at least [`SIZE_MIN`].
    pub(super) fn new(run: u32, size: usize) -> Self {
        Self {
            mark: format!("b{run:x}.").into_bytes(),
            size: size.max(SIZE_MIN),
        }
    }

    /// Writes a message in place of what `text` held.
    pub(super) fn write(&self, text: &mut Vec<u8>, sender: u32, number: u32, due: u64) {
        text.clear();
        text.extend_from_slice(&self.mark);
        // Writing to memory does not fail.
        write!(text, "{sender}.{number}.{due} ").ok();
        text.resize(self.size.max(text.len()), b'x');
    }

    /// Reads a message of this run; nothing if it is none.
    #[inline]
    pub(super) fn read<'a>(&self, text: &'a [u8]) -> Option<Spoken<'a>> {
        let rest = text.strip_prefix(self.mark.as_slice())?;
        let (sender, rest) = number(rest)?;
        let (number, rest) = number(rest.strip_prefix(b".")?)?;
        Some(Spoken {
            sender,
            number,
            rest: rest.strip_prefix(b".")?,
        })
    }
}

impl Spoken<'_> {
    /// When it was due, in nanoseconds of the run's clock.
    pub(super) fn due(&self) -> Option<u64> {
        let end = self.rest.iter().position(|byte| !byte.is_ascii_digit())?;
        std::str::from_utf8(&self.rest[..end]).ok()?.parse().ok()
    }
}

/// Reads digits, and gives what follows.
#[inline]
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0_u32;
    let mut length = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.checked_mul(10)?.checked_add(digit.into())?;
        length += 1;
    }
    (length > 0).then(|| (value, &text[length..]))
}

#[cfg(test)]
mod tests;
