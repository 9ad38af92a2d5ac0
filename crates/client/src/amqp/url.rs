//! Connection URLs: `amqp(s)://user:password@host:port/vhost?options`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// Says where a server is and who connects.
///
/// An absent part takes RabbitMQ's default: `guest`, `guest`, `localhost`, 5672 (5671 for `amqps`), `/`.
/// Every part may be percent-encoded; the virtual host `/` is written `%2F` or left out.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpUrl {
    /// Whether the connection is encrypted (`amqps`).
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Account that logs in.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Virtual host that is opened.
    pub vhost: String,
    /// What follows the question mark.
    pub query: UrlQuery,
}

/// Options that a connection URL can carry, named as RabbitMQ names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlQuery {
    /// `heartbeat`, in seconds; zero asks for none.
    pub heartbeat: Option<u16>,
    /// `connection_timeout`, in milliseconds.
    pub connection_timeout: Option<Duration>,
    /// `frame_max`, in bytes.
    pub frame_max: Option<u32>,
    /// `cacertfile`: PEM file of the authorities to trust.
    pub cacertfile: Option<PathBuf>,
    /// `verify=verify_none`: any certificate is accepted.
    pub verify_none: bool,
}

/// Says which part of a connection URL cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is neither `amqp` nor `amqps`.
    #[error("the URL must begin with amqp:// or amqps://")]
    Scheme,
    /// The port is not a number from 1 to 65535.
    #[error("'{0}' is not a port")]
    Port(String),
    /// A percent sign is not followed by two hexadecimal digits, or the bytes are not UTF-8.
    #[error("'{0}' is not valid percent-encoding")]
    Encoding(String),
    /// The path has more than one segment.
    #[error("the virtual host '{0}' contains a slash: write it as %2F")]
    Vhost(String),
    /// An option is not known.
    #[error(
        "unknown option '{0}' (known: heartbeat, connection_timeout, frame_max, cacertfile, verify)"
    )]
    Option(String),
    /// An option's value cannot be read.
    #[error("option '{name}' cannot be '{value}'")]
    Value {
        /// The option.
        name: String,
        /// What was given.
        value: String,
    },
}

impl AmqpUrl {
    /// Gives `host:port` as a socket address is written, for messages.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl Default for AmqpUrl {
    fn default() -> Self {
        Self {
            tls: false,
            host: "localhost".to_owned(),
            port: 5672,
            user: "guest".to_owned(),
            password: "guest".to_owned(),
            vhost: "/".to_owned(),
            query: UrlQuery::default(),
        }
    }
}

impl FromStr for AmqpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err(UrlError::Scheme),
        };
        let mut url = Self {
            tls,
            port: if tls { 5671 } else { 5672 },
            ..Self::default()
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (account, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        url.read_account(account)?;
        url.read_address(address)?;
        if path.contains('/') {
            return Err(UrlError::Vhost(path.to_owned()));
        }
        if !path.is_empty() {
            url.vhost = decode(path)?;
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            url.query.read(&decode(name)?, decode(value)?)?;
        }
        Ok(url)
    }
}

impl AmqpUrl {
    fn read_account(&mut self, account: &str) -> Result<(), UrlError> {
        if account.is_empty() {
            return Ok(());
        }
        let (user, password) = match account.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (account, None),
        };
        self.user = decode(user)?;
        if let Some(password) = password {
            self.password = decode(password)?;
        }
        Ok(())
    }

    fn read_address(&mut self, address: &str) -> Result<(), UrlError> {
        let (host, port) = match address.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest
                    .split_once(']')
                    .ok_or_else(|| UrlError::Port(address.to_owned()))?;
                (host, after.strip_prefix(':'))
            }
            None => match address.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (address, None),
            },
        };
        if !host.is_empty() {
            self.host = decode(host)?;
        }
        if let Some(port) = port.filter(|port| !port.is_empty()) {
            self.port = port
                .parse()
                .ok()
                .filter(|&port| port != 0)
                .ok_or_else(|| UrlError::Port(port.to_owned()))?;
        }
        Ok(())
    }
}

impl UrlQuery {
    fn read(&mut self, name: &str, value: String) -> Result<(), UrlError> {
        let bad = |value: &str| UrlError::Value {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        match name {
            "heartbeat" => self.heartbeat = Some(value.parse().map_err(|_| bad(&value))?),
            "connection_timeout" => {
                let ms: u64 = value.parse().map_err(|_| bad(&value))?;
                self.connection_timeout = Some(Duration::from_millis(ms));
            }
            "frame_max" => self.frame_max = Some(value.parse().map_err(|_| bad(&value))?),
            "cacertfile" => self.cacertfile = Some(PathBuf::from(value)),
            "verify" => match value.as_str() {
                "verify_none" => self.verify_none = true,
                "verify_peer" => self.verify_none = false,
                _ => return Err(bad(&value)),
            },
            _ => return Err(UrlError::Option(name.to_owned())),
        }
        Ok(())
    }
}

/// Writes the URL without its password.
impl fmt::Display for AmqpUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        write!(out, "{scheme}://{}@{}", self.user, self.authority())?;
        if self.vhost != "/" {
            write!(out, "/{}", self.vhost.replace('/', "%2F"))?;
        }
        Ok(())
    }
}

/// Shows the URL without its password.
impl fmt::Debug for AmqpUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AmqpUrl({self})")
    }
}

fn decode(text: &str) -> Result<String, UrlError> {
    let bad = || UrlError::Encoding(text.to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| {
            byte.and_then(|byte| char::from(byte).to_digit(16))
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let high = digit(rest.next()).ok_or_else(bad)?;
        let low = digit(rest.next()).ok_or_else(bad)?;
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests;
