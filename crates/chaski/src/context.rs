//! What every command knows: the sources of settings and the form of its output.

use std::path::PathBuf;

use server::config::{Config, ConfigError, Sources};

use crate::cli::Globals;

/// The surroundings of one command.
pub(crate) struct Context {
    /// Whether to print JSON.
    pub(crate) json: bool,
    sources: Sources,
}

impl Context {
    /// Reads the environment and applies the global flags.
    pub(crate) fn new(globals: Globals) -> Result<Self, ConfigError> {
        let mut sources = Sources::from_process()?;
        if globals.config.is_some() {
            sources.file = globals.config;
        }
        if let Some(data) = globals.data {
            let data = data.to_string_lossy().into_owned();
            sources.flags.push(("data".to_owned(), data));
        }
        Ok(Self {
            json: globals.json,
            sources,
        })
    }

    /// Loads the settings with the flags of one command.
    pub(crate) fn config(
        &self,
        flags: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let mut sources = self.sources.clone();
        sources.flags.extend(flags);
        Config::load(&sources)
    }

    /// Finds the data directory.
    pub(crate) fn data_dir(&self) -> Result<PathBuf, ConfigError> {
        Ok(self.config([])?.data)
    }
}
