//! The key that tickets are signed with: made at the first start, kept in the data directory for its owner's eyes only.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use files::content::Root;
use files::ticket::{KeyId, PeerKey, Right, Scope, Ticket, to_text};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::{FilesError, FilesFailure};

/// The key of tickets.
#[derive(Debug)]
pub(crate) struct TicketSigner {
    pair: Ed25519KeyPair,
    id: KeyId,
    public: [u8; 32],
}

/// What a ticket is to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permission<'a> {
    /// Who may show it.
    pub(crate) account: &'a str,
    /// The digest of the key of the peer that it is shown to.
    pub(crate) peer: [u8; 32],
    /// The content.
    pub(crate) root: [u8; 32],
    /// What may be done.
    pub(crate) right: Right,
}

impl TicketSigner {
    /// Reads the key, or makes one.
    ///
    /// # Errors
    /// The file cannot be read or made, or holds no key.
    pub(super) fn open(path: &Path) -> Result<Self, FilesFailure> {
        let fail = |source: io::Error| FilesFailure::Key {
            path: path.to_owned(),
            source,
        };
        let document = match fs::read(path) {
            Ok(document) => document,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).map_err(fail)?,
            Err(error) => return Err(fail(error)),
        };
        Self::of(&document).ok_or_else(|| {
            fail(io::Error::new(
                io::ErrorKind::InvalidData,
                "it holds no Ed25519 key; delete it, and the next start makes one",
            ))
        })
    }

    fn of(document: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(document).ok()?;
        let public: [u8; 32] = pair.public_key().as_ref().try_into().ok()?;
        let hash = digest(&SHA256, &public);
        let id = hash.as_ref().first_chunk().copied()?;
        Some(Self {
            pair,
            id: KeyId(u32::from_be_bytes(id)),
            public,
        })
    }

    /// The key's id.
    pub(crate) const fn id(&self) -> u32 {
        self.id.0
    }

    /// What tickets are checked with.
    pub(crate) const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Writes a ticket, as text.
    ///
    /// # Errors
    /// [`FilesError::Unavailable`] if no such ticket can be: the settings keep it from that.
    pub(crate) fn sign(
        &self,
        permission: &Permission<'_>,
        (issued_ms, expires_ms): (u64, u64),
    ) -> Result<String, FilesError> {
        let ticket = Ticket {
            account: permission.account.to_owned(),
            peer: PeerKey(permission.peer),
            scope: Scope::Content(Root::from_bytes(permission.root)),
            right: permission.right,
            issued_ms,
            expires_ms,
            key: self.id,
        };
        let signed = ticket.sign(&self.pair).map_err(|error| {
            tracing::error!(%error, "a ticket cannot be signed");
            FilesError::Unavailable
        })?;
        Ok(to_text(&signed))
    }
}

/// Makes a key elsewhere and moves it here, so that a start that is cut short leaves nothing by halves.
fn make(path: &Path) -> io::Result<Vec<u8>> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| io::Error::other("the operating system gives no random numbers"))?;
    let fresh = path.with_extension("key.new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(document.as_ref())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::File::open(folder)?.sync_all()?;
    Ok(document.as_ref().to_vec())
}

#[cfg(test)]
mod tests;
