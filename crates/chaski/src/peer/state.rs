//! Where a peer keeps what it knows, and that it is the only one there.

use std::env;
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::usage;
use crate::exit::{CommandError, Exit};

/// Finds the state directory, and makes it if need be.
pub(crate) fn state(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let of = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let state = match named {
        Some(named) => named.to_owned(),
        None => of("CHASKI_STATE")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&of("XDG_STATE_HOME")?).join("chaski")))
            .or_else(|| Some(Path::new(&of("HOME")?).join(".local/state/chaski")))
            .ok_or_else(|| usage("where is what the peer keeps? --state says so"))?,
    };
    let cannot = || format!("cannot use {}", state.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&state)
        .with_context(cannot)?;
    state.canonicalize().with_context(cannot)
}

/// Keeps others from being the same peer: they would tell the server different things.
pub(super) fn lock(state: &Path) -> anyhow::Result<File> {
    let path = state.join("peer.lock");
    let cannot = || format!("cannot use {}", path.display());
    let file = File::create(&path).with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!(
                "another peer runs with {}; --state names another place",
                state.display()
            );
            Err(CommandError::new(Exit::Exists, message).into())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
    }
}
