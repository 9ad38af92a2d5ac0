//! Publishes that wait for their confirm.

use super::error::LoadError;

/// Follows the publishes of one channel in confirm mode.
///
/// *Shape*: a ring of send times indexed by delivery tag; zero marks a tag that is settled. It grows to the most messages
/// that were ever in flight, which the window bounds.
pub(crate) struct Confirms {
    ring: Vec<u64>,
    /// Lowest tag that is not settled.
    first: u64,
    /// Tag of the next publish.
    next: u64,
    in_flight: usize,
}

impl Confirms {
    /// Begins with nothing in flight.
    pub(crate) fn new(window: usize) -> Self {
        Self {
            ring: vec![0; window.clamp(1, 1 << 16).next_power_of_two()],
            first: 1,
            next: 1,
            in_flight: 0,
        }
    }

    /// How many publishes wait.
    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Notes a publish that was meant for the moment `stamp`.
    #[inline]
    pub(crate) fn sent(&mut self, stamp: u64) {
        if self.next - self.first == self.ring.len() as u64 {
            self.grow();
        }
        let place = self.place(self.next);
        self.ring[place] = stamp.max(1);
        self.next += 1;
        self.in_flight += 1;
    }

    /// Settles one tag, or all up to it; calls `each` with the send time of every publish that is settled by this.
    ///
    /// # Errors
    ///
    /// Fails when a tag was never sent or is settled for the second time.
    #[inline]
    pub(crate) fn settle(
        &mut self,
        tag: u64,
        multiple: bool,
        mut each: impl FnMut(u64),
    ) -> Result<(), LoadError> {
        // Tag zero with `multiple` means everything.
        let tag = if multiple && tag == 0 {
            self.next - 1
        } else {
            tag
        };
        if tag >= self.next {
            return Err(LoadError::Protocol("confirm of a message never sent"));
        }
        let from = if multiple { self.first } else { tag };
        let before = self.in_flight;
        for tag in from.max(self.first)..=tag {
            let place = self.place(tag);
            let stamp = std::mem::take(&mut self.ring[place]);
            if stamp != 0 {
                each(stamp);
                self.in_flight -= 1;
            }
        }
        if before == self.in_flight && !multiple {
            return Err(LoadError::Protocol("message confirmed twice"));
        }
        while self.first < self.next && self.ring[self.place(self.first)] == 0 {
            self.first += 1;
        }
        Ok(())
    }

    /// The whole tag of a publish of which only the low bits came back.
    #[inline]
    pub(crate) fn whole_tag(&self, low: u32) -> u64 {
        // The window is far below 2^32, so the tag is the latest one with these bits.
        let latest = self.next - 1;
        let behind =
            (latest & u64::from(u32::MAX)).wrapping_sub(u64::from(low)) & u64::from(u32::MAX);
        latest.saturating_sub(behind)
    }

    #[inline]
    fn place(&self, tag: u64) -> usize {
        // The length is a power of two.
        usize::try_from(tag & (self.ring.len() as u64 - 1)).unwrap_or(0)
    }

    #[cold]
    fn grow(&mut self) {
        let mut ring = vec![0; self.ring.len() * 2];
        let mask = ring.len() as u64 - 1;
        for tag in self.first..self.next {
            let place = usize::try_from(tag & mask).unwrap_or(0);
            ring[place] = self.ring[self.place(tag)];
        }
        self.ring = ring;
    }
}

#[cfg(test)]
mod tests;
