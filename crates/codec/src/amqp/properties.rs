//! Basic properties: what a content header says about a message besides its size.
//!
//! [`PropertiesRef`] reads them where they lie, which is all a message on its way through needs;
//! [`Properties`] owns them, to build or change. Both are made from the one table below.
//!
//! # Shape
//!
//! Sixteen flag bits, of which bit 15 announces the first property and so on down, then the
//! announced properties in that order.
//!
//! # Spec
//!
//! AMQP 0-9-1, section 4.2.6.1 and the field list of class `basic`.

use super::field::{Table, TableRef};
use super::wire::{DecodeError, Reader, Writer};

#[cfg(test)]
pub(crate) mod strategy;
#[cfg(test)]
mod tests;

/// Flags of a message with a delivery mode and nothing else, which most are.
const ONLY_DELIVERY_MODE: u16 = 1 << 12;

macro_rules! properties {
    ($($(#[$meta:meta])* $bit:literal $field:ident : $kind:ident,)*) => {
        /// Holds the properties of a message.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Properties {
            $($(#[$meta])* pub $field: Option<properties!(@owned $kind)>,)*
        }

        /// Views the properties of a message where they lie.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct PropertiesRef<'a> {
            $($(#[$meta])* pub $field: Option<properties!(@borrowed 'a $kind)>,)*
        }

        /// The flags that are defined; the two lowest are not.
        const KNOWN_FLAGS: u16 = $((1 << $bit) |)* 0;

        impl Properties {
            /// Appends flags and list. Text over 255 bytes is cut.
            pub fn encode(&self, out: &mut Vec<u8>) {
                let mut flags = 0_u16;
                $(if self.$field.is_some() { flags |= 1 << $bit; })*
                Writer::new(out).short(flags);
                $(if let Some(value) = &self.$field { properties!(@write $kind out value); })*
            }
        }

        impl<'a> PropertiesRef<'a> {
            fn read(flags: u16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                let mut properties = Self::default();
                if flags & !KNOWN_FLAGS != 0 {
                    return Err(DecodeError::InvalidPropertyFlags { flags });
                }
                $(if flags & (1 << $bit) != 0 {
                    properties.$field = Some(properties!(@read $kind reader));
                })*
                Ok(properties)
            }

            /// Copies the properties into ones of their own.
            ///
            /// # Errors
            ///
            /// When the headers are malformed, as by [`TableRef::validate`].
            pub fn to_owned(self) -> Result<Properties, DecodeError> {
                Ok(Properties {
                    $($field: match self.$field {
                        Some(value) => Some(properties!(@copy $kind value)),
                        None => None,
                    },)*
                })
            }
        }
    };
    (@owned shortstr) => { String };
    (@owned table) => { Table };
    (@owned octet) => { u8 };
    (@owned longlong) => { u64 };
    (@borrowed $lt:lifetime shortstr) => { &$lt str };
    (@borrowed $lt:lifetime table) => { TableRef<$lt> };
    (@borrowed $lt:lifetime octet) => { u8 };
    (@borrowed $lt:lifetime longlong) => { u64 };
    (@read table $reader:ident) => { $reader.raw_table()? };
    (@read $kind:ident $reader:ident) => { $reader.$kind()? };
    (@write shortstr $out:ident $value:ident) => { Writer::new($out).shortstr($value) };
    (@write table $out:ident $value:ident) => { $value.encode($out) };
    (@write $kind:ident $out:ident $value:ident) => { Writer::new($out).$kind(*$value) };
    (@copy shortstr $value:ident) => { $value.to_owned() };
    (@copy table $value:ident) => { $value.to_owned()? };
    (@copy $kind:ident $value:ident) => { $value };
}

properties! {
    /// MIME type of the body.
    15 content_type: shortstr,
    /// MIME encoding of the body.
    14 content_encoding: shortstr,
    /// Free fields; what headers exchanges look at.
    13 headers: table,
    /// 2 for a message that outlives a restart, else 1.
    12 delivery_mode: octet,
    /// Rank in a priority queue, higher first.
    11 priority: octet,
    /// What ties a reply to its request.
    10 correlation_id: shortstr,
    /// The queue a reply should go to.
    9 reply_to: shortstr,
    /// Time to live in milliseconds, as decimal text.
    8 expiration: shortstr,
    /// Identifier given by the publisher.
    7 message_id: shortstr,
    /// Seconds since 1970, given by the publisher.
    6 timestamp: longlong,
    /// The property `type`: what kind of message it is.
    5 kind: shortstr,
    /// The user who published; the broker checks it.
    4 user_id: shortstr,
    /// The application that published.
    3 app_id: shortstr,
    /// Reserved; carried along.
    2 cluster_id: shortstr,
}

impl Properties {
    /// Reads flags and list at the start of `bytes`.
    ///
    /// Returns the properties and the bytes they take.
    ///
    /// # Errors
    ///
    /// When flags are not defined, a property is cut short or malformed, or the headers are not
    /// as [`TableRef::validate`] wants them.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), DecodeError> {
        let mut reader = Reader::new(bytes);
        let flags = reader.short()?;
        let properties = PropertiesRef::read(flags, &mut reader)?.to_owned()?;
        Ok((properties, bytes.len() - reader.remaining()))
    }
}

impl<'a> PropertiesRef<'a> {
    /// Reads flags and list, which must be all of `raw`, without allocating.
    ///
    /// # Errors
    ///
    /// When flags are not defined, a property is cut short or no UTF-8, or bytes are left over.
    /// Of the headers only the length is looked at.
    #[inline]
    pub fn parse(raw: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(raw);
        let flags = reader.short()?;
        let properties = match flags {
            0 => Self::default(),
            ONLY_DELIVERY_MODE => Self {
                delivery_mode: Some(reader.octet()?),
                ..Self::default()
            },
            _ => Self::read(flags, &mut reader)?,
        };
        reader.finish()?;
        Ok(properties)
    }
}
