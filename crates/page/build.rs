//! Lists what `web/dist` holds, for the compiler to take into the binary. Never builds it: that needs Node, and this does not.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Where the page is built, seen from this crate.
const DIST: &str = "../../web/dist";
/// Where it will appear.
const SOURCES: &str = "../../web";

fn main() -> io::Result<()> {
    let place = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let mut found = Vec::new();
    // Cargo runs this again at every build if it is told to watch what does not exist.
    let watched = if place.join(DIST).is_dir() {
        collect(&place.join(DIST).canonicalize()?, "", &mut found)?;
        DIST
    } else if place.join(SOURCES).is_dir() {
        SOURCES
    } else {
        "build.rs"
    };
    println!("cargo::rerun-if-changed={watched}");
    // The same files give the same binary.
    found.sort();
    let lines = found.iter().map(|(name, file)| {
        let file = file.display().to_string();
        format!("    File {{ name: {name:?}, bytes: include_bytes!({file:?}) }},\n")
    });
    let list = format!("&[\n{}]\n", lines.collect::<String>());
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    fs::write(out.join("files.rs"), list)
}

/// Adds the files of a folder and of those in it, by their names with slashes.
fn collect(folder: &Path, prefix: &str, found: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string();
        let name = name.map_err(|_| io::Error::other("a name in web/dist is no UTF-8"))?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), found)?;
        } else if kind.is_file() {
            found.push((format!("{prefix}{name}"), entry.path()));
        }
    }
    Ok(())
}
