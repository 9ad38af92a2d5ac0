//! Where webhooks may reach: public addresses alone, unless the operator allows his own network.
//!
//! A name is looked up once, every address that comes back is judged, and the connection goes to one that was judged: a name that
//! answers differently the next time gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;
use url::Host;

use super::fault::Fault;

/// Look-ups at one time: each holds a thread for as long as the name servers take.
const LOOKUPS_MAX: usize = 32;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Which addresses may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those of the public internet.
    Public,
    /// Also those of this machine and of the networks around it.
    Anywhere,
}

/// Looks names up.
#[derive(Debug)]
pub(super) struct Resolver {
    reach: Reach,
    lookups: Arc<Semaphore>,
}

impl Reach {
    /// Says whether an address may be reached.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::Public => is_public(address),
            Self::Anywhere => !address.is_unspecified() && !address.is_multicast(),
        }
    }
}

impl Resolver {
    pub(super) fn new(reach: Reach) -> Self {
        Self {
            reach,
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        }
    }

    /// Finds the addresses of a host that may be reached.
    ///
    /// # Errors
    /// The name leads nowhere, or nowhere that may be reached.
    pub(super) async fn resolve(
        &self,
        host: &Host<String>,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Fault> {
        let found = match host {
            Host::Ipv4(address) => vec![SocketAddr::from((*address, port))],
            Host::Ipv6(address) => vec![SocketAddr::from((*address, port))],
            Host::Domain(name) => self.look_up(name.clone(), port).await?,
        };
        let mut allowed: Vec<_> = found
            .into_iter()
            .filter(|address| self.reach.allows(address.ip()))
            .collect();
        allowed.truncate(ADDRESSES_MAX);
        if allowed.is_empty() {
            return Err(Fault::Forbidden);
        }
        Ok(allowed)
    }

    async fn look_up(&self, name: String, port: u16) -> Result<Vec<SocketAddr>, Fault> {
        let permit = self.lookups.clone().acquire_owned().await;
        let found = tokio::task::spawn_blocking(move || {
            // Held until the thread is free again, also when nobody waits for it any more.
            let _permit = permit;
            (name.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect::<Vec<_>>)
        });
        match found.await {
            Ok(Ok(found)) if !found.is_empty() => Ok(found),
            Ok(Ok(_) | Err(_)) | Err(_) => Err(Fault::UnknownName),
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Everything but what IANA's registry of special purposes keeps from the public internet.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match (a, b, c) {
        // This network, private use, loopback.
        (0 | 10 | 127, _, _) => true,
        // Shared by carriers (CGNAT).
        (100, 64..=127, _) => true,
        // Link-local, where clouds keep their metadata.
        (169, 254, _) => true,
        // Private use.
        (172, 16..=31, _) | (192, 168, _) => true,
        // Protocols, documentation, relays of 6to4.
        (192, 0, 0 | 2) | (192, 88, 99) => true,
        // Benchmarks.
        (198, 18..=19, _) => true,
        // Documentation.
        (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224..=255, _, _) => true,
        _ => false,
    };
    !is_special
}

/// Global unicast, and what translates to a public address of version 4.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // NAT64: what is behind it counts.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Protocols, Teredo, benchmarks, ORCHID.
        [0x2001, 0..=0x1ff, ..] => false,
        // Documentation.
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // 6to4 leads to an address of version 4 by way of whoever relays it.
        [0x2002, ..] => false,
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
