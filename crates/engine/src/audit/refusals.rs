//! Tokens and keys that opened nothing: the first of an address is written down, the rest of its minute is counted.
//!
//! A wrong password costs whoever shows it a wait; these cost nobody anything, so that a flood of them must not fill the log. Time is a
//! parameter.

use std::collections::HashMap;
use std::net::IpAddr;

use directory::AuditRecord;

use super::{Author, Entry};
use crate::accounts::neighbourhood;
use crate::sessions::{KEY_LOGIN, Origin};

/// How long what follows a first refusal is counted.
const WINDOW_MS: u64 = 60_000;
/// Addresses that are counted one by one; those of further ones are counted together.
const ADDRESSES_MAX: usize = 1_024;
/// What whoever shows a token is called: no account has such a name.
const TOKEN_LOGIN: &str = ":token";

/// What was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Secret {
    /// A session's token.
    Token,
    /// A queue's key.
    Key,
}

#[derive(Debug)]
struct Counted {
    author: Author,
    since_ms: u64,
    more: u64,
}

/// Refusals that are counted now.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    by_address: HashMap<(IpAddr, Secret), Counted>,
    elsewhere: u64,
}

impl Refusals {
    /// Notes a refusal; returns what is to be written down of it now.
    pub(super) fn note(
        &mut self,
        secret: Secret,
        origin: &Origin,
        now_ms: u64,
    ) -> Option<AuditRecord> {
        let key = (neighbourhood(origin.address), secret);
        if let Some(counted) = self.by_address.get_mut(&key) {
            counted.more += 1;
            return None;
        }
        if self.by_address.len() >= ADDRESSES_MAX {
            self.elsewhere += 1;
            return None;
        }
        let name = match secret {
            Secret::Token => TOKEN_LOGIN,
            Secret::Key => KEY_LOGIN,
        };
        let author = Author::new(name, origin);
        let record = refused(&author, "unknown or expired".to_owned());
        let counted = Counted {
            author,
            since_ms: now_ms,
            more: 0,
        };
        self.by_address.insert(key, counted);
        Some(record)
    }

    /// Takes what was counted and is to be written down now.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Vec<AuditRecord> {
        let is_over = |counted: &Counted| now_ms.saturating_sub(counted.since_ms) >= WINDOW_MS;
        let over = self
            .by_address
            .extract_if(|_, counted| is_over(counted))
            .map(|(_, counted)| counted)
            .collect::<Vec<_>>();
        let mut records: Vec<_> = over
            .iter()
            .filter(|counted| counted.more > 0)
            .map(|counted| {
                let detail = format!("{} more within a minute", counted.more);
                refused(&counted.author, detail)
            })
            .collect();
        let elsewhere = if over.is_empty() {
            0
        } else {
            std::mem::take(&mut self.elsewhere)
        };
        if elsewhere > 0 {
            let detail = format!("{elsewhere} more tokens and keys, from further addresses");
            records.push(refused(&Author::server(), detail));
        }
        records
    }
}

fn refused(author: &Author, detail: String) -> AuditRecord {
    author.did(&Entry {
        action: "login",
        outcome: "refused",
        detail,
        ..Entry::default()
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn at(last: u8) -> Origin {
        Origin {
            door: "http",
            address: Ipv4Addr::new(10, 0, 0, last).into(),
            client: None,
        }
    }

    #[test]
    fn the_first_of_an_address_is_written_and_the_rest_is_counted() {
        let mut refusals = Refusals::default();
        let first = refusals.note(Secret::Token, &at(1), 5).expect("the first");
        assert_eq!(
            (&*first.actor, &*first.address, &*first.outcome),
            (":token", "10.0.0.1", "refused")
        );
        for _ in 0..7 {
            assert_eq!(refusals.note(Secret::Token, &at(1), 6), None);
        }
        let key = refusals.note(Secret::Key, &at(1), 6).expect("another kind");
        assert_eq!(key.actor, ":key");
        assert!(refusals.note(Secret::Token, &at(2), 6).is_some());
        assert_eq!(refusals.take_due(WINDOW_MS + 4), []);
        let due = refusals.take_due(WINDOW_MS + 6);
        let details: Vec<_> = due.iter().map(|record| &*record.detail).collect();
        assert_eq!(details, ["7 more within a minute"], "others had no more");
        assert!(
            refusals
                .note(Secret::Token, &at(1), WINDOW_MS + 7)
                .is_some(),
            "a new minute"
        );
    }

    #[test]
    fn further_addresses_are_counted_together() {
        let mut refusals = Refusals::default();
        for number in 0..ADDRESSES_MAX + 3 {
            let number = u32::try_from(number).expect("it is small");
            let origin = Origin {
                address: Ipv4Addr::from_bits(number).into(),
                ..at(0)
            };
            let _ = refusals.note(Secret::Token, &origin, 0);
        }
        let due = refusals.take_due(WINDOW_MS);
        assert_eq!(due.len(), 1);
        assert!(due.iter().all(|record| record.detail.starts_with("3 more")));
    }
}
