//! The sealed line: what is said inside a call through the server with a peer that is a browser, and so has no TLS to speak. A key of each
//! end's that is made for the line, the identity's signature over both, and AES-256-GCM from then on; `docs/files.md` has it to the byte,
//! ADR 0020 says why.
//!
//! ```text
//!   initiator                                       responder
//!   magic, ephemeral key ────────────────────────▶
//!                     ◀── ephemeral key, public key, signature
//!   frames ◀─────────────────────────────────────▶ frames
//! ```
//! In the frames stand messages as gRPC has them: a byte, the length, and the bytes. The initiator's first one says which call it is; the
//! responder's first is empty, or says why the call is refused.
//!
//! It must never unseal what was not sealed under the keys of this line, nor keep more of what is not whole than one message has.
//!
//! Start reading at [`call`] and [`answer`].

mod frames;
mod handshake;
mod messages;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

pub(super) use frames::{Reader, Writer};
pub(super) use handshake::{Signer, answer, call};
pub(super) use messages::{Incoming, refusal, said};

/// What a call begins with; a `ClientHello` of TLS begins with 0x16.
pub(super) const MAGIC: &[u8; 14] = b"chaski-sealed\x01";
/// How often something is said on a silent line: the server ends calls in which nothing passes for a minute.
pub(super) const BEAT: Duration = Duration::from_secs(20);
/// How long the other end may say nothing.
pub(super) const SILENCE: Duration = Duration::from_secs(60);
/// The call that fetches, as the initiator's first message.
pub(super) const FETCH: u8 = 1;
/// The call that offers.
pub(super) const OFFER: u8 = 2;

/// Why a line cannot be opened, or is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum SealedError {
    /// The connection.
    #[error("the line is lost: {0}")]
    Lost(#[from] io::Error),
    /// It says something else.
    #[error("it does not speak the sealed line")]
    Foreign,
    /// Somebody else answers.
    #[error("somebody else answers for it")]
    Stranger,
    /// What came is not what was sealed.
    #[error("what came was changed on its way")]
    Forged,
    /// Too much for one pair of keys.
    #[error("the line has carried as much as it may")]
    Worn,
    /// The call is refused.
    #[error("{text}")]
    Refused {
        /// The code of gRPC's.
        code: u8,
        /// For people.
        text: String,
    },
}

impl From<ring::error::Unspecified> for SealedError {
    fn from(_: ring::error::Unspecified) -> Self {
        Self::Forged
    }
}
