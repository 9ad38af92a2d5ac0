//! The socket's place in the file system.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::config::paths;

/// The system's bound for a socket's path is 108 bytes with a closing zero; the name under which
/// the socket is bound first is a little longer than its own.
const PATH_BYTES_MAX: usize = 96;

/// Opens the admin socket of a data directory for listening, readable by its owner only.
///
/// Replaces the socket of a server that died: the caller must hold the lock of the data
/// directory. The socket appears under its name only once its mode is right.
///
/// *Errors*: something that is no socket has the name, or the system refuses.
pub fn bind(data_dir: &Path) -> io::Result<UnixListener> {
    let place = paths::admin_socket(data_dir);
    match fs::symlink_metadata(&place) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{} is not a socket; move it away", place.display()),
            ));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let fresh = place.with_extension("sock.new");
    match fs::remove_file(&fresh) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = with_short_path(&fresh, |path| UnixListener::bind(path))?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
    fs::rename(&fresh, &place)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connects to the admin socket of a data directory.
pub(super) fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    with_short_path(&paths::admin_socket(data_dir), |path| {
        UnixStream::connect(path)
    })
}

/// Gives a path that names the same file and is short enough for the system, going through an
/// open descriptor of the parent directory where the path itself is too long.
fn with_short_path<T>(path: &Path, use_path: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return use_path(path);
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return use_path(path);
    };
    let directory = fs::File::open(parent)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    use_path(&short)
}
