//! What is wrong with a field of a request, in the terms of no door: each turns it into an error of its own.

use broker::limits::NAME_BYTES_MAX;

/// A field that cannot be as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The field.
    pub(crate) field: String,
    /// What is wrong, and what would be right.
    pub(crate) detail: String,
    /// It would be right if it were shorter.
    pub(crate) is_size: bool,
}

impl Flaw {
    /// Says what is wrong with a field.
    pub(crate) fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            detail: detail.into(),
            is_size: false,
        }
    }

    /// Says that a field is too large.
    pub(crate) fn too_large(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            is_size: true,
            ..Self::new(field, detail)
        }
    }

    /// The same, of a field within another.
    pub(crate) fn within(self, outer: &str) -> Self {
        Self {
            field: format!("{outer}.{}", self.field),
            ..self
        }
    }
}

/// Refuses names that no queue or topic can have in AMQP, which would leave line breaks out.
pub(crate) fn check_name(field: &str, name: &str) -> Result<(), Flaw> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(['\r', '\n']) {
        let detail = format!("a name has 1 to {NAME_BYTES_MAX} bytes and no line breaks");
        return Err(Flaw::new(field, detail));
    }
    Ok(())
}
