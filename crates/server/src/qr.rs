//! Links as QR codes, drawn with characters: a telephone reads them off the terminal.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// Black on white, whatever the terminal's own colours are.
const BEGIN: &str = "\x1b[30;107m";
const END: &str = "\x1b[0m";

/// Draws a link, two rows of the code in one line; `None` if it is too long for any code.
///
/// In colours it is dark on light. Without, light is drawn, so that it is right where letters are lighter than what is behind them,
/// as on most terminals; most telephones read it the other way round, too.
#[must_use]
pub fn qr_code(link: &str, is_coloured: bool) -> Option<String> {
    let code = QrCode::new(link).ok()?;
    let mut drawing = code.render::<Dense1x2>();
    if is_coloured {
        let text = drawing.build();
        let lines = text.lines().map(|line| format!("{BEGIN}{line}{END}\n"));
        return Some(lines.collect());
    }
    let drawing = drawing
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark);
    Some(drawing.build() + "\n")
}

#[cfg(test)]
mod tests;
