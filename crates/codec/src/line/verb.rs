//! The commands by their names.

/// A command of the line protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Creates a room and enters it.
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
    /// Says something in private.
    Private,
    /// Explains the commands.
    Help,
    /// The same as [`Verb::Private`].
    PrivateShort,
    /// Lists private conversations and what is unread in them.
    Unread,
    /// Shows what was said.
    History,
    /// Searches what was said.
    Search,
    /// Lists who is in a room.
    Who,
    /// Shows or sets a room's topic line.
    Topic,
    /// Shows the server's time.
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
    /// Sends somebody out of the room.
    Kick,
    /// Keeps somebody out of the room.
    Ban,
    /// Ends a ban.
    Unban,
    /// Keeps somebody from talking.
    Mute,
    /// Ends a mute.
    Unmute,
    /// Sets how fast one may talk in the room.
    Slow,
    /// Sets whether the room stays when its creator goes.
    Keep,
    /// Hears somebody no more.
    Block,
    /// Hears them again.
    Unblock,
    /// Lists whom one has blocked.
    Blocked,
    /// Says that one is away.
    Away,
    /// Says that one is back.
    Back,
    /// Chooses a language.
    Language,
    /// Chooses between text and JSON.
    Mode,
    /// Chooses whether one is sent one's own messages.
    Echo,
    /// Says that the client is telnet.
    Telnet,
}

impl Verb {
    /// All of them, in the order in which they are explained.
    pub const ALL: [Self; 37] = [
        Self::CreateRoom,
        Self::EnterRoom,
        Self::LeaveRoom,
        Self::Exit,
        Self::ListRooms,
        Self::DeleteRoom,
        Self::ShowUsers,
        Self::Private,
        Self::Help,
        Self::PrivateShort,
        Self::Unread,
        Self::History,
        Self::Search,
        Self::Who,
        Self::Topic,
        Self::Time,
        Self::Me,
        Self::Edit,
        Self::Delete,
        Self::Reply,
        Self::React,
        Self::Kick,
        Self::Ban,
        Self::Unban,
        Self::Mute,
        Self::Unmute,
        Self::Slow,
        Self::Keep,
        Self::Block,
        Self::Unblock,
        Self::Blocked,
        Self::Away,
        Self::Back,
        Self::Language,
        Self::Mode,
        Self::Echo,
        Self::Telnet,
    ];

    /// How it is written, `#` included.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::CreateRoom => "#cR",
            Self::EnterRoom => "#gR",
            Self::LeaveRoom => "#eR",
            Self::Exit => "#exit",
            Self::ListRooms => "#lR",
            Self::DeleteRoom => "#dR",
            Self::ShowUsers => "#show users",
            Self::Private => "#\\private",
            Self::Help => "#help",
            Self::PrivateShort => "#pm",
            Self::Unread => "#unread",
            Self::History => "#history",
            Self::Search => "#search",
            Self::Who => "#who",
            Self::Topic => "#topic",
            Self::Time => "#time",
            Self::Me => "#me",
            Self::Edit => "#edit",
            Self::Delete => "#del",
            Self::Reply => "#reply",
            Self::React => "#react",
            Self::Kick => "#kick",
            Self::Ban => "#ban",
            Self::Unban => "#unban",
            Self::Mute => "#mute",
            Self::Unmute => "#unmute",
            Self::Slow => "#slow",
            Self::Keep => "#keep",
            Self::Block => "#block",
            Self::Unblock => "#unblock",
            Self::Blocked => "#blocked",
            Self::Away => "#away",
            Self::Back => "#back",
            Self::Language => "#lang",
            Self::Mode => "#mode",
            Self::Echo => "#echo",
            Self::Telnet => "#telnet",
        }
    }

    /// Finds a command by its name in any case, with or without `#`; some have a second one.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let name = name.strip_prefix('#').unwrap_or(name);
        let is_it = |verb: &Self| verb.first_word().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is_it).or_else(|| {
            let other = |(alias, _): &&(&str, Self)| alias.eq_ignore_ascii_case(name);
            ALIASES.iter().find(other).map(|(_, verb)| *verb)
        })
    }

    /// The command that was probably meant.
    #[must_use]
    pub fn like(name: &str) -> Option<Self> {
        // Of names that nobody would mistype like this nothing is compared: the work is bounded.
        if name.is_empty() || name.len() > 2 * WORD_BYTES_MAX {
            return None;
        }
        let name = name.to_ascii_lowercase();
        let glued = |verb: &Self| {
            let word = verb.first_word().to_ascii_lowercase();
            name.starts_with(&word)
        };
        let near = Self::ALL.into_iter().map(|verb| {
            let word = verb.first_word().to_ascii_lowercase();
            (distance(name.as_bytes(), word.as_bytes()), verb)
        });
        let best = near.min()?;
        let is_near = best.0 <= 1 || (best.0 == 2 && name.len() > 3);
        let is_near = is_near && best.0 < name.len();
        is_near
            .then_some(best.1)
            .or_else(|| Self::ALL.into_iter().find(glued))
    }

    /// The name without `#`, up to a space.
    fn first_word(self) -> &'static str {
        let word = self.word().trim_start_matches('#');
        word.split(' ').next().unwrap_or(word)
    }
}

/// Other names of commands.
const ALIASES: [(&str, Verb); 6] = [
    ("private", Verb::Private),
    ("users", Verb::ShowUsers),
    ("rooms", Verb::ListRooms),
    ("quit", Verb::Exit),
    ("delete", Verb::Delete),
    ("msg", Verb::PrivateShort),
];

/// The longest name of a command, about.
const WORD_BYTES_MAX: usize = 16;

/// How many letters have to be put in, taken out or changed to make one word of another.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.iter().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (other, cell) in to.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(letter != other);
            diagonal = *cell;
            left = changed.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
