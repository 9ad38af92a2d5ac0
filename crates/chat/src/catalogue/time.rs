//! Times, as they are written in every language: by the server's clock, in UTC.

/// A day, in seconds.
const DAY_S: u64 = 86_400;

/// Writes a time to the second: `2026-11-21 18:57:15 UTC`.
#[must_use]
pub fn date_time(at_ms: u64) -> String {
    let at_s = at_ms / 1_000;
    let second = at_s % 60;
    format!("{}:{second:02} UTC", minute(at_ms))
}

/// Writes a time to the minute: `2026-11-21 18:57`.
#[must_use]
pub fn minute(at_ms: u64) -> String {
    let at_s = at_ms / 1_000;
    let (year, month, day) = date(at_s / DAY_S);
    let (hour, minute) = (at_s % DAY_S / 3_600, at_s % 3_600 / 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

/// The date of a day after 1970-01-01: years are counted from March on, so that the leap day is their last.
const fn date(days: u64) -> (u64, u64, u64) {
    // Days since 0000-03-01; 400 years have 146,097.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}
