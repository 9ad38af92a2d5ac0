//! Where one types.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::wrap::{typed, width};
use super::{Env, clear, put};
use crate::chat::ui::Ui;
use ratatui::style::Style;

const PROMPT: &str = "> ";
/// Lines that are shown at most.
const LINES_MAX: usize = 6;

fn columns(width: u16) -> usize {
    usize::from(width).saturating_sub(PROMPT.len())
}

/// How many lines it wants.
pub(super) fn height(ui: &Ui, width: u16) -> u16 {
    let (lines, _) = typed(ui.composer.text(), ui.composer.cursor(), columns(width));
    u16::try_from(lines.len().min(LINES_MAX)).unwrap_or(1)
}

/// Draws it; gives where the cursor stands.
pub(super) fn draw(area: Rect, ui: &Ui, env: &Env, buffer: &mut Buffer) -> Option<(u16, u16)> {
    clear(buffer, area, Style::new());
    let (lines, (row, column)) = typed(
        ui.composer.text(),
        ui.composer.cursor(),
        columns(area.width),
    );
    let height = usize::from(area.height);
    let first = (row + 1).saturating_sub(height);
    let prompt_width = u16::try_from(width(PROMPT)).unwrap_or(0);
    let inside = Rect {
        x: area.x + prompt_width,
        width: area.width.saturating_sub(prompt_width),
        ..area
    };
    for (line, y) in lines.iter().skip(first).zip(area.y..area.bottom()) {
        put(buffer, inside, y, line, Style::new());
    }
    put(buffer, area, area.y, PROMPT, env.palette.good());
    if first == 0 && !lines.is_empty() {
        put(buffer, inside, area.y, &lines[0], Style::new());
    }
    let x = inside.x + u16::try_from(column).unwrap_or(0);
    let y = area.y + u16::try_from(row - first).unwrap_or(0);
    (ui.selected.is_none()).then_some((x.min(area.right() - 1), y))
}
