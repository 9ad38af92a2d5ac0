//! Connection URLs: `nats://user:password@host:port`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Says where a NATS server is and who connects.
///
/// An absent part takes the server's default: `localhost`, 4222, nobody. A user without a password is a token.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsUrl {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Account that logs in, or a token; absent for nobody.
    pub user: Option<String>,
    /// The account's password.
    pub password: Option<String>,
}

/// Says which part of a connection URL cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NatsUrlError {
    /// The scheme is not `nats`.
    #[error("the URL must begin with nats://")]
    Scheme,
    /// The port is not a number from 1 to 65535.
    #[error("'{0}' is not a port")]
    Port(String),
    /// Something follows the address.
    #[error("nothing may follow the address, as '{0}' does")]
    Path(String),
}

impl NatsUrl {
    /// Gives `host:port` as a socket address is written.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl Default for NatsUrl {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 4222,
            user: None,
            password: None,
        }
    }
}

impl FromStr for NatsUrl {
    type Err = NatsUrlError;

    fn from_str(text: &str) -> Result<Self, NatsUrlError> {
        let rest = text.strip_prefix("nats://").ok_or(NatsUrlError::Scheme)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(at) = rest.find(['/', '?', '#']) {
            return Err(NatsUrlError::Path(rest[at..].to_owned()));
        }
        let mut url = Self::default();
        let (account, address) = match rest.rsplit_once('@') {
            Some((account, address)) => (Some(account), address),
            None => (None, rest),
        };
        if let Some(account) = account.filter(|account| !account.is_empty()) {
            let (user, password) = match account.split_once(':') {
                Some((user, password)) => (user, Some(password.to_owned())),
                None => (account, None),
            };
            url.user = Some(user.to_owned());
            url.password = password;
        }
        let (host, port) = match address.rsplit_once(':') {
            // The colons of a bare IPv6 address are its own.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            Some(_) | None => (address, None),
        };
        if !host.is_empty() {
            url.host = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
        }
        if let Some(port) = port {
            url.port = port
                .parse()
                .ok()
                .filter(|&port| port != 0)
                .ok_or_else(|| NatsUrlError::Port(port.to_owned()))?;
        }
        Ok(url)
    }
}

/// Writes the URL without user, token and password.
impl fmt::Display for NatsUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "nats://{}", self.authority())
    }
}

/// Shows the URL without user, token and password.
impl fmt::Debug for NatsUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "NatsUrl({self})")
    }
}

#[cfg(test)]
mod tests;
