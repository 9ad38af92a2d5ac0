//! What lies over the messages for a moment: keys, choices, questions.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::wrap::{shorten, width, wrap};
use super::{Env, clear, put};
use crate::chat::keys::{OF_SEARCH, OF_SELECTED};
use crate::chat::model::Model;
use crate::chat::safe;
use crate::chat::ui::{EMOJIS, Overlay, Ui};

/// A frame with a title; gives what is inside.
fn frame(area: Rect, title: &str, env: &Env, buffer: &mut Buffer) -> Rect {
    clear(buffer, area, Style::new());
    let inner = usize::from(area.width.saturating_sub(2));
    let title = shorten(&format!(" {title} "), inner);
    let line = "─".repeat(inner.saturating_sub(width(&title)));
    let style = env.palette.good();
    put(buffer, area, area.y, &format!("┌{title}{line}┐"), style);
    for y in area.y + 1..area.bottom().saturating_sub(1) {
        put(buffer, area, y, "│", style);
        buffer.set_string(area.right() - 1, y, "│", style);
    }
    let foot = format!("└{}┘", "─".repeat(inner));
    put(buffer, area, area.bottom() - 1, &foot, style);
    Rect {
        x: area.x + 2,
        y: area.y + 1,
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(2),
    }
}

/// An area in the middle.
fn middle(area: Rect, wanted_width: u16, wanted_height: usize) -> Rect {
    let width = wanted_width.min(area.width);
    let height = u16::try_from(wanted_height)
        .unwrap_or(u16::MAX)
        .min(area.height - 1);
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - 1 - height) / 2,
        width,
        height,
    }
}

/// Draws what lies over the rest; gives where the cursor stands, if it is there.
pub(super) fn draw(
    area: Rect,
    composer: Rect,
    model: &Model,
    ui: &Ui,
    env: &Env,
    buffer: &mut Buffer,
) -> Option<(u16, u16)> {
    match &ui.overlay {
        Overlay::None => {
            completion(composer, ui, env, buffer);
            selection(composer, ui, env, buffer);
            None
        }
        Overlay::Help { scroll } => {
            help(area, *scroll, ui, env, buffer);
            None
        }
        Overlay::Switch {
            query,
            index,
            items,
        } => {
            let choices = items
                .iter()
                .map(|item| (safe::line(item), String::new()))
                .collect();
            let chooser = Chooser {
                title: "go to",
                query,
                index: *index,
                choices,
                foot: None,
            };
            Some(chooser.draw(area, env, buffer))
        }
        Overlay::Search {
            query,
            index,
            is_asked,
            is_here,
        } => {
            let state = (*index, *is_asked, *is_here);
            Some(search(area, query, state, model, env, buffer))
        }
        Overlay::Paste(text) => {
            paste(area, text, env, buffer);
            None
        }
        Overlay::Delete(seq) => {
            let here = model.here();
            let message = here.and_then(|here| here.window.messages.get(seq));
            let text = message.map_or_else(String::new, |message| safe::line(&message.text));
            question(
                area,
                "take this message back?",
                &[text],
                "y: yes  n: no",
                env,
                buffer,
            );
            None
        }
        Overlay::React { typed, index, .. } => {
            react(area, typed, *index, env, buffer);
            None
        }
    }
}

fn paste(area: Rect, text: &str, env: &Env, buffer: &mut Buffer) {
    let count = text.lines().count();
    let title = format!("paste {count} lines?");
    let first: Vec<_> = text.lines().take(6).map(safe::line).collect();
    question(
        area,
        &title,
        &first,
        "Enter: send as one message  e: edit first  Esc: not",
        env,
        buffer,
    );
}

fn react(area: Rect, typed: &str, index: usize, env: &Env, buffer: &mut Buffer) {
    let mut line = String::new();
    for (at, emoji) in EMOJIS.iter().enumerate() {
        let sign = if at == index && typed.is_empty() {
            ['[', ']']
        } else {
            [' ', ' ']
        };
        line.push_str(&format!("{}{emoji}{}", sign[0], sign[1]));
    }
    let typed = format!("or typed: {}", safe::line(typed));
    question(
        area,
        "react",
        &[line, typed],
        "←→ Enter  Esc: not",
        env,
        buffer,
    );
}

fn question(area: Rect, title: &str, lines: &[String], foot: &str, env: &Env, buffer: &mut Buffer) {
    let place = middle(area, 64, lines.len() + 4);
    let inside = frame(place, title, env, buffer);
    for (line, y) in lines.iter().zip(inside.y..) {
        put(buffer, inside, y, line, Style::new());
    }
    let bold = Style::new().add_modifier(Modifier::BOLD);
    put(buffer, inside, inside.bottom() - 1, foot, bold);
}

fn help(area: Rect, scroll: usize, ui: &Ui, env: &Env, buffer: &mut Buffer) {
    let mut lines: Vec<(String, String)> = ui
        .keys
        .listed()
        .into_iter()
        .map(|(keys, what)| (keys, what.to_owned()))
        .collect();
    lines.push((String::new(), String::new()));
    lines.push(("A selected message:".into(), String::new()));
    let selected = OF_SELECTED.iter();
    lines.extend(selected.map(|(keys, what)| ((*keys).into(), (*what).to_owned())));
    lines.push((String::new(), String::new()));
    lines.push(("In the search:".into(), String::new()));
    let search = OF_SEARCH.iter();
    lines.extend(search.map(|(keys, what)| ((*keys).into(), (*what).to_owned())));
    lines.push(("#help".into(), "the commands".into()));
    let place = middle(area, 72, lines.len() + 2);
    let inside = frame(place, "keys (arrows scroll, Esc closes)", env, buffer);
    let first = scroll.min(lines.len().saturating_sub(inside.height.into()));
    let keys_width = 19.min(inside.width / 2);
    for ((keys, what), y) in lines.iter().skip(first).zip(inside.y..inside.bottom()) {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let left = Rect {
            width: if what.is_empty() {
                inside.width
            } else {
                keys_width
            },
            ..inside
        };
        put(buffer, left, y, keys, bold);
        let right = Rect {
            x: inside.x + keys_width + 1,
            width: inside.width - keys_width - 1,
            ..inside
        };
        if !what.is_empty() {
            put(buffer, right, y, what, Style::new());
        }
    }
}

/// A line to type in and what it finds.
struct Chooser<'a> {
    title: &'a str,
    query: &'a str,
    index: usize,
    choices: Vec<(String, String)>,
    /// What its keys do.
    foot: Option<&'a str>,
}

impl Chooser<'_> {
    /// Draws it; gives where the cursor stands.
    fn draw(&self, area: Rect, env: &Env, buffer: &mut Buffer) -> (u16, u16) {
        let wide = if area.width > 80 { 76 } else { 56 };
        let place = middle(area, wide, 14);
        let mut inside = frame(place, self.title, env, buffer);
        if let Some(foot) = self.foot.filter(|_| inside.height > 2) {
            let bold = Style::new().add_modifier(Modifier::BOLD);
            put(buffer, inside, inside.bottom() - 1, foot, bold);
            inside.height -= 1;
        }
        let shown = safe::line(self.query);
        let line = format!("> {shown}");
        put(buffer, inside, inside.y, &line, Style::new());
        let room = usize::from(inside.height).saturating_sub(1);
        let first = (self.index + 1).saturating_sub(room);
        let choices = self.choices.iter().enumerate().skip(first);
        for ((at, (head, text)), y) in choices.zip(inside.y + 1..inside.bottom()) {
            let style = if at == self.index {
                env.palette.chosen()
            } else {
                Style::new()
            };
            let text = if text.is_empty() {
                head.clone()
            } else {
                format!("{head}  {text}")
            };
            put(buffer, inside, y, &text, style);
        }
        let x = inside.x + 2 + u16::try_from(width(&shown)).unwrap_or(0);
        (x.min(inside.right()), inside.y)
    }
}

fn search(
    area: Rect,
    query: &str,
    (index, is_asked, is_here): (usize, bool, bool),
    model: &Model,
    env: &Env,
    buffer: &mut Buffer,
) -> (u16, u16) {
    let found = model.found.as_ref();
    let choices = found.map_or_else(Vec::new, |found| {
        let each = found.messages.iter().map(|message| {
            let when = env.time(message.at_ms, "%-d %b %H:%M");
            let head = format!(
                "{when} {} {}",
                safe::line(&message.room),
                safe::line(&message.from)
            );
            (head, safe::line(&message.text))
        });
        each.collect()
    });
    let here = model.here().map_or("", |here| &*here.name);
    let scope = match is_here {
        true => format!("search in {}", safe::line(here)),
        false => "search everywhere".to_owned(),
    };
    let title = match found {
        Some(found) if found.messages.is_empty() => {
            format!("{scope}: nothing has '{}'", safe::line(&found.words))
        }
        Some(found) => {
            let more = match (found.is_loading, found.more) {
                (true, _) => ", more on the way",
                (false, true) => " and more",
                (false, false) => "",
            };
            format!("{scope}: {}{more}", found.messages.len())
        }
        None if is_asked => format!("{scope}: on the way"),
        None => scope,
    };
    let tab = match is_here {
        true => "Tab: everywhere",
        false => "Tab: only this room",
    };
    let enter = match is_asked {
        true => "Enter: go there",
        false => "Enter: look",
    };
    let chooser = Chooser {
        title: &title,
        query,
        index,
        choices,
        foot: Some(&format!("{enter}  {tab}  Esc: not")),
    };
    chooser.draw(area, env, buffer)
}

/// The list of what Tab offers, above the line.
fn completion(composer: Rect, ui: &Ui, env: &Env, buffer: &mut Buffer) {
    let Some(completion) = &ui.completion else {
        return;
    };
    let room = composer.y.saturating_sub(2).min(8);
    let height = u16::try_from(completion.items.len())
        .unwrap_or(room)
        .min(room);
    let widest = completion
        .items
        .iter()
        .map(|item| width(item))
        .max()
        .unwrap_or(0);
    let area = Rect {
        x: composer.x + 2,
        y: composer.y - height,
        width: u16::try_from(widest + 2)
            .unwrap_or(composer.width)
            .min(composer.width - 2),
        height,
    };
    clear(buffer, area, env.palette.bar());
    let first = (completion.index + 1).saturating_sub(height.into());
    for ((at, item), y) in completion
        .items
        .iter()
        .enumerate()
        .skip(first)
        .zip(area.y..area.bottom())
    {
        let style = if at == completion.index {
            env.palette.call()
        } else {
            Style::new()
        };
        let style = env.palette.bar().patch(style);
        put(buffer, area, y, &format!(" {}", safe::line(item)), style);
    }
}

/// What can be done with the message that is selected.
fn selection(composer: Rect, ui: &Ui, env: &Env, buffer: &mut Buffer) {
    if ui.selected.is_none() {
        return;
    }
    clear(buffer, composer, Style::new());
    let keys = "r reply  + react  e edit  d delete  g to answered  Esc back";
    let lines = wrap(keys, composer.width.into());
    for (line, y) in lines.iter().zip(composer.y..composer.bottom()) {
        put(buffer, composer, y, line, env.palette.call());
    }
}
