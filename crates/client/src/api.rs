//! A client of the REST interface, for the command line: blocking, one request after the other.
//!
//! Answers are JSON values: who asks knows what is in them. It never prints and never reads a file.
//!
//! Start reading at [`Api::send`].

mod events;
mod url;

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

pub use events::{Event, Events};
pub use url::{WebUrl, WebUrlError};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The greatest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What is shown to the server.
#[derive(Clone)]
pub enum Credentials {
    /// Nothing.
    None,
    /// A login and its password.
    Password {
        /// The account.
        login: String,
        /// Its password.
        password: String,
    },
    /// A session's token or a queue's key.
    Token(String),
}

impl Credentials {
    /// Writes the value of an `Authorization` header, if there is anything to show.
    pub(crate) fn authorization(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Token(token) => Some(format!("Bearer {token}")),
            Self::Password { login, password } => {
                let shown = STANDARD.encode(format!("{login}:{password}"));
                Some(format!("Basic {shown}"))
            }
        }
    }
}

// Written by hand so that no secret is ever printed.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Password { .. } => "Password",
            Self::Token(_) => "Token",
        })
    }
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The server cannot be reached.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server said no.
    #[error("{detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What was wrong, and what to do.
        detail: String,
    },
    /// The answer is none of this interface's.
    #[error("{url} answered with what is no answer of a Chaski server: {reason}")]
    Answer {
        /// Who answered.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificates to trust cannot be used.
    #[error("cannot use the certificates to trust: {0}")]
    Certificates(String),
}

/// An answer whose body is a message's.
#[derive(Debug)]
pub struct Body {
    /// The HTTP status.
    pub status: u16,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Where the Location header points.
    pub location: Option<String>,
}

/// A server's REST interface, as somebody.
#[derive(Debug)]
pub struct Api {
    agent: Agent,
    url: String,
    credentials: Credentials,
    ca: Option<PathBuf>,
    patience: Option<Duration>,
}

impl Api {
    /// Prepares to speak to the server at `url`, such as `http://127.0.0.1:8080`; `authorities` are certificates in PEM that are trusted
    /// instead of the usual ones.
    ///
    /// # Errors
    /// The certificates cannot be read.
    pub fn new(
        url: &str,
        credentials: Credentials,
        authorities: Option<&[u8]>,
    ) -> Result<Self, ApiError> {
        let mut tls = TlsConfig::builder();
        if let Some(pem) = authorities {
            let certificates = ureq::tls::parse_pem(pem)
                .filter_map(|item| match item {
                    Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
                    Ok(_) => None,
                    Err(error) => Some(Err(ApiError::Certificates(error.to_string()))),
                })
                .collect::<Result<Vec<Certificate<'static>>, _>>()?;
            if certificates.is_empty() {
                return Err(ApiError::Certificates("there is none in the file".into()));
            }
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let config = Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("chaski/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build())
            .build();
        Ok(Self {
            agent: config.into(),
            url: url.trim_end_matches('/').to_owned(),
            credentials,
            ca: None,
            patience: None,
        })
    }

    /// The same server, as somebody else.
    #[must_use]
    pub fn with_credentials(&self, credentials: Credentials) -> Self {
        Self {
            agent: self.agent.clone(),
            url: self.url.clone(),
            credentials,
            ca: self.ca.clone(),
            patience: self.patience,
        }
    }

    /// Says in which file the certificates to trust are, for connections of the server's that are no requests.
    #[must_use]
    pub fn with_ca(mut self, ca: Option<PathBuf>) -> Self {
        self.ca = ca;
        self
    }

    /// Where the server is, who asks, and the file of certificates to trust.
    pub(crate) fn whereabouts(&self) -> (&str, &Credentials, Option<&Path>) {
        (&self.url, &self.credentials, self.ca.as_deref())
    }

    /// Lets a request, from connecting to the end of its answer, take only so long; without it, an answer may take as long as the server likes.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Reads something.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.send("GET", path, None)
    }

    /// Sends a request with a JSON body, if any; an answer without a body is null.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, ApiError> {
        let (kind, bytes) = match body {
            Some(body) => (Some("application/json"), body.to_string().into_bytes()),
            None => (None, Vec::new()),
        };
        let answer = self.send_bytes(method, path, kind, &bytes)?;
        if answer.bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.bytes).map_err(|error| self.not_ours(error.to_string()))
    }

    /// Sends a request whose body is a message's.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn send_bytes(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Body, ApiError> {
        let mut request = self.request(method, path);
        if let Some(kind) = content_type {
            request = request.header("content-type", kind);
        }
        let request = request
            .body(body)
            .map_err(|error| self.not_ours(error.to_string()))?;
        let request = match self.patience {
            None => request,
            Some(_) => self
                .agent
                .configure_request(request)
                .timeout_global(self.patience)
                .build(),
        };
        let mut response = self.agent.run(request).map_err(|error| self.lost(&error))?;
        let status = response.status().as_u16();
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let location = header("location");
        let bytes = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()
            .map_err(|error| self.lost(&error))?;
        if status >= 400 {
            return Err(refused(status, &bytes));
        }
        Ok(Body {
            status,
            bytes,
            location,
        })
    }

    /// Follows server-sent events, from behind `last` if it is given.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn events(&self, path: &str, last: Option<&str>) -> Result<Events, ApiError> {
        let mut request = self.request("GET", path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request
            .body(())
            .map_err(|error| self.not_ours(error.to_string()))?;
        let response = self.agent.run(request).map_err(|error| self.lost(&error))?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        if status >= 400 {
            let bytes = body.read_to_vec().map_err(|error| self.lost(&error))?;
            return Err(refused(status, &bytes));
        }
        Ok(Events::new(body.into_reader()))
    }

    fn request(&self, method: &str, path: &str) -> ureq::http::request::Builder {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        match self.credentials.authorization() {
            None => request,
            Some(shown) => request.header("authorization", shown),
        }
    }

    fn lost(&self, error: &ureq::Error) -> ApiError {
        ApiError::Unreachable {
            url: self.url.clone(),
            reason: error.to_string(),
        }
    }

    fn not_ours(&self, reason: String) -> ApiError {
        ApiError::Answer {
            url: self.url.clone(),
            reason,
        }
    }
}

/// Reads a problem document.
pub(crate) fn refused(status: u16, bytes: &[u8]) -> ApiError {
    let problem: Option<Value> = serde_json::from_slice(bytes).ok();
    let detail = problem
        .as_ref()
        .and_then(|problem| problem["detail"].as_str());
    ApiError::Refused {
        status,
        detail: detail.map_or_else(|| format!("the server answered {status}"), str::to_owned),
    }
}

/// Writes a name for a path.
#[must_use]
pub fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
