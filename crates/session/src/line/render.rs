//! Messages as lines of text.

use chat::catalogue::{self, Answer};
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

/// Appends a new message of a room as all see it who are there: `name: text`, or `* name does something`.
pub fn render_message(message: &MessageView, rendering: Rendering, out: &mut Vec<u8>) {
    said(message, rendering.language, out);
    out.push(b'\n');
}

/// Appends a message of a private conversation, which says so in front, if it is one's own whom it is for, and if it is of the past when
/// it was said.
pub(super) fn private(
    message: &MessageView,
    with: &str,
    is_history: bool,
    language: Language,
    out: &mut Vec<u8>,
) {
    let mark = match message.from == with {
        true => Answer::PrivateMark,
        false => Answer::PrivateMarkTo(with),
    };
    out.push(b'[');
    sanitise(&catalogue::say(language, mark), out);
    if is_history {
        out.push(b' ');
        out.extend_from_slice(catalogue::minute(message.at_ms).as_bytes());
    }
    out.extend_from_slice(b"] ");
    said(message, language, out);
    out.push(b'\n');
}

/// Appends a message of the past with its number and its time.
pub(super) fn past(message: &MessageView, language: Language, out: &mut Vec<u8>) {
    let time = catalogue::minute(message.at_ms);
    out.extend_from_slice(format!("[{} {time}] ", message.seq).as_bytes());
    said(message, language, out);
    out.push(b'\n');
}

/// Appends a message without its end.
fn said(message: &MessageView, language: Language, out: &mut Vec<u8>) {
    let does = message.is_action && message.deleted_ms.is_none();
    if does {
        out.extend_from_slice(DOES);
    }
    sanitise(&message.from, out);
    out.extend_from_slice(if does { b" " } else { SAYS });
    if message.deleted_ms.is_some() {
        return sanitise(&catalogue::say(language, Answer::DeletedMark), out);
    }
    if let Some(seq) = message.reply_to {
        out.extend_from_slice(format!("(> {seq}) ").as_bytes());
    }
    text(&message.text, out);
    if message.edited_ms.is_some() {
        out.push(b' ');
        sanitise(&catalogue::say(language, Answer::EditedMark), out);
    }
    if !message.reactions.is_empty() {
        out.extend_from_slice(b"  ");
        sanitise(&reactions(message), out);
    }
}

/// The emojis under a message with who put them there: `👍 ana, bob  🎉 eva`.
pub(super) fn reactions(message: &MessageView) -> String {
    let each = message.reactions.iter();
    let each = each.map(|(emoji, logins)| format!("{emoji} {}", logins.join(", ")));
    each.collect::<Vec<_>>().join("  ")
}

/// Appends a text that may have several lines, without its end.
fn text(text: &str, out: &mut Vec<u8>) {
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push(b'\n');
            out.extend_from_slice(CONTINUED);
        }
        sanitise(line.strip_suffix('\r').unwrap_or(line), out);
    }
}
