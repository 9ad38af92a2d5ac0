//! What must stand in a data directory, and what stands there instead.
//!
//! Looked at before anything is opened: a link, a file of another account or one that may not be written is named with a way out,
//! and nothing has been changed by then. Knows the names and kinds of the entries, never what is in them. Start reading at
//! [`obstacles`].

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};

/// Something in a data directory that keeps the server from using it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {problem}; {remedy}. Nothing was changed", path.display())]
pub struct Obstacle {
    /// Which entry.
    pub path: PathBuf,
    /// What is wrong with it, as the rest of a sentence.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl Obstacle {
    fn new(path: &Path, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

/// What an entry has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A directory in which files are made.
    Directory,
    /// A file that is read and written.
    File,
    /// A file that is only read once it is there.
    Kept,
    /// The administration socket; one that is left over is replaced.
    Socket,
}

/// Everything that the server may make here, directories before what is in them.
const ENTRIES: [(&str, Kind); 25] = [
    ("LOCK", Kind::File),
    ("journal", Kind::Directory),
    ("queues", Kind::Directory),
    ("quarantine", Kind::Directory),
    (DATABASE, Kind::File),
    ("directory.sqlite-journal", Kind::File),
    (DATABASE_LOG, Kind::File),
    ("directory.sqlite-shm", Kind::File),
    ("chat.sqlite", Kind::File),
    ("chat.sqlite-journal", Kind::File),
    ("chat.sqlite-wal", Kind::File),
    ("chat.sqlite-shm", Kind::File),
    ("files.sqlite", Kind::File),
    ("files.sqlite-journal", Kind::File),
    ("files.sqlite-wal", Kind::File),
    ("files.sqlite-shm", Kind::File),
    ("files.sqlite.damaged", Kind::File),
    ("files.key", Kind::Kept),
    ("files.key.new", Kind::File),
    ("admin.sock", Kind::Socket),
    ("admin.sock.new", Kind::Socket),
    ("tls", Kind::Directory),
    ("tls.new", Kind::Directory),
    ("tls/server.crt", Kind::Kept),
    ("tls/server.key", Kind::Kept),
];
const DATABASE: &str = "directory.sqlite";
const DATABASE_LOG: &str = "directory.sqlite-wal";

/// Finds what keeps the account `owner` from using a data directory that exists. Changes nothing.
pub(crate) fn obstacles(data_dir: &Path, owner: u32) -> Vec<Obstacle> {
    let mut found = Vec::new();
    // The directory itself may be a link, and may belong to a group: what counts is that files can be made in it.
    if fs::metadata(data_dir).is_ok_and(|metadata| metadata.is_dir()) {
        check_access(data_dir, Kind::Directory, owner, &mut found);
    }
    for (name, kind) in ENTRIES {
        check_entry(&data_dir.join(name), kind, owner, &mut found);
    }
    if !found.is_empty() {
        // What cannot be entered cannot be listed either, and is named already.
        return found;
    }
    let journal = listed(&data_dir.join("journal"), &mut found, |name| {
        name == "spare" || name == "newest" || name.ends_with(".journal")
    });
    let segments = listed(&data_dir.join("queues"), &mut found, |name| {
        name.ends_with(".segment")
    });
    for path in journal.iter().chain(&segments) {
        check_entry(path, Kind::File, owner, &mut found);
    }
    check_parts(data_dir, &journal, &segments, &mut found);
    found
}

/// Tells whether a name at the top of a data directory is one of the server's.
pub(crate) fn is_known(name: &str) -> bool {
    ENTRIES.iter().any(|(known, _)| *known == name)
}

fn check_entry(path: &Path, kind: Kind, owner: u32, found: &mut Vec<Obstacle>) {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        // Most entries come and go; what is below an entry of a wrong kind is not there either.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return;
        }
        Err(error) => {
            let problem = format!("cannot be looked at ({error})");
            found.push(Obstacle::new(path, problem, "let this account enter it"));
            return;
        }
    };
    let is = metadata.file_type();
    let wanted = match kind {
        Kind::Directory => is.is_dir(),
        Kind::File | Kind::Kept => is.is_file(),
        Kind::Socket => is.is_socket(),
    };
    if is.is_symlink() {
        let remedy = match kind {
            Kind::Directory => "move what it points to here, or mount it here",
            Kind::Kept => "put the file itself here, or name it by tls.certificate and tls.key",
            Kind::File | Kind::Socket => "put the file itself here",
        };
        found.push(Obstacle::new(path, "is a symbolic link", remedy));
    } else if !wanted {
        let name = match kind {
            Kind::Directory => "a directory",
            Kind::File | Kind::Kept => "a regular file",
            Kind::Socket => "a socket",
        };
        let problem = format!("is not {name}");
        found.push(Obstacle::new(
            path,
            problem,
            "move it out of the data directory",
        ));
    } else if metadata.uid() != owner {
        let problem = format!(
            "belongs to user {}, not to user {owner} who runs the server",
            metadata.uid()
        );
        found.push(Obstacle::new(
            path,
            problem,
            "give it to that user with chown",
        ));
    } else {
        check_access(path, kind, owner, found);
    }
}

/// Checks that the owner may do what the server does with an entry. Of another account's rights nothing is known.
fn check_access(path: &Path, kind: Kind, owner: u32, found: &mut Vec<Obstacle>) {
    if rustix::process::geteuid().as_raw() != owner {
        return;
    }
    let (needed, what, mode) = match kind {
        Kind::Directory => (
            Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK,
            "written",
            "700",
        ),
        Kind::File => (Access::READ_OK | Access::WRITE_OK, "written", "600"),
        Kind::Kept => (Access::READ_OK, "read", "600"),
        // It is replaced, which is the directory's matter.
        Kind::Socket => return,
    };
    if let Err(error) = rustix::fs::accessat(CWD, path, needed, AtFlags::EACCESS)
        && error != rustix::io::Errno::NOENT
    {
        let problem = format!("may not be {what} ({})", io::Error::from(error));
        let remedy = format!("chmod {mode} allows it, if the file system does");
        found.push(Obstacle::new(path, problem, remedy));
    }
}

/// Lists the files of a directory that are the server's by their names.
fn listed(
    directory: &Path,
    found: &mut Vec<Obstacle>,
    is_ours: impl Fn(&str) -> bool,
) -> Vec<PathBuf> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                let problem = format!("cannot be listed ({error})");
                found.push(Obstacle::new(
                    directory,
                    problem,
                    "let this account read it",
                ));
            }
            return Vec::new();
        }
    };
    let ours = entries
        .flatten()
        .filter(|entry| is_ours(&entry.file_name().to_string_lossy()));
    let mut paths: Vec<_> = ours.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    paths
}

/// Finds that a part is missing without which the others would be taken for rubbish.
fn check_parts(
    data_dir: &Path,
    journal: &[PathBuf],
    segments: &[PathBuf],
    found: &mut Vec<Obstacle>,
) {
    let length =
        |name: &str| fs::metadata(data_dir.join(name)).map_or(0, |metadata| metadata.len());
    for name in ["journal", "queues"] {
        let place = data_dir.join(name);
        if length(DATABASE) > 0 && !place.exists() {
            found.push(Obstacle::new(
                &place,
                "is missing, and with it messages",
                "put it back, or make an empty directory of that name to go on without them",
            ));
        }
    }
    let place = data_dir.join("journal");
    let is_file = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "journal")
    };
    if place.exists() && !journal.iter().any(is_file) && !segments.is_empty() {
        found.push(Obstacle::new(
            &place,
            "has no file to say which messages in queues are live",
            "put its files back, or move those in queues away to go on without them",
        ));
    }
    if length(DATABASE) == 0 && (length(DATABASE_LOG) > 0 || length("journal/newest") > 0) {
        found.push(Obstacle::new(
            &data_dir.join(DATABASE),
            "is missing or empty, and with it the accounts and queues",
            "put that file back, or move the whole data directory away",
        ));
    }
}

#[cfg(test)]
mod tests;
