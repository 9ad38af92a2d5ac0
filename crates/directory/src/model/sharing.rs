//! What lets others at a queue or an exchange: grants, keys, webhooks.

/// What a grant is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A queue.
    Queue,
    /// An exchange.
    Exchange,
}

/// What one account may do with one queue or exchange of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The virtual host of the resource.
    pub vhost: String,
    /// What `name` names.
    pub resource: ResourceKind,
    /// The queue or exchange; the grant goes with it.
    pub name: String,
    /// The account it is given to.
    pub login: String,
    /// Whether it may be changed and deleted.
    pub configure: bool,
    /// Whether it may be written to.
    pub write: bool,
    /// Whether it may be read from.
    pub read: bool,
}

/// A secret that opens one queue to whoever shows it, without an account.
#[derive(Clone, PartialEq, Eq)]
pub struct QueueKey {
    /// The name by which people see and delete it; no secret.
    ///
    /// Units: 1..=[`crate::limits::ID_BYTES_MAX`] bytes.
    pub id: String,
    /// The virtual host of the queue.
    pub vhost: String,
    /// The queue; the key goes with it.
    pub queue: String,
    /// The secret's hash; see [`crate::token::hash`]. No other key has it.
    pub secret_hash: [u8; 32],
    /// Whether it lets messages in.
    pub write: bool,
    /// Whether it lets messages out.
    pub read: bool,
    /// What its maker wrote down about it.
    ///
    /// Units: at most [`crate::limits::NOTE_CHARS_MAX`] characters.
    pub note: String,
    /// The account that made it; `None` once that account is deleted.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_ms: u64,
    /// From when on it opens nothing, if ever.
    pub expires_ms: Option<u64>,
}

/// An address to which a queue's messages are sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its own name.
    ///
    /// Units: 1..=[`crate::limits::ID_BYTES_MAX`] bytes.
    pub id: String,
    /// The account in whose name it reads; the webhook goes with it.
    pub owner: String,
    /// The virtual host of the queue.
    pub vhost: String,
    /// The queue; the webhook goes with it.
    pub queue: String,
    /// Where messages are sent.
    ///
    /// Units: 1..=[`crate::limits::URL_BYTES_MAX`] bytes.
    pub url: String,
    /// What its requests are signed with. Kept as it is, because signing needs it.
    ///
    /// Units: at most [`crate::limits::WEBHOOK_SECRET_BYTES_MAX`] bytes.
    pub secret: String,
    /// How messages are sent, a JSON object as text.
    ///
    /// Units: at most [`crate::limits::SETTINGS_BYTES_MAX`] bytes.
    pub settings: String,
    /// Whether nothing is sent for now.
    pub is_paused: bool,
    /// When it was made.
    pub created_ms: u64,
}

impl ResourceKind {
    /// The word that names it in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Exchange => "exchange",
        }
    }

    /// Reads [`ResourceKind::as_str`]'s word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Queue, Self::Exchange]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

// Written by hand, here and below, so that no log line ever carries a secret.
impl std::fmt::Debug for QueueKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueueKey")
            .field("id", &self.id)
            .field("vhost", &self.vhost)
            .field("queue", &self.queue)
            .field("secret_hash", &"[redacted]")
            .field("write", &self.write)
            .field("read", &self.read)
            .field("note", &self.note)
            .field("created_by", &self.created_by)
            .field("created_ms", &self.created_ms)
            .field("expires_ms", &self.expires_ms)
            .finish()
    }
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("owner", &self.owner)
            .field("vhost", &self.vhost)
            .field("queue", &self.queue)
            // People put credentials into both.
            .field("url", &"[redacted]")
            .field("secret", &"[redacted]")
            .field("settings", &self.settings)
            .field("is_paused", &self.is_paused)
            .field("created_ms", &self.created_ms)
            .finish()
    }
}
