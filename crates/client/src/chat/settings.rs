//! What a person sets: keys, notifications, the mouse; one commented file, unknown names refused.

use toml::{Table, Value};

use super::keys::{self, Keys};

/// How one is told of a mention or a private message while one looks elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// The terminal's bell.
    Bell,
    /// OSC 9, which terminals such as iTerm2, kitty and WezTerm show on the desktop.
    Osc9,
    /// OSC 777, which others show.
    Osc777,
}

/// What a person sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How one is told.
    pub notify: Vec<Notify>,
    /// Whether the mouse scrolls and clicks.
    pub mouse: bool,
    /// Whether one comes back to where one was the last time.
    pub remember: bool,
    pub(crate) keys: Keys,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            notify: vec![Notify::Bell],
            mouse: false,
            remember: true,
            keys: Keys::default(),
        }
    }
}

impl Settings {
    /// Reads the file's text.
    ///
    /// # Errors
    /// It is no TOML, or holds what there is not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error| format!("{error}"))?;
        let mut settings = Self::default();
        for (name, value) in table {
            match (&*name, value) {
                ("mouse", Value::Boolean(mouse)) => settings.mouse = mouse,
                ("remember", Value::Boolean(remember)) => settings.remember = remember,
                ("notify", value) => {
                    let ways = texts(&value).ok_or("notify is a list")?;
                    let ways = ways.iter().map(|way| notify(way));
                    settings.notify = ways.collect::<Result<_, _>>()?;
                }
                ("keys", Value::Table(keys)) => {
                    for (action, value) in keys {
                        let list = texts(&value)
                            .ok_or_else(|| format!("keys.{action} is a list of keys"))?;
                        settings.keys.set(&action, &list)?;
                    }
                }
                _ => {
                    return Err(format!(
                        "'{name}' is none of the settings, or not as it must be"
                    ));
                }
            }
        }
        Ok(settings)
    }

    /// The file with every default, commented.
    #[must_use]
    pub fn commented() -> String {
        format!(
            "# Settings of `chaski chat`, in ~/.config/chaski/chat.toml. Every line that is commented out is the default.\n\n\
             # How to be told of mentions and private messages while the terminal has no focus or another room is shown:\n\
             # any of \"bell\", \"osc9\" and \"osc777\".\n\
             #notify = [\"bell\"]\n\n\
             # Scroll and choose rooms with the mouse; the terminal's own selection then needs Shift.\n\
             #mouse = false\n\n\
             # Enter the rooms of the last time again; they are kept beside this file, in chat-rooms.json.\n\
             #remember = true\n\n{}",
            keys::commented()
        )
    }
}

/// A list of texts, or one.
fn texts(value: &Value) -> Option<Vec<String>> {
    if let Value::String(text) = value {
        return Some(vec![text.clone()]);
    }
    let list = value.as_array()?.iter();
    list.map(|one| one.as_str().map(str::to_owned)).collect()
}

fn notify(way: &str) -> Result<Notify, String> {
    match way {
        "bell" => Ok(Notify::Bell),
        "osc9" => Ok(Notify::Osc9),
        "osc777" => Ok(Notify::Osc777),
        _ => Err(format!("'{way}' is none of bell, osc9 and osc777")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_sets_what_it_names_and_nothing_else() {
        let text = "notify = [\"osc9\", \"bell\"]\nremember = false\n[keys]\nhelp = \"f2\"";
        let settings = Settings::parse(text).expect("settings");
        assert_eq!(settings.notify, [Notify::Osc9, Notify::Bell]);
        assert!(!settings.mouse && !settings.remember);
        assert!(Settings::parse(&Settings::commented()).is_ok());
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for text in [
            "colour = 1",
            "mouse = 1",
            "remember = \"yes\"",
            "notify = [\"smoke\"]",
            "[keys]\nx = \"f1\"",
            "[",
        ] {
            assert!(Settings::parse(text).is_err(), "{text}");
        }
    }
}
