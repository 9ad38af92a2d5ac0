//! The keys that exist, read from the derived description of [`Config`](super::Config).

use confique::Config as _;
use confique::meta::{Expr, FieldKind, LeafKind, Meta};

/// One key.
pub(super) struct Key {
    /// The dotted name, as in `limits.frame_max`.
    pub(super) path: String,
    /// The environment variable.
    pub(super) variable: Option<&'static str>,
    /// How a text becomes its value.
    pub(super) form: Form,
}

/// What TOML value a key takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// A text.
    Text,
}

/// Lists every key in the order of the default file.
pub(super) fn keys() -> Vec<Key> {
    let mut found = Vec::new();
    collect(&super::Config::META, "", &mut found);
    found
}

fn collect(meta: &'static Meta, prefix: &str, found: &mut Vec<Key>) {
    for field in meta.fields {
        let path = format!("{prefix}{}", field.name);
        match field.kind {
            FieldKind::Nested { meta } => collect(meta, &format!("{path}."), found),
            FieldKind::Leaf { env, kind } => found.push(Key {
                path,
                variable: env,
                form: form_of(kind),
            }),
        }
    }
}

/// Takes the form from the default; a key without one is a text.
fn form_of(kind: LeafKind) -> Form {
    match kind {
        LeafKind::Required {
            default: Some(Expr::Bool(_)),
        } => Form::Bool,
        LeafKind::Required {
            default: Some(Expr::Integer(_)),
        } => Form::Integer,
        LeafKind::Required {
            default: Some(Expr::Float(_)),
        } => Form::Float,
        LeafKind::Required { .. } | LeafKind::Optional => Form::Text,
    }
}
