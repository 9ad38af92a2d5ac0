//! What is wrong with a field of a request, in the terms of no door: each turns it into an error of its own.

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
