use super::*;

const NONE: [u64; 0] = [];

fn message(room: &str, seq: u64) -> Message {
    Message {
        room: room.into(),
        seq,
        from: "bob".into(),
        text: format!("{seq}"),
        ..Message::default()
    }
}

fn joined(room: &str, head: u64, skipped: u64) -> Said {
    Said::Joined(Joined {
        room: room.into(),
        head,
        skipped,
        ..Joined::default()
    })
}

/// The numbers of the messages among what is handed on.
fn numbers(outcome: &Outcome) -> Vec<u64> {
    let mut numbers = Vec::new();
    for said in &outcome.said {
        if let Said::Message(message) = said {
            numbers.push(message.seq);
        }
    }
    numbers
}

fn history(room: &str, numbers: &[u64], more: bool) -> History {
    History {
        room: room.into(),
        messages: numbers.iter().map(|seq| message("", *seq)).collect(),
        more,
        head: 0,
    }
}

fn say(sent_id: &str) -> Say {
    Say {
        room: "lobby".into(),
        text: "x".into(),
        sent_id: sent_id.into(),
        reply_to: None,
        action: false,
    }
}

#[test]
fn a_message_is_handed_on_once_and_rooms_are_joined_again_from_there_on() {
    let mut ledger = Ledger::new(false);
    ledger.take(joined("Lobby", 4, 0));
    let mut seen = Vec::new();
    for seq in [4, 5, 6, 5, 6, 7] {
        seen.extend(numbers(&ledger.take(Said::Message(message("Lobby", seq)))));
    }
    assert_eq!(seen, [5, 6, 7]);
    let expected = Ask::Join {
        room: "Lobby".into(),
        after: Some(7),
    };
    assert_eq!(ledger.on_hello(), [expected]);
    let missed = ledger.take(Said::Message(message("lobby", 8)));
    assert_eq!(numbers(&missed), [8]);
}

#[test]
fn what_was_not_acknowledged_is_said_again_in_its_order() {
    let mut ledger = Ledger::new(false);
    for id in ["a", "b", "c"] {
        assert!(ledger.say(&say(id)));
    }
    ledger.settle("b");
    let expected = [Ask::Say(say("a")), Ask::Say(say("c"))];
    assert_eq!(ledger.on_hello(), expected);
    assert_eq!(ledger.on_hello(), expected, "until it is acknowledged");
}

#[test]
fn a_private_conversation_is_paged_and_what_comes_meanwhile_waits() {
    let mut ledger = Ledger::new(false);
    assert_eq!(
        numbers(&ledger.take(Said::Message(message("@bob", 2)))),
        [2]
    );
    assert_eq!(ledger.on_hello(), [page("@bob", 2)]);
    assert_eq!(
        numbers(&ledger.take(Said::Message(message("@bob", 6)))),
        NONE
    );
    let first = ledger.on_history(history("@bob", &[3, 4], true));
    assert_eq!(numbers(&first), [3, 4]);
    assert_eq!(first.ask, Some(page("@bob", 4)));
    let last = ledger.on_history(history("@bob", &[5, 6], false));
    assert_eq!(numbers(&last), [5, 6]);
    assert_eq!(last.ask, None);
    assert_eq!(
        numbers(&ledger.take(Said::Message(message("@bob", 7)))),
        [7]
    );
}

#[test]
fn more_than_a_join_brings_is_paged_by_those_who_want_all() {
    let mut ledger = Ledger::new(true);
    ledger.follow("lobby", Some(1));
    ledger.on_hello();
    assert_eq!(
        numbers(&ledger.take(Said::Message(message("lobby", 9)))),
        NONE
    );
    let entered = ledger.take(joined("lobby", 9, 7));
    assert_eq!(entered.ask, Some(page("lobby", 1)));
    let filled = ledger.on_history(history("lobby", &[2, 3, 4, 5, 6, 7, 8, 9], false));
    assert_eq!(numbers(&filled), [2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn those_who_want_the_newest_get_them_at_once() {
    let mut ledger = Ledger::new(false);
    ledger.follow("lobby", Some(1));
    ledger.on_hello();
    assert_eq!(
        numbers(&ledger.take(Said::Message(message("lobby", 9)))),
        [9]
    );
    assert_eq!(ledger.take(joined("lobby", 9, 7)).ask, None);
}

#[test]
fn a_room_that_was_left_or_refused_is_not_joined_again() {
    let mut ledger = Ledger::new(false);
    ledger.take(joined("a", 1, 0));
    ledger.take(joined("b", 1, 0));
    ledger.take(Said::Left {
        room: "A".into(),
        cause: "kicked".into(),
        by: None,
        text: None,
    });
    ledger.on_refused("b");
    assert_eq!(ledger.on_hello(), []);
}
