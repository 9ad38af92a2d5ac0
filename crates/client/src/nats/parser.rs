//! Incoming bytes of the NATS protocol, cut into operations.
//!
//! *Shape*: a line of text that ends with CR LF, and for messages so many bytes as the line says, and CR LF again:
//!
//! ```text
//! MSG <subject> <sid> [reply] <#bytes>␍␊<body>␍␊
//! HMSG <subject> <sid> [reply] <#header bytes> <#bytes>␍␊<headers><body>␍␊
//! INFO {…}␍␊   PING␍␊   PONG␍␊   +OK␍␊   -ERR '…'␍␊
//! ```

use super::error::NatsError;

/// Longest line; only a server's first one comes near.
pub(crate) const LINE_MAX: usize = 64 << 10;
/// Largest message that is taken, headers included: half a mebibyte.
pub(crate) const PAYLOAD_MAX: usize = 512 << 10;

const END: &[u8; 2] = b"\r\n";
const TOO_LONG: NatsError = NatsError::Protocol("line too long");

/// One thing that the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    /// A message for one of the connection's subscriptions.
    Message(Message<'a>),
    /// What the server is, as JSON.
    Info(&'a [u8]),
    /// The server asks for a sign of life.
    Ping,
    /// The answer to a ping.
    Pong,
    /// The answer to a request in verbose mode.
    Ok,
    /// Something went wrong; most often the end of the connection.
    Refusal(&'a [u8]),
}

/// One message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) subject: &'a [u8],
    /// Number that the subscriber chose.
    pub(crate) subscription: u32,
    /// Where an answer goes; empty without one.
    pub(crate) reply: &'a [u8],
    /// Empty for a message without headers.
    pub(crate) headers: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// Cuts the first operation off `bytes` and says how many bytes it took; nothing while it is not whole.
///
/// # Errors
///
/// Fails on bytes that no server may send, and on lines and messages beyond [`LINE_MAX`] and [`PAYLOAD_MAX`].
#[inline]
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Operation<'_>, usize)>, NatsError> {
    if let Some(line) = bytes.strip_prefix(b"MSG ") {
        return message(line, bytes.len() - line.len(), false);
    }
    parse_rare(bytes)
}

/// Cuts what is not a plain message.
fn parse_rare(bytes: &[u8]) -> Result<Option<(Operation<'_>, usize)>, NatsError> {
    if let Some(line) = bytes.strip_prefix(b"HMSG ") {
        return message(line, bytes.len() - line.len(), true);
    }
    let Some(length) = bytes.iter().take(LINE_MAX).position(|&byte| byte == b'\n') else {
        return if bytes.len() < LINE_MAX {
            Ok(None)
        } else {
            Err(TOO_LONG)
        };
    };
    let line = bytes[..length]
        .strip_suffix(b"\r")
        .ok_or(NatsError::Protocol("line without its end"))?;
    let operation = match line {
        b"PING" => Operation::Ping,
        b"PONG" => Operation::Pong,
        b"+OK" => Operation::Ok,
        line => {
            if let Some(json) = line.strip_prefix(b"INFO ") {
                Operation::Info(json)
            } else if let Some(text) = line.strip_prefix(b"-ERR ") {
                Operation::Refusal(text)
            } else {
                return Err(NatsError::Protocol("unknown operation"));
            }
        }
    };
    Ok(Some((operation, length + 1)))
}

/// Cuts a message, the operation's name and a space being taken.
#[inline]
fn message(
    bytes: &[u8],
    taken: usize,
    with_headers: bool,
) -> Result<Option<(Operation<'_>, usize)>, NatsError> {
    let mut fields = Fields { bytes, at: 0 };
    let mut found: [&[u8]; 5] = [&[]; 5];
    let mut count = 0;
    loop {
        let Some((field, last)) = fields.next()? else {
            return Ok(None);
        };
        *found
            .get_mut(count)
            .ok_or(NatsError::Protocol("message line with too many fields"))? = field;
        count += 1;
        if last {
            break;
        }
    }
    let [subject, subscription, third, fourth, fifth] = found;
    let (reply, header_bytes, total): (&[u8], &[u8], &[u8]) = match (with_headers, count) {
        (false, 3) => (&[], b"0", third),
        (false, 4) => (third, b"0", fourth),
        (true, 4) => (&[], third, fourth),
        (true, 5) => (third, fourth, fifth),
        (false | true, _) => {
            return Err(NatsError::Protocol(
                "message line with too few or many fields",
            ));
        }
    };
    let subscription = number(subscription)?;
    let header_bytes = number(header_bytes)? as usize;
    let total = number(total)? as usize;
    if total > PAYLOAD_MAX || header_bytes > total {
        return Err(NatsError::Protocol("message larger than it may be"));
    }
    let Some(payload) = bytes.get(fields.at..fields.at + total + END.len()) else {
        return Ok(None);
    };
    let (payload, end) = payload.split_at(total);
    if end != END {
        return Err(NatsError::Protocol("message without its end"));
    }
    let (headers, body) = payload.split_at(header_bytes);
    let message = Message {
        subject,
        subscription,
        reply,
        headers,
        body,
    };
    let taken = taken + fields.at + total + END.len();
    Ok(Some((Operation::Message(message), taken)))
}

/// The fields of a message's line, one pass over its bytes.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Gives the next field and whether it ends the line; nothing while the line is not whole.
    #[inline]
    fn next(&mut self) -> Result<Option<(&'a [u8], bool)>, NatsError> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().position(|&byte| byte <= b' ') else {
            return if self.bytes.len() < LINE_MAX {
                Ok(None)
            } else {
                Err(TOO_LONG)
            };
        };
        if length == 0 {
            return Err(NatsError::Protocol("empty field"));
        }
        let field = &rest[..length];
        match rest[length..] {
            [b' ', ..] => {
                self.at += length + 1;
                Ok(Some((field, false)))
            }
            [b'\r', b'\n', ..] => {
                self.at += length + END.len();
                Ok(Some((field, true)))
            }
            [b'\r'] => Ok(None),
            _ => Err(NatsError::Protocol("control character in a line")),
        }
    }
}

/// Reads a decimal number.
#[inline]
fn number(field: &[u8]) -> Result<u32, NatsError> {
    if field.is_empty() || field.len() > 9 {
        return Err(NatsError::Protocol("not a number"));
    }
    let mut number = 0;
    for &byte in field {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(NatsError::Protocol("not a number"));
        }
        number = number * 10 + u32::from(digit);
    }
    Ok(number)
}

#[cfg(test)]
mod tests;
