use super::*;

#[test]
fn every_part_may_be_left_out() {
    let parts = |text: &str| {
        let url: WebUrl = text.parse().expect(text);
        (url.authority(), url.login, url.password)
    };
    let owned = |address: &str, login: &str, password: &str| {
        let owned = [address, login, password].map(str::to_owned);
        (owned[0].clone(), owned[1].clone(), owned[2].clone())
    };
    for (text, expected) in [
        ("http://", owned("127.0.0.1:8080", "guest", "guest")),
        ("http://host/", owned("host:8080", "guest", "guest")),
        ("http://host:1", owned("host:1", "guest", "guest")),
        ("http://a:b:c@host", owned("host:8080", "a", "b:c")),
        ("http://a@b:c@host:9", owned("host:9", "a@b", "c")),
        ("http://[::1]:9", owned("[::1]:9", "guest", "guest")),
        ("http://[::1]", owned("[::1]:8080", "guest", "guest")),
    ] {
        assert_eq!(parts(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    let read = |text: &str| text.parse::<WebUrl>();
    assert_eq!(read("https://host"), Err(WebUrlError::Scheme));
    assert_eq!(read("host:8080"), Err(WebUrlError::Scheme));
    assert_eq!(
        read("http://host/v1"),
        Err(WebUrlError::Path("/v1".to_owned()))
    );
    for port in ["0", "65536", "x", ""] {
        let expected = Err(WebUrlError::Port(port.to_owned()));
        assert_eq!(read(&format!("http://host:{port}")), expected);
    }
}

#[test]
fn the_password_is_shown_to_the_server_alone() {
    let url: WebUrl = "http://guest:guest@host".parse().expect("a good one");
    assert_eq!(url.authorization(), "Basic Z3Vlc3Q6Z3Vlc3Q=");
    assert_eq!(
        format!("{url} {url:?}"),
        "http://host:8080 WebUrl(http://host:8080)"
    );
}
