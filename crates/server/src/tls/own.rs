//! The certificate that the server makes for itself where the operator names none.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Places, TlsError};

pub(super) const CERTIFICATE: &str = "server.crt";
pub(super) const KEY: &str = "server.key";

/// Finds the pair of certificate and key in a directory, or makes one that no name service knows.
///
/// # Errors
/// One of the two is missing: whoever put the other there wants it back.
pub(super) fn own_certificate(dir: &Path, by_name: Option<PathBuf>) -> Result<Places, TlsError> {
    let places = Places {
        certificate: dir.join(CERTIFICATE),
        key: dir.join(KEY),
        by_name,
    };
    match (places.certificate.exists(), places.key.exists()) {
        (true, true) => Ok(places),
        (false, false) => {
            make(dir)?;
            Ok(places)
        }
        (false, true) => Err(half(places.certificate, places.key)),
        (true, false) => Err(half(places.key, places.certificate)),
    }
}

const fn half(missing: PathBuf, there: PathBuf) -> TlsError {
    TlsError::Half { missing, there }
}

/// Makes a pair elsewhere and moves it here, so that a start that is cut short leaves nothing by halves.
fn make(dir: &Path) -> Result<(), TlsError> {
    let names = [
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::Generate)?;
    let fresh = dir.with_extension("new");
    let at = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File {
            operation,
            path,
            source,
        }
    };
    match fs::remove_dir_all(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(at("remove", &fresh)(error));
        }
        Ok(()) | Err(_) => {}
    }
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&fresh)
        .map_err(at("create", &fresh))?;
    for (name, mode, pem) in [
        (KEY, 0o600, made.signing_key.serialize_pem()),
        (CERTIFICATE, 0o644, made.cert.pem()),
    ] {
        let path = fresh.join(name);
        write(&path, mode, pem.as_bytes()).map_err(at("write", &path))?;
    }
    match fs::rename(&fresh, dir) {
        // The operator keeps other certificates there.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            for name in [KEY, CERTIFICATE] {
                let path = dir.join(name);
                fs::rename(fresh.join(name), &path).map_err(at("write", &path))?;
            }
            fs::remove_dir(&fresh).map_err(at("remove", &fresh))
        }
        moved => moved.map_err(at("create", dir)),
    }
}

fn write(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
