//! Where a connection stands.
//!
//! ```text
//!            8 bytes          start-ok             authenticated          tune-ok        open
//!  [Header] ---------> [Start] -------> [Authenticating] ------> [Tune] -------> [Open] ------> [Opening]
//!     |  other bytes      |                    | refused            |               |               |  |
//!     v                   v fault              v                    v fault         v fault refused |  | opened
//!  [Closed] <------- [Closing] <---------------+--------------------+---------------+---------------+  v
//!     ^   close-ok, or     ^                                                                      [Running]
//!     |   its deadline     +--------------------- fault, shutdown -------------------------------------+
//!     +------------------------------------ connection.close, silence, handshake deadline ------------+
//! ```
//!
//! Authenticating and Opening wait for the caller and read nothing. Closing was told the peer; all it reads is close-ok.

/// A connection's state; see the diagram above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Waits for the protocol header.
    Header,
    /// connection.start is out; waits for start-ok.
    Start,
    /// The caller checks the credentials.
    Authenticating,
    /// connection.tune is out; waits for tune-ok.
    Tune,
    /// Waits for connection.open.
    Open,
    /// The caller looks the virtual host up.
    Opening,
    /// In use.
    Running,
    /// connection.close is out; waits for close-ok.
    Closing {
        /// The bytes that come in are no longer cut into frames, since one was malformed.
        is_garbled: bool,
    },
    /// Nothing more is read.
    Closed,
}

impl State {
    /// Says whether the peer is still to prove itself.
    pub(crate) const fn is_handshake(self) -> bool {
        match self {
            Self::Header
            | Self::Start
            | Self::Authenticating
            | Self::Tune
            | Self::Open
            | Self::Opening => true,
            Self::Running | Self::Closing { .. } | Self::Closed => false,
        }
    }
}
