//! What a name that an operator gives may be.

use crate::limits::NAME_BYTES_MAX;

/// Checks the name of a virtual host or a policy; the error is a sentence for a person.
///
/// Units: 1..=255 bytes, what the protocol can carry.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let bytes = name.len();
        return Err(format!(
            "a name has 1 to {NAME_BYTES_MAX} bytes, this one has {bytes}"
        ));
    }
    match name.chars().find(|&character| is_deceptive(character)) {
        None => Ok(()),
        Some(character) => Err(format!(
            "a name cannot contain the character U+{:04X}",
            u32::from(character)
        )),
    }
}

/// Whether a character could make one name look like another, or break a line.
pub(crate) fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00AD}'                  // soft hyphen
            | '\u{034F}'                // combining grapheme joiner
            | '\u{061C}'                // Arabic letter mark
            | '\u{115F}' | '\u{1160}'   // Hangul fillers
            | '\u{180E}'                // Mongolian vowel separator
            | '\u{200B}'..='\u{200F}'   // zero width, direction marks
            | '\u{2028}'..='\u{202E}'   // line breaks, direction embeddings
            | '\u{2060}'..='\u{206F}'   // invisible operators, direction isolates
            | '\u{3164}' | '\u{FFA0}'   // Hangul fillers
            | '\u{FE00}'..='\u{FE0F}'   // variation selectors
            | '\u{FEFF}'                // byte order mark
            | '\u{FFF0}'..='\u{FFFF}'   // specials, replacement character
            | '\u{E0000}'..='\u{E0FFF}' // tags, variation selectors
        )
}
