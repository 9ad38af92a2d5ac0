//! Field tables: the typed name-value lists of arguments, headers and capabilities.
//!
//! [`TableRef`] reads a table where it lies in a buffer, without allocating. [`Table`] owns its
//! values and can be built and changed. Both know RabbitMQ's type letters, which differ from the
//! specification's: `s` is a 16-bit integer, `l` and `L` are signed 64-bit ones.
//!
//! # Shape
//!
//! A table is a `u32` length, then per field a short string and a value; a value is a letter and
//! what it calls for. Nesting is bounded by [`DEPTH_MAX`], the number of values in one table with
//! all it contains by [`ITEMS_MAX`].
//!
//! # Spec
//!
//! AMQP 0-9-1, section 4.2.5.5; "AMQP 0-9-1 Errata" of RabbitMQ, section 3.

use super::wire::{Reader, Writer, begin_length, end_length, length};

mod borrowed;
#[cfg(test)]
pub(crate) mod strategy;
#[cfg(test)]
mod tests;

pub use super::wire::DecodeError;
pub use borrowed::{ArrayIter, ArrayRef, TableIter, TableRef, ValueRef};

/// How deep tables and arrays may be nested, the outermost table included.
pub const DEPTH_MAX: usize = 32;

/// How many values one table may hold, those of nested tables and arrays included.
///
/// A field of two octets takes 56 in memory, and its name and text an allocation each: this keeps
/// what a hostile frame can allocate below a mebibyte.
pub const ITEMS_MAX: usize = 12_288;

/// Holds one value of a field table.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `t`: true or false.
    Bool(bool),
    /// `b`: a signed 8-bit integer.
    I8(i8),
    /// `B`: an unsigned 8-bit integer.
    U8(u8),
    /// `s`: a signed 16-bit integer.
    I16(i16),
    /// `u`: an unsigned 16-bit integer.
    U16(u16),
    /// `I`: a signed 32-bit integer.
    I32(i32),
    /// `i`: an unsigned 32-bit integer.
    U32(u32),
    /// `l`: a signed 64-bit integer; `L` is read as one too.
    I64(i64),
    /// `f`: a 32-bit float.
    F32(f32),
    /// `d`: a 64-bit float.
    F64(f64),
    /// `D`: `value` divided by ten to the power of `scale`.
    Decimal {
        /// Digits after the decimal point.
        scale: u8,
        /// The number without its decimal point.
        value: u32,
    },
    /// `S`: bytes that are text by convention.
    LongString(Vec<u8>),
    /// `A`: a list of values.
    Array(Vec<Self>),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `F`: a nested table.
    Table(Table),
    /// `V`: nothing.
    Void,
    /// `x`: bytes that are no text.
    Bytes(Vec<u8>),
}

impl Value {
    /// Returns the number held by any of the integer types.
    pub const fn as_i64(&self) -> Option<i64> {
        match self {
            Self::I8(number) => Some(*number as i64),
            Self::U8(number) => Some(*number as i64),
            Self::I16(number) => Some(*number as i64),
            Self::U16(number) => Some(*number as i64),
            Self::I32(number) => Some(*number as i64),
            Self::U32(number) => Some(*number as i64),
            Self::I64(number) => Some(*number),
            Self::Bool(_)
            | Self::F32(_)
            | Self::F64(_)
            | Self::Decimal { .. }
            | Self::LongString(_)
            | Self::Array(_)
            | Self::Timestamp(_)
            | Self::Table(_)
            | Self::Void
            | Self::Bytes(_) => None,
        }
    }

    /// Returns the text of a long string, if it is UTF-8.
    pub const fn as_str(&self) -> Option<&str> {
        if let Self::LongString(bytes) = self
            && let Ok(text) = str::from_utf8(bytes.as_slice())
        {
            Some(text)
        } else {
            None
        }
    }

    /// Returns the nested table.
    pub const fn as_table(&self) -> Option<&Table> {
        if let Self::Table(table) = self {
            Some(table)
        } else {
            None
        }
    }

    /// Returns the items of an array.
    pub const fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self {
            Some(items.as_slice())
        } else {
            None
        }
    }

    /// Returns the truth value.
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self {
            Some(*truth)
        } else {
            None
        }
    }

    /// Appends the type letter and the value.
    fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        match self {
            Self::Bool(truth) => writer.raw(&[b't', u8::from(*truth)]),
            Self::I8(number) => writer.raw(&[b'b', number.to_be_bytes()[0]]),
            Self::U8(number) => writer.raw(&[b'B', *number]),
            Self::I16(number) => tagged(out, b's', &number.to_be_bytes()),
            Self::U16(number) => tagged(out, b'u', &number.to_be_bytes()),
            Self::I32(number) => tagged(out, b'I', &number.to_be_bytes()),
            Self::U32(number) => tagged(out, b'i', &number.to_be_bytes()),
            Self::I64(number) => tagged(out, b'l', &number.to_be_bytes()),
            Self::F32(number) => tagged(out, b'f', &number.to_be_bytes()),
            Self::F64(number) => tagged(out, b'd', &number.to_be_bytes()),
            Self::Decimal { scale, value } => {
                writer.raw(&[b'D', *scale]);
                writer.long(*value);
            }
            Self::LongString(bytes) => {
                writer.octet(b'S');
                writer.longstr(bytes);
            }
            Self::Array(items) => {
                writer.octet(b'A');
                let at = begin_length(out);
                items.iter().for_each(|item| item.encode(out));
                end_length(out, at);
            }
            Self::Timestamp(seconds) => tagged(out, b'T', &seconds.to_be_bytes()),
            Self::Table(table) => {
                writer.octet(b'F');
                table.encode(out);
            }
            Self::Void => writer.octet(b'V'),
            Self::Bytes(bytes) => {
                tagged(out, b'x', &length(bytes.len()).to_be_bytes());
                out.extend_from_slice(bytes);
            }
        }
    }
}

fn tagged(out: &mut Vec<u8>, letter: u8, bytes: &[u8]) {
    out.push(letter);
    out.extend_from_slice(bytes);
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::LongString(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::LongString(text.into_bytes())
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::I32(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::I64(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Table> for Value {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::Array(items)
    }
}

/// Holds named values in the order they were received or inserted.
///
/// A received table may repeat a name: it is kept as it is, and [`get`](Self::get) finds the
/// first. Two tables are equal when they hold equal fields in the same order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    fields: Vec<(String, Value)>,
}

impl Table {
    /// Returns a table without fields.
    pub const fn new() -> Self {
        Self { fields: Vec::new() }
    }

    /// Returns the value of the first field of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    }

    /// Sets a field, in place if the name is there already, and returns the value it had.
    ///
    /// A name is encoded as a short string: what exceeds 255 bytes is cut.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let (name, value) = (name.into(), value.into());
        match self.fields.iter_mut().find(|(field, _)| *field == name) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.fields.push((name, value));
                None
            }
        }
    }

    /// Removes every field of that name and returns the value of the first.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.fields.iter().position(|(field, _)| field == name)?;
        let (_, value) = self.fields.remove(at);
        self.fields.retain(|(field, _)| field != name);
        Some(value)
    }

    /// Iterates over the fields in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the number of fields, not counting those of nested tables.
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// Tells whether there are no fields.
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Reads the table at the start of `bytes`, its length first.
    ///
    /// Returns the table and the bytes it takes.
    ///
    /// # Errors
    ///
    /// When the table is cut short, malformed, nested beyond [`DEPTH_MAX`] or larger than
    /// [`ITEMS_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), DecodeError> {
        let mut reader = Reader::new(bytes);
        let table = reader.raw_table()?.to_owned()?;
        Ok((table, bytes.len() - reader.remaining()))
    }

    /// Appends the table, its length first.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let at = begin_length(out);
        self.encode_fields(out);
        end_length(out, at);
    }

    /// Returns the encoded table without its length, ready for [`TableRef::new`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_fields(&mut out);
        out
    }

    fn encode_fields(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.fields {
            Writer::new(out).shortstr(name);
            value.encode(out);
        }
    }
}

/// Keeps repeated names, as decoding does.
impl FromIterator<(String, Value)> for Table {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Self {
            fields: fields.into_iter().collect(),
        }
    }
}

impl IntoIterator for Table {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}
