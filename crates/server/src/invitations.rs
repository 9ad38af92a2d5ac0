//! Making invitations, the same at every door, and the links by which people follow them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use directory::{Invitation, Role, token};

use crate::flaw::Flaw;

/// What codes begin with.
const CODE_PREFIX: &str = "chi_";
/// How long an invitation holds when nothing else was asked for, in milliseconds.
pub(crate) const TTL_MS_DEFAULT: u64 = 7 * 24 * 3_600_000;
/// The same of one that makes administrators.
pub(crate) const ADMINISTRATOR_TTL_MS_DEFAULT: u64 = 24 * 3_600_000;
/// The longest.
const TTL_MS_MAX: u64 = 365 * 24 * 3_600_000;
/// The most accounts that one makes.
const USES_MAX: u32 = 10_000;
/// An address of documentation (RFC 5737): the way to it is the way out of this machine.
const ELSEWHERE: &str = "192.0.2.1:9";

/// An invitation that somebody wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// How many accounts may be made with it; one if nothing is said.
    pub(crate) uses: Option<u32>,
    /// For how many milliseconds it holds.
    pub(crate) ttl_ms: Option<u64>,
    /// The role of these accounts.
    pub(crate) role: Role,
}

/// An invitation that is yet to be stored.
pub(crate) struct Made {
    pub(crate) invitation: Invitation,
    /// What whoever is invited shows; known to nobody else, and kept nowhere.
    pub(crate) code: String,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum NotMade {
    Flawed(Flaw),
    /// The operating system gives no random numbers.
    Random(getrandom::Error),
}

/// Makes an invitation in the name of an account.
///
/// # Errors
/// It is wanted for too many or for too long.
pub(crate) fn make(wish: Wish, created_by: &str, now_ms: u64) -> Result<Made, NotMade> {
    let uses = wish.uses.unwrap_or(1);
    if !(1..=USES_MAX).contains(&uses) {
        let detail = format!("uses is from 1 to {USES_MAX}");
        return Err(NotMade::Flawed(Flaw::new("uses", detail)));
    }
    let usual_ms = match wish.role {
        Role::Administrator => ADMINISTRATOR_TTL_MS_DEFAULT,
        Role::Member | Role::Service => TTL_MS_DEFAULT,
    };
    let ttl_ms = wish.ttl_ms.unwrap_or(usual_ms);
    if !(1..=TTL_MS_MAX).contains(&ttl_ms) {
        let detail = format!("ttl_ms is from 1 to {TTL_MS_MAX}");
        return Err(NotMade::Flawed(Flaw::new("ttl_ms", detail)));
    }
    let code = token::generate(CODE_PREFIX).map_err(NotMade::Random)?;
    let invitation = Invitation {
        code_hash: token::hash(&code),
        created_by: created_by.to_owned(),
        created_ms: now_ms,
        expires_ms: now_ms + ttl_ms,
        uses_left: uses,
        role: wish.role,
    };
    Ok(Made { invitation, code })
}

/// The page's place for whoever follows an invitation. A code stands behind the `#`, which browsers send to nobody.
pub(crate) fn link(page: &str, role: Role, code: Option<&str>) -> String {
    let place = match role {
        Role::Administrator => "admin",
        Role::Member | Role::Service => "join",
    };
    code.map_or_else(
        || format!("{page}#/{place}"),
        |code| format!("{page}#/{place}/{code}"),
    )
}

/// Where people open the page: one of the addresses that the doors of HTTP listen on, as others can reach it.
pub(crate) fn page_address<'a>(
    listeners: impl Iterator<Item = (&'a str, SocketAddr)> + Clone,
) -> Option<String> {
    let find = |wanted: &str| {
        let mut found = listeners.clone().filter(|(name, _)| *name == wanted);
        found.next().map(|(_, address)| address)
    };
    // A certificate of the server's own is one that browsers warn of.
    let (scheme, address) = match find("http") {
        Some(address) => ("http", address),
        None => ("https", find("https")?),
    };
    let mut reached = address;
    if address.ip().is_unspecified() {
        reached.set_ip(own_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
    Some(format!("{scheme}://{reached}/"))
}

/// The address by which this machine goes to others; asks the routing table and sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect(ELSEWHERE).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests;
