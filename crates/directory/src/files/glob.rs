//! Patterns of names, matched in a time that grows with the name times the pattern and no faster.

use super::words::{Words, fold};
use crate::limits::GLOB_BYTES_MAX;

/// A pattern: `*` any characters, `?` one, `[a-z]` one of these, `[!a-z]` one of no others; without regard to case and accents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Many,
    One,
    Exactly(char),
    Among {
        ranges: Vec<(char, char)>,
        is_not: bool,
    },
}

impl Glob {
    /// Takes a pattern as somebody typed it; `None` if it is longer than [`GLOB_BYTES_MAX`] or a bracket stays open.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > GLOB_BYTES_MAX {
            return None;
        }
        let folded: Vec<char> = fold(typed).chars().collect();
        let mut rest = folded.as_slice();
        let mut parts = Vec::new();
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            match first {
                '*' => {
                    if parts.last() != Some(&Part::Many) {
                        parts.push(Part::Many);
                    }
                }
                '?' => parts.push(Part::One),
                '[' => {
                    let (part, behind) = class(rest)?;
                    parts.push(part);
                    rest = behind;
                }
                other => parts.push(Part::Exactly(*other)),
            }
        }
        Some(Self(parts))
    }

    /// Words that a name has if it is like this; not all of them.
    pub(super) fn words(&self) -> Words {
        let mut words = Words::default();
        let mut word = String::new();
        // What stands before is the whole beginning of a word.
        let mut is_begun = true;
        for part in &self.0 {
            match part {
                Part::Exactly(c) if c.is_alphanumeric() => word.push(*c),
                Part::Exactly(_) => {
                    end_word(&mut words, &mut word, is_begun, false);
                    is_begun = true;
                }
                Part::Many | Part::One | Part::Among { .. } => {
                    end_word(&mut words, &mut word, is_begun, true);
                    is_begun = false;
                }
            }
        }
        end_word(&mut words, &mut word, is_begun, false);
        words
    }

    /// Tells whether a folded name is like this, the whole of it.
    ///
    /// Where a `*` took too little, only the last one takes more: what stands before it fits already.
    pub(super) fn fits(&self, fold: &str) -> bool {
        let (mut part, mut rest) = (0, fold.chars());
        let mut again: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            let next = rest.next();
            match (self.0.get(part), next) {
                (Some(Part::Many), _) => {
                    part += 1;
                    rest = before.clone();
                    again = Some((part, before));
                    continue;
                }
                (Some(wanted), Some(c)) if wanted.takes(c) => {
                    part += 1;
                    continue;
                }
                (None, None) => return true,
                (Some(_) | None, Some(_)) | (Some(_), None) => {}
            }
            let Some((behind, mut from)) = again.take() else {
                return false;
            };
            if from.next().is_none() {
                return false;
            }
            part = behind;
            rest = from.clone();
            again = Some((behind, from));
        }
    }
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Many => false,
            Self::One => true,
            Self::Exactly(wanted) => *wanted == c,
            Self::Among { ranges, is_not } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *is_not
            }
        }
    }
}

/// Takes a word, if there is one whose beginning is known.
fn end_word(words: &mut Words, word: &mut String, is_begun: bool, is_prefix: bool) {
    let text = std::mem::take(word);
    if is_begun && !text.is_empty() {
        words.push(text, is_prefix);
    }
}

/// Reads what stands behind a bracket; what is behind the closing one is left.
fn class(rest: &[char]) -> Option<(Part, &[char])> {
    let (is_not, mut rest) = match rest.split_first() {
        Some(('!' | '^', behind)) => (true, behind),
        Some(_) | None => (false, rest),
    };
    let mut ranges = Vec::new();
    loop {
        match rest {
            // The first one in the brackets is itself.
            [']', behind @ ..] if !ranges.is_empty() => {
                return Some((Part::Among { ranges, is_not }, behind));
            }
            [low, '-', high, behind @ ..] if *high != ']' => {
                ranges.push((*low, *high));
                rest = behind;
            }
            [one, behind @ ..] => {
                ranges.push((*one, *one));
                rest = behind;
            }
            [] => return None,
        }
    }
}
