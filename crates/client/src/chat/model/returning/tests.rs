use std::time::Instant;

use super::*;
use crate::chat::limits::PAGE;
use crate::chat::link::Fault;
use crate::chat::model::Connection;
use crate::chat::model::tests::{NOW_MS, hello, joined, message};
use crate::chat::wire::{Ask, History, Said};

/// Somebody who comes back.
fn back(here: &str, rooms: &[&str]) -> Model {
    let mut model = Model::default();
    model.recall(Remembered {
        here: here.into(),
        rooms: rooms.iter().map(|room| (*room).to_owned()).collect(),
    });
    model.on_up(hello(), NOW_MS);
    model
}

/// The rooms that one asks to be let into.
fn joins(model: &Model) -> Vec<&str> {
    let asks = model.outbox.iter();
    asks.filter_map(|(ask, _)| {
        let Ask::Join { room, .. } = ask else {
            return None;
        };
        Some(&**room)
    })
    .collect()
}

/// Answers a question for a room.
fn answer(model: &mut Model, room: &str, said: Said) {
    let is_it =
        |(ask, _): &(Ask, Intent)| matches!(ask, Ask::Join { room: asked, .. } if asked == room);
    let index = model.outbox.iter().position(is_it).expect("it is asked");
    let (_, intent) = model.outbox.remove(index);
    model.on_asked(Some(9), intent, NOW_MS);
    if let Said::Joined(joined) = &said {
        let joined = Said::Joined(joined.clone());
        model.on_said(joined, Instant::now(), NOW_MS);
    }
    model.on_answer(9, said, NOW_MS);
}

fn refused(code: &str, text: &str) -> Said {
    Said::Error(Refused {
        code: code.into(),
        text: text.into(),
        retry_after_ms: None,
    })
}

fn noticed(model: &Model) -> Vec<&str> {
    let notices = model.here().expect("a place").notices.iter();
    notices.map(|notice| &*notice.text).collect()
}

#[test]
fn the_rooms_of_the_last_time_are_entered_and_the_one_that_was_looked_at_is_shown() {
    let mut model = back("Work", &["tea", "Work"]);
    assert_eq!(joins(&model), ["Work", "lobby", "tea"]);
    for room in ["Work", "lobby", "tea"] {
        answer(&mut model, room, Said::Joined(joined(room, 3)));
    }
    assert_eq!(model.current, "work");
    assert_eq!(noticed(&model), [""; 0]);
    let listed: Vec<_> = model.listed().iter().map(|one| one.name.clone()).collect();
    assert_eq!(listed, ["lobby", "tea", "Work"]);
    let expected = Remembered {
        here: "Work".into(),
        rooms: vec!["tea".into(), "Work".into()],
    };
    assert_eq!(model.remembered(), expected);
}

#[test]
fn a_room_that_is_gone_is_said_once_and_forgotten() {
    let mut model = back("work", &["tea", "work"]);
    answer(&mut model, "work", refused("no_room", "no room 'work'"));
    assert_eq!(model.current, "lobby");
    answer(&mut model, "lobby", Said::Joined(joined("lobby", 5)));
    let said = "you are not back in work: no room 'work'";
    assert_eq!(noticed(&model), [said]);
    let notice = &model.here().expect("lobby").notices[0];
    assert_eq!(notice.after, 5, "below what was said before");
    answer(&mut model, "tea", refused("banned", "you are banned"));
    assert_eq!(
        noticed(&model)[1],
        "you are not back in tea: you are banned"
    );
    assert_eq!(model.remembered().rooms, [""; 0]);
    assert_eq!(model.listed().len(), 1);
}

#[test]
fn a_refusal_that_passes_forgets_nothing() {
    let mut model = back("lobby", &["tea"]);
    answer(&mut model, "lobby", Said::Joined(joined("lobby", 0)));
    answer(&mut model, "tea", refused("unavailable", "not now"));
    assert_eq!(model.remembered().rooms, ["tea"]);
}

#[test]
fn joins_that_were_lost_with_the_connection_are_asked_for_again() {
    let mut model = back("lobby", &["tea"]);
    answer(&mut model, "lobby", Said::Joined(joined("lobby", 0)));
    for (_, intent) in std::mem::take(&mut model.outbox) {
        model.on_asked(None, intent, NOW_MS);
    }
    assert_eq!(noticed(&model), [""; 0], "nobody asked for it");
    let retry_at = Instant::now();
    let fault = Fault::Silent;
    model.on_down(Connection::Waiting { fault, retry_at }, NOW_MS);
    model.on_up(hello(), NOW_MS);
    assert_eq!(joins(&model), ["tea"], "the link enters the others itself");
}

#[test]
fn a_private_conversation_that_was_looked_at_is_shown_with_what_had_to_be_said() {
    let mut model = back("@bob", &["tea"]);
    assert_eq!(model.current, "@bob");
    assert_eq!(joins(&model), ["lobby", "tea"]);
    answer(&mut model, "tea", refused("no_room", "gone"));
    assert_eq!(noticed(&model), [""; 0]);
    let page = History {
        room: "@bob".into(),
        messages: vec![message("", 8, "bob", "psst")],
        more: false,
        head: 8,
    };
    let older = (
        Ask::History {
            room: "@bob".into(),
            before: None,
            after: None,
            limit: PAGE,
        },
        Intent::Older("@bob".into()),
    );
    assert!(model.outbox.contains(&older));
    model.on_asked(Some(9), older.1, NOW_MS);
    model.on_answer(9, Said::History(page), NOW_MS);
    assert_eq!(noticed(&model), ["you are not back in tea: gone"]);
    assert_eq!(model.here().expect("@bob").notices[0].after, 8);
    answer(&mut model, "lobby", Said::Joined(joined("lobby", 0)));
    assert_eq!(model.current, "@bob");
    assert_eq!(model.remembered().here, "@bob");
}

#[test]
fn whoever_leaves_or_is_sent_out_does_not_come_back() {
    let mut model = back("lobby", &["tea", "work"]);
    for room in ["lobby", "tea", "work"] {
        answer(&mut model, room, Said::Joined(joined(room, 0)));
    }
    model.show("tea", NOW_MS);
    let leave = crate::chat::command::parse("#eR");
    model.want(leave, "id-1".into(), "now", NOW_MS);
    assert_eq!(model.remembered().rooms, ["work"]);
    assert_eq!(model.remembered().here, "lobby");
    let left = Said::Left {
        room: "work".into(),
        cause: "kicked".into(),
        by: None,
        text: None,
    };
    model.on_said(left, Instant::now(), NOW_MS);
    assert_eq!(model.remembered().rooms, [""; 0]);
    let garden = Said::Joined(joined("Garden", 0));
    model.on_said(garden, Instant::now(), NOW_MS);
    assert_eq!(model.remembered().rooms, ["Garden"]);
}
