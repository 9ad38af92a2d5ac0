//! AMQP's field tables as JSON, and back.

use codec::amqp::field::{Table, Value};

/// How deep tables and lists may lie in each other.
const DEPTH_MAX: usize = 16;

/// Writes a field table as a JSON object; bytes that are no text become one with marks in their place.
pub(crate) fn map_of_table(table: &Table) -> serde_json::Map<String, serde_json::Value> {
    table
        .iter()
        .map(|(key, value)| (key.to_owned(), json_of(value)))
        .collect()
}

/// As [`map_of_table`], for where any value may stand.
pub(crate) fn json_of_table(table: &Table) -> serde_json::Value {
    map_of_table(table).into()
}

fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(flag) => (*flag).into(),
        Value::I8(number) => (*number).into(),
        Value::U8(number) => (*number).into(),
        Value::I16(number) => (*number).into(),
        Value::U16(number) => (*number).into(),
        Value::I32(number) => (*number).into(),
        Value::U32(number) => (*number).into(),
        Value::I64(number) => (*number).into(),
        Value::F32(number) => f64::from(*number).into(),
        Value::F64(number) => (*number).into(),
        Value::Decimal { scale, value } => {
            (f64::from(*value) / 10_f64.powi(i32::from(*scale))).into()
        }
        Value::Timestamp(seconds) => (*seconds).into(),
        Value::LongString(text) | Value::Bytes(text) => String::from_utf8_lossy(text).into(),
        Value::Array(items) => items.iter().map(json_of).collect::<Vec<_>>().into(),
        Value::Table(table) => json_of_table(table),
        Value::Void => serde_json::Value::Null,
    }
}

/// Reads a JSON object as a field table.
///
/// # Errors
/// A sentence on what cannot be said in one.
pub(crate) fn table_of_json(
    object: &serde_json::Map<String, serde_json::Value>,
) -> Result<Table, String> {
    table_within(object, DEPTH_MAX)
}

fn table_within(
    object: &serde_json::Map<String, serde_json::Value>,
    depth: usize,
) -> Result<Table, String> {
    let mut table = Table::default();
    for (name, value) in object {
        if name.len() > 255 {
            return Err("a header's name has at most 255 bytes".to_owned());
        }
        table.insert(name.as_str(), value_of_json(value, depth)?);
    }
    Ok(table)
}

fn value_of_json(value: &serde_json::Value, depth: usize) -> Result<Value, String> {
    if depth == 0 {
        return Err(format!("headers are nested more than {DEPTH_MAX} deep"));
    }
    Ok(match value {
        serde_json::Value::Null => Value::Void,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::I64(whole),
            (None, Some(fraction)) => Value::F64(fraction),
            (None, None) => return Err(format!("{number} is too large for a header")),
        },
        serde_json::Value::String(text) => Value::LongString(text.as_bytes().to_vec()),
        serde_json::Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| value_of_json(item, depth - 1))
                .collect::<Result<_, _>>()?,
        ),
        serde_json::Value::Object(object) => Value::Table(table_within(object, depth - 1)?),
    })
}

#[cfg(test)]
mod tests;
