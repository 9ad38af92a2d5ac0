//! Draws the chat: pure, from the model and what the screen shows of it, into a buffer of cells.
//!
//! Nothing that others wrote comes here but through `safe`. Start reading at [`draw`].

mod bars;
mod composer;
mod messages;
mod overlays;
mod palette;
mod sides;
mod wrap;

use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub(crate) use bars::{signed, span};
pub(crate) use messages::Row;
pub(crate) use palette::{Depth, Palette};

use super::model::Model;
use super::ui::Ui;

/// The least width at which members are shown.
const MEMBERS_FROM: u16 = 90;
/// The least width at which rooms are shown.
const ROOMS_FROM: u16 = 50;
/// The least height at which who writes has a line of its own.
const TYPING_FROM: u16 = 14;
/// The least screen that something can be seen on.
const LEAST: (u16, u16) = (20, 5);

/// What is neither of the chat nor of the screen.
pub(crate) struct Env {
    /// The server's time.
    pub(crate) now_ms: i64,
    /// The steady clock.
    pub(crate) now: Instant,
    /// Offset and its error bound, in microseconds.
    pub(crate) offset_us: Option<(i64, i64)>,
    /// How long the last exchange took.
    pub(crate) lag_us: Option<i64>,
    /// Where the user is.
    pub(crate) zone: TimeZone,
    /// The colours there are.
    pub(crate) palette: Palette,
}

impl Env {
    /// A time of the server as the user's zone has it.
    pub(crate) fn time(&self, at_ms: i64, format: &str) -> String {
        match Timestamp::from_millisecond(at_ms) {
            Ok(at) => at.to_zoned(self.zone.clone()).strftime(format).to_string(),
            Err(_) => "?".to_owned(),
        }
    }
}

/// What was drawn where.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    /// Where the cursor stands.
    pub(crate) cursor: Option<(u16, u16)>,
    /// Which line of which message each row of the history is.
    pub(crate) rows: Vec<Row>,
    /// The row at the top.
    pub(crate) top: usize,
    /// How many rows are seen.
    pub(crate) height: usize,
    /// Where the messages are.
    pub(crate) messages: Rect,
    /// Where the rooms are, one in each row, and their names.
    pub(crate) rooms: Rect,
    /// The rooms as they are listed.
    pub(crate) listed: Vec<String>,
}

/// Draws everything.
pub(crate) fn draw(area: Rect, model: &Model, ui: &Ui, env: &Env, buffer: &mut Buffer) -> Drawn {
    let mut drawn = Drawn::default();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        buffer.set_stringn(area.x, area.y, "too small", area.width.into(), Style::new());
        return drawn;
    }
    let rooms_width = match area.width {
        0..ROOMS_FROM => 0,
        ROOMS_FROM..80 => 16,
        _ => 22,
    };
    let has_members =
        area.width >= MEMBERS_FROM && model.here().is_some_and(|here| !here.is_private());
    let members_width = if has_members { 20 } else { 0 };
    let middle = Rect {
        x: area.x + rooms_width,
        width: area.width - rooms_width - members_width,
        ..area
    };
    let typing_height = u16::from(area.height >= TYPING_FROM);
    let composer_height = composer::height(ui, middle.width)
        .min(area.height / 3)
        .max(1);
    let status_y = area.bottom() - 1;
    let composer_y = status_y - composer_height;
    let messages_height = composer_y - typing_height - area.y - 1;
    let pane = |y, height| Rect {
        y,
        height,
        ..middle
    };

    drawn.messages = pane(area.y + 1, messages_height);
    messages::draw(
        drawn.messages,
        model,
        ui,
        env,
        buffer,
        &mut drawn.rows,
        &mut drawn.top,
    );
    drawn.height = messages_height.into();
    bars::title(pane(area.y, 1), model, env, buffer);
    if typing_height > 0 {
        bars::typing(pane(composer_y - 1, 1), model, ui, env, buffer);
    }
    let composer_area = pane(composer_y, composer_height);
    drawn.cursor = composer::draw(composer_area, ui, env, buffer);
    if rooms_width > 0 {
        drawn.rooms = side(area, area.x, rooms_width);
        drawn.listed = sides::rooms(drawn.rooms, model, env, buffer);
    }
    if members_width > 0 {
        let members = side(area, middle.right(), members_width);
        sides::members(members, model, env, buffer);
    }
    let status = Rect {
        y: status_y,
        height: 1,
        ..area
    };
    bars::status(status, model, env, typing_height == 0, buffer);
    if let Some(cursor) = overlays::draw(area, composer_area, model, ui, env, buffer) {
        drawn.cursor = Some(cursor);
    }
    drawn
}

/// The column at a side, above the status line.
const fn side(area: Rect, x: u16, width: u16) -> Rect {
    Rect {
        x,
        y: area.y,
        width,
        height: area.height - 1,
    }
}

/// Writes a text that fits, at its beginning if not all of it does.
pub(crate) fn put(buffer: &mut Buffer, area: Rect, y: u16, text: &str, style: Style) {
    if y < area.bottom() {
        let short = wrap::shorten(text, area.width.into());
        buffer.set_stringn(area.x, y, short, area.width.into(), style);
    }
}

/// Fills an area with blanks.
pub(crate) fn clear(buffer: &mut Buffer, area: Rect, style: Style) {
    for position in area.intersection(buffer.area).positions() {
        buffer[position].reset();
        buffer[position].set_style(style);
    }
}

#[cfg(test)]
mod tests;
