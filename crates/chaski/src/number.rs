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

#[cfg(test)]
mod tests;
