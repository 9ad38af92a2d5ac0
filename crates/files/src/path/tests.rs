use proptest::prelude::*;

use super::*;

fn check(path: &str, wrong: Wrong) {
    let refused = RelativePath::parse(path).expect_err(path);
    assert_eq!(refused.wrong, wrong, "{path:?}");
}

#[test]
fn usual_and_odd_names_are_taken() {
    let long = format!("{}/{}", "x".repeat(255), "ü".repeat(127));
    for path in [
        "a",
        "a/b/c.txt",
        ".hidden",
        "..x",
        "x..y",
        "...x",
        " leading",
        "-rf",
        "~",
        "$HOME",
        "a b\u{a0}c",
        "Größe/наука/科学/👩‍🔬.txt",
        "e\u{301}",
        "12:30",
        "what?*<>|\"",
        "console",
        "COM",
        "COM10",
        "NULL",
        "xCON.txt",
        &long,
    ] {
        let parsed = RelativePath::parse(path).expect(path);
        assert_eq!(parsed.as_str(), path);
        assert!(parsed.below(Path::new("/to")).starts_with("/to"));
    }
}

#[test]
fn what_could_leave_the_folder_is_refused() {
    for path in ["", "a//b", "a/"] {
        check(path, Wrong::Empty);
    }
    for path in ["/", "/etc/passwd", "//server/share"] {
        check(path, Wrong::Absolute);
    }
    for path in ["..", ".", "../x", "a/../b", "a/..", "./a", "a/./b"] {
        check(path, Wrong::Dots);
    }
    for path in ["C:", "c:/x", "C:x", "a/Z:"] {
        check(path, Wrong::Drive);
    }
    for path in ["\\", "..\\x", "a\\b", "\\\\server\\share"] {
        check(path, Wrong::Backslash);
    }
}

#[test]
fn what_could_deceive_or_not_be_written_is_refused() {
    for (path, control) in [
        ("a\0b", '\0'),
        ("a\nb", '\n'),
        ("\x1b[2J", '\x1b'),
        ("a\u{85}", '\u{85}'),
        ("a\u{2028}b", '\u{2028}'),
    ] {
        check(path, Wrong::Control(control));
    }
    check("a\u{202e}txt.exe", Wrong::Bidi('\u{202e}'));
    check("\u{2066}a", Wrong::Bidi('\u{2066}'));
    for path in ["a.", "a ", "a./b", "a /b", "... "] {
        check(path, Wrong::Trailing);
    }
    for path in [
        "CON",
        "nul",
        "Aux.txt",
        "a/prn.tar.gz",
        "COM1",
        "lpt9.x",
        "com¹",
        "LPT0",
        "CON .x",
        "nul:x",
        "CONIN$",
    ] {
        check(path, Wrong::Reserved);
    }
    check(&"x".repeat(256), Wrong::NameTooLong);
    check(&"ü".repeat(128), Wrong::NameTooLong);
    check(&"x/".repeat(2_049), Wrong::PathTooLong);
    let refused = RelativePath::parse_bytes(b"a\xff").expect_err("no UTF-8");
    assert_eq!(refused.wrong, Wrong::NotUtf8);
    let refused = RelativePath::parse_name("a/b").expect_err("two parts");
    assert_eq!(refused.wrong, Wrong::Slash);
}

#[test]
fn a_refusal_shows_the_name_without_its_tricks() {
    let shown = |path| RelativePath::parse(path).expect_err(path).to_string();
    assert_eq!(
        shown("../\x1b[2J\u{202e}\"\0"),
        "the name \"../\\u{1b}[2J\\u{202e}\\\"\\u{0}\" is refused: it holds the control character U+001B"
    );
    let long = shown(&"x".repeat(5_000));
    assert!(long.len() < 400, "{long}");
}

#[test]
fn a_path_has_parts() {
    let path = RelativePath::parse("a/b/c.txt").expect("good");
    assert_eq!(path.name(), "c.txt");
    assert_eq!(path.parent(), Some("a/b"));
    assert_eq!(path.parts().collect::<Vec<_>>(), ["a", "b", "c.txt"]);
    assert_eq!(path.below(Path::new("/to")), Path::new("/to/a/b/c.txt"));
    let alone = RelativePath::parse_name("c").expect("good");
    assert_eq!((alone.name(), alone.parent()), ("c", None));
}

#[test]
fn names_that_differ_in_case_or_composition_alone_clash() {
    let clash = |paths: &[&str]| {
        let paths = paths.iter().map(|path| RelativePath::parse(path));
        let paths: Vec<_> = paths.collect::<Result<_, _>>().expect("good");
        find_clash(&paths).map(|clash| (clash.one, clash.other))
    };
    for (one, other) in [
        ("README", "readme"),
        ("Caf\u{e9}", "cafe\u{301}"),
        ("STRASSE", "straße"),
        ("ΣΑΣ", "σας"),
        ("x/A", "x/a"),
    ] {
        let due = Some((one.to_owned(), other.to_owned()));
        assert_eq!(clash(&[one, "between", other]), due);
    }
    // The folders clash, whatever is in them.
    let due = Some(("A".to_owned(), "a".to_owned()));
    assert_eq!(clash(&["A/x", "a/y"]), due);
    assert_eq!(clash(&["A/x", "A/y", "a"]), due);
    let deep = Some(("x/A".to_owned(), "x/a".to_owned()));
    assert_eq!(clash(&["x/A/b", "x/a/c"]), deep);
    for apart in [
        &["a", "b", "x/a", "y/A"][..],
        &["a", "a", "a/b", "a/b/c", "ab", "a/b"],
        &["ab", "ab/c", "abc"],
    ] {
        assert_eq!(clash(apart), None, "{apart:?}");
    }
}

proptest! {
    #[test]
    fn what_is_taken_stays_below_the_folder(path in "[a-zA-Z./\\\\: \u{202e}\0é]{0,12}") {
        if let Ok(parsed) = RelativePath::parse(&path) {
            let mut parts = 0;
            for part in parsed.below(Path::new("x")).components() {
                let is_normal = matches!(part, std::path::Component::Normal(_));
                prop_assert!(is_normal, "{:?}", part);
                parts += 1;
            }
            prop_assert_eq!(parts, 1 + parsed.parts().count());
        }
    }

    #[test]
    fn any_bytes_are_taken_or_shown(bytes: Vec<u8>) {
        match RelativePath::parse_bytes(&bytes) {
            Ok(path) => prop_assert_eq!(path.as_str().as_bytes(), &bytes),
            Err(refused) => prop_assert!(!refused.shown.chars().any(|c| is_control(c) || is_bidi(c))),
        }
    }

    #[test]
    fn folding_again_changes_nothing(name: String) {
        let once = fold(&name);
        prop_assert_eq!(fold(&once), once);
    }

    #[test]
    fn clashes_are_those_of_the_definition(paths in proptest::collection::btree_set("[aAb](/[aAb]){0,2}", 0..6)) {
        let paths: Vec<_> = paths.iter().map(|path| RelativePath::parse(path).expect("good")).collect();
        let mut all = std::collections::BTreeSet::new();
        for path in &paths {
            let parts: Vec<_> = path.parts().collect();
            all.extend((1..=parts.len()).map(|count| parts[..count].join("/")));
        }
        let folded: std::collections::BTreeSet<_> = all.iter().map(|path| fold(path)).collect();
        prop_assert_eq!(find_clash(&paths).is_some(), folded.len() < all.len());
    }
}
