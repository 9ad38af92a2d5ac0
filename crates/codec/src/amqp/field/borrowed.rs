//! Tables and arrays read where they lie.

use std::iter::FusedIterator;

use super::{DEPTH_MAX, DecodeError, ITEMS_MAX, Table, Value};
use crate::amqp::wire::Reader;

/// Views an encoded table, without its length.
///
/// Nothing is checked before it is read: iterating reports what is wrong when it gets there.
/// Equality is that of the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TableRef<'a> {
    bytes: &'a [u8],
}

impl<'a> TableRef<'a> {
    /// A table without fields.
    pub const EMPTY: Self = Self { bytes: &[] };

    /// Views `bytes`, the fields of a table without its length, as a table.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Returns the encoded fields, without the length.
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Tells whether there are no fields.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// Iterates over the fields in order; an error ends the iteration.
    #[inline]
    pub const fn iter(self) -> TableIter<'a> {
        TableIter {
            reader: Reader::new(self.bytes),
        }
    }

    /// Returns the value of the first field of that name.
    ///
    /// Fields are skipped unread, and what cannot be read ends the search: use
    /// [`validate`](Self::validate) first where the difference matters.
    pub fn get(self, name: &str) -> Option<ValueRef<'a>> {
        self.iter()
            .map_while(Result::ok)
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// Checks the table and all it contains, without allocating.
    ///
    /// # Errors
    ///
    /// When the table is malformed, nested beyond [`DEPTH_MAX`] or larger than [`ITEMS_MAX`].
    pub fn validate(self) -> Result<(), DecodeError> {
        self.check(DEPTH_MAX - 1, &mut { ITEMS_MAX })
    }

    /// Copies the table into values of its own.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn to_owned(self) -> Result<Table, DecodeError> {
        self.copy(DEPTH_MAX - 1, &mut { ITEMS_MAX })
    }

    fn check(self, depth: Depth, items: &mut usize) -> Result<(), DecodeError> {
        for field in self.iter() {
            let (_, value) = field?;
            value.check(depth, items)?;
        }
        Ok(())
    }

    fn copy(self, depth: Depth, items: &mut usize) -> Result<Table, DecodeError> {
        let mut fields = Vec::with_capacity(take_items(self.iter(), items)?);
        for field in self.iter() {
            let (name, value) = field?;
            let value = value.copy(depth, items)?;
            fields.push((name.to_owned(), value));
        }
        Ok(Table { fields })
    }
}

impl<'a> IntoIterator for TableRef<'a> {
    type Item = Result<(&'a str, ValueRef<'a>), DecodeError>;
    type IntoIter = TableIter<'a>;

    fn into_iter(self) -> TableIter<'a> {
        self.iter()
    }
}

/// Iterates over the fields of a [`TableRef`].
#[derive(Clone)]
pub struct TableIter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for TableIter<'a> {
    type Item = Result<(&'a str, ValueRef<'a>), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let name = self.reader.shortstr();
        let field = name.and_then(|name| Ok((name, ValueRef::read(&mut self.reader)?)));
        if field.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(field)
    }
}

impl FusedIterator for TableIter<'_> {}

/// Views an encoded array, without its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ArrayRef<'a> {
    bytes: &'a [u8],
}

impl<'a> ArrayRef<'a> {
    /// Iterates over the items in order; an error ends the iteration.
    #[inline]
    pub const fn iter(self) -> ArrayIter<'a> {
        ArrayIter {
            reader: Reader::new(self.bytes),
        }
    }

    /// Tells whether there are no items.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    fn check(self, depth: Depth, items: &mut usize) -> Result<(), DecodeError> {
        for item in self.iter() {
            item?.check(depth, items)?;
        }
        Ok(())
    }

    fn copy(self, depth: Depth, items: &mut usize) -> Result<Vec<Value>, DecodeError> {
        let mut values = Vec::with_capacity(take_items(self.iter(), items)?);
        for item in self.iter() {
            values.push(item?.copy(depth, items)?);
        }
        Ok(values)
    }
}

impl<'a> IntoIterator for ArrayRef<'a> {
    type Item = Result<ValueRef<'a>, DecodeError>;
    type IntoIter = ArrayIter<'a>;

    fn into_iter(self) -> ArrayIter<'a> {
        self.iter()
    }
}

/// Iterates over the items of an [`ArrayRef`].
#[derive(Clone)]
pub struct ArrayIter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for ArrayIter<'a> {
    type Item = Result<ValueRef<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let item = ValueRef::read(&mut self.reader);
        if item.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(item)
    }
}

impl FusedIterator for ArrayIter<'_> {}

/// Views one value of a field table; see [`Value`] for the type letters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// `t`: true or false; any octet but 0 is true.
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
    /// `l` or `L`: a signed 64-bit integer.
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
    LongString(&'a [u8]),
    /// `A`: a list of values.
    Array(ArrayRef<'a>),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `F`: a nested table.
    Table(TableRef<'a>),
    /// `V`: nothing.
    Void,
    /// `x`: bytes that are no text.
    Bytes(&'a [u8]),
}

impl<'a> ValueRef<'a> {
    /// Returns the number held by any of the integer types.
    pub const fn as_i64(self) -> Option<i64> {
        match self {
            Self::I8(number) => Some(number as i64),
            Self::U8(number) => Some(number as i64),
            Self::I16(number) => Some(number as i64),
            Self::U16(number) => Some(number as i64),
            Self::I32(number) => Some(number as i64),
            Self::U32(number) => Some(number as i64),
            Self::I64(number) => Some(number),
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
    pub const fn as_str(self) -> Option<&'a str> {
        if let Self::LongString(bytes) = self
            && let Ok(text) = str::from_utf8(bytes)
        {
            Some(text)
        } else {
            None
        }
    }

    /// Returns the nested table.
    pub const fn as_table(self) -> Option<TableRef<'a>> {
        if let Self::Table(table) = self {
            Some(table)
        } else {
            None
        }
    }

    /// Returns the array.
    pub const fn as_array(self) -> Option<ArrayRef<'a>> {
        if let Self::Array(array) = self {
            Some(array)
        } else {
            None
        }
    }

    /// Returns the truth value.
    pub const fn as_bool(self) -> Option<bool> {
        if let Self::Bool(truth) = self {
            Some(truth)
        } else {
            None
        }
    }

    /// Copies the value into one of its own.
    ///
    /// # Errors
    ///
    /// As [`TableRef::validate`].
    pub fn to_owned(self) -> Result<Value, DecodeError> {
        self.copy(DEPTH_MAX - 1, &mut { ITEMS_MAX - 1 })
    }

    /// Reads a type letter and a value; nested tables and arrays by their length alone.
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match reader.octet()? {
            b't' => Self::Bool(reader.octet()? != 0),
            b'b' => Self::I8(i8::from_be_bytes(reader.array()?)),
            b'B' => Self::U8(reader.octet()?),
            b's' => Self::I16(i16::from_be_bytes(reader.array()?)),
            b'u' => Self::U16(reader.short()?),
            b'I' => Self::I32(i32::from_be_bytes(reader.array()?)),
            b'i' => Self::U32(reader.long()?),
            b'l' | b'L' => Self::I64(i64::from_be_bytes(reader.array()?)),
            b'f' => Self::F32(f32::from_be_bytes(reader.array()?)),
            b'd' => Self::F64(f64::from_be_bytes(reader.array()?)),
            b'D' => Self::Decimal {
                scale: reader.octet()?,
                value: reader.long()?,
            },
            b'S' => Self::LongString(reader.longstr()?),
            b'A' => Self::Array(ArrayRef {
                bytes: reader.longstr()?,
            }),
            b'T' => Self::Timestamp(reader.longlong()?),
            b'F' => Self::Table(reader.raw_table()?),
            b'V' => Self::Void,
            b'x' => Self::Bytes(reader.longstr()?),
            letter => return Err(DecodeError::UnknownFieldType { letter }),
        })
    }

    fn check(self, depth: Depth, items: &mut usize) -> Result<(), DecodeError> {
        take_item(items)?;
        match self {
            Self::Table(table) => table.check(descend(depth)?, items),
            Self::Array(array) => array.check(descend(depth)?, items),
            Self::Bool(_)
            | Self::I8(_)
            | Self::U8(_)
            | Self::I16(_)
            | Self::U16(_)
            | Self::I32(_)
            | Self::U32(_)
            | Self::I64(_)
            | Self::F32(_)
            | Self::F64(_)
            | Self::Decimal { .. }
            | Self::LongString(_)
            | Self::Timestamp(_)
            | Self::Void
            | Self::Bytes(_) => Ok(()),
        }
    }

    /// Copies a value that its list has accounted for.
    fn copy(self, depth: Depth, items: &mut usize) -> Result<Value, DecodeError> {
        Ok(match self {
            Self::Bool(truth) => Value::Bool(truth),
            Self::I8(number) => Value::I8(number),
            Self::U8(number) => Value::U8(number),
            Self::I16(number) => Value::I16(number),
            Self::U16(number) => Value::U16(number),
            Self::I32(number) => Value::I32(number),
            Self::U32(number) => Value::U32(number),
            Self::I64(number) => Value::I64(number),
            Self::F32(number) => Value::F32(number),
            Self::F64(number) => Value::F64(number),
            Self::Decimal { scale, value } => Value::Decimal { scale, value },
            Self::LongString(bytes) => Value::LongString(bytes.to_vec()),
            Self::Array(array) => Value::Array(array.copy(descend(depth)?, items)?),
            Self::Timestamp(seconds) => Value::Timestamp(seconds),
            Self::Table(table) => Value::Table(table.copy(descend(depth)?, items)?),
            Self::Void => Value::Void,
            Self::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        })
    }
}

/// Levels of nesting still allowed below the current one.
type Depth = usize;

/// Accounts for one more level of nesting.
fn descend(depth: Depth) -> Result<Depth, DecodeError> {
    depth.checked_sub(1).ok_or(DecodeError::TooDeep)
}

/// Accounts for all values of one list before it is allocated, once and no larger than it must be.
fn take_items(values: impl Iterator, items: &mut usize) -> Result<usize, DecodeError> {
    let count = values.take(items.saturating_add(1)).count();
    *items = items.checked_sub(count).ok_or(DecodeError::TooManyItems)?;
    Ok(count)
}

/// Accounts for one more value.
fn take_item(items: &mut usize) -> Result<(), DecodeError> {
    *items = items.checked_sub(1).ok_or(DecodeError::TooManyItems)?;
    Ok(())
}
