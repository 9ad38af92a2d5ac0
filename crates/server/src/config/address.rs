//! Where a listener listens, as an operator writes it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::Deserialize;

/// Where a listener listens.
///
/// *Shape*: `off`, `PORT`, `:PORT`, `ADDR:PORT`, `[ADDR6]:PORT` or `localhost:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum ListenAddress {
    /// Nowhere: the listener is closed.
    Off,
    /// At this port of the common address (`listeners.bind`). Port 0 takes a free one.
    Port(u16),
    /// At exactly this address. Port 0 takes a free one.
    At(SocketAddr),
}

/// A TOML file may write a bare port as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Number(i64),
}

/// What is wrong with the text of an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenAddressError {
    /// The port is missing or not a number from 0 to 65535.
    #[error("`{0}` is not a port: give a number from 0 (takes a free one) to 65535")]
    Port(String),
    /// The part before the port is not an IP address.
    #[error(
        "`{0}` is not an IP address: write for example 127.0.0.1:5672, [::1]:5672, 5672, or off"
    )]
    Ip(String),
}

impl ListenAddress {
    /// Resolves the address, with `bind` for one that names only a port; `None` = off.
    #[must_use]
    pub fn resolve(self, bind: IpAddr) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::Port(port) => Some(SocketAddr::new(bind, port)),
            Self::At(address) => Some(address),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self::Off);
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::At(address));
        }
        let parse_port = |port: &str| {
            port.parse::<u16>()
                .map_err(|_| ListenAddressError::Port(port.to_owned()))
        };
        match text.rsplit_once(':') {
            None if text.parse::<IpAddr>().is_ok() => Err(ListenAddressError::Port(String::new())),
            None => parse_port(text).map(Self::Port),
            Some(("", port)) => parse_port(port).map(Self::Port),
            Some((ip, port)) => {
                let ip = parse_ip(ip)?;
                Ok(Self::At(SocketAddr::new(ip, parse_port(port)?)))
            }
        }
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, ListenAddressError> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .map_err(|_| ListenAddressError::Ip(text.to_owned()))
}

impl TryFrom<Written> for ListenAddress {
    type Error = ListenAddressError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Number(number) => u16::try_from(number)
                .map(Self::Port)
                .map_err(|_| ListenAddressError::Port(number.to_string())),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => formatter.write_str("off"),
            Self::Port(port) => write!(formatter, "{port}"),
            Self::At(address) => write!(formatter, "{address}"),
        }
    }
}
