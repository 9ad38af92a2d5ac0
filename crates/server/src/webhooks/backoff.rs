//! How long to wait before the next attempt.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, header};

/// The longest wait that a receiver can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Waits that double from the first to the longest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    /// After the first failure, in milliseconds.
    pub(super) first_ms: u64,
    /// At most, in milliseconds.
    pub(super) max_ms: u64,
}

impl Backoff {
    /// The wait after so many failures: from half to all of what doubling gives, by `random`, so that many do not come back at once.
    pub(super) fn delay(self, failures: u32, random: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(40);
        let full = self.first_ms.saturating_mul(1 << doublings);
        let full = full.min(self.max_ms);
        let half = full / 2;
        let spread = u128::from(full - half) * u128::from(random) / u128::from(u32::MAX);
        Duration::from_millis(half.saturating_add(u64::try_from(spread).unwrap_or(half)))
    }

    /// As [`Self::delay`], by chance.
    pub(super) fn next(self, failures: u32) -> Duration {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        self.delay(failures, u32::from_le_bytes(bytes))
    }
}

/// Reads how long a receiver asks to wait: in seconds, or until a date; at most an hour.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wished = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has mean the longest wait.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(now).unwrap_or_default()
    };
    Some(wished.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first_ms: 1_000,
        max_ms: 60_000,
    };

    #[test]
    fn waits_double_up_to_the_longest() {
        let longest: Vec<_> = (1..=9)
            .map(|failures| BACKOFF.delay(failures, u32::MAX).as_millis())
            .collect();
        assert_eq!(
            longest,
            [
                1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000
            ]
        );
        assert_eq!(BACKOFF.delay(u32::MAX, u32::MAX).as_millis(), 60_000);
    }

    #[test]
    fn chance_takes_up_to_half_of_a_wait() {
        assert_eq!(BACKOFF.delay(3, 0).as_millis(), 2_000);
        assert_eq!(BACKOFF.delay(3, u32::MAX / 2).as_millis(), 2_999);
        let extreme = Backoff {
            first_ms: u64::MAX,
            max_ms: u64::MAX,
        };
        assert_eq!(extreme.delay(9, u32::MAX).as_millis(), u128::from(u64::MAX));
        for _ in 0..100 {
            let wait = BACKOFF.next(1).as_millis();
            assert!((500..=1_000).contains(&wait), "{wait}");
        }
    }

    #[track_caller]
    fn check(text: &str, seconds: Option<u64>) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, text.parse().expect("a header"));
        let read = retry_after(&headers, now);
        assert_eq!(read, seconds.map(Duration::from_secs), "{text}");
    }

    #[test]
    fn a_receiver_asks_for_a_wait_in_seconds_or_until_a_date() {
        check("0", Some(0));
        check("120", Some(120));
        check("3601", Some(3_600));
        check("99999999999999999999999", Some(3_600));
        check("Tue, 14 Nov 2023 22:13:50 GMT", Some(30));
        check("Tue, 14 Nov 2023 22:13:00 GMT", Some(0));
        check("Fri, 31 Dec 9999 23:59:59 GMT", Some(3_600));
        check("-1", None);
        check("soon", None);
        check("", None);
    }
}
