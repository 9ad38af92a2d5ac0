//! The sentences with their arguments.

use crate::event::LeftCause;
use crate::profile::{Field, Flaw};
use crate::refusal::Reason;

/// Something that the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sentence<'a> {
    /// Before and at the login.
    Entry(Entry<'a>),
    /// What happens in the chat.
    News(News<'a>),
    /// What a line of the client is answered.
    Answer(Answer<'a>),
    /// Why the connection ends.
    Farewell(Farewell),
    /// Something was refused.
    Refused(&'a Reason),
}

/// What is said before and at the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The greeting of a connection.
    Welcome {
        /// The server's name.
        server: &'a str,
        /// Its version.
        version: &'a str,
        /// Its time.
        time_ms: u64,
    },
    /// How telnet hides a password.
    TelnetHint {
        /// The command that says that the client is telnet.
        telnet: &'a str,
    },
    /// Asks for a login.
    AskLogin {
        /// The word that begins a registration, if it is allowed.
        new: Option<&'a str>,
    },
    /// Asks for a password.
    AskPassword,
    /// A registration begins; it ends early by a command.
    RegistrationBegins {
        /// Which.
        exit: &'a str,
    },
    /// Asks for a field of a registration.
    AskField(Field),
    /// A field cannot be as it was given.
    Flawed {
        /// Which.
        field: Field,
        /// Why.
        flaw: Flaw,
    },
    /// A field was not taken by the rules of accounts.
    Rejected {
        /// Which.
        field: Field,
        /// Why, in the words of whoever found out.
        detail: Option<&'a str>,
    },
    /// Wrong login or password.
    WrongLogin {
        /// The word that begins a registration, if it is allowed.
        new: Option<&'a str>,
    },
    /// Unknown or expired token.
    WrongToken,
    /// Too many wrong passwords.
    LockedOut {
        /// When it may be tried again, in seconds from now.
        retry_after_s: u64,
    },
    /// Too many logins at once.
    Busy,
    /// The account may not use the chat from where it is.
    Forbidden,
    /// Strangers make no accounts here.
    RegistrationClosed,
    /// The code of an invitation is wrong.
    WrongInvitation,
    /// There is an account of this login.
    LoginTaken,
    /// Something cannot be stored or looked up at the moment.
    Unavailable,
    /// Too many wrong passwords on this connection.
    TooManyFailures,
    /// The login has taken too long.
    LoginTimeout,
    /// The login was accepted.
    LoggedIn {
        /// Whose.
        login: &'a str,
        /// The server's time.
        time_ms: u64,
        /// The command that lists commands.
        help: &'a str,
    },
    /// There are private messages.
    UnreadPrivate {
        /// How many.
        count: u64,
        /// The command that lists them.
        unread: &'a str,
    },
}

/// What is said about what happens in the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'a> {
    /// One is in a room now.
    Entered {
        /// Which.
        room: &'a str,
        /// How many are there.
        members: usize,
        /// The topic line.
        topic: &'a str,
    },
    /// Messages were missed and not shown, being too many.
    Skipped {
        /// How many.
        count: u64,
        /// The command that shows them.
        history: &'a str,
    },
    /// One is not in a room any more.
    Moved {
        /// Why.
        cause: &'a LeftCause,
        /// Which.
        room: &'a str,
    },
    /// One was brought to another room than before, whose name is not told.
    Brought(&'a LeftCause),
    /// Others came in.
    Came {
        /// Some of them.
        names: &'a [String],
        /// How many.
        count: usize,
    },
    /// Others went.
    Went {
        /// Some of them.
        names: &'a [String],
        /// How many.
        count: usize,
    },
    /// Somebody is away.
    Away(&'a str),
    /// Somebody named one elsewhere.
    Mentioned {
        /// Who.
        by: &'a str,
        /// Where.
        place: &'a str,
        /// The command that enters a room.
        enter: &'a str,
    },
    /// A message says something else; what follows.
    Edited {
        /// Whose.
        by: &'a str,
        /// Its number.
        seq: u64,
    },
    /// A message was deleted.
    Deleted {
        /// Whose.
        by: &'a str,
        /// Its number.
        seq: u64,
    },
    /// A message has these emojis now.
    Reactions {
        /// Whose.
        by: &'a str,
        /// Its number.
        seq: u64,
        /// The emojis with who put them there; empty if there are none any more.
        emojis: &'a str,
    },
    /// The room has another topic line.
    TopicSet {
        /// Who did it.
        by: &'a str,
        /// Which.
        topic: &'a str,
    },
    /// The room stays when its creator goes, or does not.
    KeepSet {
        /// Who did it.
        by: &'a str,
        /// It stays.
        keep: bool,
    },
    /// The room is slow, or is not any more.
    SlowSet {
        /// Who did it.
        by: &'a str,
        /// Seconds between two messages; 0 is no bound.
        slow_s: u32,
    },
    /// Somebody was muted, or may talk again.
    Muted {
        /// Who did it.
        by: &'a str,
        /// Whom.
        login: &'a str,
        /// Muted.
        is_on: bool,
    },
}

/// What a line of the client is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// One is in no room.
    Nowhere {
        /// The command that enters one.
        enter: &'a str,
    },
    /// One is in the default room already.
    InDefaultRoom,
    /// One has said nothing here yet.
    NothingSaid {
        /// The command that shows the numbers of messages.
        history: &'a str,
    },
    /// One is sent one's own messages, or not.
    Echo(bool),
    /// This is the language from now on.
    LanguageChosen,
    /// Text is shown from now on.
    TextMode,
    /// A line was too long.
    LineTooLong {
        /// How long it may be.
        bytes_max: usize,
    },
    /// A line was no UTF-8.
    NotText,
    /// What time it is.
    Time {
        /// When the client asked, by its clock.
        t1_us: Option<i64>,
        /// When the server heard.
        t2_us: i64,
        /// When it answered.
        t3_us: i64,
    },
    /// No such command.
    UnknownCommand {
        /// What was written.
        command: &'a str,
        /// What was probably meant.
        meant: Option<&'a str>,
        /// The command that lists commands.
        help: &'a str,
        /// How a message begins that begins like a command.
        literal: &'a str,
    },
    /// A command was given something else than it needs.
    Misused {
        /// How it is written.
        command: &'a str,
        /// What it is.
        topic: Topic,
    },
    /// What the room's topic line is.
    TopicIs {
        /// Which room.
        room: &'a str,
        /// The topic line; may be empty.
        topic: &'a str,
    },
    /// When something may be tried again.
    RetryIn {
        /// In seconds from now.
        seconds: u64,
    },
    /// The end of a list.
    Listed(Listed<'a>),
    /// Stands in front of a private message that one got.
    PrivateMark,
    /// Stands in front of a private message that one sent.
    PrivateMarkTo(&'a str),
    /// Stands behind a message that was edited.
    EditedMark,
    /// Stands in place of a message that was deleted.
    DeletedMark,
    /// Stands behind the default room.
    DefaultMark,
    /// Stands in front of the commands.
    HelpBegins,
    /// Stands behind the commands.
    HelpEnds {
        /// The command that explains one of them.
        help: &'a str,
        /// How a message begins that begins like a command.
        literal: &'a str,
    },
    /// The last words.
    Goodbye,
    /// It was done.
    Done,
}

/// The last line of a list, which says how much there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed<'a> {
    /// Rooms; the current one is marked.
    Rooms(usize),
    /// Accounts, and how many of them are there.
    Users {
        /// All.
        count: usize,
        /// Those who are not offline.
        present: usize,
    },
    /// Members of a room.
    Members {
        /// Which.
        room: &'a str,
        /// How many.
        count: usize,
    },
    /// Messages of a room or a conversation.
    History {
        /// Which.
        place: &'a str,
        /// How many.
        count: usize,
        /// The command that shows older ones, if there are some.
        older: Option<&'a str>,
    },
    /// Messages that were searched for.
    Found {
        /// How many.
        count: usize,
        /// There are more.
        has_more: bool,
    },
    /// Private conversations.
    Conversations {
        /// How many.
        count: usize,
        /// Messages in them that were not read.
        unread: u64,
    },
    /// Accounts that one has blocked.
    Blocked(usize),
}

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// The server stops.
    Shutdown,
    /// The account is gone or its login is void.
    Revoked,
    /// The client did not read what it was sent.
    Slow,
    /// The client was silent for too long.
    Silent,
    /// The account has too many connections: another one came.
    Replaced,
}

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Creates a room.
    CreateRoom,
    /// Enters a room.
    EnterRoom,
    /// Goes back to the default room.
    LeaveRoom,
    /// Ends the connection.
    Exit,
    /// Lists the rooms.
    ListRooms,
    /// Deletes a room.
    DeleteRoom,
    /// Lists everyone.
    ShowUsers,
    /// A private message, the receiver in brackets.
    Private,
    /// A private message.
    PrivateShort,
    /// Explains the commands.
    Help,
    /// Private conversations.
    Unread,
    /// What was said.
    History,
    /// Searches what was said.
    Search,
    /// Who is in a room.
    Who,
    /// The topic line.
    Topic,
    /// The server's time.
    Time,
    /// Says what one does.
    Me,
    /// Changes a message.
    Edit,
    /// Takes a message back.
    Delete,
    /// Answers a message.
    Reply,
    /// Puts an emoji under a message.
    React,
    /// Sends somebody out.
    Kick,
    /// Keeps somebody out.
    Ban,
    /// Lets them in again.
    Unban,
    /// Keeps somebody from talking.
    Mute,
    /// Lets them talk again.
    Unmute,
    /// How fast one may talk.
    Slow,
    /// Whether the room stays.
    Keep,
    /// Hears somebody no more.
    Block,
    /// Hears them again.
    Unblock,
    /// Whom one has blocked.
    Blocked,
    /// One is away.
    Away,
    /// One is back.
    Back,
    /// Chooses a language.
    Language,
    /// Chooses text or JSON.
    Mode,
    /// Chooses whether one is sent one's own messages.
    Echo,
    /// The client is telnet.
    Telnet,
}

impl<'a> From<Entry<'a>> for Sentence<'a> {
    fn from(entry: Entry<'a>) -> Self {
        Self::Entry(entry)
    }
}

impl<'a> From<News<'a>> for Sentence<'a> {
    fn from(news: News<'a>) -> Self {
        Self::News(news)
    }
}

impl<'a> From<Answer<'a>> for Sentence<'a> {
    fn from(answer: Answer<'a>) -> Self {
        Self::Answer(answer)
    }
}

impl<'a> From<Listed<'a>> for Sentence<'a> {
    fn from(listed: Listed<'a>) -> Self {
        Self::Answer(Answer::Listed(listed))
    }
}

impl From<Farewell> for Sentence<'_> {
    fn from(farewell: Farewell) -> Self {
        Self::Farewell(farewell)
    }
}
