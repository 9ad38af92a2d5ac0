use super::*;

#[track_caller]
fn check(reach: Reach, address: &str, is_allowed: bool) {
    let parsed: IpAddr = address.parse().expect("an address");
    assert_eq!(reach.allows(parsed), is_allowed, "{address}, {reach:?}");
}

#[test]
fn what_is_not_public_is_not_reached() {
    let refused = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];
    for address in refused {
        check(Reach::Public, address, false);
    }
}

#[test]
fn what_is_public_is_reached() {
    let allowed = [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "192.167.1.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "3ffe::1",
    ];
    for address in allowed {
        check(Reach::Public, address, true);
    }
}

#[test]
fn whoever_allows_his_own_network_still_reaches_no_group_and_no_placeholder() {
    for address in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1"] {
        check(Reach::Anywhere, address, true);
    }
    for address in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "::ffff:0.0.0.0"] {
        check(Reach::Anywhere, address, false);
    }
}

fn resolve(reach: Reach, url: &str) -> Result<Vec<SocketAddr>, Fault> {
    let host = url::Url::parse(url).expect("an address of the web");
    let host = host.host().expect("it has a host").to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(Resolver::new(reach).resolve(&host, 80))
}

#[test]
fn an_address_in_disguise_is_known() {
    let disguised = [
        "http://127.1/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://2130706433/",
        "http://[::ffff:7f00:1]/",
        "http://①②⑦.0.0.1/",
        "http://localhost/",
        "http://LOCALHOST/",
    ];
    for url in disguised {
        assert_eq!(resolve(Reach::Public, url), Err(Fault::Forbidden), "{url}");
    }
    let found = resolve(Reach::Anywhere, "http://0x7f.1/").expect("it is this machine");
    assert_eq!(found, [SocketAddr::from(([127, 0, 0, 1], 80))]);
}
