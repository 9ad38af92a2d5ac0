//! The answers of a stream, each put together from the frames it came in where it can be written to disk from: the decoder of messages
//! would copy the bytes of a group once, and writing past the page cache once more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use prost::Message as _;
use rpc::v1::FetchResponse;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::{Code, Status};

use crate::peer::limits::{ANSWER_BYTES_MAX, DISK_ALIGNMENT};

/// What stands before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// The call whose answers are put together here.
const FETCH: &str = "/chaski.v1.PeerService/Fetch";
/// Pieces of memory that are kept for the next answers.
const KEPT_MAX: usize = 16;
/// Answers of fewer bytes are not worth keeping memory for.
const KEPT_BYTES_MIN: usize = 64 << 10;

/// The answers of a stream.
pub(super) struct Answers {
    /// Never locked: that a body is no `Sync` is to keep nobody from sharing the rest.
    body: Mutex<Body>,
    /// Frames, from the first byte on that belongs to no answer yet.
    frames: VecDeque<Bytes>,
    prefix: Vec<u8>,
    filling: Option<Filling>,
    kept: Kept,
}

/// An answer that is not whole yet.
struct Filling {
    piece: Piece,
    /// Bytes that are to come.
    left: usize,
}

impl Answers {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body: Mutex::new(body),
            frames: VecDeque::new(),
            prefix: Vec::with_capacity(PREFIX_BYTES),
            filling: None,
            kept: Kept::default(),
        }
    }

    /// Waits for the next one; none when the stream has ended in good order.
    ///
    /// # Concurrency
    /// Cancel safe.
    ///
    /// # Errors
    /// The connection is lost, the peer has ended the stream for a reason, or what it sends is no answer.
    pub(super) async fn message(&mut self) -> Result<Option<FetchResponse>, Status> {
        loop {
            if let Some(answer) = self.put_together()? {
                return Ok(Some(answer));
            }
            let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
            let Some(frame) = body.frame().await else {
                let is_whole = self.filling.is_none() && self.prefix.is_empty();
                return match is_whole {
                    true => Ok(None),
                    false => Err(Status::internal("it ended in the middle of an answer")),
                };
            };
            match frame?.into_data() {
                Ok(data) => self.frames.push_back(data),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let status = Status::from_header_map(&trailers);
                    return match status.filter(|status| status.code() != Code::Ok) {
                        Some(status) => Err(status),
                        None => Ok(None),
                    };
                }
            }
        }
    }

    /// Takes what has come; gives an answer once it is whole.
    fn put_together(&mut self) -> Result<Option<FetchResponse>, Status> {
        while let Some(mut frame) = self.frames.pop_front() {
            let mut filling = match self.filling.take() {
                Some(filling) => filling,
                None => {
                    let missing = (PREFIX_BYTES - self.prefix.len()).min(frame.len());
                    self.prefix.extend_from_slice(&frame.split_to(missing));
                    let Some(length) = length_of(&self.prefix)? else {
                        continue;
                    };
                    self.prefix.clear();
                    let piece = self.kept.piece(length);
                    Filling {
                        piece,
                        left: length,
                    }
                }
            };
            let taken = frame.split_to(filling.left.min(frame.len()));
            filling.piece.memory.extend_from_slice(&taken);
            filling.left -= taken.len();
            if frame.has_remaining() {
                self.frames.push_front(frame);
            }
            if filling.left == 0 {
                let answer = FetchResponse::decode(Bytes::from_owner(filling.piece));
                return match answer {
                    Ok(answer) => Ok(Some(answer)),
                    Err(error) => Err(Status::internal(error.to_string())),
                };
            }
            self.filling = Some(filling);
        }
        Ok(None)
    }
}

/// Reads how long a message is, once its prefix is whole.
fn length_of(prefix: &[u8]) -> Result<Option<usize>, Status> {
    let [compressed, length @ ..] = prefix else {
        return Ok(None);
    };
    let Ok(length) = <[u8; 4]>::try_from(length) else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if *compressed != 0 || length > ANSWER_BYTES_MAX {
        let text = format!("an answer is not compressed, and has at most {ANSWER_BYTES_MAX} bytes");
        return Err(Status::out_of_range(text));
    }
    Ok(Some(length))
}

/// Memory that answers were in.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Vec<u8>>>>);

/// The memory of one answer.
struct Piece {
    memory: Vec<u8>,
    /// Where the answer begins.
    begin: usize,
    kept: Kept,
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory for an answer of so many bytes. What ends an answer with a whole group is those bytes: they come to stand where the disk
    /// takes them from.
    fn piece(&self, length: usize) -> Piece {
        let mut memory = self.lock().pop().unwrap_or_default();
        memory.reserve(length + DISK_ALIGNMENT);
        let before_group = length % DISK_ALIGNMENT;
        let begin = memory
            .as_ptr()
            .wrapping_add(before_group)
            .align_offset(DISK_ALIGNMENT);
        memory.resize(begin, 0);
        Piece {
            memory,
            begin,
            kept: self.clone(),
        }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(self.begin..).unwrap_or_default()
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut memory = std::mem::take(&mut self.memory);
        let mut kept = self.kept.lock();
        if memory.capacity() >= KEPT_BYTES_MIN && kept.len() < KEPT_MAX {
            memory.clear();
            kept.push(memory);
        }
    }
}

/// The body of an answered call, on its way past the decoder.
#[derive(Clone)]
pub(super) struct Undecoded(Arc<Mutex<Option<Body>>>);

impl Undecoded {
    pub(super) fn answers(&self) -> Option<Answers> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.take().map(Answers::new)
    }
}

/// Leaves the bodies of answered calls undecoded where they are put together here.
#[derive(Debug, Clone)]
pub(in crate::peer) struct Passing<S>(pub(super) S);

impl<S> Service<http::Request<Body>> for Passing<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let is_fetch = request.uri().path() == FETCH;
        let answered = self.0.call(request);
        Box::pin(async move {
            let mut response = answered.await?;
            if is_fetch {
                let body = std::mem::take(response.body_mut());
                let undecoded = Undecoded(Arc::new(Mutex::new(Some(body))));
                response.extensions_mut().insert(undecoded);
            }
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use rpc::v1::Group;
    use rpc::v1::fetch_response::Answer;

    use super::*;

    fn answer(index: u64, bytes: usize) -> FetchResponse {
        FetchResponse {
            content: 3,
            answer: Some(Answer::Group(Group {
                index,
                data: vec![7; bytes].into(),
            })),
        }
    }

    fn framed(answers: &[FetchResponse]) -> Vec<u8> {
        let mut framed = Vec::new();
        for answer in answers {
            framed.push(0);
            framed.extend(
                u32::try_from(answer.encoded_len())
                    .unwrap_or(0)
                    .to_be_bytes(),
            );
            answer.encode_raw(&mut framed);
        }
        framed
    }

    /// A stream whose bytes come in frames of so many, with a status behind them.
    fn stream(bytes: &[u8], frame: usize, status: &Status) -> Answers {
        let mut trailers = http::HeaderMap::new();
        let added = status.add_header(&mut trailers);
        assert!(added.is_ok());
        let chunks = bytes.chunks(frame).map(Bytes::copy_from_slice);
        let frames: Vec<Result<_, Status>> = chunks
            .map(Frame::data)
            .chain([Frame::trailers(trailers)])
            .map(Ok)
            .collect();
        Answers::new(Body::new(StreamBody::new(iter(frames))))
    }

    #[tokio::test]
    async fn answers_are_whole_in_whatever_frames_they_come() {
        let sent = [
            answer(0, 0),
            answer(1, 4_096),
            answer(200, 256 << 10),
            answer(7, 1_000),
        ];
        let bytes = framed(&sent);
        for frame in [1, 3, 5, 6, 16 << 10, bytes.len()] {
            let mut answers = stream(&bytes, frame, &Status::ok(""));
            for expected in &sent {
                let Ok(Some(heard)) = answers.message().await else {
                    panic!("an answer of frames of {frame} bytes is lost");
                };
                assert_eq!(heard, *expected);
                if let Some(Answer::Group(group)) = &heard.answer
                    && group.data.len() % DISK_ALIGNMENT == 0
                    && !group.data.is_empty()
                {
                    assert_eq!(group.data.as_ptr().align_offset(DISK_ALIGNMENT), 0);
                }
            }
            assert!(matches!(answers.message().await, Ok(None)));
        }
    }

    #[tokio::test]
    async fn memory_is_given_back_and_used_again() {
        let bytes = framed(&vec![answer(1, 256 << 10); 20]);
        let mut answers = stream(&bytes, 16 << 10, &Status::ok(""));
        let mut places = std::collections::BTreeSet::new();
        while let Ok(Some(FetchResponse {
            answer: Some(Answer::Group(group)),
            ..
        })) = answers.message().await
        {
            places.insert(group.data.as_ptr());
        }
        assert_eq!(places.len(), 1);
    }

    #[tokio::test]
    async fn what_is_no_answer_ends_the_stream_with_a_reason() {
        let half = framed(&[answer(1, 100)]);
        let ended: Vec<Result<_, Status>> = vec![Ok(Frame::data(Bytes::copy_from_slice(
            half.get(..50).unwrap_or_default(),
        )))];
        let mut answers = Answers::new(Body::new(StreamBody::new(iter(ended))));
        assert!(answers.message().await.is_err());
        for (bytes, expected) in [
            (&[1, 0, 0, 0, 1, 0][..], Code::OutOfRange),
            (&[0, 0x7f, 0, 0, 0], Code::OutOfRange),
            (&[0, 0, 0, 0, 2, 0xff, 0xff], Code::Internal),
            (&[], Code::Aborted),
        ] {
            let mut answers = stream(bytes, 4, &Status::aborted("enough"));
            let status = answers.message().await.map_err(|status| status.code());
            assert_eq!(status, Err(expected));
        }
    }
}
