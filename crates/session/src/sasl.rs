//! The two SASL mechanisms: what a client's response says.

use codec::amqp::field::TableRef;

use crate::limits;

#[cfg(test)]
mod tests;

/// The names offered in connection.start.
pub(crate) const MECHANISMS: &[u8] = b"PLAIN AMQPLAIN";

/// A login and its password as they came. Without `Debug`, so that no password is ever printed.
#[derive(PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) login: String,
    pub(crate) password: Vec<u8>,
}

/// Names a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    Amqplain,
}

impl Mechanism {
    /// Finds a mechanism by the name that the client chose.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "PLAIN" => Some(Self::Plain),
            "AMQPLAIN" => Some(Self::Amqplain),
            _ => None,
        }
    }

    /// Reads a response; `None` when it is malformed, which is told no differently from a wrong password.
    pub(crate) fn read(self, response: &[u8]) -> Option<Credentials> {
        let (login, password) = match self {
            Self::Plain => read_plain(response)?,
            Self::Amqplain => read_amqplain(response)?,
        };
        let login = str::from_utf8(login).ok()?;
        let is_sound =
            !login.is_empty() && login.len() <= limits::LOGIN_BYTES_MAX && !login.contains('\0');
        let has_password = !password.is_empty() && str::from_utf8(password).is_ok();
        (is_sound && has_password).then(|| Credentials {
            login: login.to_owned(),
            password: password.to_vec(),
        })
    }
}

/// `[authzid] NUL authcid NUL password`; acting as somebody else is not allowed.
fn read_plain(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = response.split(|byte| *byte == 0);
    let (authzid, login, password) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = parts.next().is_none() && (authzid.is_empty() || authzid == login);
    is_whole.then_some((login, password))
}

/// A field table without its length, with LOGIN and PASSWORD.
fn read_amqplain(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let table = TableRef::new(response);
    table.validate().ok()?;
    let text = |name: &str| match table.get(name) {
        Some(codec::amqp::field::ValueRef::LongString(bytes)) => Some(bytes),
        Some(_) | None => None,
    };
    Some((text("LOGIN")?, text("PASSWORD")?))
}
