//! The command line's side of the socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::offline;
use super::request::Request;
use super::response::{ErrorCode, Response};
use super::socket;

/// A response of the greatest page stays far below this.
const RESPONSE_BYTES_MAX: u64 = 64 << 20;

/// How long a request may take before the server counts as stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a request was not answered, or answered with a refusal.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No server listens in the data directory.
    #[error(
        "no server runs on the data directory {}; start it with `chaski serve --data {}`, or name \
         another directory with --data",
        whole(data_dir),
        whole(data_dir)
    )]
    NotRunning {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The socket exists, but talking to it failed.
    #[error("cannot talk to the server of {}", data_dir.display())]
    Transport {
        /// The data directory.
        data_dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server answered something that this program does not understand.
    #[error(
        "the server's answer cannot be understood; are `chaski` and the server of one version?"
    )]
    Answer {
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The server said no.
    #[error("{message}")]
    Refused {
        /// The kind.
        code: ErrorCode,
        /// What is wrong and what to do.
        message: String,
    },
}

/// Shows where a relative path leads: most often the command was called in another directory than the server.
fn whole(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.display().to_string()
}

/// Asks the server that runs on a data directory.
///
/// *Concurrency*: blocks for the answer, at most half a minute.
///
/// *Errors*: [`AdminError::NotRunning`] if nobody listens; a refusal is an error too, so `Ok` is
/// never [`Response::Error`].
pub fn call(data_dir: &Path, request: &Request) -> Result<Response, AdminError> {
    let transport = |source| AdminError::Transport {
        data_dir: data_dir.to_owned(),
        source,
    };
    let stream = socket::connect(data_dir).map_err(|source| {
        let kind = source.kind();
        if kind == io::ErrorKind::NotFound || kind == io::ErrorKind::ConnectionRefused {
            AdminError::NotRunning {
                data_dir: data_dir.to_owned(),
            }
        } else {
            transport(source)
        }
    })?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(transport)?;
    stream
        .set_write_timeout(Some(PATIENCE))
        .map_err(transport)?;

    let mut line =
        serde_json::to_vec(request).map_err(|error| transport(io::Error::other(error)))?;
    line.push(b'\n');
    (&stream).write_all(&line).map_err(transport)?;

    let mut answer = String::new();
    BufReader::new((&stream).take(RESPONSE_BYTES_MAX))
        .read_line(&mut answer)
        .map_err(transport)?;
    if answer.is_empty() {
        return Err(transport(io::ErrorKind::UnexpectedEof.into()));
    }
    let response = serde_json::from_str(&answer).map_err(|source| AdminError::Answer { source })?;
    accepted(response)
}

/// Asks the running server, or the data directory itself when none runs and that suffices.
///
/// *Errors*: as [`call`]; [`AdminError::NotRunning`] for what only a running server knows.
pub fn run(data_dir: &Path, request: &Request) -> Result<Response, AdminError> {
    match call(data_dir, request) {
        Err(AdminError::NotRunning { .. }) => offline::run(data_dir, request),
        answered => answered,
    }
}

/// Turns a refusal into an error.
pub(super) fn accepted(response: Response) -> Result<Response, AdminError> {
    if let Response::Error { code, message } = response {
        return Err(AdminError::Refused { code, message });
    }
    Ok(response)
}
