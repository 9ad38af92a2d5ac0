//! The lines across: what the room is about, who writes, how the connection is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::wrap::{shorten, width};
use super::{Env, clear, put};
use crate::chat::model::{Connection, Model};
use crate::chat::safe;
use crate::chat::ui::Ui;

/// Draws the name of the place and its topic.
pub(super) fn title(area: Rect, model: &Model, env: &Env, buffer: &mut Buffer) {
    let style = env.palette.bar();
    clear(buffer, area, style);
    let Some(here) = model.here() else { return };
    let mut text = format!(" {}", safe::line(&here.name));
    if here.slow_s > 0 {
        text.push_str(&format!(" (one message in {} s)", here.slow_s));
    }
    if here.keep {
        text.push_str(" (stays)");
    }
    if !here.topic.is_empty() {
        text.push_str(&format!(" │ {}", safe::line(&here.topic)));
    }
    put(buffer, area, area.y, &text, style);
}

/// Who writes here.
pub(super) fn writers(model: &Model) -> String {
    let Some(here) = model.here() else {
        return String::new();
    };
    let names: Vec<_> = here
        .typing
        .iter()
        .map(|(login, _)| safe::line(login))
        .collect();
    match &names[..] {
        [] => String::new(),
        [one] => format!("{one} is writing …"),
        [one, two] => format!("{one} and {two} are writing …"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more are writing …", rest.len()),
    }
}

/// Draws who writes, or what is being answered or changed.
pub(super) fn typing(area: Rect, model: &Model, ui: &Ui, env: &Env, buffer: &mut Buffer) {
    let quoted = |seq: u64| {
        let here = model.here()?;
        let message = here.window.messages.get(&seq)?;
        Some(format!(
            "{}: {}",
            safe::line(&message.from),
            safe::line(&message.text)
        ))
    };
    let (text, style) = if let Some(seq) = ui.reply_to {
        let what = quoted(seq).unwrap_or_else(|| format!("message {seq}"));
        (format!("↪ {what} (Esc: not)"), env.palette.call())
    } else if let Some(seq) = ui.editing {
        let text = format!("changing message {seq} (Esc: not)");
        (text, env.palette.call())
    } else {
        (writers(model), env.palette.faint())
    };
    put(buffer, area, area.y, &format!(" {text}"), style);
}

/// Draws the status line: as much of it as there is room for.
pub(super) fn status(area: Rect, model: &Model, env: &Env, has_writers: bool, buffer: &mut Buffer) {
    let bar = env.palette.bar();
    clear(buffer, area, bar);
    let (state, colour) = connection(model, env);
    let mut parts = vec![(format!(" {state}"), colour)];
    if model.connection == Connection::Up {
        parts.push((env.time(env.now_ms, "%H:%M:%S"), Style::new()));
        if let Some((offset_us, error_us)) = env.offset_us {
            let text = format!("your clock {} ±{}", signed(-offset_us), span(error_us));
            parts.push((text, Style::new()));
        }
        if let Some(lag_us) = env.lag_us {
            parts.push((format!("lag {}", span(lag_us)), Style::new()));
        }
    }
    if has_writers {
        let text = writers(model);
        if !text.is_empty() {
            parts.insert(1, (text, Style::new()));
        }
    }
    let refused = model
        .here()
        .is_some_and(|here| here.outgoing.iter().any(|one| one.refused.is_some()));
    if refused {
        parts.insert(1, ("Alt-R sends again".into(), env.palette.wrong()));
    }
    let help = "F1 keys";
    let mut x = area.x;
    for (index, (text, style)) in parts.iter().enumerate() {
        let text = if index == 0 {
            text.clone()
        } else {
            format!(" │ {text}")
        };
        let room = usize::from(area.right().saturating_sub(x));
        let short = if index == 0 {
            shorten(&text, room)
        } else {
            text
        };
        if width(&short) > room {
            break;
        }
        (x, _) = buffer.set_stringn(x, area.y, &short, room, bar.patch(*style));
    }
    let room = usize::from(area.right().saturating_sub(x));
    if width(help) + 2 < room {
        let at = area.right() - u16::try_from(width(help)).unwrap_or(0) - 1;
        buffer.set_string(at, area.y, help, bar);
    }
}

fn connection(model: &Model, env: &Env) -> (String, Style) {
    match &model.connection {
        Connection::Connecting => ("◌ connecting".into(), env.palette.call()),
        Connection::Up => (format!("● {}", safe::line(&model.me)), env.palette.good()),
        Connection::Waiting { fault, retry_at } => {
            let wait = retry_at
                .saturating_duration_since(env.now)
                .as_secs_f64()
                .ceil();
            let fault = safe::line(&fault.to_string());
            let text = format!("✗ again in {wait:.0} s (Ctrl-R now): {fault}");
            (text, env.palette.wrong())
        }
        Connection::Ended(fault) => {
            let fault = safe::line(&fault.to_string());
            (
                format!("✗ ended (Ctrl-R tries again): {fault}"),
                env.palette.wrong(),
            )
        }
    }
}

/// A span of time as one reads it at a glance.
pub(crate) fn span(us: i64) -> String {
    let us = us.abs();
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..60_000_000 => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
        60_000_000..3_600_000_000 => {
            format!("{} min {} s", us / 60_000_000, us % 60_000_000 / 1_000_000)
        }
        _ => format!(
            "{} h {} min",
            us / 3_600_000_000,
            us % 3_600_000_000 / 60_000_000
        ),
    }
}

/// The same with its sign.
pub(crate) fn signed(us: i64) -> String {
    let sign = if us < 0 { '−' } else { '+' };
    format!("{sign}{}", span(us))
}
