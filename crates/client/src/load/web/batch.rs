//! Requests that publish, laid out once, and what their answers say.

use bytes::Bytes;
use serde::Deserialize;

use super::super::error::LoadError;
use super::super::mark::{MARK_BYTES, Mark};
use super::crew::Fates;

/// A mark as it is written into JSON: its bytes in hexadecimal digits.
pub(super) const MARK_DIGITS: usize = 2 * MARK_BYTES;

/// What the rest of a body is made of.
const FILLING: u8 = b'x';

/// The bodies of one producer's requests.
///
/// *Shape*: JSON with as many messages as a batch has, or the message itself where a batch is one message.
pub(super) struct Bodies {
    size: usize,
    persistent: bool,
    batch: usize,
    /// Whether messages are numbered: that costs a copy of each request.
    is_marked: bool,
    full: Bytes,
    /// Where the bodies of its messages begin.
    places: Vec<usize>,
}

impl Bodies {
    /// Lays out a whole batch.
    pub(super) fn new(batch: usize, size: usize, persistent: bool, is_marked: bool) -> Self {
        let (full, places) = lay_out(batch, size, persistent, batch > 1);
        Self {
            size,
            persistent,
            batch,
            is_marked: is_marked && size >= MARK_DIGITS,
            full: full.into(),
            places,
        }
    }

    /// Gives the body of a request with so many messages, at most a batch; `mark` numbers each.
    pub(super) fn take(&self, messages: usize, mark: impl FnMut(u64) -> Mark) -> Bytes {
        if messages == self.batch {
            if !self.is_marked {
                return self.full.clone();
            }
            let mut bytes = self.full.to_vec();
            self.number(&mut bytes, &self.places, mark);
            return bytes.into();
        }
        let (mut bytes, places) = lay_out(messages, self.size, self.persistent, self.batch > 1);
        self.number(&mut bytes, &places, mark);
        bytes.into()
    }

    fn number(&self, bytes: &mut [u8], places: &[usize], mut mark: impl FnMut(u64) -> Mark) {
        if !self.is_marked {
            return;
        }
        for (index, &place) in places.iter().enumerate() {
            let digits = &mut bytes[place..place + MARK_DIGITS];
            write_digits(mark(index as u64), digits);
        }
    }
}

fn lay_out(
    messages: usize,
    size: usize,
    persistent: bool,
    is_batch: bool,
) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::with_capacity(messages * (size + 32) + 16);
    let mut places = Vec::with_capacity(messages);
    if !is_batch {
        bytes.resize(size, FILLING);
        return (bytes, vec![0]);
    }
    bytes.extend_from_slice(b"{\"messages\":[");
    for index in 0..messages {
        bytes.extend_from_slice(if index == 0 { b"" } else { b"," });
        bytes.extend_from_slice(b"{\"body\":\"");
        places.push(bytes.len());
        bytes.resize(bytes.len() + size, FILLING);
        let end: &[u8] = if persistent {
            b"\"}"
        } else {
            b"\",\"persistent\":false}"
        };
        bytes.extend_from_slice(end);
    }
    bytes.extend_from_slice(b"]}");
    (bytes, places)
}

fn write_digits(mark: Mark, digits: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = [0; MARK_BYTES];
    mark.write(&mut bytes);
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// Reads back the bytes of a mark; none where it was not written.
pub(super) fn read_digits(text: &[u8]) -> Option<[u8; MARK_BYTES]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; MARK_BYTES];
    let pairs = text.get(..MARK_DIGITS)?.chunks_exact(2);
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// What became of one message.
#[derive(Deserialize)]
struct Published<'a> {
    outcome: &'a str,
}

/// What became of each message of a batch.
#[derive(Deserialize)]
struct BatchPublished<'a> {
    #[serde(borrow)]
    results: Vec<Published<'a>>,
}

/// Reads the answer to a request with so many messages.
///
/// # Errors
///
/// It is no answer, or speaks of more or fewer messages.
pub(super) fn fates(answer: &[u8], messages: usize, is_batch: bool) -> Result<Fates, LoadError> {
    let unread = |_| LoadError::Protocol("the answer to a publish cannot be read");
    let results = if is_batch {
        let answer: BatchPublished<'_> = serde_json::from_slice(answer).map_err(unread)?;
        answer.results
    } else {
        vec![serde_json::from_slice(answer).map_err(unread)?]
    };
    if results.len() != messages {
        return Err(LoadError::Protocol(
            "an answer speaks of more or fewer messages than were published",
        ));
    }
    let mut fates = Fates {
        answered: messages,
        ..Fates::default()
    };
    for result in results {
        match result.outcome {
            "stored" => {}
            "unroutable" => fates.returned += 1,
            _ => fates.refused += 1,
        }
    }
    Ok(fates)
}

#[cfg(test)]
mod tests;
