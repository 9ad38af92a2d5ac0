//! Sessions of the chat: one for each connection that listens.

/// A session, by its place among those that are open and how often that place was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// Its place.
    pub index: u32,
    /// How many sessions had it before.
    pub generation: u32,
}

/// A language in which the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Spanish.
    Spanish,
}

impl Language {
    /// The word that stands for it, of ISO 639.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    /// Finds a language by its word, in any case, with or without a region behind it.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        let word = code.split(['-', '_', '.']).next().unwrap_or_default();
        [Self::English, Self::Spanish]
            .into_iter()
            .find(|language| language.code().eq_ignore_ascii_case(word))
    }
}

/// Somebody who begins to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// The account.
    pub login: String,
    /// When the account was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// It may do everything.
    pub is_administrator: bool,
    /// The door, for listings: `line`, `websocket`…
    pub door: &'static str,
    /// In which language to speak until the account has chosen one.
    pub language: Option<Language>,
    /// What reaches the session counts as read, as on doors that cannot say.
    pub reads_all: bool,
    /// It enters the default room at once.
    pub enters_default: bool,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The client said so.
    Asked,
    /// Its connection was lost: it may come back.
    Lost,
}
