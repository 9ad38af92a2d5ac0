//! Addresses of an HTTP port with who calls: `http://login:password@host:port`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use super::Credentials;

/// The port of an address that names none.
const PORT: u16 = 8080;

/// Says where a server's HTTP port is, and who calls.
///
/// An absent part takes the server's default: `127.0.0.1`, 8080, guest. There is no TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct WebUrl {
    /// Host name or address, in brackets if it has colons.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The account.
    pub login: String,
    /// Its password.
    pub password: String,
}

/// Says which part of an address cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebUrlError {
    /// The scheme is not `http`.
    #[error("the URL must begin with http://")]
    Scheme,
    /// The port is not a number from 1 to 65535.
    #[error("'{0}' is not a port")]
    Port(String),
    /// Something follows the address.
    #[error("nothing may follow the address, as '{0}' does")]
    Path(String),
}

impl WebUrl {
    /// Gives `host:port` as a socket address is written.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Gives who calls.
    pub fn credentials(&self) -> Credentials {
        Credentials::Password {
            login: self.login.clone(),
            password: self.password.clone(),
        }
    }

    /// Writes the value of an `Authorization` header.
    pub(crate) fn authorization(&self) -> String {
        let shown = STANDARD.encode(format!("{}:{}", self.login, self.password));
        format!("Basic {shown}")
    }
}

impl Default for WebUrl {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: PORT,
            login: "guest".to_owned(),
            password: "guest".to_owned(),
        }
    }
}

impl FromStr for WebUrl {
    type Err = WebUrlError;

    fn from_str(text: &str) -> Result<Self, WebUrlError> {
        let rest = text.strip_prefix("http://").ok_or(WebUrlError::Scheme)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(at) = rest.find(['/', '?', '#']) {
            return Err(WebUrlError::Path(rest[at..].to_owned()));
        }
        let mut url = Self::default();
        let (account, address) = match rest.rsplit_once('@') {
            Some((account, address)) => (Some(account), address),
            None => (None, rest),
        };
        if let Some(account) = account {
            let (login, password) = account.split_once(':').unwrap_or((account, ""));
            url.login = login.to_owned();
            url.password = password.to_owned();
        }
        let (host, port) = match address.rsplit_once(':') {
            // The colons of a bare IPv6 address are its own.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            Some(_) | None => (address, None),
        };
        if !host.is_empty() {
            url.host = host.to_owned();
        }
        if let Some(port) = port {
            url.port = port
                .parse()
                .ok()
                .filter(|&port| port != 0)
                .ok_or_else(|| WebUrlError::Port(port.to_owned()))?;
        }
        Ok(url)
    }
}

/// Writes the address without login and password.
impl fmt::Display for WebUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "http://{}", self.authority())
    }
}

/// Shows the address without login and password.
impl fmt::Debug for WebUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "WebUrl({self})")
    }
}

#[cfg(test)]
mod tests;
