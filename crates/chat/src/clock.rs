//! The exchange of clocks between a client and the server, as NTP does it (RFC 5905, section 8).
//!
//! The client notes when it asks (`t1`), the server when it hears (`t2`) and answers (`t3`), the client when the answer comes (`t4`). All
//! four are microseconds since 1970 by whoever noted them.

/// Four timestamps of one exchange, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The client asked, by its clock.
    pub t1_us: i64,
    /// The server heard, by its clock.
    pub t2_us: i64,
    /// The server answered, by its clock.
    pub t3_us: i64,
    /// The client had the answer, by its clock.
    pub t4_us: i64,
}

/// What an exchange says about the client's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// What has to be added to the client's clock to have the server's, in microseconds.
    pub offset_us: i64,
    /// The offset is right to within so many microseconds, whichever way took longer.
    pub error_us: i64,
}

impl Exchange {
    /// Reads it; `None` if the four cannot belong together: the client's clock jumped meanwhile.
    #[must_use]
    pub fn read(self) -> Option<ClockReading> {
        let whole = self.t4_us.checked_sub(self.t1_us)?;
        let held = self.t3_us.checked_sub(self.t2_us)?;
        let on_the_way = whole.checked_sub(held)?;
        if whole < 0 || held < 0 || on_the_way < 0 {
            return None;
        }
        let there = self.t2_us.checked_sub(self.t1_us)?;
        let back = self.t3_us.checked_sub(self.t4_us)?;
        Some(ClockReading {
            offset_us: there.checked_add(back)? / 2,
            error_us: on_the_way / 2 + on_the_way % 2,
        })
    }
}

#[cfg(test)]
mod tests;
