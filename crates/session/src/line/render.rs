//! Messages as lines of text.

use chat::{Language, MessageView};
use codec::line::sanitise;

/// What lies between a message's author and its text; no login has it.
const SAYS: &[u8] = b": ";
/// What begins what somebody does; no login has it.
const DOES: &[u8] = b"* ";
/// What begins the further lines of a text that has some: whoever writes several lines writes nobody else's.
const CONTINUED: &[u8] = b"    ";

/// How a client is shown the messages of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rendering {
    /// In which language is said what the server adds.
    pub language: Language,
}

/// Appends a new message of a room as all who are there see it: `name: text`, or `* name does something`.
pub fn render_message(message: &MessageView, _rendering: Rendering, out: &mut Vec<u8>) {
    if message.is_action {
        out.extend_from_slice(DOES);
        sanitise(&message.from, out);
        out.push(b' ');
    } else {
        sanitise(&message.from, out);
        out.extend_from_slice(SAYS);
    }
    if let Some(seq) = message.reply_to {
        out.extend_from_slice(format!("(> {seq}) ").as_bytes());
    }
    text(&message.text, out);
    out.push(b'\n');
}

/// Appends a text that may have several lines, without its end.
pub(super) fn text(text: &str, out: &mut Vec<u8>) {
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push(b'\n');
            out.extend_from_slice(CONTINUED);
        }
        sanitise(line.strip_suffix('\r').unwrap_or(line), out);
    }
}
