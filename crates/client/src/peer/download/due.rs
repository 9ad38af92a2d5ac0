//! What one source was asked for and has not sent yet: nothing else is taken from it.
//!
//! Right groups that come again and again are no lie that hashes tell, and cost as much as one.

use std::collections::BTreeMap;

use rpc::v1::fetch_request::Ask;
use rpc::v1::fetch_response::Answer;

/// What is due, each as often as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Due {
    opened: u32,
    lists: BTreeMap<u64, u32>,
    /// Those that were taken back may come all the same.
    groups: BTreeMap<u64, u32>,
}

impl Due {
    /// Notes what is asked for.
    pub(super) fn asked(&mut self, ask: &Ask) {
        match ask {
            Ask::Open(_) => self.opened += 1,
            Ask::Segment(segment) => *self.lists.entry(*segment).or_default() += 1,
            Ask::Groups(groups) => {
                for group in groups.first..groups.first + groups.count {
                    *self.groups.entry(group).or_default() += 1;
                }
            }
            Ask::Cancel(_) | Ask::Close(_) => {}
        }
    }

    /// Whether the source has yet to say that it has the content.
    pub(super) const fn is_opening(&self) -> bool {
        self.opened > 0
    }

    /// Takes an answer off it, and tells whether it was asked for. Refusals bring nothing.
    pub(super) fn answered(&mut self, answer: &Answer) -> bool {
        match answer {
            Answer::Opened(_) => {
                let is_due = self.opened > 0;
                self.opened = self.opened.saturating_sub(1);
                is_due
            }
            Answer::Segment(list) => settle(&mut self.lists, list.segment),
            Answer::Group(group) => settle(&mut self.groups, group.index),
            Answer::Refused(_) => true,
        }
    }
}

fn settle(due: &mut BTreeMap<u64, u32>, index: u64) -> bool {
    let Some(count) = due.get_mut(&index) else {
        return false;
    };
    *count -= 1;
    if *count == 0 {
        due.remove(&index);
    }
    true
}

#[cfg(test)]
mod tests {
    use rpc::v1::{Group, Groups, Open, Opened, SegmentHashes};

    use super::*;

    fn group(index: u64) -> Answer {
        Answer::Group(Group {
            index,
            ..Group::default()
        })
    }

    fn list(segment: u64) -> Answer {
        Answer::Segment(SegmentHashes {
            segment,
            ..SegmentHashes::default()
        })
    }

    #[test]
    fn what_was_asked_for_may_come_as_often_as_it_was_asked_for() {
        let mut due = Due::default();
        due.asked(&Ask::Open(Open::default()));
        assert!(due.is_opening());
        due.asked(&Ask::Segment(3));
        due.asked(&Ask::Groups(Groups { first: 7, count: 2 }));
        due.asked(&Ask::Groups(Groups { first: 8, count: 1 }));
        let opened = Answer::Opened(Opened::default());
        for (answer, times) in [(opened, 1), (list(3), 1), (group(7), 1), (group(8), 2)] {
            for time in 0..times {
                assert!(due.answered(&answer), "{answer:?}, time {time}");
            }
            assert!(!due.answered(&answer), "{answer:?} once more");
        }
        assert!(!due.is_opening());
    }

    #[test]
    fn what_was_not_asked_for_may_not_come() {
        let mut due = Due::default();
        due.asked(&Ask::Groups(Groups { first: 7, count: 2 }));
        for answer in [
            Answer::Opened(Opened::default()),
            list(0),
            group(6),
            group(9),
        ] {
            assert!(!due.answered(&answer), "{answer:?}");
        }
    }
}
