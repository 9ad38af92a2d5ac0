//! The variables by which a peer is configured without flags.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::remote::RemoteArgs;

/// The file of variables in the working directory.
const DOT_ENV: &str = ".env";

/// What the variables say.
#[derive(Debug, Default)]
pub(super) struct Environment {
    server_url: Option<String>,
    server_port: Option<String>,
    peer_url: Option<String>,
    peer_local_url: Option<String>,
    peer_port: Option<String>,
}

impl Environment {
    /// Reads the environment of this process, and behind it `.env` in the working directory.
    pub(super) fn of_process() -> Self {
        // What cannot be read was refused when the sources of the settings were.
        let lines = dotenvy::from_path_iter(Path::new(DOT_ENV));
        let file: Vec<_> = lines.into_iter().flatten().flatten().collect();
        Self::of(|name| {
            let in_file = || file.iter().rev().find(|(known, _)| known == name);
            let own = std::env::var(name).ok();
            own.or_else(|| in_file().map(|(_, value)| value.clone()))
        })
    }

    pub(super) fn of(find: impl Fn(&str) -> Option<String>) -> Self {
        let find = |name| {
            let value = find(name)?;
            let value = value.trim().trim_end_matches('/');
            (!value.is_empty()).then(|| value.to_owned())
        };
        Self {
            server_url: find("SERVER_URL"),
            server_port: find("SERVER_PORT"),
            peer_url: find("PSERVER_URL"),
            peer_local_url: find("PSERVER_LOCAL_URL"),
            peer_port: find("PSERVER_PORT"),
        }
    }

    /// Names the server that the variables name, unless flags or a context do.
    pub(super) fn name_server(&self, remote: &mut RemoteArgs) -> anyhow::Result<()> {
        match self.server() {
            Some(url) if !remote.is_named() => remote.name_server(url),
            Some(_) | None => Ok(()),
        }
    }

    /// The host of the server, if one is named.
    pub(super) fn server_host(&self) -> Option<&str> {
        self.server_url.as_deref().map(host)
    }

    /// The server's port: that of its URL, else that of the other variable.
    pub(super) fn server_port(&self) -> Result<Option<u16>, String> {
        let in_url = self.server_url.as_deref().and_then(port);
        let (name, text) = match (in_url, &self.server_port) {
            (Some(text), _) => ("SERVER_URL", text),
            (None, Some(text)) => ("SERVER_PORT", &**text),
            (None, None) => return Ok(None),
        };
        let port = text.parse();
        port.map(Some)
            .map_err(|_| format!("{name}: {text} is no port"))
    }

    /// The server's URL, if one is named.
    pub(super) fn server(&self) -> Option<String> {
        let url = self.server_url.as_deref()?;
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let port = self.server_port.as_ref();
        Some(match port.filter(|_| !has_port(rest)) {
            Some(port) => format!("{scheme}://{rest}:{port}"),
            None => format!("{scheme}://{rest}"),
        })
    }

    /// Where to listen, with `port` where none is named.
    pub(super) fn listen(&self, port: u16) -> Result<SocketAddr, String> {
        let port = match &self.peer_port {
            Some(text) => text
                .parse()
                .map_err(|_| format!("PSERVER_PORT={text}: that is no port"))?,
            None => port,
        };
        let Some(url) = &self.peer_local_url else {
            return Ok(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port));
        };
        let bare = bare(url);
        let bare = match bare.strip_prefix("localhost") {
            Some(rest) => format!("127.0.0.1{rest}"),
            None => bare.to_owned(),
        };
        let address = || bare.trim_matches(['[', ']']).parse::<IpAddr>();
        bare.parse()
            .or_else(|_| address().map(|address| SocketAddr::new(address, port)))
            .map_err(|_| format!("PSERVER_LOCAL_URL={url}: write ADDR or ADDR:PORT"))
    }

    /// Where others reach the peer, if that is named.
    pub(super) fn address(&self, port: u16) -> Option<String> {
        let bare = bare(self.peer_url.as_deref()?);
        if has_port(bare) {
            return Some(bare.to_owned());
        }
        Some(format!("{bare}:{port}"))
    }
}

/// A URL without its scheme.
fn bare(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// The host and the port of a URL.
fn authority(url: &str) -> &str {
    bare(url).split(['/', '?', '#']).next().unwrap_or_default()
}

/// The port of a URL, if it names one.
fn port(url: &str) -> Option<&str> {
    let authority = authority(url);
    let (_, port) = authority.rsplit_once(':')?;
    has_port(authority).then_some(port)
}

/// Whether two hosts are one, as far as their names tell: this machine has several by which it calls itself.
pub(super) fn is_one_host(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || is_loopback(one) && is_loopback(other)
}

/// Whether that is this machine's name for itself; an address of six has brackets.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The host of a URL, with its brackets if it has some.
pub(crate) fn host(url: &str) -> &str {
    let authority = authority(url);
    match authority.rsplit_once(':') {
        Some((host, _)) if has_port(authority) => host,
        Some(_) | None => authority,
    }
}

/// Whether a host has a port behind it; the colons of an address in brackets are its own.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}
