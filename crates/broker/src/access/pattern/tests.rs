use super::Pattern;

#[test]
fn a_pattern_allows_what_it_reads_as_and_nothing_beside() {
    for (pattern, allowed, refused) in [
        ("", &[][..], &["", "a", "\n"][..]),
        ("^$", &[], &["", "a", "\n"]),
        (".*", &["", "a", "a\nb", "\n", "\u{202e}x"], &[]),
        // Unanchored, a pattern is found anywhere.
        (
            "mine",
            &["mine", "not-mine", "mine\nelse"],
            &["min", "Mine", "m\nine"],
        ),
        (
            "^mine",
            &["mine", "mine.x"],
            &["not.mine", "x\nmine", " mine"],
        ),
        (
            "^mine$",
            &["mine"],
            &["mine\n", "mine\nx", "x\nmine", "mine2"],
        ),
        ("^mine.*$", &["mine", "mine.x"], &["mine\nx", "x\nmine"]),
        // An alternation reaches to the ends: both anchors belong to one branch only.
        ("^a|b$", &["ax", "xb", "a", "b"], &["xa", "bx"]),
        ("^(a|b)$", &["a", "b"], &["ax", "xb", "ab"]),
        ("^a\\.[^.]+$", &["a.b"], &["a.b.c", "a.", "ab"]),
        // A hyphen that is first, last or escaped is one; between two letters it is a range.
        ("^[a-c]+$", &["abc"], &["a-c", "d", "-"]),
        ("^[a-c-]+$", &["a-c"], &["d", "_"]),
        ("^[-ac]+$", &["a-c"], &["b"]),
        ("^[a\\-c]+$", &["a-c"], &["b"]),
        ("^[+-/]+$", &["+,-./"], &["0", "*"]),
        ("^[]a]+$", &["]a"], &["[", "b"]),
        ("^[^]a]+$", &["b", "["], &["]", "a"]),
        ("^[[:digit:]-]+$", &["1-2"], &["a", ":"]),
        ("^\\[x\\]$", &["[x]"], &["x"]),
        ("^a{2}$", &["aa"], &["a", "aaa"]),
    ] {
        let compiled = Pattern::compile(pattern).expect(pattern);
        for name in allowed {
            assert!(compiled.matches(name), "{pattern:?} allows {name:?}");
        }
        for name in refused {
            assert!(!compiled.matches(name), "{pattern:?} refuses {name:?}");
        }
    }
}

#[test]
fn what_means_something_else_to_rabbitmq_is_no_pattern() {
    for pattern in [
        "[a--z]",
        "[a&&b]",
        "[a~~b]",
        "[a[b]]",
        "[^[]",
        "\\<mine\\>",
        "^\\<",
        "[[:alpha:]&&[a-c]]",
        // These it cannot do in linear time.
        "(a)\\1",
        "^(?!secret)",
        "(?<=a)b",
        "(?>a+)",
        // And these nobody can.
        "(",
        "[",
        "[a",
        "a{",
        "*",
        "a{1000000000}",
        "(((((a{50}){50}){50}){50}){50})",
    ] {
        let refusal = Pattern::compile(pattern).expect_err(pattern);
        assert!(refusal.contains("is not a usable pattern"), "{refusal}");
    }
}

#[test]
fn a_quoted_name_is_matched_by_itself_alone() {
    for name in [
        "<b>",
        "a.b",
        "a|b",
        "^$",
        "[a-c]",
        "\\w",
        "\u{b7}",
        "x y",
        "{username}",
        "(?i)a",
        "#-&~",
    ] {
        let pattern = Pattern::compile(&format!("^{}$", Pattern::quote(name))).expect(name);
        assert!(pattern.matches(name), "{name}");
        for other in ["", "a", "b", "axb", "A", "-"] {
            assert!(!pattern.matches(other), "{name} is not {other}");
        }
    }
}
