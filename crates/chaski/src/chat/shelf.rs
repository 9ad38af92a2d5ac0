//! The file that keeps in which rooms somebody was, beside the settings.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use client::chat::memory::Shelf;

use crate::contexts::{directory, make_directory, replace};

/// The file.
#[derive(Debug)]
pub(super) struct RoomsFile {
    path: PathBuf,
}

impl RoomsFile {
    pub(super) fn new() -> anyhow::Result<Self> {
        let path = directory()?.join("chat-rooms.json");
        Ok(Self { path })
    }
}

impl Shelf for RoomsFile {
    fn read(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn change(&self, change: &mut dyn FnMut(Option<String>) -> String) -> io::Result<()> {
        make_directory(&self.path)?;
        let held = self.path.parent().map(File::open).transpose()?;
        if let Some(held) = &held {
            // Where there are no locks, of two terminals that write at once one writes for nothing.
            let _ = held.lock();
        }
        let before = self.read().ok().flatten();
        replace(&self.path, change(before).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_made_read_and_replaced_and_only_its_owner_reads_it() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("chaski/chat-rooms.json");
        let file = RoomsFile { path: path.clone() };
        assert_eq!(file.read().expect("nothing"), None);
        let write = |expected: Option<&str>, text: &str| {
            file.change(&mut |before| {
                assert_eq!(before.as_deref(), expected);
                text.to_owned()
            })
            .expect("it is written");
        };
        write(None, "one");
        write(Some("one"), "two");
        assert_eq!(file.read().expect("a text").as_deref(), Some("two"));
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&path, [0xff]).expect("damage");
        assert!(file.read().is_err());
        write(None, "three");
        let left = fs::read_dir(home.path().join("chaski")).expect("a directory");
        assert_eq!(left.count(), 1, "nothing is left beside it");
    }
}
