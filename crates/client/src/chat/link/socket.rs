//! One WebSocket: connected, secured, upgraded; and why that failed, in words for people.

use std::io;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, USER_AGENT};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, http};

use super::Door;
use crate::amqp::{Trust, client_config, server_name};
use crate::api::{ApiError, refused};
use crate::chat::limits::{CONNECT_TIMEOUT, FRAME_BYTES_MAX};

/// What bytes go over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open WebSocket.
pub(crate) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The address is none.
    #[error("'{0}' is no address of a server: write http://HOST:PORT")]
    Address(String),
    /// The server cannot be reached.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server's certificate is not trusted.
    #[error(
        "the certificate of {url} is not trusted: {reason}; `chaski login --ca FILE` trusts another authority"
    )]
    NotTrusted {
        /// Whose.
        url: String,
        /// Why.
        reason: String,
    },
    /// The login or the password is wrong, or the session has ended.
    #[error("not logged in: {0}")]
    Login(String),
    /// The server said no.
    #[error("{detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        detail: String,
    },
    /// The connection broke.
    #[error("the connection is lost: {0}")]
    Lost(String),
    /// The server said nothing for too long.
    #[error("the server is silent")]
    Silent,
    /// The server ended the connection.
    #[error("the server ended the connection: {text}")]
    Bye {
        /// Why, for programs.
        cause: String,
        /// Why, for people.
        text: String,
    },
}

impl Fault {
    /// Whether trying again by itself would be of no use.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Address(_) | Self::NotTrusted { .. } | Self::Login(_) => true,
            Self::Refused { status, .. } => !matches!(status, 408 | 429 | 500..),
            Self::Bye { cause, .. } => matches!(&**cause, "revoked" | "replaced" | "asked"),
            Self::Unreachable { .. } | Self::Lost(_) | Self::Silent => false,
        }
    }
}

/// Connects to the chat.
pub(super) async fn open(door: &Door) -> Result<Socket, Fault> {
    // Rooms are entered with the place that one has read to; the server is not to enter any by itself.
    let opened = open_at(door, "/v1/chat?enter=false", FRAME_BYTES_MAX).await;
    opened.map_err(|mut fault| {
        if let Fault::Refused {
            status: 404,
            detail,
        } = &mut fault
        {
            *detail = "this server has no chat".into();
        }
        fault
    })
}

/// Connects and upgrades; messages of more than so many bytes are not taken.
pub(crate) async fn open_at(
    door: &Door,
    path: &str,
    message_bytes_max: usize,
) -> Result<Socket, Fault> {
    let connecting = connect(door, path, message_bytes_max);
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(opened) => opened,
        Err(_) => Err(Fault::Unreachable {
            url: door.url.clone(),
            reason: "it does not answer".into(),
        }),
    }
}

async fn connect(door: &Door, path: &str, message_bytes_max: usize) -> Result<Socket, Fault> {
    let address = || Fault::Address(door.url.clone());
    let (is_secure, rest) = match (
        door.url.strip_prefix("https://"),
        door.url.strip_prefix("http://"),
    ) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err(address()),
    };
    let authority = rest.trim_end_matches('/');
    let uri: http::uri::Authority = authority.parse().map_err(|_| address())?;
    let host = uri.host().trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let unreachable = |error: io::Error| Fault::Unreachable {
        url: door.url.clone(),
        reason: error.to_string(),
    };
    let tcp = TcpStream::connect((host, port))
        .await
        .map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    let stream: Box<dyn Stream> = if is_secure {
        Box::new(secure(tcp, host, door).await?)
    } else {
        Box::new(tcp)
    };
    let url = format!("ws://{authority}{path}");
    upgrade(stream, &url, door, message_bytes_max).await
}

async fn secure(tcp: TcpStream, host: &str, door: &Door) -> Result<impl Stream + use<>, Fault> {
    let not_trusted = |reason: String| Fault::NotTrusted {
        url: door.url.clone(),
        reason,
    };
    let trust = Trust {
        ca: door.ca.clone(),
        insecure: false,
    };
    let config = client_config(&trust).map_err(|error| not_trusted(error.to_string()))?;
    let name = server_name(host).map_err(|error| not_trusted(error.to_string()))?;
    let connector = tokio_rustls::TlsConnector::from(config);
    connector.connect(name, tcp).await.map_err(|error| {
        let reason = error.to_string();
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(rustls::Error::InvalidCertificate(_)) => not_trusted(reason),
            Some(_) | None => Fault::Unreachable {
                url: door.url.clone(),
                reason,
            },
        }
    })
}

async fn upgrade(
    stream: Box<dyn Stream>,
    url: &str,
    door: &Door,
    message_bytes_max: usize,
) -> Result<Socket, Fault> {
    let mut request = url
        .into_client_request()
        .map_err(|_| Fault::Address(door.url.clone()))?;
    let agent = concat!("chaski/", env!("CARGO_PKG_VERSION"));
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    if let Some(language) = language() {
        headers.insert(ACCEPT_LANGUAGE, language);
    }
    if let Some(shown) = door.credentials.authorization() {
        let mut value = HeaderValue::from_str(&shown)
            .map_err(|_| Fault::Login("the token holds what no header can".into()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max));
    let upgraded = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
    match upgraded {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(said_no(&response)),
        Err(error) => Err(Fault::Unreachable {
            url: door.url.clone(),
            reason: error.to_string(),
        }),
    }
}

/// The language of the environment, until the account has chosen one.
fn language() -> Option<HeaderValue> {
    let variable = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let name = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find(variable)?;
    let value = std::env::var(name).ok()?;
    let code: String = value.chars().take_while(char::is_ascii_lowercase).collect();
    (code.len() == 2).then(|| HeaderValue::from_str(&code).ok())?
}

fn said_no(response: &http::Response<Option<Vec<u8>>>) -> Fault {
    let status = response.status().as_u16();
    let body = response.body().as_deref().unwrap_or_default();
    let ApiError::Refused { detail, .. } = refused(status, body) else {
        return Fault::Lost(format!("the server answered {status}"));
    };
    match status {
        401 => Fault::Login(detail),
        _ => Fault::Refused { status, detail },
    }
}
