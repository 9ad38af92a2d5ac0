//! Where others reach a peer that is told nothing of it: at the addresses of this machine.

use std::net::{IpAddr, SocketAddr};

/// Addresses that a peer may have, as the server takes them.
const ADDRESSES_MAX: usize = 8;

/// The addresses of a listener. None where there are none: then the server notes the one that it sees.
pub(crate) fn of(listen: SocketAddr, server: &str) -> Vec<String> {
    if !listen.ip().is_unspecified() {
        return vec![listen.to_string()];
    }
    // Without a list of them there is what the server sees.
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let interfaces = interfaces.iter().map(if_addrs::Interface::ip);
    choose(interfaces, listen, is_here(server))
}

/// Chooses those that mean the same elsewhere, IPv4 first; that of this machine itself only if the server is on it, and then last.
pub(super) fn choose(
    interfaces: impl Iterator<Item = IpAddr>,
    listen: SocketAddr,
    is_server_here: bool,
) -> Vec<String> {
    let is_heard = |address: &IpAddr| address.is_ipv4() || listen.is_ipv6();
    let mut chosen: Vec<IpAddr> = interfaces
        .filter(|address| is_heard(address) && !is_link_local(address))
        .filter(|address| is_server_here || !address.is_loopback())
        .collect();
    chosen.sort_by_key(|address| (address.is_loopback(), address.is_ipv6()));
    chosen.dedup();
    let addresses = chosen.into_iter().take(ADDRESSES_MAX);
    addresses
        .map(|address| SocketAddr::new(address, listen.port()).to_string())
        .collect()
}

const fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether a URL names this machine by its own address.
pub(super) fn is_here(server: &str) -> bool {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(host, _)| host),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback())
}
