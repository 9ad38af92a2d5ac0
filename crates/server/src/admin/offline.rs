//! Administration of a data directory on which no server runs.
//!
//! Holds the directory's lock while it works, so that no server can start in between and read a
//! half-made change. Knows accounts, virtual hosts, permissions and policies; never queues'
//! messages.

use std::fs::File;
use std::path::Path;

use directory::Directory;
use rustix::fs::{FlockOperation, flock};

use super::client::{AdminError, accepted};
use super::plan::{self, Plan};
use super::request::Request;
use super::response::{ErrorCode, Response};
use crate::config::paths;

/// Carries out a request on the data directory itself.
///
/// *Durability*: a change is on disk on return.
///
/// *Errors*: [`AdminError::NotRunning`] for requests that only a running server can answer or
/// when there is no data directory; a refusal if another process holds the data directory.
pub fn run(data_dir: &Path, request: &Request) -> Result<Response, AdminError> {
    let not_running = || AdminError::NotRunning {
        data_dir: data_dir.to_owned(),
    };
    let database = paths::directory(data_dir);
    if !database.exists() {
        return Err(not_running());
    }
    let plan = match plan::plan(request) {
        Ok(plan) => plan,
        Err(refusal) => return accepted(refusal),
    };
    if matches!(plan, Plan::Live) {
        return Err(not_running());
    }
    let _lock = lock(data_dir)?;
    let mut directory = Directory::open(&database).map_err(failed)?;
    let response = match plan {
        Plan::Change(changes) => plan::answer_commit(directory.commit(&changes)),
        Plan::Read(reading) => reading.answer(&directory.load().map_err(failed)?),
        Plan::Live => return Err(not_running()),
    };
    accepted(response)
}

/// Takes the lock that a server holds while it runs.
fn lock(data_dir: &Path) -> Result<File, AdminError> {
    let path = paths::lock(data_dir);
    let transport = |source| AdminError::Transport {
        data_dir: data_dir.to_owned(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(transport)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => Err(AdminError::Refused {
            code: ErrorCode::Unavailable,
            message: format!(
                "another process holds {}: a server that is starting or stopping, or another \
                 command; try again in a moment",
                path.display()
            ),
        }),
        Err(error) => Err(transport(error.into())),
    }
}

fn failed(failure: directory::Failure) -> AdminError {
    AdminError::Refused {
        code: ErrorCode::Failed,
        message: plan::with_causes(&failure),
    }
}
