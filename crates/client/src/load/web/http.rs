//! REST and server-sent events.

use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::super::error::LoadError;
use super::batch::{Bodies, fates};
use super::crew::Crew;
use super::events::Events;
use crate::api::{ApiError, escape, refused};

/// One connection, kept alive.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    url: String,
    host: HeaderValue,
    authorization: HeaderValue,
}

/// Publishes on one connection, a request after the other.
pub(super) async fn publish(
    crew: Rc<Crew>,
    producer: usize,
    messages: u64,
) -> Result<(), LoadError> {
    let mut connection = Connection::open(&crew).await?;
    let batch = crew.window();
    let options = &crew.setup.options;
    // What nobody reads need not be numbered.
    let is_marked = options.consumers > 0;
    let bodies = Bodies::new(batch, crew.size(), options.persistent, is_marked);
    let path = publish_path(&crew, batch > 1);
    let (mut left, mut sequence) = (messages, 0);
    crew.ready();
    while left > 0 && crew.has_room(batch).await {
        let count = usize::try_from(left).map_or(batch, |left| left.min(batch));
        let stamp = crew.published(count);
        let body = bodies.take(count, |index| Crew::mark(producer, stamp, sequence + index));
        let answer = connection.post(&path, body).await?;
        crew.confirmed(stamp, fates(&answer, count, batch > 1)?);
        left -= count as u64;
        sequence += count as u64;
    }
    Ok(())
}

fn publish_path(crew: &Crew, is_batch: bool) -> String {
    let place = match crew.topic() {
        Some(topic) => format!("/v1/topics/{}", escape(&topic)),
        None => format!("/v1/queues/{}", escape(&crew.setup.plan.queue_name(0))),
    };
    match (is_batch, crew.setup.options.persistent) {
        (true, _) => format!("{place}/messages/batch"),
        (false, true) => format!("{place}/messages"),
        (false, false) => format!("{place}/messages?persistent=false"),
    }
}

/// Reads events on one connection.
pub(super) async fn read(crew: Rc<Crew>, local: usize) -> Result<(), LoadError> {
    let mut connection = Connection::open(&crew).await?;
    let path = match crew.topic() {
        Some(topic) => format!("/v1/topics/{}/events", escape(&topic)),
        None => format!(
            "/v1/queues/{}/events",
            escape(&crew.setup.plan.queue_name(0))
        ),
    };
    let response = connection
        .send(Method::GET, &path, Bytes::new())
        .await
        .map_err(LoadError::api("reading events"))?;
    let mut body = response.into_body();
    let mut events = Events::new();
    let mut consumer = crew.consumer(local);
    crew.ready();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| LoadError::api("reading events")(connection.lost(&error)))?;
        let Some(bytes) = frame.data_ref() else {
            continue;
        };
        crew.tick();
        events.feed(bytes, |delivery| {
            // Readers of events settle nothing.
            crew.arrived(&mut consumer, delivery);
        });
        crew.wake_producers();
    }
    Err(LoadError::Protocol("a stream of events ended"))
}

impl Connection {
    async fn open(crew: &Crew) -> Result<Self, LoadError> {
        let url = &crew.target.url;
        let lost = |reason: String| {
            LoadError::api("connecting")(ApiError::Unreachable {
                url: url.to_string(),
                reason,
            })
        };
        let stream = TcpStream::connect(crew.setup.address)
            .await
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|error| lost(error.to_string()))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| lost(error.to_string()))?;
        // What goes wrong there is told to whoever waits for an answer.
        tokio::task::spawn_local(connection);
        let header = |text: String| {
            HeaderValue::try_from(text).map_err(|_| lost("the address has odd letters".to_owned()))
        };
        Ok(Self {
            sender,
            host: header(url.authority())?,
            authorization: header(url.authorization())?,
            url: url.to_string(),
        })
    }

    /// Publishes, and gives the body of the answer.
    async fn post(&mut self, path: &str, body: Bytes) -> Result<Bytes, LoadError> {
        let answer = async {
            let response = self.send(Method::POST, path, body).await?;
            let body = response.into_body().collect().await;
            body.map_err(|error| self.lost(&error))
        };
        answer
            .await
            .map(|body| body.to_bytes())
            .map_err(LoadError::api("publishing"))
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ApiError> {
        let kind = if path.ends_with("/batch") {
            HeaderValue::from_static("application/json")
        } else {
            HeaderValue::from_static("application/octet-stream")
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, kind)
            .body(Full::new(body))
            .map_err(|error| ApiError::Answer {
                url: self.url.clone(),
                reason: error.to_string(),
            })?;
        let sent = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let response = sent.await.map_err(|error| self.lost(&error))?;
        let status = response.status().as_u16();
        if status < 400 {
            return Ok(response);
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| self.lost(&error))?.to_bytes();
        Err(refused(status, &body))
    }

    fn lost(&self, error: &hyper::Error) -> ApiError {
        ApiError::Unreachable {
            url: self.url.clone(),
            reason: error.to_string(),
        }
    }
}
