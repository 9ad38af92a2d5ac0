//! Random tables for property tests.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::num::{f32, f64};
use proptest::prelude::*;

use super::{Table, Value};

/// Generates text that fits a short string.
pub(crate) fn short_text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z.]{0,12}",
        2 => "\\PC{0,40}",
        1 => Just("x".repeat(255)),
        1 => Just(String::new()),
    ]
}

/// Generates any value, nested up to a few levels.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        f32::NORMAL.prop_map(Value::F32),
        f64::NORMAL.prop_map(Value::F64),
        any::<(u8, u32)>().prop_map(|(scale, value)| Value::Decimal { scale, value }),
        vec(any::<u8>(), 0..40).prop_map(Value::LongString),
        any::<u64>().prop_map(Value::Timestamp),
        Just(Value::Void),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            btree_map(short_text(), inner, 0..5).prop_map(|fields| Value::Table(sorted(fields))),
        ]
    })
}

/// Generates a table with sorted, distinct names, which is how the oracle writes one.
pub(crate) fn table() -> impl Strategy<Value = Table> {
    btree_map(short_text(), value(), 0..6).prop_map(sorted)
}

fn sorted(fields: BTreeMap<String, Value>) -> Table {
    fields.into_iter().collect()
}
