//! How far a group has read one stream.

use std::collections::BTreeSet;

use broker::StreamOffset;

/// Where a group is in a stream: what was delivered, and what of it is done with.
#[derive(Debug)]
pub(super) struct Cursor {
    start: StreamOffset,
    /// The first offset that was never delivered; `None` before the first delivery, unless it is known where that will be.
    next: Option<u64>,
    /// Delivered and not done with.
    open: BTreeSet<u64>,
    /// Another reader begins: what comes before its first message is gone.
    resumes: bool,
    /// What is on disk.
    written: Option<u64>,
}

impl Cursor {
    pub(super) const fn new(start: StreamOffset) -> Self {
        let next = match start {
            StreamOffset::Offset(offset) => Some(offset),
            StreamOffset::First
            | StreamOffset::Last
            | StreamOffset::Next
            | StreamOffset::Timestamp(_) => None,
        };
        Self {
            start,
            next,
            open: BTreeSet::new(),
            resumes: false,
            written: None,
        }
    }

    /// The first offset that is not done with; `None` as long as nothing was read from a place that is no offset.
    pub(super) fn low(&self) -> Option<u64> {
        self.open.first().copied().or(self.next)
    }

    /// Where whoever holds the partition next begins to read.
    pub(super) fn resume(&mut self) -> StreamOffset {
        self.resumes = true;
        self.low().map_or(self.start, StreamOffset::Offset)
    }

    /// Notes a delivery; false if it is done with already.
    pub(super) fn deliver(&mut self, offset: u64) -> bool {
        if std::mem::take(&mut self.resumes) {
            self.open = self.open.split_off(&offset);
        }
        if self.next.is_some_and(|next| offset < next) {
            return self.open.contains(&offset);
        }
        self.next = Some(offset + 1);
        self.open.insert(offset);
        true
    }

    /// Notes that a delivery is done with.
    pub(super) fn finish(&mut self, offset: u64) {
        self.open.remove(&offset);
    }

    /// The first offset that is not done with, if it is not the one that is on disk; from now on it is taken for that.
    pub(super) fn take_moved(&mut self) -> Option<u64> {
        let low = self.low()?;
        (self.written.replace(low) != Some(low)).then_some(low)
    }

    /// Says whether something was delivered that is not done with.
    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Says whether [`Self::take_moved`] has something to tell.
    pub(super) fn has_moved(&self) -> bool {
        self.low().is_some() && self.low() != self.written
    }

    /// What was taken last is not on disk after all.
    pub(super) const fn not_written(&mut self) {
        self.written = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_out_of_order_counts_once_all_before_it_is() {
        let mut cursor = Cursor::new(StreamOffset::Offset(5));
        assert!((5..8).all(|offset| cursor.deliver(offset)));
        cursor.finish(6);
        assert_eq!(cursor.low(), Some(5));
        cursor.finish(5);
        assert_eq!(cursor.low(), Some(7));
        cursor.finish(7);
        assert_eq!(cursor.low(), Some(8));
    }

    #[test]
    fn a_second_reader_gets_what_is_open_and_not_what_is_done() {
        let mut cursor = Cursor::new(StreamOffset::Offset(0));
        (0..3).for_each(|offset| assert!(cursor.deliver(offset)));
        cursor.finish(1);
        assert_eq!(cursor.resume(), StreamOffset::Offset(0));
        let again: Vec<_> = (0..4).map(|offset| cursor.deliver(offset)).collect();
        assert_eq!(again, [true, false, true, true]);
    }

    #[test]
    fn what_retention_took_is_not_waited_for() {
        let mut cursor = Cursor::new(StreamOffset::Offset(0));
        assert!(cursor.deliver(100));
        cursor.finish(100);
        assert_eq!(cursor.low(), Some(101));
        assert!(cursor.deliver(101) && cursor.deliver(102));
        assert_eq!(cursor.resume(), StreamOffset::Offset(101));
        assert!(cursor.deliver(102), "101 is gone");
        cursor.finish(102);
        assert_eq!(cursor.low(), Some(103));
    }

    #[test]
    fn a_time_is_a_start_until_something_was_read() {
        let mut cursor = Cursor::new(StreamOffset::Timestamp(9));
        assert_eq!(cursor.take_moved(), None);
        assert_eq!(cursor.resume(), StreamOffset::Timestamp(9));
        cursor.deliver(40);
        assert_eq!(cursor.take_moved(), Some(40));
        assert_eq!(cursor.take_moved(), None);
        cursor.not_written();
        assert_eq!(cursor.take_moved(), Some(40));
    }
}
