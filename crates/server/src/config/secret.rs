//! A setting that is never printed.

use std::fmt;

use serde::Deserialize;

/// What stands in the place of a secret wherever settings are printed.
pub(super) const REDACTED: &str = "<redacted>";

/// A secret text: its `Debug` and `Display` are redacted, [`Secret::expose`] is the only way in.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Gives the secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}
