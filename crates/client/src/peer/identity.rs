//! Who a peer is: a key of its own, made once and kept in its state directory. The server tells others the key's hash, so that nobody
//! else can pose as this peer.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The file of the certificate and its key, below the state directory.
const FILE: &str = "peer.pem";
/// Bytes of the key's hash that make the peer's id.
const ID_BYTES: usize = 16;

/// The hash of a peer's key: SHA-256 of the certificate's SubjectPublicKeyInfo.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The id of the peer whose key it is.
    #[must_use]
    pub fn peer(&self) -> String {
        self.to_string().chars().take(ID_BYTES * 2).collect()
    }

    /// Hashes a SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn of(public_key: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, public_key).as_ref());
        Self(bytes)
    }

    /// Takes a hash as it is.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

/// A text is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no hash of a key: 64 hexadecimal digits")]
pub struct NoFingerprint(String);

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        // The same digits as a content's root.
        text.parse::<files::content::Root>()
            .map(|root| Self(*root.as_bytes()))
            .map_err(|_| NoFingerprint(text.to_owned()))
    }
}

/// A peer's certificate and key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Reads the identity in the state directory, or makes one, which only its owner may read.
    ///
    /// # Durability
    /// A new one is on disk on return.
    ///
    /// # Errors
    /// The directory cannot be read or written, or the file holds something else: it is never overwritten.
    pub fn open(state: &Path) -> io::Result<Self> {
        let path = state.join(FILE);
        match fs::read(&path) {
            Ok(pem) => Self::read(&pem).ok_or_else(|| damaged(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(state),
            Err(error) => Err(error),
        }
    }

    /// Makes an identity that ends with the process.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn passing() -> io::Result<Self> {
        Self::read(&generate()?).ok_or_else(|| io::Error::other("a certificate of its own"))
    }

    fn make(state: &Path) -> io::Result<Self> {
        let pem = generate()?;
        fs::create_dir_all(state)?;
        let unfinished = state.join(format!(".{FILE}.new"));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(&pem)?;
        file.sync_all()?;
        fs::rename(&unfinished, state.join(FILE))?;
        File::open(state)?.sync_all()?;
        Self::read(&pem).ok_or_else(|| damaged(state))
    }

    fn read(pem: &[u8]) -> Option<Self> {
        let certificate = CertificateDer::from_pem_slice(pem).ok()?;
        let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
        Some(Self {
            fingerprint: super::tls::fingerprint(&certificate).ok()?,
            certificate,
            key,
        })
    }

    /// The peer's id: 32 hexadecimal digits, the first half of [`Self::fingerprint`].
    #[must_use]
    pub fn id(&self) -> String {
        self.fingerprint.peer()
    }

    /// The hash of its key.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(super) const fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }
}

// Written by hand so that the key is never printed.
impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

fn generate() -> io::Result<Vec<u8>> {
    let made = rcgen::generate_simple_self_signed(vec![super::tls::NAME.to_owned()])
        .map_err(io::Error::other)?;
    Ok(format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem()).into_bytes())
}

fn damaged(path: &Path) -> io::Error {
    let text = format!(
        "{} holds no certificate with its key; move it away and another identity is made",
        path.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once_and_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let state = tempfile::tempdir().expect("a directory");
        let made = Identity::open(state.path()).expect("it is made");
        let read = Identity::open(state.path()).expect("it is read");
        assert_eq!(made.fingerprint(), read.fingerprint());
        assert_eq!(made.id().len(), 32);
        let file = state.path().join(FILE);
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0);
        assert_ne!(
            Identity::passing().expect("another").fingerprint(),
            made.fingerprint()
        );
    }

    #[test]
    fn a_file_that_holds_something_else_is_kept() {
        let state = tempfile::tempdir().expect("a directory");
        let file = state.path().join(FILE);
        fs::write(&file, "mine").expect("it is written");
        let error = Identity::open(state.path()).expect_err("no identity");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(fs::read(&file).expect("a file"), b"mine");
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let one = Fingerprint::of(b"a key");
        assert_eq!(one.to_string().parse(), Ok(one));
        assert!("00".parse::<Fingerprint>().is_err());
    }
}
