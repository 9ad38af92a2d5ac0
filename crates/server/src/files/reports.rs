//! Who was reported to send what is not the content. Kept while the server runs: a peer whose disk or intention is bad is found out again.

use std::collections::{BTreeMap, BTreeSet};

use directory::files::AudienceMember;

/// How long a report counts.
const LIFE_MS: u64 = 3_600_000;
/// Accounts that have to say so until everybody is sent elsewhere first.
const ACCOUNTS_UNTIL_LAST: usize = 3;
/// Peers of which reports are kept.
const PEERS_MAX: usize = 10_000;
/// Reports that are kept of each.
const REPORTS_MAX: usize = 1_000;

/// How a peer is named to somebody who wants a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// As any other.
    Usual,
    /// Behind the others: several accounts were sent what was not the content.
    Last,
    /// Not at all: it was they who were.
    Hidden,
}

#[derive(Debug)]
struct Report {
    from: AudienceMember,
    root: [u8; 32],
    at_ms: u64,
}

/// The reports.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    by_peer: BTreeMap<String, Vec<Report>>,
}

impl Reports {
    /// Notes that an account was sent something else for a content.
    pub(crate) fn note(&mut self, peer: &str, from: AudienceMember, root: [u8; 32], now_ms: u64) {
        self.by_peer.retain(|_, reports| {
            reports.retain(|report| is_alive(report, now_ms));
            !reports.is_empty()
        });
        if self.by_peer.len() >= PEERS_MAX && !self.by_peer.contains_key(peer) {
            return;
        }
        let reports = self.by_peer.entry(peer.to_owned()).or_default();
        reports.retain(|report| report.from != from || report.root != root);
        if reports.len() < REPORTS_MAX {
            reports.push(Report {
                from,
                root,
                at_ms: now_ms,
            });
        }
    }

    /// How a peer is named to an account that wants a content.
    pub(crate) fn standing(
        &self,
        peer: &str,
        asker: &AudienceMember,
        root: [u8; 32],
        now_ms: u64,
    ) -> Standing {
        let reports = self.by_peer.get(peer).map_or(&[][..], Vec::as_slice);
        let alive = reports.iter().filter(|report| is_alive(report, now_ms));
        if alive
            .clone()
            .any(|report| report.from == *asker && report.root == root)
        {
            return Standing::Hidden;
        }
        if count(alive) >= ACCOUNTS_UNTIL_LAST {
            Standing::Last
        } else {
            Standing::Usual
        }
    }

    /// How many accounts reported a peer.
    pub(crate) fn accounts(&self, peer: &str, now_ms: u64) -> usize {
        let reports = self.by_peer.get(peer).map_or(&[][..], Vec::as_slice);
        count(reports.iter().filter(|report| is_alive(report, now_ms)))
    }
}

fn is_alive(report: &Report, now_ms: u64) -> bool {
    now_ms.saturating_sub(report.at_ms) < LIFE_MS
}

fn count<'a>(reports: impl Iterator<Item = &'a Report>) -> usize {
    let accounts: BTreeSet<_> = reports
        .map(|report| (&report.from.name, report.from.created_ms))
        .collect();
    accounts.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> AudienceMember {
        AudienceMember {
            name: name.to_owned(),
            created_ms: 1,
        }
    }

    #[test]
    fn whoever_was_lied_to_is_sent_elsewhere_for_a_while() {
        let mut reports = Reports::default();
        reports.note("p", account("ana"), [1; 32], 1_000);
        let standing = |name: &str, root, now| reports.standing("p", &account(name), root, now);
        assert_eq!(standing("ana", [1; 32], 2_000), Standing::Hidden);
        assert_eq!(standing("ana", [2; 32], 2_000), Standing::Usual);
        assert_eq!(standing("ben", [1; 32], 2_000), Standing::Usual);
        assert_eq!(standing("ana", [1; 32], 1_000 + LIFE_MS), Standing::Usual);
    }

    #[test]
    fn several_accounts_are_believed_and_one_counts_once() {
        let mut reports = Reports::default();
        for root in 0..5 {
            reports.note("p", account("ana"), [root; 32], 1_000);
        }
        reports.note("p", account("ben"), [0; 32], 1_000);
        let standing = |reports: &Reports| reports.standing("p", &account("eva"), [9; 32], 2_000);
        assert_eq!(standing(&reports), Standing::Usual);
        assert_eq!(reports.accounts("p", 2_000), 2);
        reports.note("p", account("cleo"), [0; 32], 1_000);
        assert_eq!(standing(&reports), Standing::Last);
        assert_eq!(reports.accounts("p", 1_000 + LIFE_MS), 0);
    }

    #[test]
    fn what_is_kept_has_bounds() {
        let mut reports = Reports::default();
        for number in 0..2 * REPORTS_MAX {
            let from = account(&number.to_string());
            reports.note("p", from, [0; 32], 1_000);
        }
        assert_eq!(reports.accounts("p", 1_000), REPORTS_MAX);
        for number in 0..PEERS_MAX + 10 {
            reports.note(&number.to_string(), account("ana"), [0; 32], 1_000);
        }
        assert_eq!(reports.by_peer.len(), PEERS_MAX);
        reports.note("p", account("ana"), [0; 32], 1_000 + LIFE_MS);
        assert_eq!(reports.by_peer.len(), 1, "what is old makes room");
    }
}
