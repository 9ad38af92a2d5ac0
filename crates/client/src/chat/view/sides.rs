//! The lists at the sides: where one can be, and who is here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::wrap::{shorten, width};
use super::{Env, put};
use crate::chat::ledger::key;
use crate::chat::model::{Model, Place};
use crate::chat::safe;
use crate::chat::wire::Presence;

/// Draws the places, as far as the one is seen where one is; gives their names as they stand in the rows.
pub(super) fn rooms(area: Rect, model: &Model, env: &Env, buffer: &mut Buffer) -> Vec<String> {
    border(area, area.right() - 1, env, buffer);
    let inside = Rect {
        width: area.width - 1,
        ..area
    };
    put(buffer, inside, area.y, " ROOMS", env.palette.faint());
    let listed = model.listed();
    let here = listed
        .iter()
        .position(|place| key(&place.name) == model.current);
    let height = usize::from(area.height).saturating_sub(1);
    let first = here.map_or(0, |here| (here + 1).saturating_sub(height));
    let places = listed.iter().enumerate().skip(first);
    for ((index, place), y) in places.clone().zip(area.y + 1..area.bottom()) {
        room(inside, y, index, place, model, env, buffer);
    }
    places.map(|(_, place)| place.name.clone()).collect()
}

fn room(
    area: Rect,
    y: u16,
    index: usize,
    place: &Place,
    model: &Model,
    env: &Env,
    buffer: &mut Buffer,
) {
    let palette = env.palette;
    let is_here = key(&place.name) == model.current;
    let count = match (place.mentions, place.unread()) {
        _ if is_here && !place.window.is_detached && place.mentions == 0 => String::new(),
        (0, 0) => String::new(),
        (0, unread) => format!(" {unread}"),
        (mentions, _) => format!(" @{mentions}"),
    };
    let number = if index < 9 {
        format!("{} ", index + 1)
    } else {
        "  ".to_owned()
    };
    let columns = usize::from(area.width);
    let sign = match place.name.strip_prefix('@') {
        Some(login) => dot(model
            .presence
            .get(login)
            .copied()
            .unwrap_or(Presence::Offline)),
        None => "",
    };
    let room = columns.saturating_sub(width(&number) + width(&count) + width(sign));
    let name = shorten(&safe::line(&place.name), room);
    let blanks = " ".repeat(room.saturating_sub(width(&name)));
    let text = format!("{number}{sign}{name}{blanks}{count}");
    let mut style = if place.mentions > 0 {
        palette.call()
    } else if place.unread() > 0 {
        Style::new().add_modifier(Modifier::BOLD)
    } else {
        Style::new()
    };
    if is_here {
        style = style.patch(palette.chosen());
    }
    put(buffer, area, y, &text, style);
}

/// Draws who is here: those that are there first.
pub(super) fn members(area: Rect, model: &Model, env: &Env, buffer: &mut Buffer) {
    border(area, area.x, env, buffer);
    let inside = Rect {
        x: area.x + 2,
        width: area.width - 2,
        ..area
    };
    let Some(here) = model.here() else { return };
    let head = format!("MEMBERS {}", here.members_count);
    put(buffer, inside, area.y, &head, env.palette.faint());
    let presence = |login: &String, known: Presence| {
        if *login == model.me {
            Presence::Online
        } else {
            known
        }
    };
    let mut members: Vec<_> = here
        .members
        .iter()
        .map(|(login, known)| (presence(login, *known), login))
        .collect();
    members.sort();
    let room = usize::from(inside.height).saturating_sub(1);
    let rest = members.len().saturating_sub(room);
    for ((presence, login), y) in members.iter().zip(area.y + 1..area.bottom()) {
        let is_last = y + 1 == area.bottom();
        if is_last && rest > 0 {
            put(
                buffer,
                inside,
                y,
                &format!("and {} more", rest + 1),
                env.palette.faint(),
            );
            break;
        }
        let style = match presence {
            Presence::Online => env.palette.person(login),
            Presence::Idle | Presence::Away | Presence::Offline => env.palette.faint(),
        };
        let text = format!("{}{}", dot(*presence), safe::line(login));
        put(buffer, inside, y, &text, style);
    }
}

const fn dot(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "● ",
        Presence::Idle => "◐ ",
        Presence::Away => "○ ",
        Presence::Offline => "· ",
    }
}

fn border(area: Rect, x: u16, env: &Env, buffer: &mut Buffer) {
    for y in area.y..area.bottom() {
        buffer.set_string(x, y, "│", env.palette.faint());
    }
}
