//! What is found, by whom, and in which order.

use super::*;

pub(super) fn root_of(number: u32) -> [u8; 32] {
    let mut root = [0; 32];
    root[..4].copy_from_slice(&number.to_be_bytes());
    root
}

pub(super) fn by_words(typed: &str) -> FileSearch {
    FileSearch {
        words: Some(Words::parse(typed)),
        ..FileSearch::default()
    }
}

#[test]
fn names_are_found_by_words_beginnings_and_patterns() {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    let all = [
        "Report-2024.pdf",
        "résumé final.txt",
        "reporting.txt",
        "50% \"off\".txt",
        "東京.txt",
    ];
    let entries: Vec<_> = all
        .iter()
        .zip(1..)
        .map(|(name, root)| entry(name, root))
        .collect();
    fixture.publish("p1", (0, 1), &entries, &[]).unwrap();
    for (typed, expected) in [
        ("report", vec!["Report-2024.pdf"]),
        ("repo*", vec!["Report-2024.pdf", "reporting.txt"]),
        (
            "r*",
            vec!["Report-2024.pdf", "reporting.txt", "résumé final.txt"],
        ),
        ("RESUME", vec!["résumé final.txt"]),
        ("txt fin*", vec!["résumé final.txt"]),
        ("\"off\" OR", vec![]),
        ("50% off", vec!["50% \"off\".txt"]),
        ("東京", vec!["東京.txt"]),
        ("2024.pdf", vec!["Report-2024.pdf"]),
        ("* -", vec![]),
        ("words:x NEAR(", vec![]),
    ] {
        assert_eq!(
            names(&fixture.search(&by_words(typed), "ben")),
            expected,
            "{typed}"
        );
    }
    for (pattern, expected) in [
        ("*.PDF", vec!["Report-2024.pdf"]),
        ("report*", vec!["Report-2024.pdf", "reporting.txt"]),
        ("r?sume*[a-l].t[xX]t", vec!["résumé final.txt"]),
        ("[!r5]*", vec!["東京.txt"]),
        ("report", vec![]),
        (
            "*",
            vec![
                "50% \"off\".txt",
                "Report-2024.pdf",
                "reporting.txt",
                "résumé final.txt",
                "東京.txt",
            ],
        ),
    ] {
        let search = FileSearch {
            glob: Glob::parse(pattern),
            ..FileSearch::default()
        };
        assert!(search.glob.is_some());
        assert_eq!(
            names(&fixture.search(&search, "ben")),
            expected,
            "{pattern}"
        );
    }
    assert_eq!(Glob::parse("[a"), None);
    assert_eq!(Glob::parse(&"*".repeat(1_025)), None);
}

#[test]
fn a_pattern_of_many_stars_takes_no_longer() {
    let pattern = Glob::parse(&"*a".repeat(500)).unwrap();
    let name = "a".repeat(499) + &"b".repeat(5_000);
    let begun = std::time::Instant::now();
    assert!(!pattern.fits(&name));
    assert!(pattern.fits(&"a".repeat(1_000)));
    // Backtracking would not end before the sun does.
    assert!(begun.elapsed().as_secs() < 5);
}

#[test]
fn one_content_under_several_names_is_one_row_with_all_that_have_it() {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    fixture.set_peer("p2", "ben");
    let partial = FileEntry {
        have: Some(vec![1]),
        part: 0.25,
        ..entry("b.txt", 1)
    };
    fixture
        .publish("p1", (0, 1), &[partial, entry("z.txt", 2)], &[])
        .unwrap();
    fixture
        .publish("p2", (0, 1), &[entry("dir/a.txt", 1)], &[])
        .unwrap();
    let page = fixture.search(&FileSearch::default(), "eve");
    assert_eq!(names(&page), ["a.txt", "z.txt"]);
    let first = &page.contents[0];
    assert_eq!(first.names, ["a.txt", "b.txt"]);
    let held: Vec<_> = first
        .holders
        .iter()
        .map(|holder| (&*holder.peer.draft.login, holder.part, &*holder.path))
        .collect();
    assert_eq!(held, [("ben", 1.0, "dir/a.txt"), ("ana", 0.25, "b.txt")]);
    // Found by either name, it is the same content.
    let found = fixture.search(&by_words("b"), "eve");
    assert_eq!(
        (names(&found), found.contents[0].holders.len()),
        (vec!["b.txt".to_owned()], 2)
    );
    // Who is not live has nothing.
    fixture.live.retain(|_, peer| peer.draft.id == "p1");
    let page = fixture.search(&FileSearch::default(), "eve");
    assert_eq!(names(&page), ["b.txt", "z.txt"]);
    assert_eq!(page.contents[0].holders.len(), 1);
}

#[test]
fn each_sees_what_the_audience_allows() {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    let room = |created_ms| AudienceMember {
        name: "Ops".to_owned(),
        created_ms,
    };
    let of = |name: &str, root, audience| FileEntry {
        audience,
        ..entry(name, root)
    };
    let entries = [
        of("all", 1, Audience::Everyone),
        of(
            "ben",
            2,
            Audience::Accounts(vec![account("BEN"), account("carl")]),
        ),
        of("linked", 3, Audience::Link),
        of("room", 4, Audience::Rooms(vec![room(7)])),
    ];
    fixture.publish("p1", (0, 1), &entries, &[]).unwrap();
    assert_eq!(fixture.names("ana"), ["all", "ben", "linked", "room"]);
    assert_eq!(fixture.names("ben"), ["all", "ben"]);
    assert_eq!(fixture.names("eve"), ["all"]);
    let sees = |viewer: &FileViewer| {
        let page = fixture
            .reader
            .search(&FileSearch::default(), viewer, &fixture.live, None);
        names(&page.unwrap())
    };
    // A later account of the same name, and a later room.
    let later = |login| FileViewer {
        account_ms: 2,
        ..viewer(login)
    };
    assert_eq!(sees(&later("ben")), ["all"]);
    assert_eq!(sees(&later("ana")), ["all"]);
    let member = |created_ms| FileViewer {
        rooms: vec![room(created_ms)],
        ..viewer("eve")
    };
    assert_eq!(sees(&member(7)), ["all", "room"]);
    assert_eq!(sees(&member(8)), ["all"]);
    let in_room = FileSearch {
        room: Some(room(7)),
        ..FileSearch::default()
    };
    assert_eq!(
        names(&fixture.search(&in_room, "eve")),
        Vec::<String>::new()
    );
    let page = fixture
        .reader
        .search(&in_room, &member(7), &fixture.live, None);
    assert_eq!(names(&page.unwrap()), ["room"]);
    let content = |viewer: &FileViewer| {
        let found = fixture.reader.contents([3; 32], viewer, &fixture.live);
        found.unwrap().pop().map(|content| content.name)
    };
    assert_eq!(content(&viewer("eve")), None);
    let guest = FileViewer {
        guest_of: Some(account("ana")),
        ..viewer("eve")
    };
    assert_eq!(content(&guest).as_deref(), Some("linked"));
}

/// Everything, page by page.
pub(super) fn walk(fixture: &Fixture, search: &FileSearch) -> Vec<String> {
    let mut search = search.clone();
    let mut all = Vec::new();
    loop {
        let page = fixture.search(&search, "eve");
        assert!(page.contents.len() <= search.limit);
        all.extend(names(&page));
        search.after = page.next;
        if search.after.is_none() {
            return all;
        }
    }
}

/// More entries than a search sorts itself and than one page looks at, many with the same name, each content twice.
#[test]
fn pages_are_in_order_without_a_hole_or_a_double_however_many_there_are() {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    fixture.set_peer("p2", "ben");
    let number = |at: u32, name: &str, size: u64| FileEntry {
        root: root_of(at),
        size,
        since_ms: u64::from(at % 17),
        ..entry(name, 1)
    };
    let entries: Vec<_> = (0..1_500)
        .map(|at| FileEntry {
            file: format!("{at}"),
            ..number(
                at,
                if at < 1_200 {
                    "index.html"
                } else {
                    "other.txt"
                },
                u64::from(at),
            )
        })
        .collect();
    fixture.publish("p1", (0, 1), &entries, &[]).unwrap();
    let again: Vec<_> = (0..1_500)
        .map(|at| FileEntry {
            file: format!("{at}"),
            ..number(at, &format!("copy {at:04} of it"), u64::from(at))
        })
        .collect();
    fixture.publish("p2", (0, 1), &again, &[]).unwrap();
    for sort in [FileSort::Name, FileSort::Size, FileSort::Since] {
        for is_descending in [false, true] {
            let search = FileSearch {
                sort,
                is_descending,
                limit: 97,
                ..FileSearch::default()
            };
            let all = walk(&fixture, &search);
            assert_eq!(all.len(), 1_500, "{sort:?} {is_descending}");
            if sort == FileSort::Name && !is_descending {
                let expected: Vec<_> = (0..1_500).map(|at| format!("copy {at:04} of it")).collect();
                assert_eq!(all, expected);
            }
            // The few that a search sorts itself come in the same order.
            let few = FileSearch {
                words: Some(Words::parse("other")),
                limit: 7,
                ..search.clone()
            };
            let by_walk = FileSearch {
                glob: Glob::parse("[o]t?er.*"),
                ..search
            };
            let few = walk(&fixture, &few);
            assert_eq!(few.len(), 300);
            assert_eq!(walk(&fixture, &by_walk), few);
        }
    }
}
