//! What a request sends beyond what its handler reads.
//!
//! An answer may come before the body has: it is too large, or nobody is logged in. Closing then resets the connection, and a client that
//! still writes never sees why it was refused. So the rest is read and dropped for a while, beside the answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{HeaderMap, Version, header};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;

/// A rest of known length is read to its end if it has at most so many bytes: most clients read no answer before they have sent all.
const KNOWN_BYTES_MAX: u64 = 64 << 20;
/// Of any other so many bytes are read, for clients that listen while they send.
const BYTES_MAX: u64 = 8 << 20;
/// How long that may take: whoever sends a byte now and then is not to hold a connection for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The body of a request, whose rest is read when its handler drops it.
pub(super) struct Unhurried {
    /// `None` only once it is dropped.
    incoming: Option<Incoming>,
    is_drained: bool,
}

impl Unhurried {
    pub(super) fn new(incoming: Incoming, version: Version, headers: &HeaderMap) -> Self {
        Self {
            incoming: Some(incoming),
            // Streams of HTTP/2 end one by one, and who waits for a "100 Continue" has sent nothing.
            is_drained: version <= Version::HTTP_11 && !headers.contains_key(header::EXPECT),
        }
    }
}

impl Body for Unhurried {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Unhurried {
    fn drop(&mut self) {
        let rest = self
            .incoming
            .take()
            .filter(|rest| self.is_drained && !rest.is_end_stream());
        // Without a runtime the server has stopped, and the connection is closed anyway.
        if let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(PATIENCE, drain(rest)));
        }
    }
}

async fn drain(mut rest: Incoming) {
    let known = rest.size_hint().exact();
    let mut left = known
        .filter(|bytes| *bytes <= KNOWN_BYTES_MAX)
        .unwrap_or(BYTES_MAX);
    let next = |rest: &mut Incoming, context: &mut Context<'_>| Pin::new(rest).poll_frame(context);
    while let Some(Ok(frame)) = std::future::poll_fn(|context| next(&mut rest, context)).await {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        match left.checked_sub(bytes) {
            Some(fewer) => left = fewer,
            None => return,
        }
    }
}
