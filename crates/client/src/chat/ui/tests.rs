use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::time::Instant;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::*;
use crate::chat::model::tests::{NOW_MS, message, talking};
use crate::chat::view::{Depth, Env, Palette, draw};
use crate::chat::wire::{Ask, Said};

struct Desk {
    ui: Ui,
    model: Model,
    ids: SentIds,
}

impl Desk {
    fn new() -> Self {
        let mut desk = Self {
            ui: Ui::new(Keys::default()),
            model: talking(),
            ids: SentIds::new(),
        };
        for seq in 1..=40 {
            let from = if seq % 2 == 0 { "anna" } else { "bob" };
            let said = message("lobby", seq, from, &format!("line {seq}"));
            desk.model
                .on_said(Said::Message(said), Instant::now(), NOW_MS);
        }
        desk.draw();
        desk.model.outbox.clear();
        desk
    }

    fn draw(&mut self) {
        let area = Rect::new(0, 0, 80, 24);
        let env = Env {
            now_ms: NOW_MS,
            now: Instant::now(),
            offset_us: None,
            lag_us: None,
            zone: jiff::tz::TimeZone::UTC,
            palette: Palette(Depth::None),
        };
        self.ui.before_draw(&mut self.model);
        let mut buffer = Buffer::empty(area);
        let drawn = draw(area, &self.model, &self.ui, &env, &mut buffer);
        self.ui.on_drawn(drawn, &mut self.model);
    }

    fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Effect {
        let mut hand = Hand {
            ids: &mut self.ids,
            now_ms: NOW_MS,
            time: "now".into(),
        };
        let event = KeyEvent::new(code, modifiers);
        let effect = self.ui.on_key(&event, &mut self.model, &mut hand);
        self.draw();
        effect
    }

    fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        let mut hand = Hand {
            ids: &mut self.ids,
            now_ms: NOW_MS,
            time: "now".into(),
        };
        let event = MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::empty(),
        };
        self.ui.on_mouse(&event, &mut self.model, &mut hand);
        self.draw();
    }

    fn key(&mut self, code: KeyCode) -> Effect {
        self.press(code, KeyModifiers::empty())
    }

    fn typed(&mut self, text: &str) {
        for character in text.chars() {
            self.key(KeyCode::Char(character));
        }
    }

    fn asked(&mut self) -> Vec<Ask> {
        self.model.outbox.drain(..).map(|(ask, _)| ask).collect()
    }
}

#[test]
fn what_is_typed_is_said_and_alt_enter_begins_a_new_line() {
    let mut desk = Desk::new();
    desk.typed("one");
    desk.press(KeyCode::Enter, KeyModifiers::ALT);
    desk.typed("two");
    assert!(desk.model.says.is_empty());
    desk.key(KeyCode::Enter);
    assert_eq!(desk.model.says[0].text, "one\ntwo");
    assert!(desk.ui.composer.is_empty());
}

#[test]
fn several_lines_that_are_pasted_ask_first() {
    let mut desk = Desk::new();
    desk.ui.on_paste("one\r\ntwo\r\n");
    assert_eq!(desk.ui.overlay, Overlay::Paste("one\ntwo".into()));
    desk.key(KeyCode::Char('x'));
    assert!(desk.model.says.is_empty(), "any other key does nothing");
    desk.key(KeyCode::Enter);
    assert_eq!(desk.model.says[0].text, "one\ntwo");
    desk.ui.on_paste("a\nb");
    desk.key(KeyCode::Esc);
    assert_eq!((desk.model.says.len(), desk.ui.composer.text()), (1, ""));
    desk.ui.on_paste("one line\n");
    assert_eq!(desk.ui.composer.text(), "one line");
}

#[test]
fn a_message_is_selected_to_reply_react_edit_and_delete() {
    let mut desk = Desk::new();
    desk.key(KeyCode::Up);
    assert_eq!(desk.ui.selected, Some(40));
    desk.key(KeyCode::Char('r'));
    desk.typed("yes");
    desk.key(KeyCode::Enter);
    assert_eq!(desk.model.says[0].reply_to, Some(40));

    desk.asked();
    desk.key(KeyCode::Up);
    desk.key(KeyCode::Char('e'));
    assert_eq!(desk.ui.composer.text(), "line 40");
    desk.typed("!");
    desk.key(KeyCode::Enter);
    let edit = Ask::Edit {
        room: "lobby".into(),
        seq: 40,
        text: "line 40!".into(),
    };
    assert_eq!(desk.asked(), [edit]);

    desk.key(KeyCode::Up);
    desk.key(KeyCode::Char('+'));
    desk.key(KeyCode::Right);
    desk.key(KeyCode::Enter);
    let react = Ask::React {
        room: "lobby".into(),
        seq: 40,
        emoji: "👎".into(),
        off: false,
    };
    assert_eq!(desk.asked(), [react]);

    desk.key(KeyCode::Up);
    desk.key(KeyCode::Char('d'));
    desk.key(KeyCode::Char('x'));
    assert_eq!(desk.asked(), []);
    desk.key(KeyCode::Char('y'));
    let room = "lobby".to_owned();
    assert_eq!(desk.asked(), [Ask::Delete { room, seq: 40 }]);
    desk.key(KeyCode::Up);
    desk.key(KeyCode::Up);
    desk.key(KeyCode::Char('e'));
    assert_eq!(desk.ui.editing, None, "another's message is not edited");
}

#[test]
fn scrolling_back_loads_what_is_older_and_comes_back_to_the_end() {
    let mut desk = Desk::new();
    desk.model.place_mut("lobby").window.is_at_start = false;
    for _ in 0..3 {
        desk.key(KeyCode::PageUp);
    }
    assert!(matches!(
        desk.asked()[..],
        [Ask::History {
            before: Some(1),
            ..
        }]
    ));
    assert!(matches!(desk.ui.scroll, Scroll::At(_)));
    for _ in 0..4 {
        desk.key(KeyCode::PageDown);
    }
    assert_eq!(desk.ui.scroll, Scroll::Follow);
}

#[test]
fn a_wheel_that_turns_between_two_pictures_scrolls_by_every_step() {
    let mut desk = Desk::new();
    let top = desk.ui.drawn.top;
    desk.ui.scroll_by(-3);
    desk.ui.scroll_by(-3);
    desk.draw();
    assert_eq!(desk.ui.drawn.top, top - 6);
}

#[test]
fn what_is_not_seen_is_not_read() {
    let mut desk = Desk::new();
    desk.ui.is_unfocused = true;
    let said = message("lobby", 41, "bob", "unseen");
    desk.model
        .on_said(Said::Message(said), Instant::now(), NOW_MS);
    desk.draw();
    assert_eq!(desk.asked(), []);
    desk.ui.is_unfocused = false;
    desk.draw();
    let room = "lobby".to_owned();
    assert_eq!(desk.asked(), [Ask::Read { room, seq: 41 }]);
}

#[test]
fn tab_completes_and_goes_on_through_a_list_that_is_seen() {
    let mut desk = Desk::new();
    desk.model
        .presence
        .insert("bruno".into(), crate::chat::wire::Presence::Online);
    desk.typed("hola @b");
    desk.key(KeyCode::Tab);
    assert_eq!(desk.ui.composer.text(), "hola @bob ");
    assert!(desk.ui.completion.is_some());
    desk.key(KeyCode::Tab);
    assert_eq!(desk.ui.composer.text(), "hola @bruno ");
    desk.typed("!");
    assert_eq!(desk.ui.completion, None);
}

#[test]
fn places_are_gone_to_by_number_by_letters_and_by_what_is_unread() {
    let mut desk = Desk::new();
    let said = message("@bob", 1, "bob", "psst");
    desk.model
        .on_said(Said::Message(said), Instant::now(), NOW_MS);
    desk.press(KeyCode::Char('2'), KeyModifiers::ALT);
    assert_eq!(desk.model.current, "@bob");
    desk.press(KeyCode::Char('k'), KeyModifiers::CONTROL);
    desk.typed("lby");
    desk.key(KeyCode::Enter);
    assert_eq!(desk.model.current, "lobby");
    desk.press(KeyCode::Char('a'), KeyModifiers::ALT);
    assert_eq!(desk.model.current, "@bob");
}

/// Answers what was asked last: messages of these ids, the newest first.
fn found(desk: &mut Desk, ids: std::ops::Range<u64>, more: bool) {
    let (_, intent) = desk.model.outbox.pop().expect("it is asked");
    desk.model.on_asked(Some(1), intent, NOW_MS);
    let messages = ids.rev().map(|id| message("tea", id, "bob", "line"));
    let said = Said::Found {
        messages: messages.collect(),
        more,
    };
    desk.model.on_answer(1, said, NOW_MS);
}

#[test]
fn a_search_goes_on_at_its_end_page_by_page() {
    let mut desk = Desk::new();
    desk.press(KeyCode::Char('f'), KeyModifiers::CONTROL);
    desk.typed("line");
    desk.key(KeyCode::Enter);
    found(&mut desk, 60..63, true);
    desk.key(KeyCode::Down);
    assert_eq!(desk.asked(), [], "not at the end yet");
    desk.key(KeyCode::Down);
    desk.key(KeyCode::Down);
    assert_eq!(desk.model.outbox.len(), 1, "one page at a time");
    let next = Ask::Search {
        words: "line".into(),
        room: None,
        before: Some(60),
        limit: crate::chat::limits::FOUND_PAGE,
    };
    assert_eq!(desk.model.outbox[0].0, next);
    found(&mut desk, 57..60, false);
    let all = desk.model.found.clone().expect("results");
    let ids: Vec<_> = all.messages.iter().map(|message| message.id).collect();
    assert_eq!(ids, [62, 61, 60, 59, 58, 57]);
    desk.key(KeyCode::PageDown);
    assert!(matches!(desk.ui.overlay, Overlay::Search { index: 5, .. }));
    assert_eq!(desk.asked(), [], "there is no more");
}

#[test]
fn a_page_that_was_lost_is_asked_for_again_and_one_of_other_words_is_not_shown() {
    let mut desk = Desk::new();
    desk.press(KeyCode::Char('f'), KeyModifiers::CONTROL);
    desk.typed("line");
    desk.key(KeyCode::Enter);
    found(&mut desk, 60..61, true);
    desk.key(KeyCode::Down);
    let (_, intent) = desk.model.outbox.pop().expect("it is asked");
    desk.model.on_asked(None, intent, NOW_MS);
    desk.key(KeyCode::Down);
    let (_, intent) = desk.model.outbox.pop().expect("it is asked again");
    desk.typed("s");
    desk.key(KeyCode::Enter);
    found(&mut desk, 9..10, false);
    desk.model.on_asked(Some(2), intent, NOW_MS);
    let late = Said::Found {
        messages: vec![message("tea", 59, "bob", "line")],
        more: true,
    };
    desk.model.on_answer(2, late, NOW_MS);
    let found = desk.model.found.as_ref().expect("results");
    assert_eq!((found.messages.len(), found.more), (1, false));
}

#[test]
fn a_search_is_of_this_room_alone_by_a_key_and_at_once() {
    let mut desk = Desk::new();
    desk.press(KeyCode::Char('f'), KeyModifiers::CONTROL);
    desk.typed("line");
    desk.key(KeyCode::Tab);
    assert_eq!(desk.asked(), [], "nothing was looked for yet");
    desk.key(KeyCode::Enter);
    let rooms = |desk: &mut Desk| match &desk.asked()[..] {
        [Ask::Search { room, .. }] => room.clone(),
        other => panic!("one search, not {other:?}"),
    };
    assert_eq!(rooms(&mut desk).as_deref(), Some("lobby"));
    desk.key(KeyCode::Tab);
    assert_eq!(rooms(&mut desk), None);
    desk.ui.on_paste(" more");
    desk.key(KeyCode::Enter);
    assert_eq!(rooms(&mut desk), None, "what was pasted is looked for");
}

#[test]
fn the_mouse_goes_to_rooms_and_selects_messages_but_not_through_an_overlay() {
    let click = MouseEventKind::Down(MouseButton::Left);
    let mut desk = Desk::new();
    for number in 0..30 {
        let name = format!("room{number:02}");
        desk.model.place_mut(&name).is_joined = true;
    }
    desk.draw();
    desk.mouse(click, 3, 2);
    assert_eq!(desk.model.current, "room00");
    desk.model.show("room29", NOW_MS);
    desk.draw();
    desk.mouse(click, 3, 22);
    assert_eq!(
        desk.model.current, "room29",
        "the list goes on to where one is"
    );
    desk.mouse(click, 3, 21);
    assert_eq!(desk.model.current, "room28");
    desk.model.show("lobby", NOW_MS);
    desk.draw();
    let (x, y) = (
        desk.ui.drawn.messages.x,
        desk.ui.drawn.messages.bottom() - 1,
    );
    desk.mouse(click, x, y);
    assert_eq!(desk.ui.selected, Some(40));
    desk.mouse(MouseEventKind::ScrollUp, x, y);
    assert!(matches!(desk.ui.scroll, Scroll::At(_)));
    desk.ui.selected = None;
    let before = desk.ui.scroll;
    desk.key(KeyCode::F(1));
    desk.mouse(MouseEventKind::ScrollDown, x, y);
    desk.mouse(click, 3, 2);
    assert_eq!(desk.ui.overlay, Overlay::Help { scroll: 1 });
    assert_eq!((&*desk.model.current, desk.ui.scroll), ("lobby", before));
}

#[test]
fn a_search_goes_to_the_place_of_what_it_found() {
    let mut desk = Desk::new();
    desk.press(KeyCode::Char('f'), KeyModifiers::CONTROL);
    desk.typed("line 3");
    desk.key(KeyCode::Enter);
    let (ask, intent) = desk.model.outbox.pop().expect("it is asked");
    assert!(matches!(ask, Ask::Search { ref words, room: None, .. } if words == "line 3"));
    desk.model.on_asked(Some(1), intent, NOW_MS);
    let found = Said::Found {
        messages: vec![message("lobby", 3, "bob", "line 3")],
        more: false,
    };
    desk.model.on_answer(1, found, NOW_MS);
    desk.draw();
    desk.key(KeyCode::Enter);
    assert_eq!(desk.ui.overlay, Overlay::None);
    assert_eq!(desk.ui.flash, Some(3));
    assert!(
        desk.ui.drawn.rows[desk.ui.drawn.top..]
            .iter()
            .any(|row| row.seq == 3)
    );
    assert_eq!(desk.ui.drawn.top, 0);
}
