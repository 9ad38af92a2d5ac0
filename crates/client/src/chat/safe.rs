//! What others wrote, made harmless: characters that move a cursor, turn the direction or cannot be seen are shown, never executed.

/// Marks that one character may carry; more are left out, as they only paint over the neighbours.
const MARKS_MAX: usize = 6;
/// Columns of a tabulator.
const TAB: &str = "    ";

/// Makes a text harmless on one line: line feeds are shown as well.
pub(crate) fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push_all(&mut shown, text, false);
    shown
}

/// Makes a text harmless; its line feeds stay.
pub(crate) fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push_all(&mut shown, text, true);
    shown
}

fn push_all(shown: &mut String, text: &str, keeps_feeds: bool) {
    let mut marks = 0;
    for character in text.chars() {
        if unicode_width::UnicodeWidthChar::width(character) == Some(0) && !is_hidden(character) {
            marks += 1;
            if marks > MARKS_MAX {
                continue;
            }
        } else {
            marks = 0;
        }
        match character {
            '\n' if keeps_feeds => shown.push('\n'),
            '\t' => shown.push_str(TAB),
            '\u{0}'..='\u{1f}' => shown.push(picture(u32::from(character))),
            '\u{7f}' => shown.push('␡'),
            _ if is_hidden(character) => {
                shown.push_str(&format!("<U+{:04X}>", u32::from(character)));
            }
            _ => shown.push(character),
        }
    }
}

/// The symbol of a control character.
fn picture(code: u32) -> char {
    char::from_u32(0x2400 + code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Characters that act without being seen.
const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        // C1 controls: some terminals take them for escape sequences.
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            // Those that turn the direction of writing.
            | '\u{61c}'
            | '\u{200e}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            // Separators of lines, and invisible operators.
            | '\u{2028}'..='\u{2029}'
            | '\u{200b}'..='\u{200c}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::{line, text};

    #[test]
    fn control_characters_are_shown_and_never_executed() {
        for (given, expected) in [
            ("hola", "hola"),
            ("\x1b[31mred\x07", "␛[31mred␇"),
            ("\u{9b}2J", "<U+009B>2J"),
            ("a\u{202e}b", "a<U+202E>b"),
            ("a\u{200b}b\u{2066}", "a<U+200B>b<U+2066>"),
            ("\r\0\x7f", "␍␀␡"),
            ("a\tb", "a    b"),
            ("one\ntwo", "one␊two"),
            (
                "ñ e\u{301} 日本 👩\u{200d}🚀",
                "ñ e\u{301} 日本 👩\u{200d}🚀",
            ),
        ] {
            assert_eq!(line(given), expected);
        }
        assert_eq!(text("one\ntwo\r"), "one\ntwo␍");
    }

    #[test]
    fn a_character_carries_few_marks() {
        let heap = format!("e{}f", "\u{301}".repeat(100));
        assert_eq!(line(&heap), format!("e{}f", "\u{301}".repeat(6)));
    }
}
