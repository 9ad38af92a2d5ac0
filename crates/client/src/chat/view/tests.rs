//! Whole screens against committed ones, in `snapshots`; `CHASKI_SNAPSHOTS=write` writes them anew.

use std::path::PathBuf;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::chat::keys::Keys;
use crate::chat::link::Fault;
use crate::chat::model::Connection;
use crate::chat::model::tests::{NOW_MS, joined, members, message, talking};
use crate::chat::ui::{Overlay, Scroll};
use crate::chat::wire::{Reaction, Said};

const SIZES: [(u16, u16); 3] = [(60, 16), (80, 24), (120, 40)];

fn env() -> Env {
    Env {
        now_ms: NOW_MS,
        now: Instant::now(),
        offset_us: Some((-10_800_000_000, 420)),
        lag_us: Some(1_840),
        zone: TimeZone::UTC,
        palette: Palette(Depth::None),
    }
}

fn picture(model: &Model, ui: &Ui, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
    let env = env();
    let drawing = terminal.draw(|frame| {
        draw(frame.area(), model, ui, &env, frame.buffer_mut());
    });
    drawing.expect("it is drawn");
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = wrap::width(symbol).max(1);
            }
            skip -= 1;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Holds a screen against the committed one, in every size.
fn check(name: &str, model: &Model, ui: &Ui) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/chat/view/snapshots");
    for (width, height) in SIZES {
        let drawn = picture(model, ui, (width, height));
        let path = folder.join(format!("{name}-{width}x{height}.txt"));
        if std::env::var("CHASKI_SNAPSHOTS").is_ok_and(|value| value == "write") {
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(&path, &drawn).expect("it is written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(drawn == expected, "{}:\n{drawn}", path.display());
    }
}

fn ui() -> Ui {
    Ui::new(Keys::default())
}

fn scene() -> Model {
    let mut model = talking();
    let now = Instant::now();
    let mut say = |message| model.on_said(Said::Message(message), now, NOW_MS);
    let day = 86_400_000;
    let mut first = message("lobby", 1, "bob", "yesterday was another day");
    first.at_ms = NOW_MS - day;
    say(first);
    say(message("lobby", 2, "bob", "hola @anna, ¿qué tal?"));
    let mut named = message(
        "lobby",
        3,
        "carla",
        "a long message that has to be broken into lines because no pane is as wide as what people have to say, 日本語 included",
    );
    named.mentions = vec!["anna".into()];
    named.reactions = vec![Reaction {
        emoji: "👍".into(),
        logins: vec!["bob".into(), "anna".into()],
    }];
    say(named);
    let mut reply = message("lobby", 4, "anna", "bien");
    reply.reply_to = Some(2);
    reply.edited_ms = Some(NOW_MS);
    say(reply);
    let mut action = message("lobby", 5, "bob", "waves\u{1b}[31m");
    action.action = true;
    say(action);
    let mut gone = message("lobby", 6, "bob", "");
    gone.deleted_ms = Some(NOW_MS);
    say(gone);
    say(message("@bob", 1, "bob", "psst"));
    model.on_said(
        Said::Typing {
            room: "lobby".into(),
            login: "bob".into(),
        },
        now,
        NOW_MS,
    );
    model.calls.clear();
    model
}

#[test]
fn a_talk_in_all_sizes() {
    let mut model = scene();
    model.say(
        "lobby",
        "on its way".into(),
        false,
        None,
        "x-1".into(),
        NOW_MS,
    );
    model.say(
        "lobby",
        "too fast".into(),
        false,
        None,
        "x-2".into(),
        NOW_MS,
    );
    model.on_refused("x-2", "slow down");
    let mut ui = ui();
    ui.composer.insert("what I am typing");
    check("talk", &model, &ui);
}

#[test]
fn overlays_lie_over_the_messages() {
    let model = scene();
    let mut ui = ui();
    ui.overlay = Overlay::Help { scroll: 0 };
    check("help", &model, &ui);
    ui.overlay = Overlay::Paste("one\ntwo\u{7}\nthree".into());
    check("paste", &model, &ui);
    ui.overlay = Overlay::switch(&model);
    check("switch", &model, &ui);
    let mut model = model;
    model.found = Some(crate::chat::model::Found {
        words: "hola".into(),
        room: None,
        messages: vec![message("tea", 2, "bob", "hola @anna")],
        more: true,
        is_loading: false,
    });
    ui.overlay = Overlay::Search {
        query: "hola".into(),
        index: 0,
        is_asked: true,
        is_here: false,
    };
    check("search", &model, &ui);
    ui.overlay = Overlay::None;
    ui.selected = Some(3);
    check("selected", &model, &ui);
}

#[test]
fn a_lost_connection_says_when_it_is_tried_again() {
    let mut model = scene();
    let fault = Fault::Unreachable {
        url: "http://127.0.0.1:8080".into(),
        reason: "connection refused".into(),
    };
    let retry_at = Instant::now() + Duration::from_millis(3_900);
    model.on_down(Connection::Waiting { fault, retry_at }, NOW_MS);
    let text = picture(&model, &ui(), (120, 40));
    let status = text.lines().last().expect("a line");
    assert!(status.contains("✗ again in 4 s"), "{status}");
    assert!(status.contains("connection refused"), "{status}");
    model.on_down(
        Connection::Ended(Fault::Login("wrong password".into())),
        NOW_MS,
    );
    let text = picture(&model, &ui(), (60, 16));
    let status = text.lines().last().expect("a line");
    assert!(status.contains("wrong password"), "{status}");
}

#[test]
fn every_size_is_drawn_without_fail() {
    let mut model = scene();
    model.on_said(Said::Joined(joined("tea", 3)), Instant::now(), NOW_MS);
    members(&mut model, "lobby", 60);
    let mut ui = ui();
    let overlays = [
        Overlay::None,
        Overlay::Help { scroll: 90 },
        Overlay::Paste("a\n".repeat(50)),
        Overlay::switch(&model),
        Overlay::search(),
        Overlay::Delete(3),
        Overlay::react(3),
    ];
    ui.composer.insert(&"日本 ".repeat(100));
    for overlay in overlays {
        ui.overlay = overlay;
        for width in [1, 19, 20, 30, 49, 50, 79, 80, 89, 90, 200] {
            for height in [1, 4, 5, 6, 13, 14, 50] {
                picture(&model, &ui, (width, height));
            }
        }
    }
}

#[test]
fn a_long_history_is_scrolled_and_stays_where_it_is_when_more_comes() {
    let mut model = talking();
    let now = Instant::now();
    for seq in 1..=100 {
        model.on_said(
            Said::Message(message("lobby", seq, "bob", &format!("line {seq}"))),
            now,
            NOW_MS,
        );
    }
    let mut ui = ui();
    assert!(picture(&model, &ui, (60, 16)).contains("line 100"));
    ui.scroll = Scroll::At(Row { seq: 40, line: 0 });
    let before = picture(&model, &ui, (60, 16));
    assert!(
        before.contains("line 40") && !before.contains("line 39"),
        "{before}"
    );
    model.on_said(
        Said::Message(message("lobby", 101, "bob", "line 101")),
        now,
        NOW_MS,
    );
    let after = picture(&model, &ui, (60, 16));
    assert!(
        after.contains("line 40") && !after.contains("line 39"),
        "{after}"
    );
}
