//! From rows to values and back: every SQL statement on the tables.

mod apply;
mod audit;
mod load;
mod row;

pub(crate) use apply::{ApplyError, apply};
pub(crate) use audit::audit;
pub(crate) use load::load;
