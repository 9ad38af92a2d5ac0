use super::*;

fn mark(index: u64) -> Mark {
    Mark {
        stamp: 1 << 40 | index,
        producer: 7,
        sequence: index,
    }
}

/// The bodies that a server would find.
fn bodies_in(request: &[u8]) -> Vec<(String, bool)> {
    let request: serde_json::Value = serde_json::from_slice(request).expect("it is JSON");
    let messages = request["messages"].as_array().expect("a batch");
    let body = |message: &serde_json::Value| {
        let is_persistent = message["persistent"].as_bool().unwrap_or(true);
        let body = message["body"].as_str().expect("a body");
        (body.to_owned(), is_persistent)
    };
    messages.iter().map(body).collect()
}

#[test]
fn every_message_of_a_batch_has_its_size_and_its_own_mark() {
    for (persistent, count) in [(true, 5), (false, 5), (true, 2), (false, 1)] {
        let request = Bodies::new(5, 100, persistent, true).take(count, mark);
        let found = bodies_in(&request);
        assert_eq!(found.len(), count);
        for (index, (body, is_persistent)) in (0..).zip(found) {
            assert_eq!((body.len(), is_persistent), (100, persistent));
            let bytes = read_digits(body.as_bytes()).expect("a mark");
            assert_eq!(Mark::read(&bytes), mark(index));
        }
    }
}

#[test]
fn what_nobody_reads_is_not_copied() {
    let bodies = Bodies::new(3, 40, true, false);
    let (one, other) = (bodies.take(3, mark), bodies.take(3, mark));
    assert_eq!(one.as_ptr(), other.as_ptr());
    assert_eq!(bodies_in(&one), vec![("x".repeat(40), true); 3]);
    // Nor is a body marked that has no room for it.
    let short = Bodies::new(2, MARK_DIGITS - 1, true, true).take(2, mark);
    assert_eq!(bodies_in(&short)[0].0, "x".repeat(MARK_DIGITS - 1));
}

#[test]
fn a_batch_of_one_is_the_message_itself() {
    let body = Bodies::new(1, 50, true, true).take(1, mark);
    assert_eq!(body.len(), 50);
    let bytes = read_digits(&body).expect("a mark");
    assert_eq!(Mark::read(&bytes), mark(0));
}

#[test]
fn digits_that_are_no_mark_are_not_read() {
    assert_eq!(read_digits(&[b'0'; MARK_DIGITS - 1]), None);
    assert_eq!(read_digits(&[b'x'; MARK_DIGITS]), None);
    assert_eq!(read_digits(&[b'f'; MARK_DIGITS]), Some([0xff; MARK_BYTES]));
}

#[test]
fn each_outcome_is_counted_as_what_it_is() {
    let outcome =
        |word: &str| format!(r#"{{"outcome":"{word}","positions":[],"duplicate":false}}"#);
    let words = ["stored", "unroutable", "stored", "rejected", "refused"];
    let answer = format!(r#"{{"results":[{}]}}"#, words.map(outcome).join(","));
    let read = fates(answer.as_bytes(), 5, true).expect("an answer");
    let expected = Fates {
        answered: 5,
        refused: 2,
        returned: 1,
    };
    assert_eq!(read, expected);
    let single = fates(outcome("stored").as_bytes(), 1, false).expect("an answer");
    assert_eq!((single.answered, single.refused), (1, 0));
    // An answer for other messages than were sent hides a loss.
    assert!(fates(answer.as_bytes(), 4, true).is_err());
    assert!(fates(b"{}", 1, true).is_err());
}
