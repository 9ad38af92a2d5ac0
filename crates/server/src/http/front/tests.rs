use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::{PageFile, gathered};

const FILES: [PageFile; 6] = [
    PageFile {
        name: "assets/app-1a2b.js",
        bytes: b"plain",
    },
    PageFile {
        name: "assets/app-1a2b.js.br",
        bytes: b"brotli",
    },
    PageFile {
        name: "assets/app-1a2b.js.gz",
        bytes: b"gzip",
    },
    PageFile {
        name: "favicon.svg",
        bytes: b"<svg/>",
    },
    PageFile {
        name: "index.html",
        bytes: b"<!doctype html>",
    },
    PageFile {
        name: "lonely.gz",
        bytes: b"?",
    },
];

fn asked(headers: &[(HeaderName, &str)]) -> HeaderMap {
    let pairs = headers.iter().map(|(name, value)| {
        let value = HeaderValue::from_str(value).expect("a value");
        (name.clone(), value)
    });
    pairs.collect()
}

fn answer(name: &str, headers: &[(HeaderName, &str)]) -> Response {
    gathered(&FILES)[name].answer(&asked(headers))
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().expect("text"))
}

#[test]
fn the_smallest_form_that_is_taken_is_sent() {
    for (accepted, expected) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip, deflate", Some("gzip")),
        ("br;q=0, gzip;q=0.5", Some("gzip")),
        ("BR ; q=0.1", Some("br")),
        ("*", Some("br")),
        ("*;q=0", None),
        ("br;q=x", None),
        ("brotli", None),
        ("", None),
    ] {
        let response = answer("assets/app-1a2b.js", &[(header::ACCEPT_ENCODING, accepted)]);
        let encoding = header(&response, "content-encoding");
        assert_eq!(encoding, expected, "{accepted:?}");
        assert_eq!(header(&response, "vary"), Some("accept-encoding"));
        let kind = header(&response, "content-type");
        assert_eq!(kind, Some("text/javascript; charset=utf-8"));
    }
}

#[test]
fn files_with_versions_in_their_names_stay_and_others_are_asked_for() {
    let lasting = answer("assets/app-1a2b.js", &[]);
    assert_eq!(
        header(&lasting, "cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    for name in ["index.html", "favicon.svg"] {
        let response = answer(name, &[]);
        assert_eq!(header(&response, "cache-control"), Some("no-cache"));
        assert_eq!(header(&response, "vary"), None);
    }
}

#[test]
fn whoever_has_a_form_already_is_told_so_and_each_form_has_a_tag_of_its_own() {
    let plain = answer("assets/app-1a2b.js", &[]);
    let tag = header(&plain, "etag").expect("a tag").to_owned();
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".to_owned(),
    ] {
        let response = answer("assets/app-1a2b.js", &[(header::IF_NONE_MATCH, &known)]);
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(header(&response, "etag"), Some(&*tag));
        assert!(header(&response, "content-security-policy").is_some());
    }
    let gzip = [
        (header::IF_NONE_MATCH, &*tag),
        (header::ACCEPT_ENCODING, "gzip"),
    ];
    assert_eq!(answer("assets/app-1a2b.js", &gzip).status(), StatusCode::OK);
}

#[test]
fn nothing_but_what_this_server_serves_runs_in_the_page() {
    let response = answer("index.html", &[]);
    let policy = header(&response, "content-security-policy").expect("a policy");
    assert_eq!(
        policy,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    assert_eq!(
        header(&response, "cross-origin-opener-policy"),
        Some("same-origin")
    );
    assert_eq!(header(&response, "referrer-policy"), Some("no-referrer"));
    assert!(header(&response, "permissions-policy").is_some_and(|it| it.contains("camera=()")));
}

#[test]
fn compressed_forms_are_no_files_of_their_own() {
    let mut names: Vec<_> = gathered(&FILES).into_keys().collect();
    names.sort_unstable();
    assert_eq!(names, ["assets/app-1a2b.js", "favicon.svg", "index.html"]);
}
