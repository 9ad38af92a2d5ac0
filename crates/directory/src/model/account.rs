//! Accounts, and what belongs to one: sessions, invitations, quotas.

/// The tag that every administrator carries, and nobody else.
pub(crate) const ADMINISTRATOR_TAG: &str = "administrator";

/// What an account is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// May do everything; carries the tag `administrator`.
    Administrator,
    /// A registered person or program, who owns what they create.
    Member,
    /// May do what its permissions' patterns say, and no more.
    Service,
}

/// Someone who may log in.
///
/// Shape: `role` is [`Role::Administrator`] exactly if `tags` holds
/// `administrator`; [`Account::set_tags`] and [`Account::set_role`] keep it so.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name typed at login; see [`crate::account::check_login_name`]. No
    /// other differs from it only in the case of ASCII letters.
    pub login: String,
    /// The password as a PHC string or as [`crate::password::from_rabbit`]
    /// makes it; empty when no password logs in.
    pub password_hash: String,
    /// Words such as `monitoring`, in the order given.
    ///
    /// Units: at most [`crate::limits::TAGS_MAX`], each 1..=64 bytes without
    /// commas, blanks or control characters.
    pub tags: Vec<String>,
    /// What it is there for.
    pub role: Role,
    /// What the person says of themselves.
    pub profile: Profile,
    /// When it was made; 0 if that was before this was written down.
    ///
    /// Units: milliseconds since 1970, as everywhere in this crate.
    pub created_ms: u64,
}

/// What the person behind an account says of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// Units: 0..=[`crate::limits::NAMES_CHARS_MAX`] characters.
    pub first_names: String,
    /// Units: 0..=[`crate::limits::NAMES_CHARS_MAX`] characters.
    pub last_names: String,
    /// Units: 1..=[`crate::limits::AGE_MAX`] years.
    pub age: Option<u8>,
    /// Units: 0..=[`crate::limits::GENDER_CHARS_MAX`] characters.
    pub gender: String,
}

/// A login that a token proves from then on. Connections are no sessions.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The name by which people see and end it; no secret.
    ///
    /// Units: 1..=[`crate::limits::ID_BYTES_MAX`] bytes.
    pub id: String,
    /// The account.
    pub login: String,
    /// The token's hash; see [`crate::token::hash`]. No other session has it.
    pub token_hash: [u8; 32],
    /// The interface it came in by.
    ///
    /// Units: at most [`crate::limits::DOOR_BYTES_MAX`] bytes.
    pub door: String,
    /// The peer's address.
    ///
    /// Units: at most [`crate::limits::ADDRESS_BYTES_MAX`] bytes.
    pub address: String,
    /// What the client calls itself.
    ///
    /// Units: at most [`crate::limits::CLIENT_CHARS_MAX`] characters.
    pub client: String,
    /// When it began.
    pub created_ms: u64,
    /// When its token was last shown.
    pub last_seen_ms: u64,
    /// From when on its token proves nothing.
    pub expires_ms: u64,
    /// The hash of the value that a browser shows beside its cookie; `None` for
    /// tokens that no browser sends by itself.
    pub csrf_hash: Option<[u8; 32]>,
}

/// A code with which somebody may make an account.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The code's hash; see [`crate::token::hash`].
    pub code_hash: [u8; 32],
    /// The account that invites; the invitation goes with it.
    pub created_by: String,
    /// When it was made.
    pub created_ms: u64,
    /// From when on it is void.
    pub expires_ms: u64,
    /// How many accounts may still be made; it goes with the last one.
    ///
    /// Units: at least 1.
    pub uses_left: u32,
    /// The role of the accounts that it makes.
    pub role: Role,
}

/// The bounds of one account; `None` leaves the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// The account.
    pub login: String,
    /// Units: queues that it owns.
    pub queues: Option<u64>,
    /// Units: bytes in the queues that it owns.
    pub bytes: Option<u64>,
    /// Units: connections at one time.
    pub connections: Option<u64>,
    /// Units: messages per second.
    pub publish_rate: Option<u64>,
}

impl Role {
    /// The word that names it in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Member => "member",
            Self::Service => "service",
        }
    }

    /// Reads [`Role::as_str`]'s word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Administrator, Self::Member, Self::Service]
            .into_iter()
            .find(|role| role.as_str() == word)
    }
}

impl Account {
    /// An account as operators make it: without a profile, and by its tags an
    /// administrator or a service.
    pub fn with_tags(
        login: String,
        password_hash: String,
        tags: Vec<String>,
        created_ms: u64,
    ) -> Self {
        let mut account = Self {
            login,
            password_hash,
            tags: Vec::new(),
            role: Role::Service,
            profile: Profile::default(),
            created_ms,
        };
        account.set_tags(tags);
        account
    }

    /// Replaces the tags; the role follows `administrator`.
    ///
    /// Whoever loses that tag becomes a [`Role::Service`]; a member stays one.
    pub fn set_tags(&mut self, tags: Vec<String>) {
        self.tags = tags;
        if self.has_administrator_tag() {
            self.role = Role::Administrator;
        } else if self.role == Role::Administrator {
            self.role = Role::Service;
        }
    }

    /// Replaces the role; the tag `administrator` follows.
    pub fn set_role(&mut self, role: Role) {
        self.role = role;
        if role != Role::Administrator {
            self.tags.retain(|tag| tag != ADMINISTRATOR_TAG);
        } else if !self.has_administrator_tag() {
            self.tags.push(ADMINISTRATOR_TAG.to_owned());
        }
    }

    /// Whether the role and the tags say the same.
    pub(crate) fn is_consistent(&self) -> bool {
        self.has_administrator_tag() == (self.role == Role::Administrator)
    }

    fn has_administrator_tag(&self) -> bool {
        self.tags.iter().any(|tag| tag == ADMINISTRATOR_TAG)
    }
}

// Written by hand, here and below, so that no log line ever carries a hash.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("login", &self.login)
            .field("password_hash", &"[redacted]")
            .field("tags", &self.tags)
            .field("role", &self.role)
            .field("profile", &self.profile)
            .field("created_ms", &self.created_ms)
            .finish()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("login", &self.login)
            .field("token_hash", &"[redacted]")
            .field("door", &self.door)
            .field("address", &self.address)
            .field("client", &self.client)
            .field("created_ms", &self.created_ms)
            .field("last_seen_ms", &self.last_seen_ms)
            .field("expires_ms", &self.expires_ms)
            .field("csrf_hash", &self.csrf_hash.map(|_| "[redacted]"))
            .finish()
    }
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitation")
            .field("code_hash", &"[redacted]")
            .field("created_by", &self.created_by)
            .field("created_ms", &self.created_ms)
            .field("expires_ms", &self.expires_ms)
            .field("uses_left", &self.uses_left)
            .field("role", &self.role)
            .finish()
    }
}
