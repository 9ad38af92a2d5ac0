//! Messages in the frames, with the head that gRPC gives them: what it is (0 said, 1 refused), the length (u32, big-endian), the bytes.

use bytes::{Buf as _, Bytes, BytesMut};
use prost::Message;
use tokio::io::AsyncRead;
use tokio::time::timeout;
use tonic::{Code, Status};

use super::{Reader, SILENCE, SealedError};

const HEAD_BYTES: usize = 5;
const SAID: u8 = 0;
const REFUSED: u8 = 1;
/// The longest refusal.
const REFUSAL_BYTES_MAX: usize = 4_096;

/// What comes, message by message.
pub(in crate::peer) struct Incoming<R> {
    reader: Reader<R>,
    /// What has come and was not taken yet: less than a message, but for what its last frame has of the next.
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(in crate::peer) fn new(reader: Reader<R>) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
        }
    }

    /// Waits for the next message, of at most so many bytes; none when the other end has hung up.
    ///
    /// # Concurrency
    /// Not cancel safe.
    ///
    /// # Errors
    /// The line, a message that is too long, or what the call is refused with.
    pub(in crate::peer) async fn message(
        &mut self,
        most: usize,
    ) -> Result<Option<Bytes>, SealedError> {
        if !self.gather(HEAD_BYTES).await? {
            return Ok(None);
        }
        let kind = self.buffer.get_u8();
        let length = self.buffer.get_u32() as usize;
        let most = if kind == REFUSED {
            REFUSAL_BYTES_MAX
        } else {
            most
        };
        if kind > REFUSED || length > most {
            return Err(SealedError::Forged);
        }
        if !self.gather(length).await? && length > 0 {
            return Err(cut());
        }
        let message = self.buffer.split_to(length).freeze();
        match (kind, message.split_first()) {
            (SAID, _) => Ok(Some(message)),
            (_, Some((&code, text))) => Err(SealedError::Refused {
                code,
                text: String::from_utf8_lossy(text).into_owned(),
            }),
            (_, None) => Err(SealedError::Forged),
        }
    }

    /// Waits for the next message of a kind.
    ///
    /// # Concurrency
    /// Not cancel safe.
    ///
    /// # Errors
    /// See [`Self::message`]; and what comes is no such message.
    pub(in crate::peer) async fn decoded<M: Message + Default>(
        &mut self,
        most: usize,
    ) -> Result<Option<M>, SealedError> {
        let Some(message) = self.message(most).await? else {
            return Ok(None);
        };
        M::decode(message)
            .map(Some)
            .map_err(|_| SealedError::Forged)
    }

    /// Waits for bytes as they come, whatever messages they are of: first those that were read already.
    ///
    /// # Concurrency
    /// Not cancel safe.
    ///
    /// # Errors
    /// The line.
    pub(in crate::peer) async fn bytes(&mut self) -> Result<Option<Bytes>, SealedError> {
        if self.buffer.is_empty() {
            self.next().await
        } else {
            Ok(Some(self.buffer.split().freeze()))
        }
    }

    /// Gathers so many bytes; false when the other end has hung up before the first.
    async fn gather(&mut self, length: usize) -> Result<bool, SealedError> {
        while self.buffer.len() < length {
            match self.next().await? {
                Some(frame) => self.buffer.extend_from_slice(&frame),
                None if self.buffer.is_empty() => return Ok(false),
                None => return Err(cut()),
            }
        }
        Ok(true)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, SealedError> {
        let frame = timeout(SILENCE, self.reader.frame()).await;
        frame.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
    }
}

fn cut() -> SealedError {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()
}

/// Puts the head before a message.
pub(in crate::peer) fn said(message: &[u8]) -> Vec<u8> {
    headed(SAID, &[message])
}

/// Says why a call is refused.
pub(in crate::peer) fn refusal(status: &Status) -> Vec<u8> {
    // Codes are small.
    let code = u8::try_from(i32::from(status.code())).unwrap_or(u8::MAX);
    let text = status.message().as_bytes();
    headed(
        REFUSED,
        &[&[code], &text[..text.len().min(REFUSAL_BYTES_MAX - 1)]],
    )
}

fn headed(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(HEAD_BYTES + length);
    out.push(kind);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

impl From<SealedError> for Status {
    fn from(error: SealedError) -> Self {
        match error {
            SealedError::Refused { code, text } => Self::new(Code::from(i32::from(code)), text),
            SealedError::Lost(_)
            | SealedError::Foreign
            | SealedError::Stranger
            | SealedError::Forged
            | SealedError::Worn => Self::unavailable(error.to_string()),
        }
    }
}
