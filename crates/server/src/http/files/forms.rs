//! What requests and answers of the file index have in common.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use directory::files::{FileKind, FilePlace, FileSort, PlaceKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::problem::Problem;

/// The longest cursor: a name, folded, and where it is.
const CURSOR_BYTES_MAX: usize = 16 * 1_024;

/// What a file is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FileKind)]
pub(super) enum KindWord {
    /// One file.
    File,
    /// A folder, by its manifest.
    Collection,
}

/// What files are sorted by.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FileSort)]
pub(super) enum SortWord {
    /// Their name, without regard to case and accents.
    #[default]
    Name,
    /// Their size.
    Size,
    /// Since when they are there.
    Since,
}

/// In which direction.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SortOrder)]
pub(super) enum OrderWord {
    /// The least first.
    #[default]
    Asc,
    /// The greatest first.
    Desc,
}

impl From<FileKind> for KindWord {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::File => Self::File,
            FileKind::Collection => Self::Collection,
        }
    }
}

impl From<KindWord> for FileKind {
    fn from(word: KindWord) -> Self {
        match word {
            KindWord::File => Self::File,
            KindWord::Collection => Self::Collection,
        }
    }
}

impl SortWord {
    pub(super) const fn sort(self) -> FileSort {
        match self {
            Self::Name => FileSort::Name,
            Self::Size => FileSort::Size,
            Self::Since => FileSort::Since,
        }
    }
}

/// 32 bytes as they are written.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads 64 hexadecimal digits.
pub(super) fn unhex(field: &str, text: &str) -> Result<[u8; 32], Problem> {
    let wrong = || Problem::invalid(format!("{field} has 64 hexadecimal digits"));
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

/// Refuses a peer's id that none makes.
pub(super) fn check_peer_id(id: &str) -> Result<(), Problem> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if id.len() == 32 && id.bytes().all(is_digit) {
        return Ok(());
    }
    Err(Problem::invalid(
        "the id of a peer has 32 hexadecimal digits, in small letters",
    ))
}

/// Refuses a text that is empty, too long or holds a NUL.
pub(super) fn check_text(field: &str, text: &str, bytes_max: usize) -> Result<(), Problem> {
    if text.is_empty() || text.len() > bytes_max || text.contains('\0') {
        return Err(Problem::invalid(format!(
            "{field} has 1 to {bytes_max} bytes and no NUL"
        )));
    }
    Ok(())
}

/// Writes where a page ended, and in which order.
pub(super) fn cursor_of(place: &FilePlace, sort: FileSort, is_descending: bool) -> String {
    let order = order_of(sort, is_descending);
    let key = match &place.key {
        PlaceKey::Text(text) => text.clone(),
        PlaceKey::Number(number) => number.to_string(),
    };
    URL_SAFE_NO_PAD.encode(format!("{order}{} {key}", place.id))
}

/// Reads where a page is to go on; it has to be in the same order.
pub(super) fn place_of(
    cursor: &str,
    sort: FileSort,
    is_descending: bool,
) -> Result<FilePlace, Problem> {
    let wrong =
        || Problem::invalid("the cursor is none that a page of this order gave; begin without one");
    if cursor.len() > CURSOR_BYTES_MAX {
        return Err(wrong());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let text = text.strip_prefix(order_of(sort, is_descending));
    let (id, key) = text
        .and_then(|text| text.split_once(' '))
        .ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let key = match sort {
        FileSort::Name => PlaceKey::Text(key.to_owned()),
        FileSort::Size | FileSort::Since => PlaceKey::Number(number(key)?),
    };
    let id = number(id)?;
    Ok(FilePlace { key, id })
}

const fn order_of(sort: FileSort, is_descending: bool) -> &'static str {
    match (sort, is_descending) {
        (FileSort::Name, false) => "na",
        (FileSort::Name, true) => "nd",
        (FileSort::Size, false) => "sa",
        (FileSort::Size, true) => "sd",
        (FileSort::Since, false) => "ta",
        (FileSort::Since, true) => "td",
    }
}
