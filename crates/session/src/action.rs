//! What a session wants of its caller, and the words of the answers.

use std::fmt;

use broker::Name;

/// Something that the session wants and that takes time; it reads nothing until the answer is given.
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// Check a password; answer by [`Session::authenticated`](crate::Session::authenticated).
    Authenticate {
        /// Who it is said to be.
        login: String,
        /// The password.
        password: Vec<u8>,
    },
    /// Enter a virtual host; answer by [`Session::opened`](crate::Session::opened).
    Open {
        /// Its name.
        vhost: String,
    },
    /// Check new credentials of the same login; answer by [`Session::secret_updated`](crate::Session::secret_updated).
    UpdateSecret {
        /// The new password.
        secret: Vec<u8>,
    },
}

/// Leaves the secrets out.
impl fmt::Debug for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authenticate { login, .. } => formatter
                .debug_struct("Authenticate")
                .field("login", login)
                .finish_non_exhaustive(),
            Self::Open { vhost } => formatter
                .debug_struct("Open")
                .field("vhost", vhost)
                .finish(),
            Self::UpdateSecret { .. } => formatter
                .debug_struct("UpdateSecret")
                .finish_non_exhaustive(),
        }
    }
}

/// An account that proved itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Its name.
    pub name: Name,
    /// It may publish under any `user_id`.
    pub impersonator: bool,
}

/// A login was refused. The peer is told no more than that, whatever the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied;
