//! The tables of the file index; see [`crate::schema`] for how a step is added.

use crate::schema::Schema;

/// The schema of the file index's database; its id is `Chsf`.
pub(super) const FILES: Schema<'static> = Schema {
    application_id: 0x4368_7366,
    steps: &[
        include_str!("schema/step1.sql"),
        include_str!("schema/step2.sql"),
        include_str!("schema/step3.sql"),
        include_str!("schema/step4.sql"),
    ],
    refuse: |_, _| Ok(()),
};
