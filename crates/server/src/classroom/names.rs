//! What somebody may be called here.

use directory::account::{check_account_name, check_login_name};
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

/// Takes a name as somebody typed it: one that an account may have, or words of letters of one script.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(super) fn parse(typed: &str) -> Result<String, String> {
    let name: String = typed.trim().nfc().collect();
    check_login_name(&name).map_err(|error| error.to_string())?;
    if name.contains('>') {
        return Err(
            "a name has no '>': it stands behind the name in front of what was said".to_owned(),
        );
    }
    if check_account_name(&name).is_err() {
        if !name.chars().any(char::is_alphanumeric) {
            return Err("a name has letters or digits".to_owned());
        }
        let joined = name.replace([' ', '.'], "_");
        chat::RoomName::parse(&joined).map_err(|_| {
            "a name is made of letters of one script, digits, spaces, '.', '_' and '-'".to_owned()
        })?;
    }
    Ok(name)
}

/// How a name looks: two that look alike have the same.
pub(super) fn look(name: &str) -> String {
    let seen: String = skeleton(name).collect();
    skeleton(&seen.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_have_are_taken_and_composed() {
        for (typed, name) in [
            ("ana\r\n", "ana"),
            (" José ", "José"),
            ("Jose\u{301}", "José"),
            ("María del Mar", "María del Mar"),
            ("a.b_c-7", "a.b_c-7"),
        ] {
            assert_eq!(parse(typed).as_deref(), Ok(name), "{typed:?}");
        }
    }

    #[test]
    fn names_that_deceive_or_cannot_be_told_from_a_line_are_refused() {
        for typed in [
            "",
            "   ",
            "a>b",
            "a\nb",
            "..",
            "a\u{202e}b",
            "аna",
            &"x".repeat(65),
            "a/b",
        ] {
            assert!(parse(typed).is_err(), "{typed:?}");
        }
    }

    #[test]
    fn names_of_another_script_that_look_the_same_are_told() {
        assert_eq!(look("сор"), look("cop"));
        assert_ne!(look("ana"), look("anna"));
    }
}
