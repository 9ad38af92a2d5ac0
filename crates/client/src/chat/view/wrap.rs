//! Texts into lines, by the columns that they take on a screen.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Columns of a text.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// A text's beginning, with a sign if there is more.
pub(super) fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let more = width(grapheme);
        if used + more + 1 > columns {
            break;
        }
        used += more;
        short.push_str(grapheme);
    }
    if columns > 0 {
        short.push('…');
    }
    short
}

/// Breaks a text into lines at blanks, and words that are too long wherever they must be.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_word_bounds() {
            let mut more = width(word);
            if used + more > columns && used > 0 {
                if word.trim().is_empty() {
                    // The blank at which the line breaks.
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                    continue;
                }
                // Signs of punctuation stay with the word before them, when that fits on a line.
                let carried = carry(&mut line, columns, more);
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = width(&carried);
                line = carried;
            }
            if more <= columns {
                line.push_str(word);
                used += more;
                continue;
            }
            for grapheme in word.graphemes(true) {
                more = width(grapheme);
                if used + more > columns && used > 0 {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push_str(grapheme);
                used += more;
            }
        }
        lines.push(line);
    }
    lines
}

/// What of a line's last word goes on to the next line, because what follows belongs to it.
fn carry(line: &mut String, columns: usize, more: usize) -> String {
    let Some(blank) = line.rfind(' ') else {
        return String::new();
    };
    let is_whole = blank + 1 < line.len() && width(&line[blank + 1..]) + more <= columns;
    if is_whole {
        line.split_off(blank + 1)
    } else {
        String::new()
    }
}

/// Breaks what is being typed into lines wherever they are full; gives where the cursor is.
pub(super) fn typed(text: &str, cursor: usize, columns: usize) -> (Vec<String>, (usize, usize)) {
    let columns = columns.max(2);
    let mut lines = vec![String::new()];
    let (mut used, mut place) = (0, (0, 0));
    for (index, grapheme) in text.grapheme_indices(true) {
        let shown = if grapheme == "\n" {
            String::new()
        } else {
            super::super::safe::line(grapheme)
        };
        let more = width(&shown);
        if used + more > columns - 1 {
            lines.push(String::new());
            used = 0;
        }
        if index == cursor {
            place = (lines.len() - 1, used);
        }
        if grapheme == "\n" {
            lines.push(String::new());
            used = 0;
        } else if let Some(line) = lines.last_mut() {
            line.push_str(&shown);
            used += more;
        }
    }
    if cursor >= text.len() {
        place = (lines.len() - 1, used);
    }
    (lines, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_by_the_columns_that_characters_take() {
        for (text, columns, expected) in [
            ("one two three", 8, &["one two", "three"][..]),
            ("one two, three", 7, &["one", "two,", "three"]),
            ("日本語日本語", 5, &["日本", "語日", "本語"]),
            (
                "e\u{301}e\u{301}e\u{301}",
                2,
                &["e\u{301}e\u{301}", "e\u{301}"],
            ),
            ("abcdefgh ij", 4, &["abcd", "efgh", "ij"]),
            ("a\n\nb", 4, &["a", "", "b"]),
            ("", 4, &[""]),
        ] {
            assert_eq!(wrap(text, columns), expected, "{text}");
        }
    }

    #[test]
    fn no_line_is_wider_than_it_may_be() {
        let text = "¿Qué tal? https://example.org/a/very/long/address?with=queries 日本 👩\u{200d}🚀 done.";
        for columns in 2..40 {
            for line in wrap(text, columns) {
                assert!(width(&line) <= columns, "{columns}: {line}");
            }
        }
    }

    #[test]
    fn a_text_that_is_too_long_ends_with_a_sign() {
        assert_eq!(shorten("lobby", 5), "lobby");
        assert_eq!(shorten("lobbys", 5), "lobb…");
        assert_eq!(shorten("日本語", 5), "日本…");
        assert_eq!(shorten("日本語", 4), "日…");
    }

    #[test]
    fn the_cursor_stands_where_the_next_character_comes() {
        assert_eq!(typed("abc", 3, 10), (vec!["abc".into()], (0, 3)));
        assert_eq!(
            typed("ab\ncd", 4, 10),
            (vec!["ab".into(), "cd".into()], (1, 1))
        );
        assert_eq!(
            typed("abcd", 4, 4),
            (vec!["abc".into(), "d".into()], (1, 1))
        );
        assert_eq!(typed("", 0, 4), (vec![String::new()], (0, 0)));
    }
}
