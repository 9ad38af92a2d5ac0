use super::*;
use crate::chat::command;
use crate::chat::limits::TYPING;
use crate::chat::wire::{History, Joined, Refused, Room, Said, User};

/// 16 November 2025, 12:04:31 UTC.
pub(crate) const NOW_MS: i64 = 1_763_294_671_000;

pub(crate) fn message(room: &str, seq: u64, from: &str, text: &str) -> Message {
    Message {
        room: room.into(),
        id: seq,
        seq,
        from: from.into(),
        text: text.into(),
        at_ms: NOW_MS,
        ..Message::default()
    }
}

pub(crate) fn joined(room: &str, head: u64) -> Joined {
    Joined {
        room: room.into(),
        head,
        read: head,
        members: 3,
        topic: "all and nothing".into(),
        cause: "asked".into(),
        ..Joined::default()
    }
}

pub(crate) fn members(model: &mut Model, room: &str, count: usize) {
    let members = (0..count).map(|number| User {
        login: format!("user{number}"),
        ..User::default()
    });
    model.place_mut(room).on_members(members.collect());
}

pub(crate) fn hello() -> Hello {
    Hello {
        login: "anna".into(),
        default_room: "lobby".into(),
        ..Hello::default()
    }
}

/// Somebody who is in the lobby with two others.
pub(crate) fn talking() -> Model {
    let mut model = Model::default();
    model.on_up(hello(), NOW_MS);
    model.on_said(Said::Joined(joined("lobby", 0)), Instant::now(), NOW_MS);
    let presences = [
        ("anna", Presence::Online),
        ("bob", Presence::Idle),
        ("carla", Presence::Away),
    ];
    let users = presences.map(|(login, presence)| User {
        login: login.into(),
        presence,
        ..User::default()
    });
    for user in &users {
        model.presence.insert(user.login.clone(), user.presence);
    }
    let place = model.place_mut("lobby");
    place.on_members(users.into());
    place.window.is_loading = false;
    place.window.is_at_start = true;
    model.outbox.clear();
    model
}

fn hear(model: &mut Model, message: Message) {
    model.on_said(Said::Message(message), Instant::now(), NOW_MS);
}

fn typed(model: &mut Model, line: &str) -> Further {
    model.want(command::parse(line), "id-1".into(), "now", NOW_MS)
}

/// Gives the first question a number, and its answer.
fn answer(model: &mut Model, said: Said) {
    let (_, intent) = model.outbox.remove(0);
    model.on_asked(Some(7), intent, NOW_MS);
    model.on_answer(7, said, NOW_MS);
}

fn noticed(model: &Model) -> Vec<String> {
    let notices = model.here().expect("a place").notices.iter();
    notices.map(|notice| notice.text.clone()).collect()
}

#[test]
fn unread_is_the_head_less_what_the_server_says_was_read() {
    let mut model = talking();
    for seq in 1..=3 {
        hear(&mut model, message("tea", seq, "bob", "x"));
    }
    assert_eq!(model.places["tea"].unread(), 3);
    let read = Said::Read {
        room: "tea".into(),
        read: 2,
        unread: 1,
        mentions: 0,
    };
    model.on_said(read, Instant::now(), NOW_MS);
    assert_eq!(model.places["tea"].unread(), 1);
    hear(&mut model, message("tea", 4, "anna", "mine"));
    assert_eq!(
        model.places["tea"].unread(),
        0,
        "what one says one has read"
    );
}

#[test]
fn mentions_and_private_messages_call_and_come_first() {
    let mut model = talking();
    hear(&mut model, message("@bob", 1, "bob", "psst"));
    let mut named = message("tea", 1, "carla", "hola @anna");
    named.mentions = vec!["anna".into()];
    hear(&mut model, named.clone());
    model.place_mut("tea").is_joined = true;
    let titles: Vec<_> = model.calls.iter().map(|call| call.title.clone()).collect();
    assert_eq!(titles, ["bob", "carla in tea"]);
    assert_eq!(model.next_unread().as_deref(), Some("tea"));
    model.show("tea", NOW_MS);
    assert_eq!(model.next_unread().as_deref(), Some("@bob"));
    model.calls.clear();
    named.history = true;
    named.seq = 2;
    hear(&mut model, named);
    assert_eq!(model.calls, [], "what was missed calls nobody");
}

#[test]
fn what_is_said_waits_until_it_is_stored_and_is_there_once() {
    let mut model = talking();
    typed(&mut model, "hola");
    assert_eq!(model.says.len(), 1);
    assert_eq!(model.here().expect("lobby").outgoing.len(), 1);
    let sent = Said::Sent {
        room: "lobby".into(),
        seq: 5,
        at_ms: NOW_MS,
        sent_id: Some("id-1".into()),
        duplicate: false,
    };
    model.on_said(sent, Instant::now(), NOW_MS);
    let mut mine = message("lobby", 5, "anna", "hola");
    mine.sent_id = Some("id-1".into());
    hear(&mut model, mine);
    let here = model.here().expect("lobby");
    assert_eq!((here.outgoing.len(), here.window.messages.len()), (0, 1));
}

#[test]
fn what_was_refused_is_marked_and_said_again_under_a_new_id() {
    let mut model = talking();
    typed(&mut model, "hola");
    model.says.clear();
    model.on_refused("id-1", "slow down");
    let refused = &model.here().expect("lobby").outgoing[0].refused;
    assert_eq!(refused.as_deref(), Some("slow down"));
    model.resend(|| "id-2".into());
    assert_eq!(model.says[0].sent_id, "id-2");
    assert_eq!(model.here().expect("lobby").outgoing[0].refused, None);
}

#[test]
fn older_pages_are_put_before_and_the_beginning_is_known() {
    let mut model = talking();
    model.place_mut("lobby").window.is_at_start = false;
    hear(&mut model, message("lobby", 9, "bob", "nine"));
    model.load_older("lobby");
    model.load_older("lobby");
    assert_eq!(model.outbox.len(), 1, "one page at a time");
    assert!(matches!(
        &model.outbox[0].0,
        Ask::History {
            before: Some(9),
            ..
        }
    ));
    let page = History {
        room: "lobby".into(),
        messages: vec![message("", 8, "bob", "eight")],
        more: false,
        head: 9,
    };
    answer(&mut model, Said::History(page));
    let window = &model.here().expect("lobby").window;
    assert_eq!(window.messages.keys().collect::<Vec<_>>(), [&8, &9]);
    assert!(window.is_at_start && !window.is_loading);
    model.load_older("lobby");
    assert!(model.outbox.is_empty());
}

#[test]
fn a_found_message_far_back_is_gone_to_and_the_window_is_bounded() {
    let mut model = talking();
    for seq in 1000..1000 + super::super::limits::WINDOW_MAX as u64 + 50 {
        hear(&mut model, message("lobby", seq, "bob", "x"));
    }
    let window = &model.here().expect("lobby").window;
    assert_eq!(window.messages.len(), super::super::limits::WINDOW_MAX);
    model.outbox.clear();
    model.go_to(&message("lobby", 5, "bob", "five"), NOW_MS);
    let page = History {
        room: "lobby".into(),
        messages: (1..=54).map(|seq| message("", seq, "bob", "x")).collect(),
        more: false,
        head: 1649,
    };
    answer(&mut model, Said::History(page));
    assert_eq!(model.jump, Some(5));
    let window = &model.here().expect("lobby").window;
    assert!(window.is_detached && window.is_at_start);
    hear(&mut model, message("lobby", 1650, "bob", "new"));
    assert!(
        !model
            .here()
            .expect("lobby")
            .window
            .messages
            .contains_key(&1650)
    );
    assert_eq!(model.here().expect("lobby").head, 1650);
}

#[test]
fn whoever_is_kicked_lands_and_reads_why() {
    let mut model = talking();
    model.on_said(Said::Joined(joined("tea", 0)), Instant::now(), NOW_MS);
    model.show("tea", NOW_MS);
    let left = Said::Left {
        room: "tea".into(),
        cause: "kicked".into(),
        by: Some("bob".into()),
        text: Some("bob sent you out of tea: too loud".into()),
    };
    model.on_said(left, Instant::now(), NOW_MS);
    assert_eq!(model.current, "lobby");
    assert!(!model.places["tea"].is_listed());
    assert_eq!(noticed(&model), ["bob sent you out of tea: too loud"]);
    let mut landed = joined("lobby", 0);
    landed.cause = "deleted".into();
    landed.text = Some("the room tea is gone".into());
    model.on_said(Said::Joined(landed), Instant::now(), NOW_MS);
    assert_eq!(noticed(&model)[1], "the room tea is gone");
}

#[test]
fn coming_back_says_how_long_one_was_away_and_forgets_what_is_before_a_hole() {
    let mut model = talking();
    hear(&mut model, message("lobby", 1, "bob", "before"));
    let fault = Fault::Silent;
    let retry_at = Instant::now();
    model.on_down(Connection::Waiting { fault, retry_at }, NOW_MS);
    model.on_up(hello(), NOW_MS + 5_000);
    assert_eq!(noticed(&model), ["back after 5 s without a connection"]);
    hear(&mut model, message("lobby", 900, "bob", "after"));
    let mut back = joined("lobby", 900);
    back.skipped = 398;
    model.on_said(Said::Joined(back), Instant::now(), NOW_MS);
    let window = &model.here().expect("lobby").window;
    assert_eq!(window.messages.keys().collect::<Vec<_>>(), [&900]);
    assert!(!window.is_at_start);
}

#[test]
fn the_server_is_told_once_what_was_seen() {
    let mut model = talking();
    hear(&mut model, message("lobby", 1, "bob", "x"));
    model.saw();
    model.saw();
    let asked: Vec<_> = model.outbox.drain(..).map(|(ask, _)| ask).collect();
    let room = "lobby".to_owned();
    assert_eq!(asked, [Ask::Read { room, seq: 1 }]);
}

#[test]
fn commands_ask_what_they_say_and_tell_what_came_of_it() {
    let mut model = talking();
    typed(&mut model, "#lR");
    let room = Room {
        room: "tea".into(),
        members: 2,
        topic: "leaves\u{7}".into(),
        ..Room::default()
    };
    answer(&mut model, Said::Rooms { rooms: vec![room] });
    let listed = &noticed(&model)[0];
    assert!(
        listed.contains("tea (2 members") && listed.contains("leaves␇"),
        "{listed}"
    );
    typed(&mut model, "#kick bob loud");
    let error = Refused {
        text: "only its creator may".into(),
        ..Refused::default()
    };
    answer(&mut model, Said::Error(error));
    assert_eq!(noticed(&model)[1], "refused: only its creator may");
    assert_eq!(typed(&mut model, "#exit"), Further::Exit);
    typed(&mut model, "#nonsense");
    assert!(noticed(&model)[2].starts_with("there is no command"));
    typed(&mut model, "#pm bob hola");
    assert_eq!(model.says[0].room, "@bob");
    assert_eq!(model.current, "lobby");
}

#[test]
fn writing_is_forgotten_after_a_while() {
    let mut model = talking();
    let now = Instant::now();
    let typing = Said::Typing {
        room: "lobby".into(),
        login: "bob".into(),
    };
    model.on_said(typing, now, NOW_MS);
    assert_eq!(model.on_time(now), (false, Some(now + TYPING)));
    assert_eq!(model.on_time(now + TYPING), (true, None));
}
