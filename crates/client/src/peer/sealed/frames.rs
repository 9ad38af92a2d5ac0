//! Frames: pieces of what is said, each sealed under the key of its direction with its number as the nonce.
//!
//! *Shape*: the length of what follows (u16, big-endian), and the sealed bytes with their tag of 16 bytes. The length is authenticated.

use bytes::Bytes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::SealedError;

const HEAD_BYTES: usize = 2;
const TAG_BYTES: usize = 16;
/// A frame with its length: what the relay takes as one message.
const FRAME_BYTES_MAX: usize = crate::peer::limits::TUNNEL_BYTES_MAX;
/// Bytes that one frame seals.
pub(super) const PLAIN_BYTES_MAX: usize = FRAME_BYTES_MAX - HEAD_BYTES - TAG_BYTES;
/// Frames of one direction, far below what AES-GCM bears under one key; whoever has more to say opens another line.
pub(super) const FRAMES_MAX: u32 = 1 << 20;

const _: () = assert!(
    FRAME_BYTES_MAX - HEAD_BYTES <= u16::MAX as usize,
    "the length of a frame has two bytes"
);

/// One direction: a key, and how many frames it has sealed or unsealed.
struct Seal {
    key: LessSafeKey,
    count: u32,
}

impl Seal {
    fn new(key: &[u8; 32]) -> Result<Self, SealedError> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?);
        Ok(Self { key, count: 0 })
    }

    /// The number of the next frame, as a nonce that is used once.
    fn nonce(&mut self) -> Result<Nonce, SealedError> {
        if self.count >= FRAMES_MAX {
            return Err(SealedError::Worn);
        }
        let mut nonce = [0; 12];
        nonce[8..].copy_from_slice(&self.count.to_be_bytes());
        self.count += 1;
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}

/// What comes.
pub(in crate::peer) struct Reader<R> {
    stream: R,
    seal: Seal,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(stream: R, key: &[u8; 32]) -> Result<Self, SealedError> {
        let seal = Seal::new(key)?;
        Ok(Self { stream, seal })
    }

    /// Waits for the next frame that says something; none when the other end has hung up between two.
    ///
    /// # Concurrency
    /// Not cancel safe: a frame that is half read is lost with the rest of the line.
    ///
    /// # Errors
    /// The connection, or what comes is none of the line.
    pub(in crate::peer) async fn frame(&mut self) -> Result<Option<Bytes>, SealedError> {
        loop {
            let mut head = [0; HEAD_BYTES];
            if self.stream.read(&mut head[..1]).await? == 0 {
                return Ok(None);
            }
            self.stream.read_exact(&mut head[1..]).await?;
            let length = usize::from(u16::from_be_bytes(head));
            if length < TAG_BYTES {
                return Err(SealedError::Forged);
            }
            let mut sealed = vec![0; length];
            self.stream.read_exact(&mut sealed).await?;
            let nonce = self.seal.nonce()?;
            let key = &self.seal.key;
            let plain = key
                .open_in_place(nonce, Aad::from(head), &mut sealed)?
                .len();
            if plain > 0 {
                sealed.truncate(plain);
                return Ok(Some(sealed.into()));
            }
        }
    }
}

/// What goes.
pub(in crate::peer) struct Writer<W> {
    stream: W,
    seal: Seal,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(stream: W, key: &[u8; 32]) -> Result<Self, SealedError> {
        let seal = Seal::new(key)?;
        Ok(Self { stream, seal })
    }

    /// Sends bytes, in as many frames as they need.
    ///
    /// # Errors
    /// The connection.
    pub(in crate::peer) async fn send(&mut self, bytes: &[u8]) -> Result<(), SealedError> {
        for part in bytes.chunks(PLAIN_BYTES_MAX) {
            self.send_frame(part).await?;
        }
        Ok(self.stream.flush().await?)
    }

    /// Says nothing, so that the line is not taken for dead.
    ///
    /// # Errors
    /// The connection.
    pub(in crate::peer) async fn beat(&mut self) -> Result<(), SealedError> {
        self.send_frame(&[]).await?;
        Ok(self.stream.flush().await?)
    }

    async fn send_frame(&mut self, part: &[u8]) -> Result<(), SealedError> {
        let length = u16::try_from(part.len() + TAG_BYTES).map_err(|_| SealedError::Worn)?;
        let head = length.to_be_bytes();
        let mut sealed = Vec::with_capacity(HEAD_BYTES + part.len() + TAG_BYTES);
        sealed.extend_from_slice(&head);
        sealed.extend_from_slice(part);
        let nonce = self.seal.nonce()?;
        let key = &self.seal.key;
        let tag =
            key.seal_in_place_separate_tag(nonce, Aad::from(head), &mut sealed[HEAD_BYTES..])?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(self.stream.write_all(&sealed).await?)
    }

    /// Goes on as if so many frames had been sent.
    #[cfg(test)]
    pub(super) const fn skip_to(&mut self, count: u32) {
        self.seal.count = count;
    }

    /// Hangs up.
    pub(in crate::peer) async fn close(&mut self) {
        // It may be gone already.
        let _ = self.stream.shutdown().await;
    }
}
