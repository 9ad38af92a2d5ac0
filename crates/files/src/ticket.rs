//! Tickets: a short-lived permission to fetch from a peer or to bring to it, signed by the server.
//!
//! A peer checks a ticket with the server's public keys alone, without asking anybody. A ticket names the account that may show it, the peer that it is shown to, what it
//! is for and until when, so that it is worth nothing elsewhere or later.
//!
//! *Shape*: version (1), key id (u32), right (0 fetch, 1 put), scope (0 one content, 1 an account's), issued and expires (u64 ms each), peer (32 bytes), then the scope:
//! the root, or a login with its length (u8) before it; the account's login with its length; and 64 bytes of Ed25519 over `chaski-ticket` and all before. Numbers are
//! little-endian. As text it is URL-safe base64 without padding.
//!
//! It must never read a clock, nor believe a byte before the signature is verified.
//!
//! Start reading at [`Ticket`].

#[cfg(test)]
mod tests;
mod wire;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};

use crate::content::Root;
use crate::limits::{TICKET_BYTES_MAX, TICKET_CLOCK_TOLERANCE_MS, TICKET_LIFE_MS_MAX};

/// What is signed begins with this, so that no signature of the same key for something else is one of a ticket.
const CONTEXT: &[u8] = b"chaski-ticket";

/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// Names one of the server's keys, so that keys can be replaced while tickets are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub u32);

/// Names a peer: the digest of the key that it proves in TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerKey(pub [u8; 32]);

/// What a ticket permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To fetch from the peer.
    Fetch,
    /// To bring to the peer.
    Put,
}

/// Which contents a ticket is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// This one.
    Content(Root),
    /// Any that this account shares.
    AnyOf(String),
}

/// A permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The login of the account that may show it, 1 to 255 bytes.
    pub account: String,
    /// The peer that it may be shown to.
    pub peer: PeerKey,
    /// What it is for.
    pub scope: Scope,
    /// What it permits.
    pub right: Right,
    /// When it was made, in milliseconds since 1970.
    pub issued_ms: u64,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: u64,
    /// The key that signs it.
    pub key: KeyId,
}

/// What a peer is asked for, against which a ticket is held.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The peer that is asked: the one that checks.
    pub peer: PeerKey,
    /// The content that is asked for.
    pub content: Root,
    /// The account that shares it, or takes it.
    pub owner: &'a str,
    /// What is asked.
    pub right: Right,
}

/// A ticket that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsignable {
    /// A login has no bytes, or more than 255.
    #[error("a login has 1 to 255 bytes")]
    Login,
    /// It ends before it begins, or lasts too long.
    #[error("a ticket lasts at most {TICKET_LIFE_MS_MAX} ms")]
    Life,
}

/// Why a ticket opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is none of this version.
    #[error("the ticket is damaged, or of another version")]
    Malformed,
    /// It is signed by a key that is not known here.
    #[error("the ticket is signed by the key {}, which is not known", .0.0)]
    UnknownKey(KeyId),
    /// The server did not sign it.
    #[error("the ticket is forged")]
    Forged,
    /// It has ended.
    #[error("the ticket expired {0} ms ago")]
    Expired(u64),
    /// It begins later than clocks differ.
    #[error("the ticket begins in {0} ms: the clocks differ")]
    NotYet(u64),
    /// It is for another content.
    #[error("the ticket is for another content")]
    OtherContent,
    /// It is to be shown to another peer.
    #[error("the ticket is for another peer")]
    OtherPeer,
    /// It permits something else.
    #[error("the ticket does not permit this")]
    OtherRight,
}

impl Ticket {
    /// Signs it with the key that it names.
    ///
    /// # Errors
    /// A login is too long, or it would last too long.
    pub fn sign(&self, pair: &Ed25519KeyPair) -> Result<Vec<u8>, Unsignable> {
        let is_short = self.expires_ms.checked_sub(self.issued_ms);
        if is_short.is_none_or(|life| life > TICKET_LIFE_MS_MAX) {
            return Err(Unsignable::Life);
        }
        let mut bytes = wire::encode(self)?;
        let signature = pair.sign(&signed(&bytes));
        bytes.extend_from_slice(signature.as_ref());
        Ok(bytes)
    }

    /// Checks what somebody showed, and tells what it permits.
    ///
    /// # Errors
    /// Why it does not permit what is wanted.
    pub fn verify(
        bytes: &[u8],
        keys: &[(KeyId, [u8; 32])],
        wanted: &Wanted<'_>,
        now_ms: u64,
    ) -> Result<Self, Refused> {
        if bytes.len() > TICKET_BYTES_MAX {
            return Err(Refused::Malformed);
        }
        let body = bytes.len().checked_sub(SIGNATURE_BYTES);
        let (body, signature) = bytes.split_at(body.ok_or(Refused::Malformed)?);
        let ticket = wire::decode(body).ok_or(Refused::Malformed)?;
        let key = keys.iter().find(|(id, _)| *id == ticket.key);
        let (_, key) = key.ok_or(Refused::UnknownKey(ticket.key))?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(&signed(body), signature)
            .map_err(|_| Refused::Forged)?;
        ticket.permits(wanted, now_ms)?;
        Ok(ticket)
    }

    /// Tells whether a ticket that is known to be the server's permits something.
    ///
    /// # Errors
    /// Why not.
    pub fn permits(&self, wanted: &Wanted<'_>, now_ms: u64) -> Result<(), Refused> {
        if now_ms >= self.expires_ms {
            return Err(Refused::Expired(now_ms - self.expires_ms));
        }
        if self.issued_ms.saturating_sub(now_ms) > TICKET_CLOCK_TOLERANCE_MS {
            return Err(Refused::NotYet(self.issued_ms - now_ms));
        }
        if self.peer != wanted.peer {
            return Err(Refused::OtherPeer);
        }
        if self.right != wanted.right {
            return Err(Refused::OtherRight);
        }
        let is_in_scope = match &self.scope {
            Scope::Content(root) => *root == wanted.content,
            Scope::AnyOf(owner) => owner == wanted.owner,
        };
        if is_in_scope {
            Ok(())
        } else {
            Err(Refused::OtherContent)
        }
    }
}

/// Writes a signed ticket as text.
#[must_use]
pub fn to_text(ticket: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(ticket)
}

/// Reads the text of a signed ticket, for [`Ticket::verify`].
///
/// # Errors
/// It is no such text, or too long.
pub fn from_text(text: &str) -> Result<Vec<u8>, Refused> {
    if text.len() > TICKET_BYTES_MAX.div_ceil(3) * 4 {
        return Err(Refused::Malformed);
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Malformed)
}

fn signed(body: &[u8]) -> Vec<u8> {
    [CONTEXT, body].concat()
}
