//! Passwords that were hashed by RabbitMQ and came with its definitions.
//!
//! One round of SHA-2 with four bytes of salt is quickly guessed by whoever gets
//! hold of it, so such a hash stands only until its account logs in: then
//! [`needs_upgrade`] asks for one of ours.

use base64ct::{Base64, Encoding};
use ring::digest::{self, Algorithm, SHA256, SHA512};
use subtle::ConstantTimeEq;

const SALT_BYTES: usize = 4;
const HASH_BYTES_MAX: usize = digest::SHA512_OUTPUT_LEN;

/// Why a hash of RabbitMQ's cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RabbitHashError {
    /// It was made in a way that is not known here, or too weak.
    #[error(
        "passwords hashed by '{0}' cannot be taken over, only those by \
         rabbit_password_hashing_sha256 and rabbit_password_hashing_sha512"
    )]
    Algorithm(String),
    /// It is not what that algorithm makes.
    #[error("a password hash by {algorithm} is {bytes} bytes in base64, and this is not")]
    Malformed {
        /// RabbitMQ's name of the algorithm.
        algorithm: &'static str,
        /// How many bytes of salt and hash there have to be.
        bytes: usize,
    },
}

/// A way in which RabbitMQ hashes.
struct Hashing {
    /// RabbitMQ's name.
    name: &'static str,
    /// What a stored hash begins with.
    prefix: &'static str,
    algorithm: &'static Algorithm,
}

static HASHINGS: [Hashing; 2] = [
    Hashing {
        name: "rabbit_password_hashing_sha256",
        prefix: "rabbit-sha256$",
        algorithm: &SHA256,
    },
    Hashing {
        name: "rabbit_password_hashing_sha512",
        prefix: "rabbit-sha512$",
        algorithm: &SHA512,
    },
];

/// A stored hash, taken apart.
pub(super) struct RabbitHash {
    algorithm: &'static Algorithm,
    salt: [u8; SALT_BYTES],
    /// As many bytes as the algorithm makes count.
    hash: [u8; HASH_BYTES_MAX],
}

/// Takes over a password hash as RabbitMQ exports it, for
/// [`crate::Account::password_hash`].
///
/// Shape: base64 of four bytes of salt and of the hash of salt and password. An
/// empty text, by which RabbitMQ means that no password logs in, stays empty.
///
/// Errors: the algorithm is not known, or the hash is not one of it.
pub fn from_rabbit(algorithm_name: &str, base64: &str) -> Result<String, RabbitHashError> {
    let hashing = HASHINGS
        .iter()
        .find(|hashing| hashing.name == algorithm_name)
        .ok_or_else(|| RabbitHashError::Algorithm(algorithm_name.to_owned()))?;
    if base64.is_empty() {
        return Ok(String::new());
    }
    if hashing.decode(base64).is_none() {
        return Err(RabbitHashError::Malformed {
            algorithm: hashing.name,
            bytes: SALT_BYTES + hashing.algorithm.output_len(),
        });
    }
    Ok(format!("{}{base64}", hashing.prefix))
}

/// Tells whether a stored hash should give way to [`super::hash`] as soon as its
/// password is known: [`crate::Change::AccountRehashed`].
pub fn needs_upgrade(stored_hash: &str) -> bool {
    parse(stored_hash).is_some()
}

/// Reads a hash that [`from_rabbit`] made; `None` if it is another, or damaged.
pub(super) fn parse(stored_hash: &str) -> Option<RabbitHash> {
    HASHINGS
        .iter()
        .find_map(|hashing| hashing.decode(stored_hash.strip_prefix(hashing.prefix)?))
}

impl Hashing {
    fn decode(&self, base64: &str) -> Option<RabbitHash> {
        let mut bytes = [0; SALT_BYTES + HASH_BYTES_MAX];
        let decoded = Base64::decode(base64, &mut bytes).ok()?;
        if decoded.len() != SALT_BYTES + self.algorithm.output_len() {
            return None;
        }
        let (salt, hash) = bytes.split_first_chunk()?;
        Some(RabbitHash {
            algorithm: self.algorithm,
            salt: *salt,
            hash: *hash.first_chunk()?,
        })
    }
}

impl RabbitHash {
    /// Tells whether this is the password's hash, in the same time wherever they differ.
    pub(super) fn matches(&self, password: &str) -> bool {
        let mut context = digest::Context::new(self.algorithm);
        context.update(&self.salt);
        context.update(password.as_bytes());
        let digest = context.finish();
        digest
            .as_ref()
            .ct_eq(&self.hash[..digest.as_ref().len()])
            .into()
    }
}

#[cfg(test)]
mod tests;
