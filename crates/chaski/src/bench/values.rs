//! Values of options as people write them.

use std::time::Duration;

use anyhow::{anyhow, bail};
use client::load::{QueueArgument, SizeRange};

use crate::number::parse_size;

/// Reads `500ms`, `10s`, `2m`, or a number of seconds.
pub(super) fn parse_duration(text: &str) -> anyhow::Result<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        unit => bail!("'{unit}' is no unit of time: use ms, s, m or h"),
    };
    let number: f64 = digits
        .parse()
        .map_err(|_| anyhow!("'{text}' is no duration: try 10s"))?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| anyhow!("'{text}' is no duration"))
}

/// Reads a size or `MIN..MAX`.
pub(super) fn parse_size_range(text: &str) -> anyhow::Result<SizeRange> {
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    let (min, max) = (parse_size(min)?, parse_size(max.trim_start_matches('='))?);
    if min > max {
        bail!("the range '{text}' runs backwards");
    }
    Ok(SizeRange { min, max })
}

/// Reads `KEY=VALUE`; numbers and truth values are sent as such.
pub(super) fn parse_argument(text: &str) -> anyhow::Result<(String, QueueArgument)> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| anyhow!("'{text}' is no argument: write KEY=VALUE"))?;
    let value = match (value.parse::<i64>(), value.parse::<bool>()) {
        (Ok(number), _) => QueueArgument::Number(number),
        (_, Ok(flag)) => QueueArgument::Flag(flag),
        (Err(_), Err(_)) => QueueArgument::Text(value.to_owned()),
    };
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests;
