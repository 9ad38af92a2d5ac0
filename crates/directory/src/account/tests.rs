#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[test]
fn readable_login_names_are_accepted() {
    for login in [
        "guest",
        "a",
        "María José",
        "o'neill@example.org",
        "管理者",
        &"x".repeat(64),
    ] {
        assert_eq!(check_login_name(login), Ok(()), "{login:?}");
    }
}

#[test]
fn login_names_that_deceive_are_refused() {
    use LoginNameError::{Character, Empty, OuterSpace, TooLong};
    for (login, expected) in [
        ("", Empty),
        (" guest", OuterSpace),
        ("guest\u{3000}", OuterSpace),
        ("gu\0est", Character('\0')),
        ("guest\n", Character('\n')),
        ("\u{7f}", Character('\u{7f}')),
        ("\u{202e}tseug", Character('\u{202e}')),
        ("gu\u{2066}est", Character('\u{2066}')),
        ("gu\u{200b}est", Character('\u{200b}')),
        ("\u{feff}guest", Character('\u{feff}')),
        ("gu\u{e0041}est", Character('\u{e0041}')),
    ] {
        assert_eq!(check_login_name(login), Err(expected), "{login:?}");
    }
    // 33 characters of two bytes each.
    assert_eq!(
        check_login_name(&"é".repeat(33)),
        Err(TooLong { bytes: 66 })
    );
}

#[test]
fn names_of_registered_accounts_are_plain() {
    use LoginNameError::{Character, Dots, Empty, NotPlain, TooLong};
    for login in ["a", "Ana.Maria-2_x", "-", "...", "0", &"x".repeat(64)] {
        assert_eq!(check_account_name(login), Ok(()), "{login:?}");
    }
    for (login, expected) in [
        ("", Empty),
        (".", Dots),
        ("..", Dots),
        ("María", NotPlain('í')),
        ("a b", NotPlain(' ')),
        ("a/b", NotPlain('/')),
        ("a@b", NotPlain('@')),
        ("a\n", Character('\n')),
        (&"x".repeat(65), TooLong { bytes: 65 }),
    ] {
        assert_eq!(check_account_name(login), Err(expected), "{login:?}");
    }
}

#[test]
fn a_refusal_names_the_character_without_printing_it() {
    let message = check_login_name("gu\u{202e}est").unwrap_err().to_string();
    assert_eq!(message, "a login name cannot contain the character U+202E");
}

#[test]
fn tags_that_cannot_be_stored_are_refused() {
    let tags = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(check_tags(&tags(&["administrator", "monitoring"])), Ok(()));
    assert_eq!(check_tags(&[]), Ok(()));
    for refused in [
        tags(&[""]),
        tags(&["a,b"]),
        tags(&["a b"]),
        tags(&["a\u{200f}"]),
        tags(&["a", "b", "a"]),
        vec!["x".repeat(65)],
        (0..17).map(|number| number.to_string()).collect(),
    ] {
        assert!(check_tags(&refused).is_err(), "{refused:?}");
    }
}
