//! Exit codes that scripts can rely on; `chaski --help` documents them.

use std::io;
use std::process::ExitCode;

use client::amqp::ClientError;
use client::api::ApiError;
use server::admin::{AdminError, ErrorCode};
use server::config::ConfigError;

use crate::output;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Done = 0,
    /// It failed for a reason without a number of its own.
    Failed = 1,
    /// The arguments or the configuration are wrong.
    Usage = 2,
    /// The server cannot be reached.
    Unreachable = 3,
    /// The server said no.
    Refused = 4,
    /// What was named does not exist.
    NotFound = 5,
    /// What was to be made exists already.
    Exists = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that chooses its exit code.
#[derive(Debug)]
pub(crate) struct CommandError {
    exit: Exit,
    message: String,
}

impl CommandError {
    /// Makes an error with a message that says what to do.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}

/// Tells the user what went wrong, in one line, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> Exit {
    if is_closed_pipe(error) {
        // `chaski queue list | head`: the reader has what it wanted.
        return Exit::Done;
    }
    output::note(&format!("chaski: {}", in_one_line(&format!("{error:#}"))));
    classify(error)
}

/// Joins the lines of a message that quotes somebody else's, such as a database's.
fn in_one_line(message: &str) -> String {
    let lines: Vec<_> = message.lines().map(str::trim).collect();
    lines.join(" ").trim().to_owned()
}

fn classify(error: &anyhow::Error) -> Exit {
    if let Some(error) = error.downcast_ref::<CommandError>() {
        return error.exit;
    }
    if error.downcast_ref::<ConfigError>().is_some() {
        return Exit::Usage;
    }
    if let Some(error) = error.downcast_ref::<AdminError>() {
        return classify_admin(error);
    }
    if let Some(error) = error.downcast_ref::<ApiError>() {
        return classify_api(error);
    }
    match error.downcast_ref::<ClientError>() {
        Some(error) => classify_client(error),
        None => Exit::Failed,
    }
}

fn classify_admin(error: &AdminError) -> Exit {
    match error {
        AdminError::NotRunning { .. } | AdminError::Transport { .. } => Exit::Unreachable,
        AdminError::Answer { .. } => Exit::Failed,
        AdminError::Refused { code, .. } => match code {
            ErrorCode::NotFound => Exit::NotFound,
            ErrorCode::AlreadyExists => Exit::Exists,
            ErrorCode::Invalid => Exit::Usage,
            ErrorCode::Refused => Exit::Refused,
            ErrorCode::Unavailable => Exit::Unreachable,
            ErrorCode::Failed => Exit::Failed,
        },
    }
}

fn classify_api(error: &ApiError) -> Exit {
    match error {
        ApiError::Unreachable { .. } => Exit::Unreachable,
        ApiError::Certificates(_) => Exit::Usage,
        ApiError::Answer { .. } => Exit::Failed,
        ApiError::Refused { status, .. } => match status {
            404 => Exit::NotFound,
            409 => Exit::Exists,
            400 | 413 | 415 | 422 => Exit::Usage,
            401 | 403 | 412 | 429 => Exit::Refused,
            503 => Exit::Unreachable,
            _ => Exit::Failed,
        },
    }
}

fn classify_client(error: &ClientError) -> Exit {
    match error {
        ClientError::Url(_) | ClientError::Certificates { .. } | ClientError::ServerName(_) => {
            Exit::Usage
        }
        ClientError::Refused { .. }
        | ClientError::Connect { .. }
        | ClientError::Timeout { .. }
        | ClientError::NotAmqp
        | ClientError::Cut
        | ClientError::Silent { .. } => Exit::Unreachable,
        ClientError::ChannelClosed { code: 404, .. } | ClientError::Returned { .. } => {
            Exit::NotFound
        }
        ClientError::Login(_)
        | ClientError::ChannelClosed { .. }
        | ClientError::ConnectionClosed { .. }
        | ClientError::PublishRefused(_) => Exit::Refused,
        // The last arm stands for kinds that the library may name later.
        ClientError::Cancelled(_)
        | ClientError::Unexpected { .. }
        | ClientError::TooLarge(_)
        | ClientError::Frame(_)
        | ClientError::Method(_)
        | ClientError::Properties(_)
        | ClientError::Io(_)
        | _ => Exit::Failed,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
