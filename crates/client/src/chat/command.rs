//! What a person types: a line is said, unless it begins with `#`.
//!
//! The commands are those of the line protocol, so that a hand that knows one door knows all.

/// What a typed line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// Nothing.
    Nothing,
    /// It is said where one is.
    Say(String),
    /// It is said as something that one does.
    Act(String),
    /// It is said in private.
    Private {
        /// To whom.
        login: String,
        /// What; without it the conversation is opened.
        text: String,
    },
    /// A room is made and entered.
    Create {
        /// Its name.
        room: String,
        /// It stays when its creator goes.
        keep: bool,
    },
    /// A room is entered.
    Enter(String),
    /// The room is left.
    Leave,
    /// All rooms are shown.
    Rooms,
    /// A room is deleted.
    DeleteRoom(String),
    /// Everyone in the system is shown.
    Users,
    /// So many older messages are shown.
    History(u32),
    /// Messages with these words are shown.
    Search(String),
    /// Who is in a room, in this one without a name.
    Who(Option<String>),
    /// The topic is shown, or set.
    Topic(Option<String>),
    /// The seconds between two messages of one account.
    Slow(u32),
    /// The server's time is shown.
    Time,
    /// A message says something else: the last one of one's own without a number.
    Edit {
        /// Which.
        seq: Option<u64>,
        /// What it says now.
        text: String,
    },
    /// A message is taken back.
    Delete(Option<u64>),
    /// Somebody is sent out.
    Kick {
        /// Whom.
        login: String,
        /// Why.
        reason: String,
    },
    /// Somebody is kept out, or may come again.
    Ban(Judgement),
    /// Somebody is kept from talking, or may talk again.
    Mute(Judgement),
    /// Somebody is not heard any more, or is again.
    Block {
        /// Whom; nobody shows who is blocked.
        login: Option<String>,
        /// Heard again.
        off: bool,
    },
    /// One is away, with what is said beside it.
    Away(String),
    /// One is back.
    Back,
    /// Which messages one is told of: all, mentions, nothing.
    Notify(String),
    /// The language in which one is told things.
    Lang(String),
    /// The commands are shown.
    Help,
    /// It ends.
    Exit,
    /// It cannot be carried out.
    Wrong(String),
}

/// A ban or a mute, or its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whom.
    pub login: String,
    /// For how long; for good if it is not said.
    pub minutes: Option<u32>,
    /// Why.
    pub reason: String,
    /// It ends.
    pub off: bool,
}

/// A command, how it is written, and what it does.
pub(crate) struct Known {
    /// With its `#`.
    pub(crate) name: &'static str,
    /// What follows.
    pub(crate) usage: &'static str,
    /// What it does.
    pub(crate) help: &'static str,
}

const fn known(name: &'static str, usage: &'static str, help: &'static str) -> Known {
    Known { name, usage, help }
}

/// All commands, as help and completion show them.
pub(crate) const COMMANDS: &[Known] = &[
    known("#cR", "ROOM [keep]", "make a room and enter it"),
    known("#gR", "ROOM", "enter a room"),
    known("#eR", "", "leave the room"),
    known("#lR", "", "all rooms with their members"),
    known("#dR", "ROOM", "delete a room that you made"),
    known("#show users", "", "everyone in the system"),
    known("#\\private", "<LOGIN> [TEXT]", "talk in private"),
    known("#pm", "LOGIN [TEXT]", "the same"),
    known("#me", "TEXT", "say what you do"),
    known("#history", "[N]", "older messages"),
    known("#search", "WORDS", "messages with these words"),
    known("#who", "[ROOM]", "who is in a room"),
    known("#topic", "[TEXT]", "show the topic, or set it"),
    known(
        "#edit",
        "[SEQ] TEXT",
        "change your message, the last one without a number",
    ),
    known("#del", "[SEQ]", "take your message back"),
    known("#time", "", "the server's time"),
    known("#away", "[NOTE]", "say that you are away"),
    known("#back", "", "say that you are back"),
    known(
        "#notify",
        "all|mentions|nothing",
        "what this room tells you of",
    ),
    known("#kick", "LOGIN [REASON]", "send somebody out"),
    known("#ban", "LOGIN [MINUTES] [REASON]", "keep somebody out"),
    known("#unban", "LOGIN", "let them in again"),
    known(
        "#mute",
        "LOGIN [MINUTES] [REASON]",
        "keep somebody from talking",
    ),
    known("#unmute", "LOGIN", "let them talk again"),
    known(
        "#slow",
        "SECONDS",
        "seconds between two messages of one person",
    ),
    known(
        "#block",
        "[LOGIN]",
        "hear somebody no more, or show whom you do not hear",
    ),
    known("#unblock", "LOGIN", "hear them again"),
    known(
        "#lang",
        "en|es",
        "the language of what the server tells you",
    ),
    known("#help", "", "this list"),
    known("#exit", "", "end"),
];

/// Reads a typed line; `##` says a line that begins with `#`.
#[must_use]
pub fn parse(line: &str) -> Typed {
    let trimmed = line.trim_end();
    if trimmed.trim_start().is_empty() {
        return Typed::Nothing;
    }
    let Some(command) = trimmed.strip_prefix('#') else {
        return Typed::Say(trimmed.to_owned());
    };
    if command.starts_with('#') {
        return Typed::Say(command.to_owned());
    }
    if let Some(rest) = command.strip_prefix("\\private") {
        return private(rest);
    }
    let (name, rest) = first_word(command);
    talk(name, rest)
        .or_else(|| rooms(name, rest))
        .or_else(|| moderation(name, rest))
        .unwrap_or_else(|| {
            Typed::Wrong(format!(
                "there is no command '#{name}'; #help lists them, ## says a line that begins with #"
            ))
        })
}

fn talk(name: &str, rest: &str) -> Option<Typed> {
    Some(match name {
        "pm" => private(rest),
        "me" => needed(rest, "#me TEXT", |text| Typed::Act(text.to_owned())),
        "history" => match rest {
            "" => Typed::History(50),
            _ => rest
                .parse()
                .map_or_else(|_| usage("#history [N]"), Typed::History),
        },
        "search" => needed(rest, "#search WORDS", |words| {
            Typed::Search(words.to_owned())
        }),
        "edit" => needed(rest, "#edit [SEQ] TEXT", |rest| {
            let (first, text) = first_word(rest);
            match first.parse() {
                Ok(seq) if !text.is_empty() => Typed::Edit {
                    seq: Some(seq),
                    text: text.to_owned(),
                },
                _ => Typed::Edit {
                    seq: None,
                    text: rest.to_owned(),
                },
            }
        }),
        "del" => match rest {
            "" => Typed::Delete(None),
            _ => rest
                .parse()
                .map_or_else(|_| usage("#del [SEQ]"), |seq| Typed::Delete(Some(seq))),
        },
        "time" => Typed::Time,
        "away" => Typed::Away(rest.to_owned()),
        "back" => Typed::Back,
        "lang" => needed(rest, "#lang en|es", |code| Typed::Lang(code.to_owned())),
        "help" => Typed::Help,
        "exit" => Typed::Exit,
        _ => return None,
    })
}

fn rooms(name: &str, rest: &str) -> Option<Typed> {
    Some(match name {
        "cR" => {
            let (room, keep) = first_word(rest);
            match (room, keep) {
                ("", _) => usage("#cR ROOM [keep]"),
                (_, "" | "keep") => Typed::Create {
                    room: room.to_owned(),
                    keep: keep == "keep",
                },
                _ => usage("#cR ROOM [keep]"),
            }
        }
        "gR" => needed(rest, "#gR ROOM", |room| Typed::Enter(room.to_owned())),
        "eR" => Typed::Leave,
        "lR" => Typed::Rooms,
        "dR" => needed(rest, "#dR ROOM", |room| Typed::DeleteRoom(room.to_owned())),
        "show" if rest == "users" => Typed::Users,
        "show" => usage("#show users"),
        "who" => Typed::Who((!rest.is_empty()).then(|| rest.to_owned())),
        "topic" => Typed::Topic((!rest.is_empty()).then(|| rest.to_owned())),
        "notify" => match rest {
            "all" | "mentions" | "nothing" => Typed::Notify(rest.to_owned()),
            _ => usage("#notify all|mentions|nothing"),
        },
        _ => return None,
    })
}

fn moderation(name: &str, rest: &str) -> Option<Typed> {
    let (login, reason) = first_word(rest);
    let login = login.trim_start_matches('@');
    let judgement = |off| {
        let (first, rest) = first_word(reason);
        let (minutes, reason) = match first.parse() {
            Ok(minutes) => (Some(minutes), rest),
            Err(_) => (None, reason),
        };
        Judgement {
            login: login.to_owned(),
            minutes,
            reason: reason.to_owned(),
            off,
        }
    };
    let block = |off| Typed::Block {
        login: (!login.is_empty()).then(|| login.to_owned()),
        off,
    };
    Some(match name {
        "kick" | "ban" | "unban" | "mute" | "unmute" | "unblock" if login.is_empty() => {
            usage(&format!("#{name} LOGIN"))
        }
        "kick" => Typed::Kick {
            login: login.to_owned(),
            reason: reason.to_owned(),
        },
        "ban" => Typed::Ban(judgement(false)),
        "unban" => Typed::Ban(judgement(true)),
        "mute" => Typed::Mute(judgement(false)),
        "unmute" => Typed::Mute(judgement(true)),
        "slow" => rest
            .parse()
            .map_or_else(|_| usage("#slow SECONDS"), Typed::Slow),
        "block" => block(false),
        "unblock" => block(true),
        _ => return None,
    })
}

/// `<ana> hola`, `ana hola` or `@ana hola`.
fn private(rest: &str) -> Typed {
    let rest = rest.trim_start();
    let (login, text) = match rest.strip_prefix('<') {
        Some(bracketed) => match bracketed.split_once('>') {
            Some((login, text)) => (login.trim(), text.trim_start()),
            None => return usage("#\\private<LOGIN> TEXT"),
        },
        None => first_word(rest),
    };
    match login.trim_start_matches('@') {
        "" => usage("#pm LOGIN TEXT"),
        login => Typed::Private {
            login: login.to_owned(),
            text: text.to_owned(),
        },
    }
}

fn needed(rest: &str, how: &str, make: impl FnOnce(&str) -> Typed) -> Typed {
    if rest.is_empty() {
        usage(how)
    } else {
        make(rest)
    }
}

fn usage(how: &str) -> Typed {
    Typed::Wrong(format!("it is written: {how}"))
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &Typed) {
        assert_eq!(parse(line), *expected, "{line}");
    }

    fn private(login: &str, text: &str) -> Typed {
        Typed::Private {
            login: login.into(),
            text: text.into(),
        }
    }

    #[test]
    fn a_line_without_a_mark_is_said() {
        check("hola a todos ", &Typed::Say("hola a todos".into()));
        check("  indented", &Typed::Say("  indented".into()));
        check("##1 of us", &Typed::Say("#1 of us".into()));
        check("   ", &Typed::Nothing);
        check("one\n#two", &Typed::Say("one\n#two".into()));
    }

    #[test]
    fn private_messages_are_written_in_many_ways() {
        for line in [
            "#\\private<ana> hola",
            "#\\private <ana> hola",
            "#\\private ana hola",
            "#pm ana hola",
            "#pm @ana hola",
        ] {
            check(line, &private("ana", "hola"));
        }
        check("#pm ana", &private("ana", ""));
        assert!(matches!(parse("#\\private<ana hola"), Typed::Wrong(_)));
        assert!(matches!(parse("#pm"), Typed::Wrong(_)));
    }

    #[test]
    fn rooms_and_messages_have_their_commands() {
        let room = |keep| Typed::Create {
            room: "café".into(),
            keep,
        };
        check("#cR café", &room(false));
        check("#cR café keep", &room(true));
        assert!(matches!(parse("#cR two words"), Typed::Wrong(_)));
        check("#gR x", &Typed::Enter("x".into()));
        check("#eR", &Typed::Leave);
        check("#show users", &Typed::Users);
        check("#history 7", &Typed::History(7));
        let edit = |seq, text: &str| Typed::Edit {
            seq,
            text: text.into(),
        };
        check("#edit 7 new words", &edit(Some(7), "new words"));
        check("#edit new words", &edit(None, "new words"));
        check("#edit 7", &edit(None, "7"));
        check("#del", &Typed::Delete(None));
        assert!(matches!(parse("#nonsense"), Typed::Wrong(_)));
    }

    #[test]
    fn bans_have_minutes_and_a_reason() {
        let ban = |minutes, reason: &str, off| {
            Typed::Ban(Judgement {
                login: "bob".into(),
                minutes,
                reason: reason.into(),
                off,
            })
        };
        check("#ban bob 5 too loud", &ban(Some(5), "too loud", false));
        check("#ban @bob too loud", &ban(None, "too loud", false));
        check("#unban bob", &ban(None, "", true));
        assert!(matches!(parse("#kick"), Typed::Wrong(_)));
    }

    #[test]
    fn every_command_that_help_lists_is_read() {
        for known in COMMANDS {
            let usage = known
                .usage
                .replace(['[', ']', '<', '>'], "")
                .replace("ROOM keep", "ROOM")
                .replace("MINUTES", "5")
                .replace("SECONDS", "5")
                .replace("SEQ", "3")
                .replace('N', "7")
                .replace("LOGI7", "bob")
                .replace("all|mentions|nothing", "all");
            let line = format!("{} {usage}", known.name);
            let typed = parse(&line);
            assert!(!matches!(typed, Typed::Wrong(_)), "{line}: {typed:?}");
        }
    }
}
