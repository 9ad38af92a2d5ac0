//! Names as they are searched: without case and accents, by their words.

use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::limits::{PREFIX_CHARS_MIN, SEARCH_WORDS_MAX};

/// Words that somebody looks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words(Vec<Word>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    text: String,
    /// It may be only the beginning of one.
    is_prefix: bool,
}

/// Letters that the full-text index takes for such as we do: those of scripts that are old in Unicode.
const PLAIN: [RangeInclusive<char>; 12] = [
    '0'..='9',
    'a'..='z',
    'ß'..='ö',
    'ø'..='ɏ',
    'α'..='ρ',
    'σ'..='ω',
    'а'..='я',
    'א'..='ת',
    'ぁ'..='ゖ',
    'ァ'..='ヺ',
    'ᄀ'..='ᇹ',
    '一'..='鿋',
];

/// A name without case and accents.
pub(super) fn fold(name: &str) -> String {
    let plain = name.nfkd().filter(|c| !is_combining_mark(*c));
    plain.flat_map(char::to_lowercase).collect()
}

/// The words of a folded text.
fn split(fold: &str) -> impl Iterator<Item = &str> {
    fold.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// A folded name as the full-text index takes it.
pub(super) fn indexed(fold: &str) -> String {
    split(fold).collect::<Vec<_>>().join(" ")
}

impl Words {
    /// Takes what somebody typed: words, of which those with a `*` behind them may be beginnings. The first
    /// [`SEARCH_WORDS_MAX`] count.
    #[must_use]
    pub fn parse(typed: &str) -> Self {
        let mut words = Vec::new();
        for typed in typed.split_whitespace() {
            let fold = fold(typed);
            let is_prefix = fold.ends_with('*');
            let parts: Vec<&str> = split(&fold).collect();
            let last = parts.len().saturating_sub(1);
            words.extend(parts.iter().enumerate().map(|(at, part)| Word {
                text: (*part).to_owned(),
                is_prefix: is_prefix && at == last,
            }));
        }
        words.truncate(SEARCH_WORDS_MAX);
        Self(words)
    }

    /// Tells whether nothing that could be looked for was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These words and some more.
    pub(super) fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self.0.truncate(SEARCH_WORDS_MAX);
        self
    }

    /// Adds a word, or the beginning of one.
    pub(super) fn push(&mut self, text: String, is_prefix: bool) {
        self.0.push(Word { text, is_prefix });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Word> {
        self.0.iter()
    }

    /// Tells whether a folded name has all the words.
    pub(super) fn fit(&self, fold: &str) -> bool {
        self.0.iter().all(|wanted| {
            split(fold).any(|word| {
                if wanted.is_prefix {
                    word.starts_with(&wanted.text)
                } else {
                    word == wanted.text
                }
            })
        })
    }

    /// An expression for the full-text index that leaves out nothing that fits; `None` if all the words are too short for it.
    pub(super) fn expression(&self) -> Option<String> {
        let long = self
            .0
            .iter()
            .filter(|word| !word.is_prefix || word.text.chars().count() >= PREFIX_CHARS_MIN);
        let terms: Vec<String> = long
            .map(|word| format!("\"{}\"{}", word.text, if word.is_prefix { "*" } else { "" }))
            .collect();
        (!terms.is_empty()).then(|| terms.join(" "))
    }
}

impl Word {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) const fn is_prefix(&self) -> bool {
        self.is_prefix
    }

    /// Tells whether the full-text index certainly has it as one word.
    pub(super) fn is_plain(&self) -> bool {
        let is_plain = |c| PLAIN.iter().any(|range| range.contains(&c));
        self.text.chars().all(is_plain)
    }
}
