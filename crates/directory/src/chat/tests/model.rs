//! Many changes in an order that nobody chose, against a model that fits in a few lines.

use std::collections::{BTreeMap, HashMap};

use super::*;

/// Numbers that look like chance and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// One room: its messages by number with author and text, nothing once deleted, and what was read.
#[derive(Default)]
struct Model {
    head: u64,
    messages: BTreeMap<u64, (String, Option<String>)>,
    sent: HashMap<(String, String), u64>,
    read: BTreeMap<String, u64>,
}

impl Model {
    fn check(&self, fixture: &mut Fixture, room: RoomNumber) {
        let stored = fixture.newest(room).into_iter().map(|message| {
            let text = message.deleted_ms.is_none().then_some(message.text);
            (message.seq, (message.author, text))
        });
        assert_eq!(stored.collect::<BTreeMap<_, _>>(), self.messages);
        for (login, read) in &self.read {
            let positions = fixture.person(login).positions;
            assert_eq!(positions, [position(room, *read, &[])], "{login}");
        }
        let live = self.messages.iter().rev();
        let live = live.filter(|(_, (_, text))| text.as_ref().is_some_and(|it| it.contains("odd")));
        let (found, _) = fixture
            .reader()
            .search("odd", &[room], None, 9_999)
            .unwrap();
        let found = found.iter().map(|message| message.seq);
        assert_eq!(
            found.collect::<Vec<_>>(),
            live.map(|(seq, _)| *seq).collect::<Vec<_>>()
        );
    }

    /// Makes a change by chance, and says what has to come of it.
    fn step(&mut self, chance: &mut Chance, room: RoomNumber) -> (ChatChange, bool) {
        let author = ["ana", "ben", "cleo"][chance.below(3) as usize];
        let text = format!(
            "{} {}",
            ["odd", "even"][chance.below(2) as usize],
            chance.below(99)
        );
        let seq = chance.below(self.head + 2);
        let is_own = self
            .messages
            .get(&seq)
            .is_some_and(|(by, text)| by == author && text.is_some());
        match chance.below(10) {
            0..6 => {
                let sent_id = chance.below(400).to_string();
                let key = (author.to_owned(), sent_id.clone());
                let earlier = self.sent.get(&key);
                let is_new = earlier.is_none_or(|seq| !self.messages.contains_key(seq));
                if is_new {
                    self.head += 1;
                    self.sent.insert(key, self.head);
                    let said = (author.to_owned(), Some(text.clone()));
                    self.messages.insert(self.head, said);
                    self.read.insert(author.to_owned(), self.head);
                }
                let draft = Draft {
                    sent_id: Some(sent_id),
                    ..draft(author, &text)
                };
                (posted(room, draft), is_new)
            }
            6 => {
                if is_own {
                    self.messages.insert(seq, (author.to_owned(), None));
                }
                (deleted(room, seq, Some(author)), is_own)
            }
            7 => {
                if is_own {
                    self.messages
                        .insert(seq, (author.to_owned(), Some(text.clone())));
                }
                (edited(room, seq, author, &text), is_own)
            }
            8 => {
                let read = self.read.entry(author.to_owned()).or_default();
                *read = seq.min(self.head).max(*read);
                let login = author.to_owned();
                (ChatChange::Read { room, login, seq }, true)
            }
            _ => {
                let per_room_max = 20;
                let head = self.head;
                self.messages.retain(|seq, _| seq + per_room_max > head);
                let before_ms = 0;
                (
                    ChatChange::Expired {
                        before_ms,
                        per_room_max,
                    },
                    true,
                )
            }
        }
    }
}

#[test]
fn any_order_of_changes_leaves_what_the_model_says() {
    for seed in 0..8 {
        let mut chance = Chance(seed);
        let mut fixture = Fixture::new();
        let room = fixture.room("lobby");
        let mut model = Model::default();
        for _ in 0..25 {
            let count = 1 + chance.below(12);
            let (changes, expected): (Vec<_>, Vec<_>) =
                (0..count).map(|_| model.step(&mut chance, room)).unzip();
            let outcomes = fixture.commit(&changes);
            let made = outcomes.iter().map(|outcome| match outcome {
                ChatOutcome::Posted { is_duplicate, .. } => !is_duplicate,
                ChatOutcome::Refused(_) => false,
                ChatOutcome::Done
                | ChatOutcome::Room(_)
                | ChatOutcome::Message(_)
                | ChatOutcome::Person(_) => true,
            });
            assert_eq!(made.collect::<Vec<_>>(), expected, "{seed}: {changes:?}");
            if chance.below(3) == 0 {
                fixture.store.index(5).unwrap();
            }
            if chance.below(8) == 0 {
                fixture = fixture.reopen();
            }
            model.check(&mut fixture, room);
        }
    }
}
