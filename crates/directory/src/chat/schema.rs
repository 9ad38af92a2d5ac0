//! The chat's tables; see [`crate::schema`] for how a step is added.

use crate::schema::Schema;

/// The schema of the chat's database; its id is `Chsc`.
pub(super) const CHAT: Schema<'static> = Schema {
    application_id: 0x4368_7363,
    steps: &[include_str!("schema/step1.sql")],
    refuse: |_, _| Ok(()),
};
