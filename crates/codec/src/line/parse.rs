//! Lines to what they say.

use super::verb::Verb;

/// How a client wants to be shown the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// As text, for people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// What a line says. Texts and names are as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken<'a> {
    /// Nothing: the line is empty.
    Nothing,
    /// A message; a line that begins with `##` is one with `#`.
    Text(&'a str),
    /// Something about the room where one is.
    Here(Here<'a>),
    /// Something that the connection settles by itself.
    Own(Own<'a>),
    /// A message for one account.
    Private {
        /// Whom.
        login: &'a str,
        /// What.
        text: &'a str,
    },
    /// Creates a room and enters it.
    CreateRoom {
        /// Its name.
        room: &'a str,
        /// It stays when its creator goes.
        keep: bool,
    },
    /// Enters a room.
    EnterRoom(&'a str),
    /// Goes back to the default room.
    LeaveRoom,
    /// Deletes a room.
    DeleteRoom(&'a str),
    /// Lists the rooms.
    ListRooms,
    /// Lists everyone.
    ShowUsers,
    /// Lists who is in a room, or in that where one is.
    Who(Option<&'a str>),
    /// Lists private conversations.
    Unread,
    /// Shows what was said.
    History {
        /// A room or `@login`; that where one is without it.
        place: Option<&'a str>,
        /// How many messages.
        count: Option<u32>,
        /// Those before this one.
        before: Option<u64>,
    },
    /// Searches what was said.
    Search(&'a str),
    /// Hears somebody no more, or again.
    Block {
        /// Whom.
        login: &'a str,
        /// No more, not again.
        is_on: bool,
    },
    /// Lists whom one has blocked.
    Blocked,
    /// One is away.
    Away(&'a str),
    /// One is back.
    Back,
    /// It has a command's `#` but no command's name.
    Unknown {
        /// What stands behind the `#`.
        name: &'a str,
        /// What was probably meant.
        meant: Option<Verb>,
    },
    /// A command without what it needs, or with something else.
    Misused(Verb),
}

/// What is said about the room where one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here<'a> {
    /// What one does.
    Action(&'a str),
    /// An answer to a message.
    Reply {
        /// Which.
        seq: u64,
        /// What.
        text: &'a str,
    },
    /// Shows or sets the topic line.
    Topic(Option<&'a str>),
    /// Sets how many seconds lie between two messages of one account.
    Slow(u32),
    /// Sets whether the room stays when its creator goes.
    Keep(bool),
    /// Changes a message of one's own: the newest one without a number.
    Edit {
        /// Which.
        seq: Option<u64>,
        /// What it says now.
        text: &'a str,
    },
    /// Takes a message back: one's newest one without a number.
    Delete(Option<u64>),
    /// Puts an emoji under a message, or takes it away.
    React {
        /// Which.
        seq: u64,
        /// The emoji.
        emoji: &'a str,
        /// Put there, not taken away.
        is_on: bool,
    },
    /// Sends somebody out.
    Kick {
        /// Whom.
        login: &'a str,
        /// Why; may be empty.
        reason: &'a str,
    },
    /// Keeps somebody out, or lets them in again.
    Ban {
        /// Whom.
        login: &'a str,
        /// How; `None` ends it.
        sanction: Option<Sanctioned<'a>>,
    },
    /// Keeps somebody from talking, or lets them again.
    Mute {
        /// Whom.
        login: &'a str,
        /// How; `None` ends it.
        sanction: Option<Sanctioned<'a>>,
    },
}

/// How somebody is kept from something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sanctioned<'a> {
    /// For how long; for good without.
    pub minutes: Option<u32>,
    /// Why; may be empty.
    pub reason: &'a str,
}

/// What a connection settles by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own<'a> {
    /// Shows the server's time; with the client's, in microseconds since 1970, for an exchange of clocks.
    Time(Option<i64>),
    /// Chooses a language by its word.
    Language(&'a str),
    /// Chooses how one is shown the chat.
    Mode(Shown),
    /// Chooses whether one is sent one's own messages.
    Echo(bool),
    /// The client is telnet.
    Telnet,
    /// Explains all commands, or one.
    Help(Option<Verb>),
    /// Ends the connection.
    Exit,
}

/// Reads a line. It never fails: what is no command and begins like one is [`Spoken::Unknown`], which is sent to nobody.
#[must_use]
pub fn parse(line: &str) -> Spoken<'_> {
    if line.trim().is_empty() {
        return Spoken::Nothing;
    }
    let Some(command) = line.strip_prefix('#') else {
        return Spoken::Text(line);
    };
    if command.starts_with('#') {
        return Spoken::Text(command);
    }
    // The receiver's brackets may follow at once: `#\private<ana> hola`.
    let is_end = |c: char| c.is_whitespace() || c == '<';
    let end = command.find(is_end).unwrap_or(command.len());
    let (name, rest) = command.split_at(end);
    let Some(verb) = Verb::of(name) else {
        let meant = Verb::like(name);
        return Spoken::Unknown { name, meant };
    };
    arguments(verb, name, rest.trim()).unwrap_or(Spoken::Misused(verb))
}

/// Reads what stands behind a command's name; `None` if that is not what the command needs.
fn arguments<'a>(verb: Verb, name: &str, rest: &'a str) -> Option<Spoken<'a>> {
    let (first, behind) = word(rest);
    let some = (!rest.is_empty()).then_some(rest);
    Some(match verb {
        Verb::CreateRoom => create(first, behind)?,
        Verb::EnterRoom => Spoken::EnterRoom(alone(rest)?),
        Verb::LeaveRoom => nothing(rest, Spoken::LeaveRoom)?,
        Verb::Exit => nothing(rest, Spoken::Own(Own::Exit))?,
        Verb::ListRooms => nothing(rest, Spoken::ListRooms)?,
        Verb::DeleteRoom => Spoken::DeleteRoom(alone(rest)?),
        Verb::ShowUsers => show(name, rest)?,
        Verb::Private | Verb::PrivateShort => private(rest)?,
        Verb::Help => help(some),
        Verb::Unread => nothing(rest, Spoken::Unread)?,
        Verb::History => history(rest)?,
        Verb::Search => Spoken::Search(some?),
        Verb::Who => Spoken::Who(optional(some, alone)?),
        Verb::Topic => Spoken::Here(Here::Topic(some)),
        Verb::Time => Spoken::Own(Own::Time(optional(some, |t1_us| t1_us.parse().ok())?)),
        Verb::Me => Spoken::Here(Here::Action(some?)),
        Verb::Edit => Spoken::Here(edit(some?)),
        Verb::Delete => Spoken::Here(Here::Delete(optional(some, number)?)),
        Verb::Reply => Spoken::Here(Here::Reply {
            seq: number(first)?,
            text: filled(behind)?,
        }),
        Verb::React => Spoken::Here(react(first, behind)?),
        Verb::Kick => Spoken::Here(Here::Kick {
            login: login(first)?,
            reason: behind,
        }),
        Verb::Ban | Verb::Unban => Spoken::Here(Here::Ban {
            login: login(first)?,
            sanction: sanctioned(verb == Verb::Ban, behind)?,
        }),
        Verb::Mute | Verb::Unmute => Spoken::Here(Here::Mute {
            login: login(first)?,
            sanction: sanctioned(verb == Verb::Mute, behind)?,
        }),
        Verb::Slow => Spoken::Here(Here::Slow(alone(rest)?.parse().ok()?)),
        Verb::Keep => Spoken::Here(Here::Keep(switch(rest)?)),
        Verb::Block | Verb::Unblock => Spoken::Block {
            login: login(alone(rest)?)?,
            is_on: verb == Verb::Block,
        },
        Verb::Blocked => nothing(rest, Spoken::Blocked)?,
        Verb::Away => Spoken::Away(rest),
        Verb::Back => nothing(rest, Spoken::Back)?,
        Verb::Language => Spoken::Own(Own::Language(alone(rest)?)),
        Verb::Mode => Spoken::Own(Own::Mode(mode(rest)?)),
        Verb::Echo => Spoken::Own(Own::Echo(switch(rest)?)),
        Verb::Telnet => nothing(rest, Spoken::Own(Own::Telnet))?,
    })
}

fn create<'a>(room: &'a str, behind: &str) -> Option<Spoken<'a>> {
    let keep = match behind {
        "" => false,
        word => word.eq_ignore_ascii_case("keep").then_some(true)?,
    };
    let room = filled(room)?;
    Some(Spoken::CreateRoom { room, keep })
}

/// `#show users`; its other name stands alone.
fn show<'a>(name: &str, rest: &str) -> Option<Spoken<'a>> {
    let is_whole = match name.eq_ignore_ascii_case("show") {
        true => rest.eq_ignore_ascii_case("users"),
        false => rest.is_empty(),
    };
    is_whole.then_some(Spoken::ShowUsers)
}

/// `<ana> hola` or `ana hola`.
fn private(rest: &str) -> Option<Spoken<'_>> {
    let (to, text) = match rest.strip_prefix('<') {
        Some(bracketed) => {
            let (to, text) = bracketed.split_once('>')?;
            (to.trim(), text.trim_start())
        }
        None => word(rest),
    };
    let login = login(to)?;
    let text = filled(text)?;
    Some(Spoken::Private { login, text })
}

fn help(about: Option<&str>) -> Spoken<'_> {
    let Some(about) = about else {
        return Spoken::Own(Own::Help(None));
    };
    let name = word(about).0;
    match Verb::of(name) {
        Some(verb) => Spoken::Own(Own::Help(Some(verb))),
        None => {
            let name = name.strip_prefix('#').unwrap_or(name);
            let meant = Verb::like(name);
            Spoken::Unknown { name, meant }
        }
    }
}

/// `[place] [count] [before]`: a place is no number or begins with `@`.
fn history(rest: &str) -> Option<Spoken<'_>> {
    let (first, behind) = word(rest);
    let is_count = first.is_empty() || first.bytes().all(|byte| byte.is_ascii_digit());
    let place = (!is_count).then_some(first);
    let (count, before) = word(if is_count { rest } else { behind });
    let count = match count {
        "" => None,
        count => Some(count.parse().ok().filter(|count| *count > 0)?),
    };
    let before = match before {
        "" => None,
        before => Some(number(before)?),
    };
    Some(Spoken::History {
        place,
        count,
        before,
    })
}

/// `[seq] text`: a number with something behind it is a message's.
fn edit(rest: &str) -> Here<'_> {
    let (first, behind) = word(rest);
    match number(first) {
        Some(seq) if !behind.is_empty() => Here::Edit {
            seq: Some(seq),
            text: behind,
        },
        Some(_) | None => Here::Edit {
            seq: None,
            text: rest,
        },
    }
}

fn react<'a>(seq: &str, behind: &'a str) -> Option<Here<'a>> {
    let (emoji, switched) = word(behind);
    Some(Here::React {
        seq: number(seq)?,
        emoji: filled(emoji)?,
        is_on: switched.is_empty() || switch(switched)?,
    })
}

/// `[minutes] [reason]`; where it ends, nothing.
fn sanctioned(is_on: bool, behind: &str) -> Option<Option<Sanctioned<'_>>> {
    if !is_on {
        return behind.is_empty().then_some(None);
    }
    let (minutes, reason) = word(behind);
    Some(Some(match minutes.parse().ok() {
        Some(minutes) => Sanctioned {
            minutes: Some(minutes),
            reason,
        },
        None => Sanctioned {
            minutes: None,
            reason: behind,
        },
    }))
}

fn mode(rest: &str) -> Option<Shown> {
    let is = |word: &str| rest.eq_ignore_ascii_case(word);
    is("json")
        .then_some(Shown::Json)
        .or_else(|| is("text").then_some(Shown::Text))
}

/// What may be left out, but not be wrong.
fn optional<'a, T>(
    text: Option<&'a str>,
    read: impl Fn(&'a str) -> Option<T>,
) -> Option<Option<T>> {
    match text {
        Some(text) => read(text).map(Some),
        None => Some(None),
    }
}

/// The first word, and what stands behind it.
fn word(text: &str) -> (&str, &str) {
    let (first, behind) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, behind.trim_start())
}

/// A name with nothing behind it.
fn alone(text: &str) -> Option<&str> {
    let (first, behind) = word(text);
    (behind.is_empty() && !first.is_empty()).then_some(first)
}

/// A login, which may be written `@login`.
fn login(text: &str) -> Option<&str> {
    filled(text.strip_prefix('@').unwrap_or(text))
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The number of a message.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|seq| *seq > 0)
}

/// `on` or `off`.
fn switch(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    (is("on") || is("off")).then(|| is("on"))
}

fn nothing<'a>(rest: &str, spoken: Spoken<'a>) -> Option<Spoken<'a>> {
    rest.is_empty().then_some(spoken)
}
