//! Slowing down whoever guesses: how long a login has to wait after others failed.
//!
//! Failures are counted three times: per login and address, per address, and per login. Up to a number they are free; each further one
//! closes the door for twice as long as the one before. An attempt at a closed door is refused unheard, so that a flood costs nothing and
//! proves nothing. Time is a parameter.
//!
//! A stranger must not be able to lock somebody out: the failures of all addresses together do not count where the login was right
//! before, nor do those of all logins of an address where, besides, the password is still remembered.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use directory::limits::LOGIN_BYTES_MAX;

/// Entries of each table; past that, those that failed longest ago are forgotten.
const ENTRIES_MAX: usize = 100_000;
/// Of a full table this part is given up at once, so that finding the oldest is rare.
const EVICTED_PART: usize = 16;
/// The first wait.
const WAIT_MS: u64 = 1_000;

/// When failures close a door, and until when.
#[derive(Debug, Clone, Copy)]
struct Rule {
    /// Failures without consequence.
    free: u32,
    /// The longest wait, in milliseconds.
    wait_ms_max: u64,
    /// Failures are forgotten this long after the last one, or after the wait that it caused.
    forgotten_after_ms: u64,
}

/// One login at one address.
const PAIR: Rule = Rule {
    free: 10,
    wait_ms_max: 5 * 60 * 1_000,
    forgotten_after_ms: 15 * 60 * 1_000,
};
/// One address, whichever logins it tries.
const ADDRESS: Rule = Rule {
    free: 100,
    wait_ms_max: 5 * 60 * 1_000,
    forgotten_after_ms: 60 * 1_000,
};
/// One login, wherever from: its owner may come from a new place, and waits no longer than this.
const LOGIN: Rule = Rule {
    free: 50,
    wait_ms_max: 30 * 1_000,
    forgotten_after_ms: 15 * 60 * 1_000,
};

impl Rule {
    /// How long the door stays closed after so many failures.
    fn wait_ms(&self, failures: u32) -> u64 {
        let Some(doublings) = failures.checked_sub(self.free + 1) else {
            return 0;
        };
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        WAIT_MS.saturating_mul(factor).min(self.wait_ms_max)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    count: u32,
    last_ms: u64,
    closed_until_ms: u64,
}

#[derive(Debug)]
struct Counted<K> {
    rule: Rule,
    entries: HashMap<K, Failures>,
}

impl<K: Eq + Hash + Clone> Counted<K> {
    fn new(rule: Rule) -> Self {
        Self {
            rule,
            entries: HashMap::new(),
        }
    }

    /// How much longer the door is closed; 0 is open.
    fn wait_ms(&self, key: &K, now_ms: u64) -> u64 {
        self.entries
            .get(key)
            .map_or(0, |entry| entry.closed_until_ms.saturating_sub(now_ms))
    }

    /// Counts a failure; true when it is the first that closes the door.
    fn failed(&mut self, key: K, now_ms: u64) -> bool {
        if !self.entries.contains_key(&key) {
            make_room(&mut self.entries, |entry| entry.last_ms);
        }
        let entry = self.entries.entry(key).or_default();
        let quiet_since_ms = entry.last_ms.max(entry.closed_until_ms);
        if now_ms.saturating_sub(quiet_since_ms) >= self.rule.forgotten_after_ms {
            *entry = Failures::default();
        }
        entry.count = entry.count.saturating_add(1);
        entry.last_ms = now_ms;
        entry.closed_until_ms = now_ms + self.rule.wait_ms(entry.count);
        entry.count == self.rule.free + 1
    }
}

/// For whom a door was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Closed {
    /// A login at an address.
    Pair(String, IpAddr),
    /// An address.
    Address(IpAddr),
    /// A login, where it was never right before.
    Login(String),
}

/// Who failed where.
type Pair = (String, IpAddr);

/// What is known of failures and of logins that were right.
#[derive(Debug)]
pub(super) struct Lockout {
    pairs: Counted<Pair>,
    addresses: Counted<IpAddr>,
    logins: Counted<String>,
    /// Where which login was right, and when last.
    proven: HashMap<Pair, u64>,
}

impl Default for Lockout {
    fn default() -> Self {
        Self {
            pairs: Counted::new(PAIR),
            addresses: Counted::new(ADDRESS),
            logins: Counted::new(LOGIN),
            proven: HashMap::new(),
        }
    }
}

impl Lockout {
    /// Says whether an attempt is heard; `is_remembered` is whether its password was right before.
    ///
    /// # Errors
    /// The milliseconds until one is heard again.
    pub(super) fn check(
        &self,
        login: &str,
        address: IpAddr,
        is_remembered: bool,
        now_ms: u64,
    ) -> Result<(), u64> {
        let address = neighbourhood(address);
        let pair = (named(login), address);
        let is_proven = self.proven.contains_key(&pair);
        let mut wait_ms = self.pairs.wait_ms(&pair, now_ms);
        if !(is_proven && is_remembered) {
            wait_ms = wait_ms.max(self.addresses.wait_ms(&address, now_ms));
        }
        if !is_proven {
            wait_ms = wait_ms.max(self.logins.wait_ms(&pair.0, now_ms));
        }
        if wait_ms == 0 { Ok(()) } else { Err(wait_ms) }
    }

    /// Notes a wrong password, or a login that does not exist. Returns the doors that it closes for the first time.
    pub(super) fn failed(&mut self, login: &str, address: IpAddr, now_ms: u64) -> Vec<Closed> {
        let address = neighbourhood(address);
        let login = named(login);
        let mut closed = Vec::new();
        if self.pairs.failed((login.clone(), address), now_ms) {
            closed.push(Closed::Pair(login.clone(), address));
        }
        if self.addresses.failed(address, now_ms) {
            closed.push(Closed::Address(address));
        }
        if self.logins.failed(login.clone(), now_ms) {
            closed.push(Closed::Login(login));
        }
        closed
    }

    /// Notes a right password: what failed with this login at this address is forgotten.
    pub(super) fn succeeded(&mut self, login: &str, address: IpAddr, now_ms: u64) {
        let pair = (named(login), neighbourhood(address));
        self.pairs.entries.remove(&pair);
        if !self.proven.contains_key(&pair) {
            make_room(&mut self.proven, |at_ms| *at_ms);
        }
        self.proven.insert(pair, now_ms);
    }
}

/// What is kept of a login: no account has a longer one.
fn named(login: &str) -> String {
    login[..login.floor_char_boundary(LOGIN_BYTES_MAX)].to_owned()
}

/// Whoever has one address of an IPv6 network has all of it.
pub(crate) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()
        }
        address @ (IpAddr::V4(_) | IpAddr::V6(_)) => address,
    }
}

fn make_room<K: Eq + Hash, V>(entries: &mut HashMap<K, V>, time: impl Fn(&V) -> u64) {
    if entries.len() < ENTRIES_MAX {
        return;
    }
    let mut times: Vec<u64> = entries.values().map(&time).collect();
    let (_, oldest, _) = times.select_nth_unstable(ENTRIES_MAX / EVICTED_PART);
    let oldest = *oldest;
    entries.retain(|_, entry| time(entry) > oldest);
}

#[cfg(test)]
mod tests;
