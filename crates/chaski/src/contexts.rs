//! Servers that somebody logged in to: kept in a file of their own, for their eyes only.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::exit::{CommandError, Exit};

/// Read and written by its owner only.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// One server, and the session there.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Server {
    /// Where it is.
    pub(crate) url: String,
    /// Who logged in.
    pub(crate) login: String,
    /// The session's token.
    pub(crate) token: String,
    /// A file of certificates to trust instead of the usual ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
}

/// All servers, by the names that they were given.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Contexts {
    /// The one that commands speak to.
    pub(crate) current: Option<String>,
    /// The servers.
    #[serde(default)]
    pub(crate) servers: BTreeMap<String, Server>,
}

impl Contexts {
    /// Reads the file; without one there are none.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let path = path()?;
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| {
                format!("{} is damaged; delete it and log in again", path.display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the file anew, so that nobody ever reads half of it.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let path = path()?;
        let cannot = || format!("cannot write {}", path.display());
        make_directory(&path).with_context(cannot)?;
        replace(&path, serde_json::to_string_pretty(self)?.as_bytes()).with_context(cannot)
    }

    /// Finds a server by its name, or the current one.
    pub(crate) fn find(&self, name: Option<&str>) -> anyhow::Result<Option<&Server>> {
        let Some(name) = name.or(self.current.as_deref()) else {
            return Ok(None);
        };
        match self.servers.get(name) {
            Some(server) => Ok(Some(server)),
            None => Err(CommandError::new(
                Exit::NotFound,
                format!(
                    "there is no context '{name}'; `chaski context list` shows those there are"
                ),
            )
            .into()),
        }
    }
}

/// Makes the directory of a file, if there is none.
pub(crate) fn make_directory(path: &Path) -> std::io::Result<()> {
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory)
}

/// Puts another file in a file's place, whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    // One that a killed command left could have other rights.
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn path() -> anyhow::Result<PathBuf> {
    Ok(directory()?.join("contexts.json"))
}

/// Where what a person sets is kept.
pub(crate) fn directory() -> anyhow::Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = || variable("HOME").map(|home| Path::new(&home).join(".config"));
    let base = variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    base.map(|base| base.join("chaski")).ok_or_else(|| {
        let message = "neither XDG_CONFIG_HOME nor HOME says where contexts are kept";
        CommandError::new(Exit::Usage, message).into()
    })
}
