//! Headers and arguments: AMQP's field tables as messages, and back.

use std::collections::BTreeMap;

use codec::amqp::field::{Table, Value};
use rpc::v1;
use rpc::v1::value::Kind;

use crate::flaw::Flaw;

/// How deep tables and lists may lie in each other.
const DEPTH_MAX: usize = 16;
/// The longest name of a field.
const NAME_BYTES_MAX: usize = 255;

/// Writes a table as fields.
pub(super) fn fields_of(table: &Table) -> BTreeMap<String, v1::Value> {
    table
        .iter()
        .map(|(name, value)| (name.to_owned(), written(value)))
        .collect()
}

/// Writes one value.
pub(super) fn written(value: &Value) -> v1::Value {
    let kind = match value {
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::I8(number) => Kind::Int64Value((*number).into()),
        Value::U8(number) => Kind::Int64Value((*number).into()),
        Value::I16(number) => Kind::Int64Value((*number).into()),
        Value::U16(number) => Kind::Int64Value((*number).into()),
        Value::I32(number) => Kind::Int64Value((*number).into()),
        Value::U32(number) => Kind::Int64Value((*number).into()),
        Value::I64(number) => Kind::Int64Value(*number),
        Value::F32(number) => Kind::DoubleValue((*number).into()),
        Value::F64(number) => Kind::DoubleValue(*number),
        Value::Decimal { scale, value } => Kind::StringValue(decimal(*scale, *value)),
        Value::LongString(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Kind::StringValue(text.to_owned()),
            Err(_) => Kind::BytesValue(bytes.clone()),
        },
        Value::Bytes(bytes) => Kind::BytesValue(bytes.clone()),
        Value::Timestamp(seconds) => Kind::TimestampMsValue(ms_of(*seconds)),
        Value::Array(values) => Kind::ListValue(v1::ValueList {
            values: values.iter().map(written).collect(),
        }),
        Value::Table(table) => Kind::TableValue(v1::ValueTable {
            fields: fields_of(table),
        }),
        Value::Void => return v1::Value { kind: None },
    };
    v1::Value { kind: Some(kind) }
}

/// Reads fields as a table.
///
/// # Errors
/// A field that AMQP has no room for.
pub(super) fn table_of(
    fields: BTreeMap<String, v1::Value>,
    of: &'static str,
) -> Result<Table, Flaw> {
    table_within(fields, of, DEPTH_MAX)
}

fn table_within(
    fields: BTreeMap<String, v1::Value>,
    of: &'static str,
    depth: usize,
) -> Result<Table, Flaw> {
    let mut table = Table::default();
    for (name, value) in fields {
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
            let detail = format!("a name has from 1 to {NAME_BYTES_MAX} bytes");
            return Err(Flaw::new(of, detail));
        }
        let value = read(value, of, depth)?;
        table.insert(name, value);
    }
    Ok(table)
}

fn read(value: v1::Value, of: &'static str, depth: usize) -> Result<Value, Flaw> {
    if depth == 0 {
        let detail = format!("values are nested more than {DEPTH_MAX} deep");
        return Err(Flaw::new(of, detail));
    }
    Ok(match value.kind {
        None => Value::Void,
        Some(Kind::StringValue(text)) => Value::LongString(text.into_bytes()),
        Some(Kind::Int64Value(number)) => Value::I64(number),
        Some(Kind::DoubleValue(number)) => Value::F64(number),
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::BytesValue(bytes)) => Value::Bytes(bytes),
        Some(Kind::TimestampMsValue(ms)) => {
            let seconds = u64::try_from(ms.div_euclid(1_000));
            let detail = "a time before 1970 is none of AMQP's";
            Value::Timestamp(seconds.map_err(|_| Flaw::new(of, detail))?)
        }
        Some(Kind::ListValue(list)) => {
            let values = list.values.into_iter();
            let read = values.map(|value| read(value, of, depth - 1));
            Value::Array(read.collect::<Result<_, _>>()?)
        }
        Some(Kind::TableValue(table)) => Value::Table(table_within(table.fields, of, depth - 1)?),
    })
}

fn decimal(scale: u8, value: u32) -> String {
    let digits = value.to_string();
    let scale = usize::from(scale);
    if scale == 0 {
        return digits;
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{whole}.{fraction}")
}

/// A time as the messages write it, as far as it fits.
pub(super) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// Seconds as milliseconds, as far as they fit.
pub(super) fn ms_of(seconds: u64) -> i64 {
    signed(seconds.saturating_mul(1_000))
}

#[cfg(test)]
mod tests;
