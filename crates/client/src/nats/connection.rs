//! One blocking connection that asks a NATS server one question at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::Deserialize;

use super::error::NatsError;
use super::parser::{LINE_MAX, Operation, PAYLOAD_MAX, parse};
use super::url::NatsUrl;
use crate::amqp::ServerInfo;

/// How long an answer may take: streams with many messages take time to make and remove.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 16 << 10;
const INBOX: &str = "_INBOX.chaski";

/// What a server says of itself in its first line.
#[derive(Debug, Deserialize)]
struct Info {
    version: String,
    #[serde(default)]
    tls_required: bool,
}

/// A connection that is open.
pub(crate) struct NatsConnection {
    stream: TcpStream,
    /// Bytes that arrived; those before `at` are used.
    buffer: Vec<u8>,
    at: usize,
    server: ServerInfo,
    asked: u64,
}

/// Answers a server's first line: gives the line to send, and what the server is.
///
/// # Errors
///
/// Fails when the line cannot be read, or the server asks for TLS.
pub(crate) fn greet(url: &NatsUrl, info: &[u8]) -> Result<(Vec<u8>, ServerInfo), NatsError> {
    let info: Info =
        serde_json::from_slice(info).map_err(|_| NatsError::Answer("its first line".to_owned()))?;
    if info.tls_required {
        return Err(NatsError::Tls);
    }
    let mut connect = serde_json::json!({
        "verbose": false,
        "pedantic": false,
        "tls_required": false,
        "name": "chaski bench",
        "lang": "rust",
        "version": env!("CARGO_PKG_VERSION"),
        "protocol": 1,
        "headers": true,
        "no_responders": true,
    });
    match (&url.user, &url.password) {
        (Some(user), Some(password)) => {
            connect["user"] = user.as_str().into();
            connect["pass"] = password.as_str().into();
        }
        (Some(token), None) => connect["auth_token"] = token.as_str().into(),
        (None, _) => {}
    }
    let server = ServerInfo {
        product: "nats-server".to_owned(),
        version: info.version,
    };
    Ok((format!("CONNECT {connect}\r\n").into_bytes(), server))
}

impl NatsConnection {
    /// Connects and logs in.
    ///
    /// # Errors
    ///
    /// Fails when nothing listens there, the login is refused or the server asks for TLS.
    pub(crate) fn open(url: &NatsUrl) -> Result<Self, NatsError> {
        let fail = |source| NatsError::Connect {
            address: url.authority(),
            source,
        };
        let mut addresses: Vec<_> = url.authority().to_socket_addrs().map_err(fail)?.collect();
        addresses.sort_by_key(std::net::SocketAddr::is_ipv6);
        let address = addresses
            .first()
            .ok_or_else(|| fail(ErrorKind::AddrNotAvailable.into()))?;
        let stream = TcpStream::connect_timeout(address, CONNECT_TIMEOUT).map_err(fail)?;
        stream.set_nodelay(true).map_err(fail)?;
        stream
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .map_err(fail)?;
        let mut connection = Self {
            stream,
            buffer: Vec::new(),
            at: 0,
            server: ServerInfo::default(),
            asked: 0,
        };
        let (hello, server) = connection.await_operation(|operation| match operation {
            Operation::Info(info) => Some(greet(url, info)),
            Operation::Message(_)
            | Operation::Ping
            | Operation::Pong
            | Operation::Ok
            | Operation::Refusal(_) => None,
        })??;
        connection.server = server;
        connection.send(&hello)?;
        connection.send(format!("SUB {INBOX}.{}.* 1\r\nPING\r\n", connection.id()).as_bytes())?;
        connection.await_operation(|operation| (operation == Operation::Pong).then_some(()))?;
        Ok(connection)
    }

    /// How the server names itself.
    pub(crate) fn server(&self) -> &ServerInfo {
        &self.server
    }

    /// Asks a question, which may be empty, and waits for its answer, one JSON document.
    ///
    /// # Errors
    ///
    /// Fails when nobody answers there, the answer is no JSON, or the connection fails.
    pub(crate) fn request(
        &mut self,
        subject: &str,
        question: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, NatsError> {
        self.asked += 1;
        let reply = format!("{INBOX}.{}.{}", self.id(), self.asked);
        let body = question
            .map(serde_json::Value::to_string)
            .unwrap_or_default();
        let publish = format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len());
        self.send(publish.as_bytes())?;
        self.await_operation(|operation| match operation {
            Operation::Message(message) if message.subject == reply.as_bytes() => {
                Some(if message.headers.is_empty() {
                    serde_json::from_slice(message.body)
                        .map_err(|_| NatsError::Answer(subject.to_owned()))
                } else {
                    // A status without a body: nobody listens on that subject.
                    Err(NatsError::NoJetStream)
                })
            }
            Operation::Message(_)
            | Operation::Info(_)
            | Operation::Ping
            | Operation::Pong
            | Operation::Ok
            | Operation::Refusal(_) => None,
        })?
    }

    /// A number that tells this connection's inbox from others'.
    fn id(&self) -> String {
        let port = self.stream.local_addr().map_or(0, |address| address.port());
        format!("{}-{port}", std::process::id())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), NatsError> {
        self.stream.write_all(bytes).map_err(NatsError::Io)
    }

    /// Reads until `wanted` finds something; answers pings meanwhile.
    fn await_operation<T>(
        &mut self,
        mut wanted: impl FnMut(Operation<'_>) -> Option<T>,
    ) -> Result<T, NatsError> {
        loop {
            while let Some((operation, taken)) = parse(&self.buffer[self.at..])? {
                if let Operation::Refusal(text) = operation {
                    return Err(NatsError::Refused(
                        String::from_utf8_lossy(text).into_owned(),
                    ));
                }
                let ping = operation == Operation::Ping;
                let found = wanted(operation);
                self.at += taken;
                if ping {
                    self.send(b"PONG\r\n")?;
                }
                if let Some(found) = found {
                    return Ok(found);
                }
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            if self.buffer.len() > LINE_MAX + PAYLOAD_MAX {
                return Err(NatsError::Protocol("answer too large"));
            }
            let mut bytes = [0; READ_BYTES];
            match self.stream.read(&mut bytes).map_err(NatsError::Io)? {
                0 => return Err(NatsError::Cut),
                read => self.buffer.extend_from_slice(&bytes[..read]),
            }
        }
    }
}
