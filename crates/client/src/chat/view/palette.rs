//! Colours, as many as the terminal has.

use ratatui::style::{Color, Modifier, Style};

/// How many colours there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    None,
    Sixteen,
    Many,
    True,
}

impl Depth {
    /// Asks what the environment says of the terminal.
    pub(crate) fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
        let term = variable("TERM").unwrap_or_default();
        let colour = variable("COLORTERM").unwrap_or_default();
        if is_set("NO_COLOR") || term == "dumb" {
            Self::None
        } else if colour == "truecolor" || colour == "24bit" {
            Self::True
        } else if term.contains("256") {
            Self::Many
        } else {
            Self::Sixteen
        }
    }
}

/// What things look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette(pub(crate) Depth);

impl Palette {
    fn colour(self, sixteen: Color, many: u8, (r, g, b): (u8, u8, u8)) -> Style {
        match self.0 {
            Depth::None => Style::new(),
            Depth::Sixteen => Style::new().fg(sixteen),
            Depth::Many => Style::new().fg(Color::Indexed(many)),
            Depth::True => Style::new().fg(Color::Rgb(r, g, b)),
        }
    }

    /// What is less important.
    pub(crate) fn faint(self) -> Style {
        match self.0 {
            Depth::None => Style::new().add_modifier(Modifier::DIM),
            Depth::Sixteen | Depth::Many | Depth::True => {
                self.colour(Color::DarkGray, 245, (140, 140, 140))
            }
        }
    }

    /// What calls.
    pub(crate) fn call(self) -> Style {
        self.colour(Color::Yellow, 214, (255, 180, 60))
            .add_modifier(Modifier::BOLD)
    }

    /// What went wrong.
    pub(crate) fn wrong(self) -> Style {
        self.colour(Color::Red, 203, (255, 100, 90))
            .add_modifier(Modifier::BOLD)
    }

    /// What is well.
    pub(crate) fn good(self) -> Style {
        self.colour(Color::Green, 114, (130, 210, 130))
    }

    /// Where one is.
    pub(crate) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A bar.
    pub(crate) fn bar(self) -> Style {
        match self.0 {
            Depth::None | Depth::Sixteen => Style::new().add_modifier(Modifier::REVERSED),
            Depth::Many => Style::new().bg(Color::Indexed(236)).fg(Color::Indexed(252)),
            Depth::True => Style::new()
                .bg(Color::Rgb(40, 44, 52))
                .fg(Color::Rgb(210, 214, 220)),
        }
    }

    /// Somebody's name: always the same colour.
    pub(crate) fn person(self, login: &str) -> Style {
        const PEOPLE: [(Color, u8, (u8, u8, u8)); 8] = [
            (Color::Cyan, 80, (95, 215, 215)),
            (Color::Green, 114, (135, 215, 135)),
            (Color::Magenta, 176, (215, 135, 215)),
            (Color::Blue, 75, (95, 175, 255)),
            (Color::LightCyan, 152, (175, 215, 215)),
            (Color::LightGreen, 156, (175, 255, 135)),
            (Color::LightMagenta, 218, (255, 175, 215)),
            (Color::LightBlue, 111, (135, 175, 255)),
        ];
        let sum = login.bytes().fold(7_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        let index = usize::try_from(sum % 8).unwrap_or(0);
        let (sixteen, many, rgb) = PEOPLE[index];
        self.colour(sixteen, many, rgb).add_modifier(Modifier::BOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::Depth;

    #[test]
    fn colours_are_those_that_the_terminal_has() {
        for (set, expected) in [
            (&[("TERM", "xterm")][..], Depth::Sixteen),
            (&[("TERM", "xterm-256color")], Depth::Many),
            (
                &[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")],
                Depth::True,
            ),
            (
                &[("TERM", "xterm-256color"), ("NO_COLOR", "1")],
                Depth::None,
            ),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], Depth::Many),
            (&[("TERM", "dumb")], Depth::None),
        ] {
            let find = |name: &str| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Depth::of_environment(find), expected, "{set:?}");
        }
    }
}
