//! Searches with the index of words find what searches without it find, in the same order.

use super::searching::{by_words, root_of, walk};
use super::*;

const WORDS: [&str; 5] = ["alpha", "beta", "Álpha2", "東京", "e"];

/// A file whose name has two words of a few, and whose size and time are those of some others.
fn some_file(number: u32) -> FileEntry {
    let word = |at: u32| WORDS[at as usize % WORDS.len()];
    let name = format!("{} {}-{}.txt", word(number / 3), word(number), number % 50);
    FileEntry {
        file: number.to_string(),
        root: root_of(number),
        size: u64::from(number % 40) * 100,
        since_ms: u64::from(number % 17),
        ..entry(&name, 1)
    }
}

fn filled(count: u32) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    let files: Vec<_> = (0..count).map(some_file).collect();
    fixture.publish("p1", (0, 1), &files, &[]).unwrap();
    fixture.index = fixture.reader.word_index().unwrap();
    assert!(fixture.index.is_some());
    fixture
}

/// Searches with the index and without it.
fn both_ways(fixture: &mut Fixture, search: &FileSearch) -> (Vec<String>, Vec<String>) {
    let with = walk(fixture, search);
    let index = fixture.index.take();
    let without = walk(fixture, search);
    fixture.index = index;
    (with, without)
}

/// Makes sure that pages with the index are as those without.
fn check_alike(fixture: &mut Fixture, filter: &FileSearch) {
    for sort in [FileSort::Name, FileSort::Size, FileSort::Since] {
        for is_descending in [false, true] {
            let search = FileSearch {
                sort,
                is_descending,
                limit: 61,
                ..filter.clone()
            };
            let (with, without) = both_ways(fixture, &search);
            assert_eq!(with, without, "{search:?}");
            assert!(!with.is_empty(), "{search:?}");
        }
    }
}

fn filters() -> Vec<FileSearch> {
    vec![
        FileSearch::default(),
        by_words("alpha"),
        by_words("alpha beta"),
        by_words("al* e"),
        by_words("東*"),
        FileSearch {
            glob: Glob::parse("*beta-?.t*"),
            ..FileSearch::default()
        },
        FileSearch {
            bytes_min: Some(1_000),
            bytes_max: Some(2_000),
            newer_than_ms: Some(3),
            older_than_ms: Some(15),
            ..by_words("beta")
        },
        FileSearch {
            bytes_min: Some(3_800),
            ..FileSearch::default()
        },
    ]
}

#[test]
fn pages_are_the_same_with_the_index_and_without() {
    let mut fixture = filled(3_000);
    for filter in filters() {
        check_alike(&mut fixture, &filter);
    }
}

#[test]
fn what_came_and_went_since_the_index_is_counted() {
    let mut fixture = filled(2_600);
    let new: Vec<_> = (3_000..3_200).map(some_file).collect();
    let gone: Vec<String> = (100..400).map(|number| number.to_string()).collect();
    let gone: Vec<&str> = gone.iter().map(|file| &**file).collect();
    fixture.publish("p1", (1, 2), &new, &gone).unwrap();
    for filter in filters() {
        check_alike(&mut fixture, &filter);
    }
}

#[test]
fn an_index_of_which_nothing_is_left_leads_nobody_astray() {
    let mut fixture = filled(3_000);
    let entries: Vec<_> = (0..3_000).map(some_file).collect();
    fixture.publish("p1", (0, 2), &entries, &[]).unwrap();
    while fixture.store.sweep().unwrap().is_some() {}
    for filter in filters() {
        check_alike(&mut fixture, &filter);
    }
}

#[test]
fn a_page_of_a_common_word_is_full_wherever_its_files_stand() {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    let named = |number: u32, word: &str| FileEntry {
        file: number.to_string(),
        root: root_of(number),
        ..entry(&format!("{word} {number:04}"), 1)
    };
    let files: Vec<_> = (0..3_000)
        .map(|number| named(number, if number < 2_000 { "aa" } else { "zz zz" }))
        .collect();
    fixture.publish("p1", (0, 1), &files, &[]).unwrap();
    let search = FileSearch {
        limit: 20,
        ..by_words("zz")
    };
    // A walk comes to its bound before the first of them.
    assert_eq!(fixture.search(&search, "eve").contents.len(), 0);
    fixture.index = fixture.reader.word_index().unwrap();
    let page = fixture.search(&search, "eve");
    assert_eq!(page.contents.len(), 20);
    assert_eq!(page.contents[0].name, "zz zz 2000");
}

#[test]
fn a_number_is_never_given_twice() {
    let mut fixture = filled(1_000);
    fixture.publish("p1", (1, 2), &[], &["999"]).unwrap();
    // It has the highest number, and not that of what went.
    fixture
        .publish("p1", (2, 3), &[some_file(1_999)], &[])
        .unwrap();
    let search = FileSearch {
        limit: 1_000,
        ..FileSearch::default()
    };
    assert_eq!(walk(&fixture, &search).len(), 1_000);
    let counts = inspect(fixture.store.path()).unwrap();
    assert_eq!(counts.problems, Vec::<String>::new());
}

/// Words of such letters are looked up in memory as they were typed, so the full-text index has to have cut them alike.
#[test]
fn letters_that_are_taken_for_plain_are_words_of_the_full_text_index() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    connection
        .execute_batch(
            "CREATE VIRTUAL TABLE words USING fts5(fold, tokenize = 'unicode61 remove_diacritics 0');
             CREATE VIRTUAL TABLE terms USING fts5vocab('words', 'instance');
             BEGIN",
        )
        .unwrap();
    let mut insert = connection
        .prepare("INSERT INTO words (rowid, fold) VALUES (?1, ?2)")
        .unwrap();
    let mut plain = 0;
    for letter in '\0'..=char::MAX {
        let words = Words::parse(&letter.to_string());
        let Some(word) = words.iter().next().filter(|word| word.is_plain()) else {
            continue;
        };
        plain += 1;
        insert
            .execute(rusqlite::params![u32::from(letter), word.text()])
            .unwrap();
    }
    assert!(plain > 20_000, "{plain}");
    let mut terms = connection.prepare("SELECT term, doc FROM terms").unwrap();
    let mut rows = terms.query([]).unwrap();
    let mut count = 0;
    while let Some(row) = rows.next().unwrap() {
        let (term, letter): (String, u32) = (row.get(0).unwrap(), row.get(1).unwrap());
        let letter = char::from_u32(letter).unwrap().to_string();
        let words = Words::parse(&letter);
        assert_eq!(words.iter().next().unwrap().text(), term, "{letter}");
        count += 1;
    }
    assert_eq!(count, plain);
}
