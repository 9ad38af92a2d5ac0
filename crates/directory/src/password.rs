//! Hashing, verifying and inventing passwords.
//!
//! Passwords are stored as argon2id with 19 MiB, two passes and one lane. One
//! hash takes tens of milliseconds on purpose: callers bound how many run at
//! once, and use [`crate::credentials`] for logins that repeat.

mod rabbit;

use std::hint::black_box;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::limits::{HASH_MEMORY_KIB_MAX, HASH_PASSES_MAX, PASSWORD_BYTES_MAX};

pub use rabbit::{RabbitHashError, from_rabbit, needs_upgrade};

/// Units: KiB.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// Five bits each; without `0`, `1`, `l` and `o`, which people mistake.
const ALPHABET: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
const GROUPS: usize = 7;
const GROUP_CHARACTERS: usize = 4;
const _: () = assert!(
    GROUPS * GROUP_CHARACTERS * 5 >= 128,
    "a generated password cannot be guessed"
);

/// Why a password could not be hashed or invented.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It is empty, and nobody may log in with that.
    #[error("a password cannot be empty")]
    Empty,
    /// It is longer than [`PASSWORD_BYTES_MAX`].
    #[error("a password can have at most {PASSWORD_BYTES_MAX} bytes, this one has {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// The operating system gave no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// The hash function refused its input.
    #[error("cannot hash the password")]
    Hash(#[source] argon2::password_hash::Error),
}

/// Hashes a password with a fresh salt, as a PHC string.
///
/// Units: 1..=1024 bytes; takes tens of milliseconds and 19 MiB.
///
/// Errors: the password is out of bounds, or there are no random numbers.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    if password.is_empty() {
        return Err(PasswordError::Empty);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong {
            bytes: password.len(),
        });
    }
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(PasswordError::Random)?;
    hasher()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(PasswordError::Hash)
}

/// Tells whether a password is the one that was hashed.
///
/// An empty password, one that is too long and a stored hash that cannot be
/// read never match. The comparison takes the same time wherever they differ.
pub fn verify(password: &str, stored_hash: &str) -> bool {
    if !is_plausible(password) {
        return false;
    }
    if let Some(stored) = rabbit::parse(stored_hash) {
        // Nobody shall tell by the time which accounts have the weaker hashes.
        verify_absent(password);
        return stored.matches(password);
    }
    let Some(stored) = parse(stored_hash) else {
        // An account without a password must not answer sooner than another.
        verify_absent(password);
        return false;
    };
    hasher()
        .verify_password(password.as_bytes(), &stored)
        .is_ok()
}

/// Does the work of [`verify`] for a login that does not exist, so that the
/// time of the answer does not tell which logins do.
pub fn verify_absent(password: &str) {
    if !is_plausible(password) {
        return;
    }
    let mut output = [0; HASH_BYTES];
    let done = hasher().hash_password_into(password.as_bytes(), &[0; SALT_BYTES], &mut output);
    // The result is used as far as the compiler can tell.
    black_box((done.is_ok(), output));
}

/// Invents a password that cannot be guessed and is easy to type.
///
/// Shape: seven groups of four lower-case letters and digits, joined by `-`;
/// 140 bits from the operating system.
///
/// Errors: there are no random numbers.
pub fn generate_password() -> Result<String, PasswordError> {
    let mut random = [0; GROUPS * GROUP_CHARACTERS];
    getrandom::fill(&mut random).map_err(PasswordError::Random)?;
    let mut password = String::with_capacity(GROUPS * (GROUP_CHARACTERS + 1));
    for group in random.chunks(GROUP_CHARACTERS) {
        if !password.is_empty() {
            password.push('-');
        }
        for byte in group {
            // 32 divides 256: every character is equally likely.
            let index = usize::from(*byte) % ALPHABET.len();
            password.push(char::from(ALPHABET[index]));
        }
    }
    Ok(password)
}

fn is_plausible(password: &str) -> bool {
    !password.is_empty() && password.len() <= PASSWORD_BYTES_MAX
}

/// Reads a stored hash; `None` too if its parameters would exhaust the machine.
fn parse(stored_hash: &str) -> Option<PasswordHash> {
    let stored = PasswordHash::new(stored_hash).ok()?;
    let params = Params::try_from(&stored).ok()?;
    let affordable = params.m_cost() <= HASH_MEMORY_KIB_MAX && params.t_cost() <= HASH_PASSES_MAX;
    let complete = stored.salt.is_some() && stored.hash.is_some();
    let known = Algorithm::try_from(stored.algorithm.as_str()).is_ok();
    (affordable && complete && known).then_some(stored)
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES))
        .expect("the parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests;
