use super::*;

#[track_caller]
fn check_target(url: &str, expected: Option<(bool, u16, &str, &str)>) {
    let read = Target::parse(url).ok();
    let read = read.as_ref().map(|target| {
        (
            target.is_tls,
            target.port,
            target.path.as_str(),
            target.authority.as_str(),
        )
    });
    assert_eq!(read, expected, "{url}");
}

#[test]
fn a_target_is_a_url_of_the_web_without_credentials() {
    check_target(
        "https://example.org/a/b?c=d#e",
        Some((true, 443, "/a/b?c=d", "example.org")),
    );
    check_target(
        "http://Example.ORG:8080",
        Some((false, 8080, "/", "example.org:8080")),
    );
    check_target(
        "http://[2001:db8::1]:80/x y",
        Some((false, 80, "/x%20y", "[2001:db8::1]")),
    );
    let refused = [
        "",
        "example.org",
        "/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "http://",
        "http://example.org:0/",
        "http://example.org:65536/",
        "http://ana@example.org/",
        "http://ana:secret@example.org/",
        "http://:secret@example.org/",
        "http://[::1%25lo]/",
        "http://256.1.1.1/",
    ];
    for url in refused {
        check_target(url, None);
    }
    check_target(&format!("http://example.org/{}", "a".repeat(2_048)), None);
}

#[test]
fn an_origin_keeps_the_path_to_itself() {
    let target = Target::parse("https://example.org:8443/token?key=1").expect("a good one");
    assert_eq!(target.origin(), "https://example.org:8443");
}

#[test]
fn a_host_cannot_break_out_of_its_header() {
    for url in ["http://a\r\nx: y/", "http://a b/", "http://a\u{0}b/"] {
        let authority = Target::parse(url).map(|target| target.authority);
        let is_clean = authority.map_or(true, |text| text.bytes().all(|byte| byte > b' '));
        assert!(is_clean, "{url:?}");
    }
}

#[track_caller]
fn check_wish(wish: Wish, is_allowed: bool) {
    let read = Settings::default().with(&wish);
    assert_eq!(read.is_ok(), is_allowed, "{wish:?}");
}

#[test]
fn settings_have_their_ranges() {
    check_wish(Wish::default(), true);
    for (value, is_allowed) in [(0, false), (1, true), (64, true), (65, false)] {
        let max_in_flight = Some(value);
        check_wish(
            Wish {
                max_in_flight,
                ..Wish::default()
            },
            is_allowed,
        );
    }
    for (value, is_allowed) in [(99, false), (100, true), (60_000, true), (60_001, false)] {
        let timeout_ms = Some(value);
        check_wish(
            Wish {
                timeout_ms,
                ..Wish::default()
            },
            is_allowed,
        );
    }
    for (value, is_allowed) in [(0, false), (1, true), (100, true), (101, false)] {
        let max_attempts = Some(value);
        check_wish(
            Wish {
                max_attempts,
                ..Wish::default()
            },
            is_allowed,
        );
    }
    for (first, most, is_allowed) in [(10, 10, true), (9, 10, false), (11, 10, false)] {
        check_wish(
            Wish {
                backoff_first_ms: Some(first),
                backoff_max_ms: Some(most),
                ..Wish::default()
            },
            is_allowed,
        );
    }
}

#[test]
fn settings_survive_the_directory_and_older_ones_are_completed() {
    let settings = Settings {
        max_in_flight: 7,
        paused_because: Some("it is gone".to_owned()),
        ..Settings::default()
    };
    assert_eq!(Settings::parse(&settings.to_text()), settings);
    let older = Settings::parse(r#"{"timeout_ms":500,"unknown":1}"#);
    assert_eq!((older.timeout_ms, older.max_attempts), (500, 12));
    assert_eq!(Settings::parse("not JSON"), Settings::default());
    assert_eq!(Settings::parse(r#"{"max_in_flight":0}"#).max_in_flight, 1);
}

#[test]
fn whoever_pauses_or_resumes_takes_the_servers_reason_away() {
    let paused = Settings {
        paused_because: Some("it is gone".to_owned()),
        ..Settings::default()
    };
    for wished in [true, false] {
        let wish = Wish {
            paused: Some(wished),
            ..Wish::default()
        };
        let settings = paused.with(&wish).expect("in range");
        assert_eq!(settings.paused_because, None);
    }
    let kept = paused.with(&Wish::default()).expect("in range");
    assert_eq!(kept, paused);
}
