//! How much is read from a connection at once.

/// The first read of a connection, and the least later on, in bytes.
pub(super) const READ_BYTES_MIN: usize = 4 << 10;
/// The most that is read at once, in bytes.
pub(super) const READ_BYTES_MAX: usize = 256 << 10;
/// The most that is read at once of large messages, in bytes: a batch of them then stays in a core's cache from the read to the write,
/// while small ones gain more from fewer system calls.
const READ_BYTES_MAX_LARGE: usize = 64 << 10;
/// Messages of this size on average are large, in bytes with all their frames.
const LARGE_BYTES: usize = 4 << 10;

/// How much memory a read takes beside `held` bytes of an unfinished frame, those included, and how much it asks for.
///
/// Whoever is not let in yet gets no more than the frame takes that may come; everyone else gets a large frame in one piece.
pub(super) fn room_for(
    held: usize,
    read_bytes: usize,
    frame_max: u32,
    is_open: bool,
) -> (usize, usize) {
    let whole = match usize::try_from(frame_max) {
        Ok(0) | Err(_) => READ_BYTES_MAX,
        Ok(limit) => limit.min(READ_BYTES_MAX),
    };
    let missing = whole.saturating_sub(held).max(1);
    if is_open {
        (held + read_bytes.max(missing), read_bytes)
    } else {
        let wanted = missing.min(READ_BYTES_MIN);
        (held + wanted, wanted)
    }
}

/// How much is read at once after a batch of `bytes` with so many messages; none when it had none.
pub(super) fn read_bytes_max(bytes: usize, messages: u64) -> Option<usize> {
    let messages = usize::try_from(messages).unwrap_or(usize::MAX);
    bytes.checked_div(messages).map(|average| {
        if average < LARGE_BYTES {
            READ_BYTES_MAX
        } else {
            READ_BYTES_MAX_LARGE
        }
    })
}

#[cfg(test)]
mod tests;
