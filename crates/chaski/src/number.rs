//! Numbers as people type them.

use std::fmt::Display;
use std::num::{IntErrorKind, ParseIntError};
use std::ops::RangeInclusive;
use std::str::FromStr;

use anyhow::{anyhow, bail};

/// Reads whole numbers of a range; the error says what would be right.
pub(crate) fn within<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr<Err = ParseIntError> + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| {
        let outside = || format!("it is from {} to {}", range.start(), range.end());
        match text.parse::<T>() {
            Ok(number) if range.contains(&number) => Ok(number),
            Ok(_) => Err(outside()),
            Err(error) => match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => Err(outside()),
                // The others stand for what is no number, and for kinds that may come.
                IntErrorKind::Empty | IntErrorKind::InvalidDigit | IntErrorKind::Zero | _ => {
                    Err("not a whole number".to_owned())
                }
            },
        }
    }
}

/// Reads whole numbers from 0 on.
pub(crate) fn from_zero(text: &str) -> Result<u64, String> {
    match text.parse::<i128>() {
        Ok(negative) if negative < 0 => Err("it cannot be negative".to_owned()),
        Ok(number) => u64::try_from(number).map_err(|_| "it is too great".to_owned()),
        Err(_) => Err("not a whole number".to_owned()),
    }
}

/// Reads `16`, `4KiB`, `1MiB`.
pub(crate) fn parse_size(text: &str) -> anyhow::Result<usize> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        unit => bail!("'{unit}' is no unit of size: use B, KiB or MiB"),
    };
    let number: usize = digits
        .parse()
        .map_err(|_| anyhow!("'{text}' is no size: try 1KiB"))?;
    number
        .checked_mul(unit)
        .ok_or_else(|| anyhow!("'{text}' is too large"))
}

/// Reads `90s`, `30min`, `24h`, `7d` as milliseconds.
pub(crate) fn parse_time(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no time: write a number with s, min, h or d, as in 24h");
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 24 * 3_600_000,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(unit_ms).ok_or_else(wrong)
}

#[cfg(test)]
mod tests;
