//! The connection: requests, answers, heartbeats.

use std::collections::VecDeque;
use std::time::Duration;

use codec::amqp::content::{HEARTBEAT_FRAME, encode_body_frames, encode_header_frame};
use codec::amqp::frame;
use codec::amqp::method::{
    BasicPublish, ChannelCloseOk, ChannelOpen, ConnectionClose, ConnectionCloseOk, Method,
};
use codec::amqp::properties::Properties;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::ClientError;
use super::handshake::{Agreement, Handshake, ServerInfo, Wishes};
use super::incoming::{Assembler, Incoming, Message, Reply};
use super::stream::Stream;
use super::tls::Trust;
use super::url::AmqpUrl;

mod requests;

pub use requests::{Consume, ExchangeDeclaration, QueueDeclaration};

/// The one channel of a connection.
const CHANNEL: u16 = 1;
/// Bytes that publishes may gather before they are written.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
const READ_BYTES: usize = 64 * 1024;
/// How long an orderly close waits for its answer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Says how to connect, beside the URL; the URL's own options go first.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Whom an `amqps` connection trusts.
    pub trust: Trust,
    /// Shown in the server's list of connections.
    pub name: String,
    /// Time for the whole opening.
    pub timeout: Duration,
    /// Heartbeat in seconds that is asked for; zero asks for none.
    pub heartbeat: u16,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            trust: Trust::default(),
            name: "chaski".to_owned(),
            timeout: Duration::from_secs(10),
            heartbeat: 60,
        }
    }
}

impl ConnectOptions {
    /// Lets the URL's options replace these.
    pub(crate) fn overlaid(&self, url: &AmqpUrl) -> Self {
        let mut options = self.clone();
        if let Some(ca) = &url.query.cacertfile {
            options.trust.ca = Some(ca.clone());
        }
        options.trust.insecure |= url.query.verify_none;
        if let Some(timeout) = url.query.connection_timeout {
            options.timeout = timeout;
        }
        if let Some(heartbeat) = url.query.heartbeat {
            options.heartbeat = heartbeat;
        }
        options
    }
}

/// Names where a message is published.
#[derive(Clone, Copy, Debug, Default)]
pub struct Publish<'a> {
    /// Exchange; empty is the default one.
    pub exchange: &'a str,
    /// Routing key.
    pub routing_key: &'a str,
    /// The message comes back when no queue takes it.
    pub mandatory: bool,
}

/// One connection to a server, with one channel.
///
/// *Concurrency*: every method needs the connection for itself. [`Connection::next_delivery`] may be dropped while it waits;
/// other methods must run to their end.
pub struct Connection {
    stream: Stream,
    input: Vec<u8>,
    /// Where the bytes that are not yet taken begin.
    input_start: usize,
    output: Vec<u8>,
    agreed: Agreement,
    assembler: Assembler,
    last_read: Instant,
    last_written: Instant,
    deliveries: VecDeque<Message>,
    cancelled: Option<String>,
    returned: Option<ClientError>,
    confirms: Option<Confirms>,
}

/// Publishes of a channel in confirm mode.
#[derive(Default)]
struct Confirms {
    sent: u64,
    waiting: std::collections::BTreeSet<u64>,
    refused: u64,
}

impl Connection {
    /// Connects, logs in, enters the virtual host and opens the channel.
    ///
    /// # Errors
    ///
    /// Says whether nothing listens, the login is wrong, the virtual host is missing or time ran out.
    pub async fn open(url: &AmqpUrl, options: &ConnectOptions) -> Result<Self, ClientError> {
        let options = options.overlaid(url);
        match timeout(options.timeout, Self::open_unbounded(url, &options)).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Timeout {
                address: url.authority(),
                seconds: options.timeout.as_secs(),
            }),
        }
    }

    async fn open_unbounded(url: &AmqpUrl, options: &ConnectOptions) -> Result<Self, ClientError> {
        let mut connection = Self {
            stream: Stream::connect(url, &options.trust).await?,
            input: Vec::with_capacity(READ_BYTES),
            input_start: 0,
            output: Vec::new(),
            agreed: Agreement::default(),
            assembler: Assembler::default(),
            last_read: Instant::now(),
            last_written: Instant::now(),
            deliveries: VecDeque::new(),
            cancelled: None,
            returned: None,
            confirms: None,
        };
        connection.shake_hands(url, options).await?;
        connection.open_channel().await?;
        Ok(connection)
    }

    async fn shake_hands(
        &mut self,
        url: &AmqpUrl,
        options: &ConnectOptions,
    ) -> Result<(), ClientError> {
        let wishes = Wishes {
            name: options.name.clone(),
            heartbeat: options.heartbeat,
            frame_max: url.query.frame_max,
        };
        let mut handshake = Handshake::begin(url.clone(), wishes, &mut self.output);
        loop {
            self.flush().await?;
            let agreed = loop {
                if self.input[self.input_start..].starts_with(b"AMQP") {
                    return Err(ClientError::NotAmqp);
                }
                let input = &self.input[self.input_start..];
                if let Some((frame, taken)) = frame::parse(input, 0)? {
                    let method = Method::decode(frame.payload)?;
                    let agreed = handshake.handle_method(&method, &mut self.output);
                    self.input_start += taken;
                    break agreed;
                }
                match self.read_more().await {
                    Err(ClientError::Cut) => return Err(handshake.handle_cut()),
                    other => other?,
                }
            };
            match agreed {
                Ok(None) => {}
                Ok(Some(agreed)) => {
                    self.agreed = agreed;
                    return Ok(());
                }
                Err(error) => {
                    // The close is answered as far as that still works.
                    self.flush().await.ok();
                    return Err(error);
                }
            }
        }
    }

    /// How the server names itself.
    pub fn server(&self) -> &ServerInfo {
        &self.agreed.server
    }

    /// Opens the channel, again after the server closed it.
    ///
    /// Consumers, confirm mode and deliveries of the old channel are forgotten.
    ///
    /// # Errors
    ///
    /// Fails when the connection does.
    pub async fn open_channel(&mut self) -> Result<(), ClientError> {
        self.deliveries.clear();
        self.cancelled = None;
        self.returned = None;
        self.confirms = None;
        self.assembler = Assembler::default();
        self.call(ChannelOpen {}, "channel.open-ok").await?;
        Ok(())
    }

    /// Publishes one message; it is written with others, at the latest by [`Connection::flush`] or any request.
    ///
    /// Gives the publish's number for confirms, or zero without confirm mode.
    ///
    /// # Errors
    ///
    /// Fails when writing does.
    pub async fn publish(
        &mut self,
        to: Publish<'_>,
        properties: &Properties,
        body: &[u8],
    ) -> Result<u64, ClientError> {
        let method = BasicPublish {
            exchange: to.exchange,
            routing_key: to.routing_key,
            mandatory: to.mandatory,
            immediate: false,
        };
        Method::from(method).encode_frame(CHANNEL, &mut self.output);
        let mut encoded = Vec::new();
        properties.encode(&mut encoded);
        encode_header_frame(CHANNEL, body.len() as u64, &encoded, &mut self.output);
        encode_body_frames(CHANNEL, body, self.agreed.frame_max, &mut self.output);
        let tag = self.confirms.as_mut().map_or(0, |confirms| {
            confirms.sent += 1;
            confirms.waiting.insert(confirms.sent);
            confirms.sent
        });
        if self.output.len() >= OUTPUT_BYTES_MAX {
            self.flush().await?;
        }
        Ok(tag)
    }

    /// Waits until at most `in_flight` publishes are unconfirmed; zero waits for all.
    ///
    /// # Errors
    ///
    /// Fails when the server refused a publish or gave a mandatory one back, once for each time this is called.
    pub async fn wait_confirms(&mut self, in_flight: usize) -> Result<(), ClientError> {
        let waiting = |this: &Self| this.confirms.as_ref().map_or(0, |c| c.waiting.len());
        if waiting(self) > in_flight {
            self.flush().await?;
        }
        while waiting(self) > in_flight {
            let incoming = self.incoming().await?;
            self.keep(incoming)?;
        }
        if let Some(returned) = self.returned.take() {
            return Err(returned);
        }
        let confirms = self.confirms.as_mut();
        match confirms.map_or(0, |confirms| std::mem::take(&mut confirms.refused)) {
            0 => Ok(()),
            refused => Err(ClientError::PublishRefused(refused)),
        }
    }

    /// Waits for the next message of a consumer.
    ///
    /// # Errors
    ///
    /// Fails when the server cancels the consumer or closes.
    pub async fn next_delivery(&mut self) -> Result<Message, ClientError> {
        loop {
            if let Some(message) = self.deliveries.pop_front() {
                return Ok(message);
            }
            if let Some(tag) = self.cancelled.take() {
                return Err(ClientError::Cancelled(tag));
            }
            let incoming = self.incoming().await?;
            self.keep(incoming)?;
        }
    }

    /// Writes what has gathered.
    ///
    /// # Errors
    ///
    /// Fails when writing does.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        if self.output.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&self.output).await?;
        self.stream.flush().await?;
        self.output.clear();
        self.last_written = Instant::now();
        Ok(())
    }

    /// Says goodbye and waits for the answer, for a few seconds.
    ///
    /// # Errors
    ///
    /// Fails when the server does not answer in order.
    pub async fn close(mut self) -> Result<(), ClientError> {
        let close = ConnectionClose {
            reply_code: 200,
            reply_text: "bye",
            ..ConnectionClose::default()
        };
        Method::from(close).encode_frame(0, &mut self.output);
        let goodbye = async {
            self.flush().await?;
            loop {
                match self.incoming().await {
                    Ok(Incoming::Reply(Reply::Plain("connection.close-ok")))
                    | Err(ClientError::Cut) => break Ok(()),
                    Ok(_) => {}
                    Err(error) => break Err(error),
                }
            }
        };
        timeout(CLOSE_TIMEOUT, goodbye).await.unwrap_or(Ok(()))
    }

    /// Sends a request and waits for its answer.
    async fn call<'a>(
        &mut self,
        request: impl Into<Method<'a>>,
        wanted: &'static str,
    ) -> Result<Reply, ClientError> {
        request.into().encode_frame(CHANNEL, &mut self.output);
        self.flush().await?;
        loop {
            match self.incoming().await? {
                Incoming::Reply(Reply::Plain(got)) if got != wanted => {
                    return Err(ClientError::Unexpected { wanted, got });
                }
                Incoming::Reply(reply) => return Ok(reply),
                event @ (Incoming::Delivery(_)
                | Incoming::Got(..)
                | Incoming::Returned(_)
                | Incoming::Confirm { .. }
                | Incoming::Cancelled(_)
                | Incoming::Closed(_)
                | Incoming::ChannelClosed(_)
                | Incoming::Nothing) => self.keep(event)?,
            }
        }
    }

    /// Puts aside what nobody awaits at the moment.
    fn keep(&mut self, incoming: Incoming) -> Result<(), ClientError> {
        match incoming {
            Incoming::Delivery(message) => self.deliveries.push_back(message),
            Incoming::Returned(error) => self.returned = Some(error),
            Incoming::Confirm {
                tag,
                multiple,
                refused,
            } => {
                if let Some(confirms) = &mut self.confirms {
                    confirms.settle(tag, multiple, refused);
                }
            }
            Incoming::Cancelled(tag) => self.cancelled = Some(tag),
            Incoming::Closed(error) | Incoming::ChannelClosed(error) => return Err(error),
            Incoming::Nothing => {}
            Incoming::Got(..) => {
                return Err(ClientError::Unexpected {
                    wanted: "a delivery",
                    got: "basic.get-ok",
                });
            }
            Incoming::Reply(_) => {
                return Err(ClientError::Unexpected {
                    wanted: "a delivery or confirm",
                    got: "an answer nobody asked for",
                });
            }
        }
        Ok(())
    }

    /// Waits for the next whole event, with a heartbeat from time to time.
    async fn incoming(&mut self) -> Result<Incoming, ClientError> {
        loop {
            let input = &self.input[self.input_start..];
            let Some((frame, taken)) = frame::parse(input, self.agreed.frame_max)? else {
                self.read_more().await?;
                continue;
            };
            let incoming = self.assembler.handle_frame(&frame)?;
            self.input_start += taken;
            match &incoming {
                Incoming::Nothing => {}
                Incoming::Closed(_) => {
                    Method::from(ConnectionCloseOk {}).encode_frame(0, &mut self.output);
                    self.flush().await.ok();
                    return Ok(incoming);
                }
                Incoming::ChannelClosed(_) => {
                    self.output.clear();
                    Method::from(ChannelCloseOk {}).encode_frame(CHANNEL, &mut self.output);
                    self.flush().await?;
                    return Ok(incoming);
                }
                Incoming::Delivery(_)
                | Incoming::Got(..)
                | Incoming::Returned(_)
                | Incoming::Confirm { .. }
                | Incoming::Cancelled(_)
                | Incoming::Reply(_) => return Ok(incoming),
            }
        }
    }

    /// Reads once; sends a heartbeat when it is due and notices a silent server.
    async fn read_more(&mut self) -> Result<(), ClientError> {
        self.input.drain(..self.input_start);
        self.input_start = 0;
        self.input.reserve(READ_BYTES);
        let heartbeat = Duration::from_secs(u64::from(self.agreed.heartbeat));
        loop {
            let read = self.stream.read_buf(&mut self.input);
            let result = if heartbeat.is_zero() {
                read.await
            } else {
                match timeout_at(self.last_written + heartbeat / 2, read).await {
                    Ok(result) => result,
                    Err(_) => {
                        if self.last_read.elapsed() > heartbeat * 2 {
                            return Err(ClientError::Silent {
                                seconds: self.last_read.elapsed().as_secs(),
                            });
                        }
                        self.output.extend_from_slice(&HEARTBEAT_FRAME);
                        self.flush().await?;
                        continue;
                    }
                }
            };
            return match result {
                Ok(0) => Err(ClientError::Cut),
                Ok(_) => {
                    self.last_read = Instant::now();
                    Ok(())
                }
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    Err(ClientError::Cut)
                }
                Err(error) => Err(error.into()),
            };
        }
    }
}

impl Confirms {
    fn settle(&mut self, tag: u64, multiple: bool, refused: bool) {
        let before = self.waiting.len();
        if multiple && tag == 0 {
            self.waiting.clear();
        } else if multiple {
            self.waiting = self.waiting.split_off(&(tag + 1));
        } else {
            self.waiting.remove(&tag);
        }
        if refused {
            self.refused += (before - self.waiting.len()) as u64;
        }
    }
}

#[cfg(test)]
mod tests;
