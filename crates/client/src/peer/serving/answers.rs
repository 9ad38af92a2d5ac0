//! Answers as gRPC frames them, so that the bytes of a group are read from disk to where they are sent from: the encoder of messages would
//! copy them once more, which is a twentieth of what a download costs.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes};
use hyper::body::{Body, Frame, Incoming};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use rpc::v1::FetchResponse;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::codegen::{BoxFuture, Service, http};

/// What stands before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// The numbers of the fields, as the proto file has them.
const CONTENT: u32 = 1;
const GROUP: u32 = 4;
const GROUP_INDEX: u32 = 1;
const GROUP_DATA: u32 = 2;

/// An answer, framed; or how the stream ends.
pub(super) type Framed = Result<Bytes, Status>;

/// Frames an answer.
pub(super) fn frame(answer: &FetchResponse) -> Bytes {
    let length = answer.encoded_len();
    let mut framed = Vec::with_capacity(PREFIX_BYTES + length);
    put_prefix(&mut framed, length);
    answer.encode_raw(&mut framed);
    framed.into()
}

/// Everything of an answer with a group but its bytes, which are to be put behind it; there is room for them.
pub(super) fn group_frame(content: u32, index: u32, bytes: usize) -> Vec<u8> {
    let (content, index) = (u64::from(content), u64::from(index));
    let field = |number, value| key_len(number) + encoded_len_varint(value);
    // Nothing is written of a field that is 0.
    let of_index = if index == 0 {
        0
    } else {
        field(GROUP_INDEX, index)
    };
    let of_content = if content == 0 {
        0
    } else {
        field(CONTENT, content)
    };
    let group = of_index + field(GROUP_DATA, bytes as u64) + bytes;
    let length = of_content + field(GROUP, group as u64) + group;
    let mut framed = Vec::with_capacity(PREFIX_BYTES + length);
    put_prefix(&mut framed, length);
    if content != 0 {
        encode_key(CONTENT, WireType::Varint, &mut framed);
        encode_varint(content, &mut framed);
    }
    encode_key(GROUP, WireType::LengthDelimited, &mut framed);
    encode_varint(group as u64, &mut framed);
    if index != 0 {
        encode_key(GROUP_INDEX, WireType::Varint, &mut framed);
        encode_varint(index, &mut framed);
    }
    encode_key(GROUP_DATA, WireType::LengthDelimited, &mut framed);
    encode_varint(bytes as u64, &mut framed);
    framed
}

fn put_prefix(framed: &mut Vec<u8>, length: usize) {
    framed.put_u8(0);
    // Bounded far below by the greatest answer.
    framed.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

/// Where the answers of a stream come from, on its way from the call to [`Framing`].
#[derive(Clone)]
pub(super) struct Outbox(Arc<Mutex<Option<mpsc::Receiver<Framed>>>>);

impl Outbox {
    pub(super) fn new(answers: mpsc::Receiver<Framed>) -> Self {
        Self(Arc::new(Mutex::new(Some(answers))))
    }

    fn take(&self) -> Option<mpsc::Receiver<Framed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Sends what the [`Outbox`] of a call has, in place of the messages that the service answers with.
#[derive(Clone)]
pub(super) struct Framing<S>(pub(super) S);

impl<S> Service<http::Request<Incoming>> for Framing<S>
where
    S: Service<http::Request<Incoming>, Response = http::Response<tonic::body::Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Incoming>) -> Self::Future {
        let answered = self.0.call(request);
        Box::pin(async move {
            let mut response = answered.await?;
            let outbox = response.extensions_mut().remove::<Outbox>();
            if let Some(answers) = outbox.and_then(|outbox| outbox.take()) {
                *response.body_mut() = tonic::body::Body::new(Answers(Some(answers)));
            }
            Ok(response)
        })
    }
}

/// The answers of a stream, with how it ended behind the last.
struct Answers(Option<mpsc::Receiver<Framed>>);

impl Body for Answers {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(answers) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let end = match ready!(answers.poll_recv(context)) {
            Some(Ok(framed)) => return Poll::Ready(Some(Ok(Frame::data(framed)))),
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        self.0 = None;
        let mut trailers = http::HeaderMap::new();
        let added = end.add_header(&mut trailers);
        Poll::Ready(Some(added.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

#[cfg(test)]
mod tests {
    use rpc::v1::Group;
    use rpc::v1::fetch_response::Answer;

    use super::*;

    #[test]
    fn a_group_is_framed_as_its_message_is() {
        for (content, index, bytes) in [
            (0, 0, 0),
            (1, 0, 1),
            (0, 127, 127),
            (300, 128, 128),
            (u32::MAX, u32::MAX, 256 << 10),
        ] {
            let data = vec![7; bytes];
            let mut framed = group_frame(content, index, bytes);
            framed.extend_from_slice(&data);
            let answer = FetchResponse {
                content,
                answer: Some(Answer::Group(Group {
                    index: index.into(),
                    data: data.into(),
                })),
            };
            let decoded = FetchResponse::decode(framed.get(PREFIX_BYTES..).unwrap_or_default());
            assert_eq!(decoded.as_ref(), Ok(&answer));
            if bytes > 0 {
                assert_eq!(framed, frame(&answer));
            }
        }
    }
}
