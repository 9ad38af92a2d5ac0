//! Who may do what: RabbitMQ-style patterns over names, per account and virtual host.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use crate::{Name, Refusal};

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

/// The three rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Declare, delete.
    Configure,
    /// Publish to, bind as a destination.
    Write,
    /// Consume from, bind as a source, purge.
    Read,
}

impl Right {
    const fn name(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// What a name stands for, in refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// A queue.
    Queue,
    /// An exchange.
    Exchange,
}

impl Resource {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Exchange => "exchange",
        }
    }
}

/// Rights on routing keys of one topic exchange.
#[derive(Debug, Clone)]
pub struct TopicAccess {
    /// The exchange they concern.
    pub exchange: String,
    /// Keys that may be published with.
    pub write: Pattern,
    /// Keys that may be bound with.
    pub read: Pattern,
}

/// The rights of one account in one virtual host.
#[derive(Debug, Clone)]
pub struct Access {
    /// The account.
    pub login: Name,
    /// The virtual host.
    pub vhost: Name,
    /// Names that it may configure.
    pub configure: Pattern,
    /// Names that it may write.
    pub write: Pattern,
    /// Names that it may read.
    pub read: Pattern,
    /// Rights on routing keys; an exchange without an entry is open.
    pub topics: Vec<TopicAccess>,
    /// The account may name others in the user-id property.
    pub impersonator: bool,
}

impl Access {
    /// The same account with nothing that it may do.
    #[must_use]
    pub fn without_rights(&self) -> Self {
        let [configure, write, read] = [Pattern::NOTHING; 3];
        Self {
            configure,
            write,
            read,
            ..self.clone()
        }
    }

    /// Checks one right.
    ///
    /// # Errors
    /// `AccessRefused`, naming the right, the resource and the account.
    pub fn check(&self, right: Right, resource: Resource, name: &str) -> Result<(), Refusal> {
        let pattern = match right {
            Right::Configure => &self.configure,
            Right::Write => &self.write,
            Right::Read => &self.read,
        };
        let known_as = if name.is_empty() && resource == Resource::Exchange {
            "amq.default"
        } else {
            name
        };
        if pattern.matches(known_as) {
            return Ok(());
        }
        Err(Refusal::access(format!(
            "{} access to {} '{known_as}' in vhost '{}' refused for user '{}'",
            right.name(),
            resource.name(),
            self.vhost,
            self.login
        )))
    }

    /// Checks a routing key on a topic exchange.
    ///
    /// # Errors
    /// `AccessRefused`, naming the key, the exchange and the account.
    pub fn check_topic(
        &self,
        right: Right,
        exchange: &str,
        routing_key: &str,
    ) -> Result<(), Refusal> {
        let Some(topic) = self.topics.iter().find(|topic| topic.exchange == exchange) else {
            return Ok(());
        };
        let pattern = if right == Right::Write {
            &topic.write
        } else {
            &topic.read
        };
        if pattern.matches(routing_key) {
            return Ok(());
        }
        Err(Refusal::access(format!(
            "{} access to topic '{routing_key}' in exchange '{exchange}' in vhost '{}' refused for user '{}'",
            right.name(),
            self.vhost,
            self.login
        )))
    }
}

#[cfg(test)]
mod tests;
