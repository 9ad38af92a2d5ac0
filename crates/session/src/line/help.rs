//! The commands, explained.

use chat::Language;
use chat::catalogue::{self, Answer, Topic};
use codec::line::Verb;

use super::session::LineSession;

/// How a message begins that begins like a command.
const LITERAL: &str = "##";

impl LineSession {
    /// Says that there is no such command; it was sent to nobody.
    pub(super) fn unknown(&mut self, name: &str, meant: Option<Verb>) {
        let command = format!("#{name}");
        self.notice(Answer::UnknownCommand {
            command: &command,
            meant: meant.map(Verb::word),
            help: Verb::Help.word(),
            literal: LITERAL,
        });
    }

    /// Says how a command is used that was used otherwise.
    pub(super) fn misused(&mut self, verb: Verb) {
        self.notice(Answer::Misused {
            command: verb.word(),
            topic: topic(verb),
        });
    }

    /// Explains one command, or all.
    pub(super) fn help(&mut self, verb: Option<Verb>) {
        if let Some(verb) = verb {
            let (usage, text) = explained(verb, self.language());
            return self.notice_text(&format!("{usage}: {text}"));
        }
        self.notice(Answer::HelpBegins);
        let rows = Verb::ALL.map(|verb| explained(verb, self.language()));
        let width = rows.iter().map(|(usage, _)| usage.chars().count()).max();
        let width = width.unwrap_or_default();
        for (usage, text) in rows {
            self.notice_text(&format!("  {usage:width$}  {text}"));
        }
        self.notice(Answer::HelpEnds {
            help: Verb::Help.word(),
            literal: LITERAL,
        });
    }
}

/// How a command is written with all that stands behind it, and what it does.
fn explained(verb: Verb, language: Language) -> (String, &'static str) {
    let (arguments, text) = catalogue::help(topic(verb), language);
    // The receiver's brackets follow at once.
    let space = if arguments.is_empty() || verb == Verb::Private {
        ""
    } else {
        " "
    };
    (format!("{}{space}{arguments}", verb.word()), text)
}

const fn topic(verb: Verb) -> Topic {
    match verb {
        Verb::CreateRoom => Topic::CreateRoom,
        Verb::EnterRoom => Topic::EnterRoom,
        Verb::LeaveRoom => Topic::LeaveRoom,
        Verb::Exit => Topic::Exit,
        Verb::ListRooms => Topic::ListRooms,
        Verb::DeleteRoom => Topic::DeleteRoom,
        Verb::ShowUsers => Topic::ShowUsers,
        Verb::Private => Topic::Private,
        Verb::PrivateShort => Topic::PrivateShort,
        Verb::Help => Topic::Help,
        Verb::Unread => Topic::Unread,
        Verb::History => Topic::History,
        Verb::Search => Topic::Search,
        Verb::Who => Topic::Who,
        Verb::Topic => Topic::Topic,
        Verb::Time => Topic::Time,
        Verb::Me => Topic::Me,
        Verb::Edit => Topic::Edit,
        Verb::Delete => Topic::Delete,
        Verb::Reply => Topic::Reply,
        Verb::React => Topic::React,
        Verb::Kick => Topic::Kick,
        Verb::Ban => Topic::Ban,
        Verb::Unban => Topic::Unban,
        Verb::Mute => Topic::Mute,
        Verb::Unmute => Topic::Unmute,
        Verb::Slow => Topic::Slow,
        Verb::Keep => Topic::Keep,
        Verb::Block => Topic::Block,
        Verb::Unblock => Topic::Unblock,
        Verb::Blocked => Topic::Blocked,
        Verb::Away => Topic::Away,
        Verb::Back => Topic::Back,
        Verb::Language => Topic::Language,
        Verb::Mode => Topic::Mode,
        Verb::Echo => Topic::Echo,
        Verb::Telnet => Topic::Telnet,
    }
}
