//! Inventing secrets that nobody types, deriving one from another, and comparing their hashes.
//!
//! A token is as good as random, so one round of SHA-256 hides it: there is
//! nothing to guess that a slow hash would make slower. Passwords are not that;
//! they belong to [`crate::password`].

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::digest;
use subtle::ConstantTimeEq;

/// 256 bits.
const RANDOM_BYTES: usize = 32;
/// Six bits each, and no padding.
const RANDOM_CHARACTERS: usize = (RANDOM_BYTES * 8).div_ceil(6);

/// Invents a token that cannot be guessed.
///
/// Shape: the prefix, for example `cht_`, by which people and scanners recognise
/// what they see, and 43 characters of base64url; 256 bits from the operating
/// system.
///
/// Errors: the operating system gives no random numbers.
pub fn generate(prefix: &str) -> Result<String, getrandom::Error> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random)?;
    let mut characters = [0; RANDOM_CHARACTERS];
    let encoded =
        Base64UrlUnpadded::encode(&random, &mut characters).expect("43 characters hold 32 bytes");
    Ok(format!("{prefix}{encoded}"))
}

/// Makes a second token out of one: only who shows the first can make it, and it does not lead back.
///
/// Shape: as [`generate`]'s.
pub fn derive(prefix: &str, token: &str) -> String {
    let mut characters = [0; RANDOM_CHARACTERS];
    // No prefix and no token has a line break in it.
    let derived = hash(&format!("{prefix}\n{token}"));
    let encoded =
        Base64UrlUnpadded::encode(&derived, &mut characters).expect("43 characters hold 32 bytes");
    format!("{prefix}{encoded}")
}

/// Hashes a token, prefix and all, for storing and finding it.
pub fn hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    hash
}

/// Tells whether two hashes are the same, in the same time wherever they differ.
pub fn equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests;
