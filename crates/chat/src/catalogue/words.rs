//! What sentences of every language are put together from.

/// A number with its word: `1 room`, `2 rooms`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    let word = if count == 1 { one } else { many };
    format!("{count} {word}")
}

/// The same of something that is in memory.
pub(super) fn counted_here(count: usize, one: &str, many: &str) -> String {
    counted(u64::try_from(count).unwrap_or(u64::MAX), one, many)
}

/// A duration in the largest unit that is about right; the words are those of seconds, minutes, hours and days, one and many.
pub(super) fn duration(seconds: u64, words: [(&str, &str); 4]) -> String {
    let [second, minute, hour, day] = words;
    let (count, (one, many)) = match seconds {
        0..120 => (seconds, second),
        120..7_200 => (seconds.div_ceil(60), minute),
        7_200..172_800 => (seconds.div_ceil(3_600), hour),
        172_800.. => (seconds.div_ceil(86_400), day),
    };
    counted(count, one, many)
}

/// `a, b and c`; `and` may depend on the last word.
pub(super) fn joined(parts: &[String], and: impl Fn(&str) -> &'static str) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [before @ .., last] => format!("{} {} {last}", before.join(", "), and(last)),
    }
}
