use std::net::IpAddr;

use client::peer::catalog::Audience;

use super::addresses::{choose, is_here};
use super::audience::parse;
use super::environment::Environment;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::of(|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn an_audience_is_of_one_kind() {
    let parse = |named: &[&str]| {
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        parse(&named)
    };
    assert_eq!(parse(&[]), Ok(Audience::Everyone));
    assert_eq!(parse(&["everyone"]), Ok(Audience::Everyone));
    assert_eq!(parse(&["link"]), Ok(Audience::Link));
    let rooms = Audience::Rooms(vec!["tea".into(), "lobby".into()]);
    assert_eq!(parse(&["room:tea", "room:lobby"]), Ok(rooms));
    let accounts = Audience::Accounts(vec!["anna".into(), "ben".into()]);
    assert_eq!(parse(&["anna", "ben"]), Ok(accounts));
    assert!(parse(&["anna", "room:tea"]).is_err());
    assert!(parse(&["anna", "link"]).is_err());
}

#[test]
fn the_server_is_named_by_variables() {
    let server = |url, port| environment(&[("SERVER_URL", url), ("SERVER_PORT", port)]).server();
    let is = |url: &str| Some(url.to_owned());
    assert_eq!(
        server("http://a.example", "4000"),
        is("http://a.example:4000")
    );
    assert_eq!(
        server("http://a.example:80/", "4000"),
        is("http://a.example:80")
    );
    assert_eq!(server("https://a.example", ""), is("https://a.example"));
    assert_eq!(server("localhost", "4000"), is("http://localhost:4000"));
    assert_eq!(server("http://[::1]", "4000"), is("http://[::1]:4000"));
    assert_eq!(server("", "4000"), None);
}

#[test]
fn where_to_listen_and_where_others_find_it_is_named_by_variables() {
    let listen = |variables: &[_]| environment(variables).listen(5001).map(|it| it.to_string());
    let is = |address: &str| Ok(address.to_owned());
    assert_eq!(listen(&[]), is("0.0.0.0:5001"));
    assert_eq!(listen(&[("PSERVER_PORT", "6000")]), is("0.0.0.0:6000"));
    let local = |url, port| listen(&[("PSERVER_LOCAL_URL", url), ("PSERVER_PORT", port)]);
    assert_eq!(local("127.0.0.1", "6000"), is("127.0.0.1:6000"));
    assert_eq!(local("http://localhost:7000", "6000"), is("127.0.0.1:7000"));
    assert_eq!(local("[::]", ""), is("[::]:5001"));
    assert!(local("somewhere", "").is_err());
    assert!(listen(&[("PSERVER_PORT", "x")]).is_err());

    let address = |url| environment(&[("PSERVER_URL", url)]).address(5001);
    assert_eq!(
        address("http://home.example"),
        Some("home.example:5001".into())
    );
    assert_eq!(address("home.example:9"), Some("home.example:9".into()));
    assert_eq!(address(""), None);
}

#[test]
fn addresses_are_those_that_mean_the_same_elsewhere() {
    let all = [
        "127.0.0.1",
        "::1",
        "fe80::1",
        "192.0.2.7",
        "2001:db8::7",
        "169.254.1.1",
    ];
    let all = || {
        all.iter()
            .map(|text| text.parse::<IpAddr>().expect("an address"))
    };
    let v4 = "0.0.0.0:5001".parse().expect("an address");
    let both = "[::]:5001".parse().expect("an address");
    assert_eq!(choose(all(), v4, false), ["192.0.2.7:5001"]);
    assert_eq!(
        choose(all(), v4, true),
        ["192.0.2.7:5001", "127.0.0.1:5001"]
    );
    assert_eq!(
        choose(all(), both, false),
        ["192.0.2.7:5001", "[2001:db8::7]:5001"]
    );
    let many = (0..20).map(|last| IpAddr::from([192, 0, 2, last]));
    assert_eq!(choose(many, v4, false).len(), 8);
    assert!(
        is_here("http://127.0.0.1:8080")
            && is_here("http://[::1]:8080/")
            && is_here("http://localhost")
    );
    assert!(!is_here("http://192.0.2.7:8080") && !is_here("https://a.example"));
}
