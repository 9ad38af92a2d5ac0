//! Names that are two here and one on a system that disregards case.

use super::{RelativePath, escape, fold};

/// Two names of one folder that some systems hold for the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" and \"{}\" differ in case or composition alone", escape(.one), escape(.other))]
pub struct Clash {
    /// The path of the first.
    pub one: String,
    /// The path of the second.
    pub other: String,
}

/// Finds two files or folders among these paths that would be one on a system that disregards case and composition.
///
/// The same path twice is no clash. It takes 40 bytes per path and folder.
#[must_use]
pub fn find_clash<'a>(paths: impl IntoIterator<Item = &'a RelativePath>) -> Option<Clash> {
    let mut seen: Vec<(u128, &str)> = Vec::new();
    let mut previous: &str = "";
    for path in paths {
        let whole = path.as_str();
        // A folder that the path before has too has been looked at with that.
        let common = common_folders(previous, whole);
        let slashes = whole.match_indices('/').map(|(at, _)| at);
        let ends = slashes.chain([whole.len()]).filter(|&end| end > common);
        seen.extend(ends.map(|end| (digest(&whole[..end]), &whole[..end])));
        previous = whole;
    }
    // Bytes of the path behind its digest: which clash is found is the same each time.
    seen.sort_unstable();
    let clash = seen
        .array_windows()
        .find(|[(one, name), (other, other_name)]| one == other && name != other_name);
    clash.map(|[(_, one), (_, other)]| Clash {
        one: (*one).to_owned(),
        other: (*other).to_owned(),
    })
}

/// Length of the folders that two paths have in common from the outermost on.
fn common_folders(one: &str, other: &str) -> usize {
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b);
    let length = same.count();
    let is_whole = one.len() == length && other.as_bytes().get(length) == Some(&b'/');
    if is_whole {
        return length;
    }
    other.as_bytes()[..length]
        .iter()
        .rposition(|&byte| byte == b'/')
        .unwrap_or(0)
}

/// Stands for a folded path: sorting a million of those would take hundreds of megabytes.
fn digest(path: &str) -> u128 {
    let hash = blake3::hash(fold(path).as_bytes());
    let (half, _) = hash.as_bytes().split_at(16);
    half.iter()
        .fold(0, |digest, &byte| digest << 8 | u128::from(byte))
}
