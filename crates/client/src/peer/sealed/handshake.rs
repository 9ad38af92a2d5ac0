//! How a line begins: keys are agreed on, and the responder proves who it is.

use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::digest::{Context, SHA256};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey as Verifying,
};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split,
};

use super::{MAGIC, Reader, SealedError, Writer};
use crate::peer::identity::{Fingerprint, Identity};

/// Bytes of an uncompressed point of P-256.
const POINT_BYTES: usize = 65;
/// What an uncompressed point begins with.
const UNCOMPRESSED: u8 = 4;
/// A SubjectPublicKeyInfo of P-256 up to the point: the algorithm, and the head of the bit string.
const PUBLIC_KEY_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const PUBLIC_KEY_BYTES: usize = PUBLIC_KEY_HEAD.len() + POINT_BYTES;
const SIGNATURE_BYTES: usize = 64;
/// What is signed begins with this, so that no signature of the same key for something else is one of a line.
const SIGNED: &[u8] = b"chaski sealed line 1, responder";
const FROM_INITIATOR: &[u8] = b"chaski sealed line 1, from the initiator";
const FROM_RESPONDER: &[u8] = b"chaski sealed line 1, from the responder";

/// The two ends of a line: what comes, and what goes.
pub(in crate::peer) type Ends<S> = (Reader<ReadHalf<S>>, Writer<WriteHalf<S>>);

/// What a peer proves itself with.
pub(in crate::peer) struct Signer {
    pair: EcdsaKeyPair,
    public_key: [u8; PUBLIC_KEY_BYTES],
}

impl Signer {
    /// Takes the key of an identity; none if it is of another kind than those that are made here.
    pub(in crate::peer) fn of(identity: &Identity) -> Option<Self> {
        let PrivateKeyDer::Pkcs8(key) = identity.key() else {
            return None;
        };
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.secret_pkcs8_der(), &random).ok()?;
        let mut public_key = [0; PUBLIC_KEY_BYTES];
        let (head, point) = public_key.split_at_mut(PUBLIC_KEY_HEAD.len());
        head.copy_from_slice(&PUBLIC_KEY_HEAD);
        point.copy_from_slice(pair.public_key().as_ref());
        let is_own = Fingerprint::of(&public_key) == identity.fingerprint();
        is_own.then_some(Self { pair, public_key })
    }
}

/// A key that is made for one line.
struct Ephemeral {
    private: EphemeralPrivateKey,
    point: [u8; POINT_BYTES],
}

impl Ephemeral {
    fn make() -> Result<Self, SealedError> {
        let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())?;
        let mut point = [0; POINT_BYTES];
        point.copy_from_slice(private.compute_public_key()?.as_ref());
        Ok(Self { private, point })
    }

    /// Finds the keys of both directions, from what only the two ends know and from all that was said: the initiator's first.
    fn agree(self, other: &[u8], transcript: &[u8]) -> Result<[[u8; 32]; 2], SealedError> {
        let other = UnparsedPublicKey::new(&ECDH_P256, other);
        let keys = agree_ephemeral(self.private, &other, |secret| {
            let master = Salt::new(HKDF_SHA256, transcript).extract(secret);
            let mut keys = [[0; 32]; 2];
            for (key, info) in keys.iter_mut().zip([FROM_INITIATOR, FROM_RESPONDER]) {
                master.expand(&[info], KeyOf256)?.fill(key)?;
            }
            Ok(keys)
        });
        keys.map_err(|_| SealedError::Foreign)?
            .map_err(|_: ring::error::Unspecified| SealedError::Forged)
    }
}

/// A key of 256 bits.
struct KeyOf256;

impl KeyType for KeyOf256 {
    fn len(&self) -> usize {
        32
    }
}

/// Hashes all that was said: both ephemeral keys, and whose the line is.
fn transcript(initiator: &[u8], responder: &[u8], public_key: &[u8]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in [MAGIC, initiator, responder, public_key] {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

fn signed(transcript: &[u8]) -> Vec<u8> {
    [SIGNED, transcript].concat()
}

/// Opens a line to the peer with this key, and to nobody else.
///
/// # Errors
/// The connection, or who answers.
pub(in crate::peer) async fn call<S>(
    mut stream: S,
    key: Fingerprint,
) -> Result<Ends<S>, SealedError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let own = Ephemeral::make()?;
    stream.write_all(&[MAGIC, &own.point[..]].concat()).await?;
    stream.flush().await?;
    let mut point = [0; POINT_BYTES];
    // The first byte alone: what speaks TLS answers with an alert of a few bytes.
    let (first, rest) = point.split_at_mut(1);
    stream.read_exact(first).await?;
    if first != [UNCOMPRESSED] {
        return Err(SealedError::Foreign);
    }
    stream.read_exact(rest).await?;
    let mut public_key = [0; PUBLIC_KEY_BYTES];
    stream.read_exact(&mut public_key).await?;
    let mut signature = [0; SIGNATURE_BYTES];
    stream.read_exact(&mut signature).await?;
    let is_named = Fingerprint::of(&public_key) == key;
    let Some(verifying) = public_key
        .strip_prefix(&PUBLIC_KEY_HEAD)
        .filter(|_| is_named)
    else {
        return Err(SealedError::Stranger);
    };
    let transcript = transcript(&own.point, &point, &public_key);
    Verifying::new(&ECDSA_P256_SHA256_FIXED, verifying)
        .verify(&signed(&transcript), &signature)
        .map_err(|_| SealedError::Stranger)?;
    let [to, from] = own.agree(&point, &transcript)?;
    let (reading, writing) = split(stream);
    Ok((Reader::new(reading, &from)?, Writer::new(writing, &to)?))
}

/// Answers a call, as the peer whose key it is.
///
/// # Errors
/// The connection, or what the caller says.
pub(in crate::peer) async fn answer<S>(
    mut stream: S,
    signer: &Signer,
) -> Result<Ends<S>, SealedError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).await?;
    if magic != *MAGIC {
        return Err(SealedError::Foreign);
    }
    let mut point = [0; POINT_BYTES];
    stream.read_exact(&mut point).await?;
    let own = Ephemeral::make()?;
    let public_key = &signer.public_key;
    let transcript = transcript(&point, &own.point, public_key);
    let signature = signer
        .pair
        .sign(&SystemRandom::new(), &signed(&transcript))?;
    let said = [&own.point[..], public_key, signature.as_ref()].concat();
    let [from, to] = own.agree(&point, &transcript)?;
    stream.write_all(&said).await?;
    stream.flush().await?;
    let (reading, writing) = split(stream);
    Ok((Reader::new(reading, &from)?, Writer::new(writing, &to)?))
}
