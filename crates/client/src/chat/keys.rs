//! Which key does what: defaults, and what a person's configuration says instead.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    Help,
    Quit,
    Newline,
    Complete,
    Switch,
    Search,
    NextUnread,
    FirstUnread,
    PreviousPlace,
    NextPlace,
    PageUp,
    PageDown,
    Oldest,
    Newest,
    Select,
    Earlier,
    Later,
    Resend,
    Discard,
    Reconnect,
    Redraw,
}

/// One action: its name in the configuration, its keys, what it does.
struct Default {
    action: Action,
    name: &'static str,
    keys: &'static [&'static str],
    help: &'static str,
}

const fn default(
    action: Action,
    name: &'static str,
    keys: &'static [&'static str],
    help: &'static str,
) -> Default {
    Default {
        action,
        name,
        keys,
        help,
    }
}

const DEFAULTS: &[Default] = &[
    default(Action::Help, "help", &["f1"], "show these keys"),
    default(Action::Quit, "quit", &["ctrl-c", "ctrl-q"], "end"),
    default(
        Action::NextUnread,
        "next_unread",
        &["alt-a"],
        "next unread room, mentions first",
    ),
    default(
        Action::FirstUnread,
        "first_unread",
        &["alt-u"],
        "the first unread message",
    ),
    default(
        Action::Switch,
        "switch",
        &["ctrl-k"],
        "go to a room or person by a few letters",
    ),
    default(
        Action::PreviousPlace,
        "previous_place",
        &["alt-up"],
        "the room above",
    ),
    default(
        Action::NextPlace,
        "next_place",
        &["alt-down"],
        "the room below",
    ),
    default(Action::Search, "search", &["ctrl-f"], "search"),
    default(
        Action::Complete,
        "complete",
        &["tab"],
        "complete a name, room or command",
    ),
    default(
        Action::Newline,
        "newline",
        &["alt-enter", "ctrl-j"],
        "begin a new line",
    ),
    default(
        Action::Earlier,
        "earlier",
        &["ctrl-p"],
        "what was typed before",
    ),
    default(
        Action::Later,
        "later",
        &["ctrl-n"],
        "what was typed after that",
    ),
    default(
        Action::Select,
        "select",
        &["ctrl-y"],
        "select a message (also Up on an empty line)",
    ),
    default(Action::PageUp, "page_up", &["pageup"], "scroll back"),
    default(Action::PageDown, "page_down", &["pagedown"], "scroll on"),
    default(
        Action::Oldest,
        "oldest",
        &["ctrl-home"],
        "the oldest message at hand",
    ),
    default(
        Action::Newest,
        "newest",
        &["ctrl-end", "alt-end"],
        "the newest message",
    ),
    default(
        Action::Resend,
        "resend",
        &["alt-r"],
        "send again what was refused",
    ),
    default(
        Action::Discard,
        "discard",
        &["alt-d"],
        "forget what was refused",
    ),
    default(Action::Reconnect, "reconnect", &["ctrl-r"], "connect now"),
    default(
        Action::Redraw,
        "redraw",
        &["ctrl-l"],
        "draw everything again",
    ),
];

/// The keys of a message that is selected.
pub(crate) const OF_SELECTED: &[(&str, &str)] = &[
    ("r, Enter", "reply"),
    ("+", "react"),
    ("e", "edit your message"),
    ("d", "take your message back"),
    ("g", "go to the message that it answers"),
    ("Up, Down", "select another one"),
    ("Esc", "back to typing"),
];

/// The keys of the search.
pub(crate) const OF_SEARCH: &[(&str, &str)] = &[
    ("Tab", "only this room, or everywhere"),
    ("Down at the end", "more of what is found"),
];

/// A key's name, and the bits of what is held with it.
type Press = (String, u8);

/// Which key does what.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    by_key: BTreeMap<Press, Action>,
}

impl std::default::Default for Keys {
    fn default() -> Self {
        let mut keys = Self {
            by_key: BTreeMap::new(),
        };
        for one in DEFAULTS {
            for key in one.keys {
                let parsed = parse(key).expect("the defaults are keys; a test reads them all");
                keys.by_key.insert(parsed, one.action);
            }
        }
        keys
    }
}

impl Keys {
    /// Sets the keys of an action by its name.
    ///
    /// # Errors
    /// There is no such action or no such key.
    pub(crate) fn set(&mut self, name: &str, keys: &[String]) -> Result<(), String> {
        let Some(one) = DEFAULTS.iter().find(|one| one.name == name) else {
            return Err(format!(
                "there is no action '{name}'; chaski chat --keys lists them"
            ));
        };
        self.by_key.retain(|_, action| *action != one.action);
        for key in keys {
            let parsed = parse(key).ok_or_else(|| format!("'{key}' is no key"))?;
            self.by_key.insert(parsed, one.action);
        }
        Ok(())
    }

    /// What a key does.
    pub(crate) fn action(&self, event: &KeyEvent) -> Option<Action> {
        let held = event.modifiers - KeyModifiers::SHIFT;
        let key = (name_of(event.code)?, held.bits());
        self.by_key.get(&key).copied()
    }

    /// The keys with what they do, for people.
    pub(crate) fn listed(&self) -> Vec<(String, &'static str)> {
        let keys_of = |action| {
            let of_action = self.by_key.iter().filter(move |(_, one)| **one == action);
            of_action.map(|(key, _)| shown(key)).collect::<Vec<_>>()
        };
        let mut listed: Vec<_> = DEFAULTS
            .iter()
            .map(|one| (keys_of(one.action).join(", "), one.help))
            .collect();
        listed.push(("Alt-1 … Alt-9".into(), "the first nine rooms"));
        listed
    }
}

/// The configuration with every default, commented.
#[must_use]
pub(crate) fn commented() -> String {
    let mut text = String::from("[keys]\n");
    for one in DEFAULTS {
        let keys: Vec<_> = one.keys.iter().map(|key| format!("\"{key}\"")).collect();
        let _ = writeln!(
            text,
            "# {}\n#{} = [{}]",
            one.help,
            one.name,
            keys.join(", ")
        );
    }
    text
}

/// Reads a key such as `alt-a`, `ctrl-k`, `f1` or `alt-enter`.
fn parse(text: &str) -> Option<Press> {
    let lower = text.to_lowercase();
    let mut modifiers = KeyModifiers::empty();
    let mut rest = &lower[..];
    loop {
        let (modifier, shorter) = if let Some(shorter) = rest.strip_prefix("ctrl-") {
            (KeyModifiers::CONTROL, shorter)
        } else if let Some(shorter) = rest.strip_prefix("alt-") {
            (KeyModifiers::ALT, shorter)
        } else {
            break;
        };
        modifiers |= modifier;
        rest = shorter;
    }
    let is_function = rest
        .strip_prefix('f')
        .is_some_and(|number| number.parse::<u8>().is_ok());
    let is_named = [
        "enter",
        "tab",
        "esc",
        "up",
        "down",
        "left",
        "right",
        "home",
        "end",
        "pageup",
        "pagedown",
        "insert",
        "delete",
        "backspace",
        "space",
    ]
    .contains(&rest);
    let is_character = rest.chars().count() == 1;
    (is_function || is_named || is_character).then(|| (rest.to_owned(), modifiers.bits()))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the terminal knows keys that nobody has"
)]
fn name_of(code: KeyCode) -> Option<String> {
    let name = match code {
        KeyCode::Char(' ') => "space",
        KeyCode::Char(character) => return Some(character.to_lowercase().collect()),
        KeyCode::F(number) => return Some(format!("f{number}")),
        KeyCode::Enter => "enter",
        KeyCode::Tab => "tab",
        KeyCode::Esc => "esc",
        KeyCode::Up => "up",
        KeyCode::Down => "down",
        KeyCode::Left => "left",
        KeyCode::Right => "right",
        KeyCode::Home => "home",
        KeyCode::End => "end",
        KeyCode::PageUp => "pageup",
        KeyCode::PageDown => "pagedown",
        KeyCode::Insert => "insert",
        KeyCode::Delete => "delete",
        KeyCode::Backspace => "backspace",
        _ => return None,
    };
    Some(name.to_owned())
}

fn shown((name, held): &Press) -> String {
    let modifiers = KeyModifiers::from_bits_truncate(*held);
    let mut text = String::new();
    for (modifier, word) in [
        (KeyModifiers::CONTROL, "Ctrl-"),
        (KeyModifiers::ALT, "Alt-"),
    ] {
        if modifiers.contains(modifier) {
            text.push_str(word);
        }
    }
    let mut characters = name.chars();
    text.extend(characters.next().into_iter().flat_map(char::to_uppercase));
    text.push_str(characters.as_str());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(code, modifiers)
    }

    #[test]
    fn every_default_is_a_key_of_one_action() {
        let count: usize = DEFAULTS.iter().map(|one| one.keys.len()).sum();
        assert_eq!(Keys::default().by_key.len(), count);
    }

    #[test]
    fn a_key_that_is_set_takes_the_place_of_the_default() {
        let mut keys = Keys::default();
        let alt_a = press(KeyCode::Char('a'), KeyModifiers::ALT);
        assert_eq!(keys.action(&alt_a), Some(Action::NextUnread));
        keys.set("next_unread", &["ctrl-u".into()]).expect("a key");
        assert_eq!(keys.action(&alt_a), None);
        let ctrl_u = press(KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert_eq!(keys.action(&ctrl_u), Some(Action::NextUnread));
        assert!(keys.set("dance", &["f2".into()]).is_err());
        assert!(keys.set("help", &["hyper-x".into()]).is_err());
    }

    #[test]
    fn what_is_printed_is_a_configuration() {
        let text: String = commented()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(set) if !set.starts_with(' ') => format!("{set}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let table: toml::Table = text.parse().expect("TOML");
        let mut keys = Keys::default();
        for (name, value) in table["keys"].as_table().expect("keys") {
            let list = value.as_array().expect("a list").iter();
            let list: Vec<_> = list
                .map(|key| key.as_str().expect("a key").into())
                .collect();
            keys.set(name, &list).expect("an action with its keys");
        }
        assert_eq!(keys.by_key, Keys::default().by_key);
    }
}
