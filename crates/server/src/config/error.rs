//! What can be wrong with the settings.

use std::io;
use std::path::PathBuf;

/// Why the settings cannot be used; the text says what to change.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration file is not TOML.
    #[error("{} is not valid TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong in it.
        message: String,
    },
    /// A line of the `.env` file cannot be understood.
    #[error("{}: {message}", path.display())]
    DotEnv {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A key or variable that means nothing.
    #[error("{origin}: there is no setting `{name}`{}", suggestion.as_deref().map_or_else(
        || "; `chaski config` prints all of them".to_owned(),
        |nearest| format!("; did you mean `{nearest}`?"),
    ))]
    Unknown {
        /// Where it stands.
        origin: String,
        /// What stands there.
        name: String,
        /// The nearest name that exists.
        suggestion: Option<String>,
    },
    /// A value that its key does not take.
    #[error("{origin}: `{key}`: {message}")]
    Invalid {
        /// Where it stands.
        origin: String,
        /// The key.
        key: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// Values that contradict each other or lie outside their range.
    #[error("`{key}`: {message}")]
    Rule {
        /// The key to change.
        key: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
}
