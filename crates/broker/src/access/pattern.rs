//! Patterns over names: RabbitMQ's, as far as they mean the same here.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

/// The compiled form of one pattern takes at most this many bytes.
const PATTERN_BYTES_MAX: usize = 256 << 10;

/// A pattern that a name must match somewhere to be allowed; the empty pattern allows nothing.
#[derive(Debug, Clone)]
pub struct Pattern(Kind);

/// What most accounts have needs no automaton.
#[derive(Debug, Clone)]
enum Kind {
    Nothing,
    Everything,
    Matching(Regex),
}

impl Pattern {
    /// Allows no name.
    pub const NOTHING: Self = Self(Kind::Nothing);

    /// Compiles a pattern.
    ///
    /// # Errors
    /// A sentence on what is wrong with it, in one line.
    pub fn compile(pattern: &str) -> Result<Self, String> {
        match pattern {
            "" | "^$" => Ok(Self::NOTHING),
            ".*" | "^.*$" => Ok(Self(Kind::Everything)),
            _ => {
                check_dialect(pattern)
                    .map_err(|problem| format!("'{pattern}' is not a usable pattern: {problem}"))?;
                let compiled = RegexBuilder::new(pattern)
                    .size_limit(PATTERN_BYTES_MAX)
                    .build();
                let compiled = compiled.map(|regex| Self(Kind::Matching(regex)));
                compiled.map_err(|error| {
                    format!("'{pattern}' is not a usable pattern: {}", reason(&error))
                })
            }
        }
    }

    /// Writes a name as a pattern that only it matches, for use inside another.
    #[must_use]
    pub fn quote(name: &str) -> String {
        regex::escape(name)
    }

    /// Says whether the name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match &self.0 {
            Kind::Nothing => false,
            Kind::Everything => true,
            Kind::Matching(regex) => regex.is_match(name),
        }
    }
}

/// What is wrong, without the drawing of several lines that shows where.
fn reason(error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(_) = error {
        return "it takes too much memory; ask for fewer repetitions".to_owned();
    }
    let drawing = error.to_string();
    let last = drawing.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// Refuses what means one thing to RabbitMQ's regular expressions and another to ours: a right must never be wider than it reads.
fn check_dialect(pattern: &str) -> Result<(), &'static str> {
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if matches!(letters.next(), Some('<' | '>')) => {
                return Err("write < and > without a backslash");
            }
            '[' => check_class(&mut letters)?,
            _ => {}
        }
    }
    Ok(())
}

/// Reads a class of letters, `[` included already, to its end.
fn check_class(letters: &mut Peekable<Chars<'_>>) -> Result<(), &'static str> {
    letters.next_if_eq(&'^');
    // A bracket that comes first stands for itself.
    letters.next_if_eq(&']');
    while let Some(letter) = letters.next() {
        match letter {
            ']' => return Ok(()),
            '\\' => drop(letters.next()),
            '[' if letters.peek() == Some(&':') => {
                // A named class, such as [:alpha:].
                letters.find(|letter| *letter == ']');
            }
            '[' => return Err("write \\[ for a bracket inside brackets"),
            '-' | '&' | '~' if letters.peek() == Some(&letter) => {
                return Err(
                    "write \\-, \\& or \\~ where such a letter stands twice inside brackets",
                );
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
