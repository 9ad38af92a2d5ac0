//! The elementary types of the wire: a bounds-checked reader and an appending writer.
//!
//! Both have one function per type of the specification, named as the specification names it, so
//! that the tables in [`super::method`] and [`super::properties`] can be written in its terms.

use thiserror::Error;

use super::field::TableRef;
use super::reply::ReplyCode;

/// The most bytes a short string can hold: its length is one octet.
pub(crate) const SHORT_STRING_MAX: usize = 255;

/// Tells why bytes are not the value they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A value or a length reaches past the end of the input.
    #[error("a value reaches past the end of its input")]
    Truncated,
    /// Bytes are left after the last value.
    #[error("{count} bytes left over after the last value")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A short string or a field name is not UTF-8.
    #[error("a short string is not UTF-8")]
    InvalidUtf8,
    /// A field value has a type letter that neither AMQP nor RabbitMQ defines.
    #[error("unknown field type {letter:#04x}")]
    UnknownFieldType {
        /// The octet found in place of a type letter.
        letter: u8,
    },
    /// Tables and arrays are nested deeper than [`DEPTH_MAX`](super::field::DEPTH_MAX).
    #[error("field tables are nested too deeply")]
    TooDeep,
    /// A table holds more values than [`ITEMS_MAX`](super::field::ITEMS_MAX), nested ones included.
    #[error("a field table holds too many values")]
    TooManyItems,
    /// The property flags name a property that does not exist, or announce more flags.
    #[error("property flags {flags:#06x} are not defined")]
    InvalidPropertyFlags {
        /// The flags as received.
        flags: u16,
    },
    /// The weight field of a content header, which must be 0, is not.
    #[error("content header weight is {weight}, not 0")]
    InvalidWeight {
        /// The weight as received.
        weight: u16,
    },
}

impl DecodeError {
    /// Returns the reply code the connection is closed with: always `SYNTAX_ERROR`.
    pub const fn reply_code(self) -> ReplyCode {
        ReplyCode::SyntaxError
    }
}

/// Reads values from the front of a slice.
///
/// Consecutive `bit` reads share octets, lowest bit first; any other read ends the run.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    bits: u8,
    /// The next bit of `bits`; 0 when the next `bit` starts a new octet.
    mask: u8,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            bits: 0,
            mask: 0,
        }
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Checks that everything was read.
    #[inline]
    pub(crate) const fn finish(&self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count }),
        }
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        self.mask = 0;
        Ok(*head)
    }

    #[inline]
    pub(crate) fn slice(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        self.mask = 0;
        Ok(head)
    }

    #[inline]
    pub(crate) fn octet(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn short(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn long(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn longlong(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn bit(&mut self) -> Result<bool, DecodeError> {
        if self.mask == 0 {
            self.bits = self.octet()?;
            self.mask = 1;
        }
        let bit = self.bits & self.mask != 0;
        self.mask <<= 1;
        Ok(bit)
    }

    #[inline]
    pub(crate) fn shortstr(&mut self) -> Result<&'a str, DecodeError> {
        let len = self.octet()?;
        let bytes = self.slice(usize::from(len))?;
        str::from_utf8(bytes).map_err(|_| DecodeError::InvalidUtf8)
    }

    #[inline]
    pub(crate) fn longstr(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.long()?;
        self.slice(len as usize)
    }

    /// Reads a table and checks it to its depths.
    pub(crate) fn table(&mut self) -> Result<TableRef<'a>, DecodeError> {
        let table = self.raw_table()?;
        table.validate()?;
        Ok(table)
    }

    /// Reads a table by its length alone.
    #[inline]
    pub(crate) fn raw_table(&mut self) -> Result<TableRef<'a>, DecodeError> {
        Ok(TableRef::new(self.longstr()?))
    }
}

/// Appends values to a vector; bits are packed as [`Reader`] reads them.
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    mask: u8,
}

impl<'o> Writer<'o> {
    #[inline]
    pub(crate) const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, mask: 0 }
    }

    #[inline]
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.mask = 0;
        self.out.extend_from_slice(bytes);
    }

    #[inline]
    pub(crate) fn octet(&mut self, value: u8) {
        self.mask = 0;
        self.out.push(value);
    }

    #[inline]
    pub(crate) fn short(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    #[inline]
    pub(crate) fn long(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    #[inline]
    pub(crate) fn longlong(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    #[inline]
    pub(crate) fn bit(&mut self, value: bool) {
        if self.mask == 0 {
            self.out.push(0);
            self.mask = 1;
        }
        if value && let Some(last) = self.out.last_mut() {
            *last |= self.mask;
        }
        self.mask <<= 1;
    }

    /// Writes a short string, cut at the last whole character within 255 bytes.
    #[inline]
    pub(crate) fn shortstr(&mut self, text: &str) {
        let (len, bytes) = short_string(text);
        self.octet(len);
        self.raw(bytes);
    }

    #[inline]
    pub(crate) fn longstr(&mut self, bytes: &[u8]) {
        self.long(length(bytes.len()));
        self.raw(bytes);
    }

    #[inline]
    pub(crate) fn table(&mut self, table: TableRef<'_>) {
        self.longstr(table.as_bytes());
    }
}

/// Returns what of `text` fits a short string, and its length octet.
#[inline]
pub(crate) fn short_string(text: &str) -> (u8, &[u8]) {
    if let Ok(len) = u8::try_from(text.len()) {
        return (len, text.as_bytes());
    }
    let cut = text.floor_char_boundary(SHORT_STRING_MAX);
    let bytes = text.as_bytes().get(..cut).unwrap_or_default();
    (u8::try_from(bytes.len()).unwrap_or_default(), bytes)
}

/// Returns what of `bytes`, which are text, fits a short string, and its length octet.
#[inline]
pub(crate) fn short_bytes(bytes: &[u8]) -> (u8, &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(len) => (len, bytes),
        Err(_) => short_string(std::str::from_utf8(bytes).unwrap_or_default()),
    }
}

/// Turns the length of something in memory into a length on the wire.
///
/// # Panics
///
/// At 4 GiB. Frames end at 128 MiB, so nothing that was received comes near.
#[inline]
pub(crate) fn length(len: usize) -> u32 {
    u32::try_from(len).expect("a value on the wire is shorter than 4 GiB")
}

/// Reserves a 4-byte length in `out` and returns where it is.
#[inline]
pub(crate) fn begin_length(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    at
}

/// Fills the length reserved at `at` with the number of bytes written since.
#[inline]
pub(crate) fn end_length(out: &mut [u8], at: usize) {
    let written = out.len().saturating_sub(at.saturating_add(4));
    if let Some(slot) = out.get_mut(at..at.saturating_add(4)) {
        slot.copy_from_slice(&length(written).to_be_bytes());
    }
}
