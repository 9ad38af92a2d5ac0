//! Other people's text, as a terminal may be sent it.

/// How wide a tab is shown.
const TAB: &[u8] = b"    ";

/// Appends a text in which nothing is left that a terminal would act on, or that nobody sees: control characters become their symbols
/// (`␛`), others their number (`\u{202e}`), a tab four spaces.
///
/// What joins characters of scripts and emojis (U+200D, U+FE0F and their like) stays behind a character that it can belong to.
pub fn sanitise(text: &str, out: &mut Vec<u8>) {
    if is_plain(text) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut before = ' ';
    for character in text.chars() {
        append(character, before, out);
        before = character;
    }
}

/// Whether a text can be sent as it is: it has nothing but printable ASCII. What can be sent in other writing is found out by the way.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn append(character: char, before: char, out: &mut Vec<u8>) {
    match character {
        ' '..='~' => out.extend(u8::try_from(character)),
        '\t' => out.extend_from_slice(TAB),
        '\0'..='\x1F' => push(symbol(u32::from(character)), out),
        '\x7F' => push('␡', out),
        _ if is_joiner(character) && joins(before) => push(character, out),
        _ if is_hidden(character) => {
            out.extend_from_slice(character.escape_unicode().to_string().as_bytes());
        }
        _ => push(character, out),
    }
}

/// The picture of a control character.
fn symbol(control: u32) -> char {
    char::from_u32(0x2400 + control).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn push(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Whether a character joins or varies the one before it, as some scripts and many emojis need.
const fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}')
}

/// Whether something can be joined to a character: emojis and letters of other scripts, and what keycaps are made of.
fn joins(before: char) -> bool {
    let is_keycap = before.is_ascii_digit() || matches!(before, '#' | '*');
    is_keycap || (!before.is_ascii() && (!is_hidden(before) || before == '\u{FE0F}'))
}

/// Whether a character is not seen, or changes how others are read.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00AD}'                  // soft hyphen
            | '\u{034F}'                // combining grapheme joiner
            | '\u{061C}'                // Arabic letter mark
            | '\u{115F}' | '\u{1160}'   // Hangul fillers
            | '\u{17B4}' | '\u{17B5}'   // Khmer inherent vowels
            | '\u{180B}'..='\u{180F}'   // Mongolian selectors and separator
            | '\u{200B}'..='\u{200F}'   // zero width, direction marks
            | '\u{2028}'..='\u{202E}'   // line breaks, direction embeddings
            | '\u{2060}'..='\u{206F}'   // invisible operators, direction isolates
            | '\u{3164}' | '\u{FFA0}'   // Hangul fillers
            | '\u{FE00}'..='\u{FE0F}'   // variation selectors
            | '\u{FEFF}'                // byte order mark
            | '\u{FFF0}'..='\u{FFFB}'   // interlinear annotation
            | '\u{1BCA0}'..='\u{1BCA3}' // shorthand controls
            | '\u{1D173}'..='\u{1D17A}' // musical controls
            | '\u{E0000}'..='\u{E0FFF}' // tags, variation selectors
        )
}
