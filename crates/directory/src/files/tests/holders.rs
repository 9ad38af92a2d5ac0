//! Who has a content, however many others there are and whatever these say.

use super::searching::by_words;
use super::*;

const ROOT: [u8; 32] = [5; 32];

fn copies(count: usize, audience: &Audience) -> Vec<FileEntry> {
    let copy = |at| FileEntry {
        audience: audience.clone(),
        ..entry(&format!("copies/{at}/same.txt"), 5)
    };
    (0..count).map(copy).collect()
}

impl Fixture {
    /// The holders of the content, of each size that is stated.
    fn holders(&self, login: &str) -> Vec<(u64, Vec<String>)> {
        let found = self.reader.contents(ROOT, &viewer(login), &self.live);
        let held = |content: FileContent| {
            let holders = content.holders.iter();
            let holders = holders.map(|holder| holder.peer.draft.login.clone());
            (content.size, holders.collect())
        };
        found.unwrap().into_iter().map(held).collect()
    }

    /// The holders that a search by hash and one by name show.
    fn shown(&self, login: &str) -> Vec<Vec<String>> {
        let by_root = FileSearch {
            root: Some(ROOT),
            ..FileSearch::default()
        };
        let of_pages = |mut search: FileSearch| {
            let mut shown = Vec::new();
            loop {
                let page = self.search(&search, login);
                let holders = page.contents.iter().flat_map(|content| &content.holders);
                shown.extend(holders.map(|holder| holder.peer.draft.login.clone()));
                search.after = page.next;
                if search.after.is_none() {
                    return shown;
                }
            }
        };
        [by_root, by_words("same")].map(of_pages).into()
    }

    fn publish_in_steps(&mut self, id: &str, entries: &[FileEntry]) {
        for (revision, step) in (0..).zip(entries.chunks(500)) {
            self.publish(id, (revision, revision + 1), step, &[])
                .unwrap();
        }
    }

    fn leave(&mut self, id: &str) {
        self.live.retain(|_, peer| peer.draft.id != id);
    }
}

#[test]
fn copies_of_those_who_are_away_or_show_them_to_others_hide_nobody() {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    fixture.publish_in_steps("p1", &copies(1_200, &Audience::Everyone));
    fixture.leave("p1");
    fixture.set_peer("p2", "ben");
    let secret = Audience::Accounts(vec![account("carl")]);
    fixture.publish_in_steps("p2", &copies(1_200, &secret));
    fixture.set_peer("p3", "dora");
    let one = copies(1, &Audience::Everyone);
    fixture.publish("p3", (0, 1), &one, &[]).unwrap();
    assert_eq!(fixture.holders("eve"), [(500, vec!["dora".to_owned()])]);
    assert_eq!(fixture.shown("eve"), [["dora"], ["dora"]]);
    assert_eq!(
        fixture.holders("carl"),
        [(500, vec!["ben".to_owned(), "dora".to_owned()])]
    );
}

#[test]
fn whoever_has_it_a_thousand_times_hides_nobody() {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    let mut all = copies(1_200, &Audience::Link);
    all.extend(
        copies(1_200, &Audience::Everyone)
            .into_iter()
            .zip(0..)
            .map(|(copy, at)| FileEntry {
                file: format!("for all/{at}"),
                ..copy
            }),
    );
    fixture.publish_in_steps("p1", &all);
    for (id, login) in [("p2", "ben"), ("p3", "carl")] {
        fixture.set_peer(id, login);
        let one = copies(1, &Audience::Everyone);
        fixture.publish(id, (0, 1), &one, &[]).unwrap();
    }
    let everyone = ["ana", "ben", "carl"];
    assert_eq!(
        fixture.holders("eve"),
        [(500, everyone.map(str::to_owned).to_vec())]
    );
    assert_eq!(fixture.shown("eve"), [everyone, everyone]);
}

#[test]
fn each_size_that_is_stated_has_its_holders() {
    let mut fixture = Fixture::new();
    for (id, login, size) in [
        ("p1", "ana", 1),
        ("p2", "ben", 500),
        ("p3", "carl", 2),
        ("p4", "dora", 500),
    ] {
        fixture.set_peer(id, login);
        let stated = FileEntry {
            size,
            ..entry(login, 5)
        };
        fixture.publish(id, (0, 1), &[stated], &[]).unwrap();
    }
    let sizes = fixture.holders("eve");
    assert_eq!(
        sizes,
        [
            (1, vec!["ana".to_owned()]),
            (500, vec!["ben".to_owned(), "dora".to_owned()]),
            (2, vec!["carl".to_owned()]),
        ]
    );
}
