//! What a webhook is told to do: read from wishes, checked, kept as JSON.

use directory::limits as directory_limits;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::HookError;
use super::backoff::Backoff;

/// Deliveries of one webhook under way at once.
pub(crate) const IN_FLIGHT_MAX: u16 = 64;
/// How long one attempt may take, in milliseconds.
pub(crate) const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=60_000;
/// Attempts for one message.
pub(crate) const ATTEMPTS: std::ops::RangeInclusive<u32> = 1..=100;
/// Waits between attempts, in milliseconds.
pub(crate) const WAIT_MS: std::ops::RangeInclusive<u64> = 10..=86_400_000;
/// The longest URL.
const URL_BYTES_MAX: usize = directory_limits::URL_BYTES_MAX;
/// The shortest and the longest secret that somebody may choose.
const SECRET_BYTES: std::ops::RangeInclusive<usize> =
    16..=directory_limits::WEBHOOK_SECRET_BYTES_MAX;

/// How messages are sent; what the directory keeps as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Deliveries under way at once; with 1 they come in order.
    pub(crate) max_in_flight: u16,
    /// How long one attempt may take, in milliseconds.
    pub(crate) timeout_ms: u64,
    /// Attempts for one message.
    pub(crate) max_attempts: u32,
    /// The first wait, in milliseconds.
    pub(crate) backoff_first_ms: u64,
    /// The longest wait, in milliseconds.
    pub(crate) backoff_max_ms: u64,
    /// Why the server paused it, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paused_because: Option<String>,
}

/// What is to be otherwise; what is absent stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    /// Where messages are sent.
    pub(crate) url: Option<String>,
    /// What requests are signed with.
    pub(crate) secret: Option<String>,
    /// A new secret is to be made.
    pub(crate) wants_new_secret: bool,
    /// Deliveries under way at once.
    pub(crate) max_in_flight: Option<u16>,
    /// How long one attempt may take.
    pub(crate) timeout_ms: Option<u64>,
    /// Attempts for one message.
    pub(crate) max_attempts: Option<u32>,
    /// The first wait.
    pub(crate) backoff_first_ms: Option<u64>,
    /// The longest wait.
    pub(crate) backoff_max_ms: Option<u64>,
    /// Nothing is to be sent for now.
    pub(crate) paused: Option<bool>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_in_flight: 1,
            timeout_ms: 10_000,
            max_attempts: 12,
            backoff_first_ms: 1_000,
            backoff_max_ms: 600_000,
            paused_because: None,
        }
    }
}

impl Settings {
    /// Reads what the directory keeps; what cannot be read is as it is for a new webhook.
    pub(super) fn parse(text: &str) -> Self {
        let mut settings: Self = serde_json::from_str(text).unwrap_or_default();
        settings.max_in_flight = settings.max_in_flight.clamp(1, IN_FLIGHT_MAX);
        settings
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) const fn backoff(&self) -> Backoff {
        Backoff {
            first_ms: self.backoff_first_ms,
            max_ms: self.backoff_max_ms,
        }
    }

    /// These settings as somebody wishes them.
    ///
    /// # Errors
    /// A value out of its range.
    pub(super) fn with(&self, wish: &Wish) -> Result<Self, HookError> {
        let changed = Self {
            max_in_flight: wish.max_in_flight.unwrap_or(self.max_in_flight),
            timeout_ms: wish.timeout_ms.unwrap_or(self.timeout_ms),
            max_attempts: wish.max_attempts.unwrap_or(self.max_attempts),
            backoff_first_ms: wish.backoff_first_ms.unwrap_or(self.backoff_first_ms),
            backoff_max_ms: wish.backoff_max_ms.unwrap_or(self.backoff_max_ms),
            paused_because: match wish.paused {
                Some(_) => None,
                None => self.paused_because.clone(),
            },
        };
        within("max_in_flight", changed.max_in_flight, &(1..=IN_FLIGHT_MAX))?;
        within("timeout_ms", changed.timeout_ms, &TIMEOUT_MS)?;
        within("retry.max_attempts", changed.max_attempts, &ATTEMPTS)?;
        within("retry.first_ms", changed.backoff_first_ms, &WAIT_MS)?;
        within("retry.max_ms", changed.backoff_max_ms, &WAIT_MS)?;
        if changed.backoff_max_ms < changed.backoff_first_ms {
            return Err(HookError::Invalid(
                "retry.max_ms is at least retry.first_ms".to_owned(),
            ));
        }
        Ok(changed)
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: T,
    range: &std::ops::RangeInclusive<T>,
) -> Result<(), HookError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = (range.start(), range.end());
    Err(HookError::Invalid(format!(
        "{name} is from {least} to {most}"
    )))
}

/// Checks a secret that somebody chose.
///
/// # Errors
/// It is too short or too long.
pub(super) fn check_secret(secret: &str) -> Result<(), HookError> {
    if SECRET_BYTES.contains(&secret.len()) {
        return Ok(());
    }
    let (least, most) = (SECRET_BYTES.start(), SECRET_BYTES.end());
    Err(HookError::Invalid(format!(
        "a secret has {least} to {most} bytes; without one, the server makes one"
    )))
}

/// Where requests go.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) is_tls: bool,
    pub(super) host: Host<String>,
    pub(super) port: u16,
    /// The path with what follows the question mark.
    pub(super) path: String,
    /// Host and port as they stand in the request.
    pub(super) authority: String,
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// It is none that a webhook can have.
    pub(super) fn parse(text: &str) -> Result<Self, HookError> {
        let invalid = |reason: &str| Err(HookError::Invalid(format!("url: {reason}")));
        if text.len() > URL_BYTES_MAX {
            return invalid(&format!("it has at most {URL_BYTES_MAX} bytes"));
        }
        let Ok(url) = Url::parse(text) else {
            return invalid("it is none; write one such as https://example.org/hook");
        };
        let is_tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return invalid("it begins with https:// or http://"),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return invalid(
                "it may hold no login and no password; check the signature of requests instead",
            );
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return invalid("it names no host");
        };
        if port == 0 {
            return invalid("the port is from 1 to 65535");
        }
        let path = url.query().map_or_else(
            || url.path().to_owned(),
            |query| format!("{}?{query}", url.path()),
        );
        Ok(Self {
            is_tls,
            authority: match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_string(),
            },
            host: host.to_owned(),
            port,
            path,
        })
    }

    /// Scheme, host and port: what may be shown to whoever may not see the path.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

#[cfg(test)]
mod tests;
