//! The older system: the list of who has which file, by JSON, and its peers, by gRPC.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rpc::pserver::File;
use rpc::pserver::p_server_client::PServerClient;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::Endpoint;

use crate::peer::limits::{CONNECT_TIMEOUT, REQUEST_BYTES_MAX};

/// The port of a peer that names none.
const PORT: u16 = 5001;
/// How long the list or a peer may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest list.
const LIST_BYTES_MAX: usize = 1 << 20;

/// What a peer is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// To give a file.
    Download,
    /// To take one.
    Upload,
}

/// The list.
#[derive(Debug)]
pub(super) struct Index {
    /// `host:port`.
    address: String,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Index {
    pub(super) const fn new(address: String) -> Self {
        Self { address }
    }

    /// Where those are who have a file, or the one who is to take it. Nobody where there is no list: a server need not have one.
    pub(super) async fn named(&self, ask: Ask, name: &str, own: &str) -> Vec<String> {
        let (path, body) = match ask {
            Ask::Download => ("/query", json!({ "file_name": name })),
            Ask::Upload => ("/upload", json!({"file_name": name, "url": own})),
        };
        let answer = timeout(PATIENCE, self.get(path, &body)).await;
        answer.ok().and_then(Result::ok).map_or_else(Vec::new, urls)
    }

    /// Reads something by a body, as these calls are made. Anything but 200 is nothing.
    async fn get(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let socket = TcpStream::connect(&self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        let request = Request::builder()
            .method(Method::GET)
            .uri(path)
            .header(HOST, &self.address)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let is_good = response.status() == StatusCode::OK;
            let body = Limited::new(response.into_body(), LIST_BYTES_MAX);
            let bytes = body.collect().await?.to_bytes();
            if !is_good {
                return Ok(Value::Null);
            }
            Ok(serde_json::from_slice(&bytes)?)
        };
        tokio::pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            // The answer may have come with the end.
            _ = connection => exchange.await,
        }
    }
}

/// Reads one address, or a list of them.
fn urls(answer: Value) -> Vec<String> {
    match answer {
        Value::String(url) => vec![url],
        Value::Array(urls) => {
            let texts = urls.into_iter().filter_map(|url| match url {
                Value::String(url) => Some(url),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => None,
            });
            texts.collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// Calls a peer, and gives its status; none if it does not answer.
pub(super) async fn call(url: &str, ask: Ask, name: &str) -> Option<i32> {
    let endpoint = Endpoint::from_shared(format!("http://{}", address(url))).ok()?;
    let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT);
    let file = File {
        file_name: name.to_owned(),
    };
    let asking = async {
        let channel = endpoint.connect().await.ok()?;
        let client = PServerClient::new(channel);
        let mut client = client.max_decoding_message_size(REQUEST_BYTES_MAX);
        let answer = match ask {
            Ask::Download => client.download_file(file).await,
            Ask::Upload => client.upload_file(file).await,
        };
        Some(answer.ok()?.into_inner().status_code)
    };
    timeout(PATIENCE, asking).await.ok().flatten()
}

/// Whether two addresses are the same, however they are written.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    address(one) == address(other)
}

/// Reads `http://host:port/`, or less of it.
pub(super) fn address(url: &str) -> String {
    let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
    let bare = bare.split('/').next().unwrap_or_default();
    let port = bare.rsplit_once(':').map(|(_, port)| port);
    if port.is_some_and(|port| port.parse::<u16>().is_ok()) {
        return bare.to_owned();
    }
    format!("{bare}:{PORT}")
}
