//! Ids of requests: the client's if it can stand in a log, else one of ours.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::HeaderValue;

/// The longest id that is taken from a client.
const BYTES_MAX: usize = 128;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// What a request is called in answers and in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(Arc<str>);

/// The id of the request that is being handled.
pub(crate) fn current() -> Option<String> {
    CURRENT.try_with(ToString::to_string).ok()
}

impl RequestId {
    /// Takes the client's id, or makes one.
    pub(super) fn of(asked: Option<&HeaderValue>) -> Self {
        let sane = asked
            .and_then(|value| value.to_str().ok())
            .filter(|id| is_sane(id));
        sane.map_or_else(Self::new, |id| Self(id.into()))
    }

    /// Makes a UUID of version 7: the time in milliseconds, then randomness.
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = since.map_or(0, |since| since.as_millis());
        let mut random = [0; 16];
        // An id that is not random is still an id.
        let _ = getrandom::fill(&mut random);
        let random = u128::from_be_bytes(random);
        // 48 bits of time, 4 of version, 12 random ones, 2 of variant, 62 random ones.
        let number = ((now_ms & ((1 << 48) - 1)) << 80)
            | (0x7 << 76)
            | (((random >> 64) & 0xFFF) << 64)
            | (0b10 << 62)
            | (random & ((1 << 62) - 1));
        let digits = format!("{number:032x}");
        let mut id = String::with_capacity(36);
        for (index, digit) in digits.chars().enumerate() {
            if matches!(index, 8 | 12 | 16 | 20) {
                id.push('-');
            }
            id.push(digit);
        }
        Self(id.into())
    }

    /// Runs a future that may ask for this id by [`current`].
    pub(super) async fn while_current<F: Future>(&self, future: F) -> F::Output {
        CURRENT.scope(self.clone(), future).await
    }
}

/// What can stand in a header, a log line and a terminal without doing harm.
fn is_sane(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    (1..=BYTES_MAX).contains(&id.len()) && id.bytes().all(is_plain)
}

impl std::ops::Deref for RequestId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_another_replaced() {
        let of = |text: &'static str| RequestId::of(Some(&HeaderValue::from_static(text)));
        for sane in ["7", "order-42_a.b", "01890a5d-ac96-774b-bcce-b302099a8057"] {
            assert_eq!(&*of(sane), sane);
        }
        let long: &'static str = "x".repeat(BYTES_MAX + 1).leak();
        for odd in ["", "two words", "line\tbreak", "\"quoted\"", "<b>", long] {
            assert_ne!(&*of(odd), odd, "{odd:?}");
            assert_eq!(of(odd).len(), 36);
        }
    }

    #[test]
    fn ours_are_uuids_of_version_7_and_all_different() {
        let ids: Vec<_> = (0..1_000).map(|_| RequestId::of(None)).collect();
        for id in &ids {
            let parts: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
            assert_eq!(id.as_bytes()[14], b'7', "{id}");
            assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        }
        let distinct: std::collections::HashSet<&str> = ids.iter().map(|id| &**id).collect();
        assert_eq!(distinct.len(), ids.len());
        assert!(ids[0][..8] <= ids[999][..8], "they rise with the time");
    }
}
