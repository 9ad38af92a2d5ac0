//! The line that is typed, or several: a cursor that moves by what people see as characters, and what was typed before.

use std::collections::VecDeque;

use unicode_segmentation::UnicodeSegmentation as _;

use super::limits::{TEXT_BYTES_MAX, TYPED_MAX};

/// The greatest text that is edited: somewhat more than can be sent, so that one sees by how much it is too long.
const INPUT_BYTES_MAX: usize = TEXT_BYTES_MAX * 2;

/// What is being typed.
#[derive(Debug, Default)]
pub(crate) struct Composer {
    text: String,
    cursor: usize,
    typed: VecDeque<String>,
    /// Which of the typed ones is shown, counted from the newest, and what was being typed.
    shown: Option<(usize, String)>,
}

impl Composer {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) const fn cursor(&self) -> usize {
        self.cursor
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn set(&mut self, text: &str) {
        text.clone_into(&mut self.text);
        self.cursor = self.text.len();
        self.shown = None;
    }

    pub(crate) fn insert(&mut self, text: &str) {
        if self.text.len() + text.len() <= INPUT_BYTES_MAX {
            self.text.insert_str(self.cursor, text);
            self.cursor += text.len();
        }
    }

    /// Takes what was typed, and remembers it.
    pub(crate) fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        self.cursor = 0;
        self.shown = None;
        if !text.trim().is_empty() && self.typed.front() != Some(&text) {
            self.typed.push_front(text.clone());
            self.typed.truncate(TYPED_MAX);
        }
        text
    }

    /// Puts something in the place of a part.
    pub(crate) fn replace(&mut self, start: usize, text: &str) {
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
    }

    fn before(&self) -> usize {
        let last = self.text[..self.cursor].grapheme_indices(true).next_back();
        last.map_or(0, |(index, _)| index)
    }

    fn behind(&self) -> usize {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor + next.map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let head = self.text[..self.cursor].trim_end();
        head.rfind(char::is_whitespace).map_or(0, |index| {
            index + head[index..].chars().next().map_or(0, char::len_utf8)
        })
    }

    fn word_behind(&self) -> usize {
        let tail = &self.text[self.cursor..];
        let word = tail.len() - tail.trim_start().len();
        let end = tail[word..].find(char::is_whitespace);
        self.cursor + end.map_or(tail.len(), |end| word + end)
    }

    fn line_start(&self) -> usize {
        self.text[..self.cursor]
            .rfind('\n')
            .map_or(0, |index| index + 1)
    }

    fn line_end(&self) -> usize {
        let end = self.text[self.cursor..].find('\n');
        end.map_or(self.text.len(), |index| self.cursor + index)
    }

    pub(crate) fn left(&mut self) {
        self.cursor = self.before();
    }

    pub(crate) fn right(&mut self) {
        self.cursor = self.behind();
    }

    pub(crate) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    pub(crate) fn word_right(&mut self) {
        self.cursor = self.word_behind();
    }

    pub(crate) fn home(&mut self) {
        self.cursor = self.line_start();
    }

    pub(crate) fn end(&mut self) {
        self.cursor = self.line_end();
    }

    pub(crate) fn backspace(&mut self) {
        let start = self.before();
        self.replace(start, "");
    }

    pub(crate) fn delete(&mut self) {
        let end = self.behind();
        self.text.replace_range(self.cursor..end, "");
    }

    pub(crate) fn delete_word(&mut self) {
        let start = self.word_before();
        self.replace(start, "");
    }

    pub(crate) fn delete_to_start(&mut self) {
        let start = self.line_start();
        self.replace(start, "");
    }

    pub(crate) fn delete_to_end(&mut self) {
        let end = self.line_end();
        self.text.replace_range(self.cursor..end, "");
    }

    /// Moves a line up; false if there is none.
    pub(crate) fn up(&mut self) -> bool {
        let start = self.line_start();
        if start == 0 {
            return false;
        }
        let column = self.text[start..self.cursor].graphemes(true).count();
        self.cursor = start - 1;
        self.move_to_column(column);
        true
    }

    /// Moves a line down; false if there is none.
    pub(crate) fn down(&mut self) -> bool {
        let end = self.line_end();
        if end == self.text.len() {
            return false;
        }
        let column = self.text[self.line_start()..self.cursor]
            .graphemes(true)
            .count();
        self.cursor = end + 1;
        self.move_to_column(column);
        true
    }

    fn move_to_column(&mut self, column: usize) {
        let (start, end) = (self.line_start(), self.line_end());
        let width: usize = self.text[start..end]
            .graphemes(true)
            .take(column)
            .map(str::len)
            .sum();
        self.cursor = start + width;
    }

    /// Shows what was typed before.
    pub(crate) fn earlier(&mut self) {
        let next = self.shown.as_ref().map_or(0, |(index, _)| index + 1);
        if let Some(typed) = self.typed.get(next).cloned() {
            let draft = match self.shown.take() {
                Some((_, draft)) => draft,
                None => std::mem::take(&mut self.text),
            };
            self.set(&typed);
            self.shown = Some((next, draft));
        }
    }

    /// Shows what was typed after that, and at last what was being typed.
    pub(crate) fn later(&mut self) {
        let Some((index, draft)) = self.shown.take() else {
            return;
        };
        match index
            .checked_sub(1)
            .and_then(|next| Some((next, self.typed.get(next)?.clone())))
        {
            Some((next, typed)) => {
                self.set(&typed);
                self.shown = Some((next, draft));
            }
            None => self.set(&draft),
        }
    }
}

/// What Tab offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completion {
    /// What may stand there.
    pub(crate) items: Vec<String>,
    /// Which of them stands there.
    pub(crate) index: usize,
    /// From where on.
    start: usize,
}

/// What can be completed.
pub(crate) struct Names<'a> {
    /// Accounts.
    pub(crate) logins: Vec<&'a str>,
    /// Rooms.
    pub(crate) rooms: Vec<&'a str>,
    /// Commands.
    pub(crate) commands: Vec<&'a str>,
}

impl Completion {
    /// Looks for what could stand where the cursor is.
    pub(crate) fn find(composer: &Composer, names: &Names<'_>) -> Option<Self> {
        let head = &composer.text()[..composer.cursor()];
        let start = head
            .rfind(|character: char| character.is_whitespace() || character == '<')
            .map_or(0, |index| index + 1);
        let (before, word) = head.split_at(start);
        let command = before.split_whitespace().next().unwrap_or("");
        let closes = before.ends_with('<');
        let (offered, sign, tail): (&Vec<&str>, &str, &str) = match command {
            "" if word.starts_with('#') => {
                // Of `#show users` the second word may be half written as well.
                return Self::new(&names.commands, word, "", " ", start);
            }
            "#gR" | "#dR" | "#who" => (&names.rooms, "", ""),
            _ if closes => (&names.logins, "", "> "),
            "#pm" | "#kick" | "#ban" | "#unban" | "#mute" | "#unmute" | "#block" | "#unblock" => {
                (&names.logins, "", " ")
            }
            _ if word.starts_with('#') => (&names.rooms, "#", " "),
            _ => (&names.logins, "@", " "),
        };
        Self::new(
            offered,
            word.trim_start_matches(['@', '#']),
            sign,
            tail,
            start,
        )
    }

    fn new(offered: &[&str], word: &str, sign: &str, tail: &str, start: usize) -> Option<Self> {
        let lower = word.to_lowercase();
        let fits = |name: &&&str| name.to_lowercase().starts_with(&lower);
        let mut items: Vec<_> = offered
            .iter()
            .filter(fits)
            .map(|name| format!("{sign}{name}{tail}"))
            .collect();
        items.sort();
        items.dedup();
        (!items.is_empty()).then_some(Self {
            items,
            index: 0,
            start,
        })
    }

    /// Puts the chosen one there.
    pub(crate) fn apply(&self, composer: &mut Composer) {
        composer.replace(self.start, &self.items[self.index]);
    }

    /// Chooses the next one, or the one before.
    pub(crate) fn turn(&mut self, is_back: bool) {
        let count = self.items.len();
        let step = if is_back { count - 1 } else { 1 };
        self.index = (self.index + step) % count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Composer {
        let mut composer = Composer::default();
        composer.insert(text);
        composer
    }

    #[test]
    fn the_cursor_moves_by_what_people_see() {
        let mut composer = typed("ae\u{301}👩\u{200d}🚀");
        composer.left();
        composer.left();
        composer.insert("x");
        assert_eq!(composer.text(), "axe\u{301}👩\u{200d}🚀");
        composer.right();
        composer.backspace();
        assert_eq!(composer.text(), "ax👩\u{200d}🚀");
        composer.delete();
        assert_eq!(composer.text(), "ax");
    }

    #[test]
    fn words_and_lines_have_their_keys() {
        let mut composer = typed("one two\nthree four");
        composer.delete_word();
        assert_eq!(composer.text(), "one two\nthree ");
        assert!(composer.up());
        composer.delete_to_end();
        assert_eq!(composer.text(), "one tw\nthree ");
        assert!(!composer.up());
        assert!(composer.down());
        assert!(!composer.down());
        composer.delete_to_start();
        assert_eq!(composer.text(), "one tw\n");
    }

    #[test]
    fn what_was_typed_comes_back_and_so_does_the_draft() {
        let mut composer = typed("one");
        assert_eq!(composer.take(), "one");
        composer.insert("two");
        composer.take();
        composer.insert("draft");
        composer.earlier();
        assert_eq!(composer.text(), "two");
        composer.earlier();
        composer.earlier();
        assert_eq!(composer.text(), "one");
        composer.later();
        composer.later();
        assert_eq!(composer.text(), "draft");
    }

    #[test]
    fn tab_offers_what_can_stand_there() {
        let names = Names {
            logins: vec!["anna", "andres", "bob"],
            rooms: vec!["lobby", "lounge"],
            commands: vec!["#gR", "#help", "#history"],
        };
        for (text, expected) in [
            ("hola @an", &["@andres ", "@anna "][..]),
            ("hola an", &["@andres ", "@anna "]),
            ("see #lo", &["#lobby ", "#lounge "]),
            ("#h", &["#help ", "#history "]),
            ("#gR lob", &["lobby"]),
            ("#pm b", &["bob "]),
            ("#\\private<b", &["bob> "]),
        ] {
            let found = Completion::find(&typed(text), &names).expect(text);
            assert_eq!(found.items, expected, "{text}");
        }
        assert_eq!(Completion::find(&typed("zz"), &names), None);
    }

    #[test]
    fn the_chosen_one_takes_the_place_of_what_was_typed() {
        let names = Names {
            logins: vec!["anna", "andres"],
            rooms: vec![],
            commands: vec![],
        };
        let mut composer = typed("hola @an");
        let mut found = Completion::find(&composer, &names).expect("two names");
        found.apply(&mut composer);
        assert_eq!(composer.text(), "hola @andres ");
        found.turn(false);
        found.apply(&mut composer);
        assert_eq!(composer.text(), "hola @anna ");
    }
}
