//! What commands print: lines, tables and JSON on standard output, notes on standard error.
//!
//! Names come from clients, so control characters in them are shown escaped: a queue's name
//! must not move the operator's cursor.

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// Prints one line.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{}", visible(text))
}

/// Prints a text as it is; for what this program made itself.
pub(crate) fn raw(text: &str) -> io::Result<()> {
    io::stdout().lock().write_all(text.as_bytes())
}

/// Prints a document that this program made, as it is.
pub(crate) fn document(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    Ok(writeln!(out)?)
}

/// Prints a value as indented JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    raw(&text)?;
    Ok(())
}

/// Tells the user something that is not the result.
pub(crate) fn note(text: &str) {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{}", visible(text));
}

/// Prints rows under a heading, numbers to the right.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    raw(&render_table(heading, rows, is_coloured()))
}

/// By the rules that the help follows, too: on a terminal that can do it, unless `NO_COLOR` says no.
pub(crate) fn is_coloured() -> bool {
    let is_refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_able = env::var_os("TERM").is_some_and(|name| name != "dumb");
    io::stdout().is_terminal() && is_able && !is_refused
}

fn render_table(heading: &[&str], rows: &[Vec<String>], bold: bool) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| visible(cell)).collect())
        .collect();
    let columns: Vec<Column> = heading
        .iter()
        .enumerate()
        .map(|(index, title)| Column::measure(title, rows.iter().filter_map(|row| row.get(index))))
        .collect();
    let titles: Vec<String> = heading.iter().map(|title| (*title).to_owned()).collect();

    let mut text = String::new();
    if bold {
        text.push_str("\x1b[1m");
    }
    push_row(&mut text, &columns, &titles);
    if bold {
        text.truncate(text.trim_end().len());
        text.push_str("\x1b[0m\n");
    }
    for row in &rows {
        push_row(&mut text, &columns, row);
    }
    text
}

struct Column {
    width: usize,
    numeric: bool,
}

impl Column {
    fn measure<'a>(title: &str, cells: impl Iterator<Item = &'a String> + Clone) -> Self {
        let widest = cells.clone().map(|cell| cell.chars().count()).max();
        Self {
            width: widest.unwrap_or(0).max(title.chars().count()),
            numeric: cells.clone().next().is_some()
                && cells
                    .into_iter()
                    .all(|cell| cell.bytes().all(|byte| byte.is_ascii_digit())),
        }
    }
}

fn push_row(text: &mut String, columns: &[Column], cells: &[String]) {
    let mut row = String::new();
    for (column, cell) in columns.iter().zip(cells) {
        let width = column.width;
        let written = if column.numeric {
            write!(row, "{cell:>width$}  ")
        } else {
            write!(row, "{cell:<width$}  ")
        };
        written.expect("writing to a String cannot fail");
    }
    text.push_str(row.trim_end());
    text.push('\n');
}

/// Escapes control and direction-changing characters, keeping tabs and everything readable.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let hidden = character.is_control() && character != '\n';
        let turning = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hidden || turning {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests;
