use std::net::SocketAddr;

use directory::{Role, token};

use super::{NotMade, Wish, link, make, page_address};

const PAGE: &str = "http://127.0.0.1:8080/";

fn page(listeners: &[(&'static str, &str)]) -> Option<String> {
    let listeners: Vec<(&str, SocketAddr)> = listeners
        .iter()
        .map(|(name, address)| (*name, address.parse().expect("an address")))
        .collect();
    page_address(listeners.into_iter())
}

#[test]
fn the_page_is_where_http_listens_and_without_it_where_https_does() {
    let both = [
        ("amqp", "127.0.0.1:1"),
        ("https", "127.0.0.1:3"),
        ("http", "127.0.0.1:2"),
    ];
    assert_eq!(page(&both).as_deref(), Some("http://127.0.0.1:2/"));
    let one = [("management", "127.0.0.1:1"), ("https", "[::1]:3")];
    assert_eq!(page(&one).as_deref(), Some("https://[::1]:3/"));
    assert_eq!(page(&[("amqp", "127.0.0.1:1")]), None);
}

#[test]
fn an_address_that_stands_for_all_is_none_to_open() {
    for address in ["0.0.0.0:80", "[::]:80"] {
        let page = page(&[("http", address)]).expect("there is a page");
        assert!(
            !page.contains("//0.0.0.0") && !page.contains("[::]"),
            "{page}"
        );
        assert!(page.ends_with(":80/"), "{page}");
    }
}

#[test]
fn links_lead_administrators_and_others_to_different_places() {
    assert_eq!(
        link(PAGE, Role::Administrator, Some("chi_a")),
        "http://127.0.0.1:8080/#/admin/chi_a"
    );
    assert_eq!(
        link(PAGE, Role::Member, Some("chi_a")),
        "http://127.0.0.1:8080/#/join/chi_a"
    );
    assert_eq!(
        link(PAGE, Role::Member, None),
        "http://127.0.0.1:8080/#/join"
    );
}

#[test]
fn an_invitation_holds_a_day_for_an_administrator_and_a_week_for_others() {
    for (role, hours) in [(Role::Administrator, 24), (Role::Member, 24 * 7)] {
        let wish = Wish {
            uses: None,
            ttl_ms: None,
            role,
        };
        let made = make(wish, "anna", 5).unwrap_or_else(|_| panic!("{role:?}"));
        assert_eq!(made.invitation.expires_ms, 5 + hours * 3_600_000);
        assert_eq!(made.invitation.uses_left, 1);
        assert_eq!(made.invitation.code_hash, token::hash(&made.code));
    }
}

#[test]
fn what_is_out_of_bounds_is_refused_by_its_name() {
    let wish = Wish {
        uses: None,
        ttl_ms: None,
        role: Role::Member,
    };
    for (wish, field) in [
        (
            Wish {
                uses: Some(0),
                ..wish
            },
            "uses",
        ),
        (
            Wish {
                uses: Some(10_001),
                ..wish
            },
            "uses",
        ),
        (
            Wish {
                ttl_ms: Some(0),
                ..wish
            },
            "ttl_ms",
        ),
        (
            Wish {
                ttl_ms: Some(u64::MAX),
                ..wish
            },
            "ttl_ms",
        ),
    ] {
        let Err(NotMade::Flawed(flaw)) = make(wish, "anna", 5) else {
            panic!("{wish:?} is not refused");
        };
        assert_eq!(flaw.field, field);
    }
}
