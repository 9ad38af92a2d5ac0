//! The opening of a connection, without the socket.
//!
//! ```text
//! header sent -> start -> start-ok -> [secure -> secure-ok] -> tune -> tune-ok, open -> open-ok
//! ```
//!
//! Feed it the methods of channel zero; it appends its answers to the caller's buffer.

use codec::amqp::field::{Table, TableRef, Value};
use codec::amqp::frame::PROTOCOL_HEADER;
use codec::amqp::method::{
    ConnectionCloseOk, ConnectionOpen, ConnectionStart, ConnectionStartOk, ConnectionTune,
    ConnectionTuneOk, Method,
};

use super::error::ClientError;
use super::url::AmqpUrl;

/// What the client asks for when the server leaves the choice.
const FRAME_MAX_WISH: u32 = 131_072;
/// The most frames are allowed to grow, whatever the server offers.
const FRAME_MAX_MOST: u32 = 1 << 20;
/// The least that the specification allows.
const FRAME_MAX_LEAST: u32 = 4_096;
/// The client needs few channels.
const CHANNEL_MAX_WISH: u16 = 2_047;

/// What a connection asks for beside its URL.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// Shown in the server's list of connections.
    pub(crate) name: String,
    /// In seconds; zero wants none.
    pub(crate) heartbeat: u16,
    pub(crate) frame_max: Option<u32>,
}

/// What client and server agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) frame_max: u32,
    pub(crate) heartbeat: u16,
    pub(crate) server: ServerInfo,
}

/// How the server names itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// Product, for example `RabbitMQ`.
    pub product: String,
    /// Its version.
    pub version: String,
}

/// The state of one opening connection.
pub(crate) struct Handshake {
    url: AmqpUrl,
    wishes: Wishes,
    agreed: Agreement,
    step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    Tune,
    OpenOk,
}

impl Handshake {
    /// Begins, with the protocol header as the first bytes to send.
    pub(crate) fn begin(url: AmqpUrl, wishes: Wishes, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(&PROTOCOL_HEADER);
        Self {
            url,
            wishes,
            agreed: Agreement::default(),
            step: Step::Start,
        }
    }

    /// Takes the server's next method; gives the agreement when the connection is open.
    ///
    /// # Errors
    ///
    /// Fails when the server closes the connection, which is how it refuses a login, or breaks the order.
    pub(crate) fn handle_method(
        &mut self,
        method: &Method<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Agreement>, ClientError> {
        if let Method::ConnectionClose(close) = method {
            Method::from(ConnectionCloseOk {}).encode_frame(0, out);
            // 403 answers start-ok when the account is wrong, and open when the virtual host is barred.
            if self.step == Step::Tune && close.reply_code == 403 {
                return Err(ClientError::Login(close.reply_text.to_owned()));
            }
            return Err(ClientError::ConnectionClosed {
                code: close.reply_code,
                text: close.reply_text.to_owned(),
            });
        }
        match (self.step, method) {
            (Step::Start, Method::ConnectionStart(start)) => self.answer_start(start, out),
            (Step::Tune, Method::ConnectionTune(tune)) => self.answer_tune(tune, out),
            (Step::OpenOk, Method::ConnectionOpenOk(_)) => {
                return Ok(Some(std::mem::take(&mut self.agreed)));
            }
            (step, method) => {
                return Err(ClientError::Unexpected {
                    wanted: step.awaits(),
                    got: method.name(),
                });
            }
        }
        Ok(None)
    }

    /// What a server means that cuts the connection at this point.
    ///
    /// RabbitMQ without the client's capability, and older brokers, refuse a login this way.
    pub(crate) fn handle_cut(&self) -> ClientError {
        match self.step {
            Step::Tune => ClientError::Login("the server cut the connection".to_owned()),
            Step::Start | Step::OpenOk => ClientError::Cut,
        }
    }

    fn answer_start(&mut self, start: &ConnectionStart<'_>, out: &mut Vec<u8>) {
        let text = |name: &str| {
            let value = start.server_properties.get(name);
            value
                .and_then(|value| value.as_str())
                .unwrap_or("")
                .to_owned()
        };
        self.agreed.server = ServerInfo {
            product: text("product"),
            version: text("version"),
        };
        let properties = self.client_properties().to_bytes();
        let mut response = Vec::new();
        for part in [&self.url.user, &self.url.password] {
            response.push(0);
            response.extend_from_slice(part.as_bytes());
        }
        let answer = ConnectionStartOk {
            client_properties: TableRef::new(&properties),
            mechanism: "PLAIN",
            response: &response,
            locale: "en_US",
        };
        Method::from(answer).encode_frame(0, out);
        self.step = Step::Tune;
    }

    fn client_properties(&self) -> Table {
        let mut capabilities = Table::new();
        for name in [
            "authentication_failure_close",
            "basic.nack",
            "connection.blocked",
            "consumer_cancel_notify",
            "publisher_confirms",
        ] {
            capabilities.insert(name, Value::Bool(true));
        }
        let mut properties = Table::new();
        properties.insert("product", "chaski");
        properties.insert("version", env!("CARGO_PKG_VERSION"));
        properties.insert("platform", "Rust");
        properties.insert("connection_name", self.wishes.name.as_str());
        properties.insert("capabilities", capabilities);
        properties
    }

    fn answer_tune(&mut self, tune: &ConnectionTune, out: &mut Vec<u8>) {
        let wish = self.wishes.frame_max.unwrap_or(FRAME_MAX_WISH);
        let offered = if tune.frame_max == 0 {
            FRAME_MAX_MOST
        } else {
            tune.frame_max
        };
        let frame_max = wish.clamp(FRAME_MAX_LEAST, FRAME_MAX_MOST).min(offered);
        let channel_max = match tune.channel_max {
            0 => CHANNEL_MAX_WISH,
            offered => offered.min(CHANNEL_MAX_WISH),
        };
        // Zero from either side means: no opinion from the server, none wanted from us.
        let heartbeat = match (self.wishes.heartbeat, tune.heartbeat) {
            (wish, 0) => wish,
            (wish, offered) => wish.min(offered),
        };
        self.agreed.frame_max = frame_max;
        self.agreed.heartbeat = heartbeat;
        let answer = ConnectionTuneOk {
            channel_max,
            frame_max,
            heartbeat,
        };
        Method::from(answer).encode_frame(0, out);
        let open = ConnectionOpen {
            virtual_host: &self.url.vhost,
            ..ConnectionOpen::default()
        };
        Method::from(open).encode_frame(0, out);
        self.step = Step::OpenOk;
    }
}

impl Step {
    fn awaits(self) -> &'static str {
        match self {
            Self::Start => "connection.start",
            Self::Tune => "connection.tune",
            Self::OpenOk => "connection.open-ok",
        }
    }
}
