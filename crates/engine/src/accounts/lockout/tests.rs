use std::net::{IpAddr, Ipv4Addr};

use super::{ADDRESS, ENTRIES_MAX, LOGIN, Lockout, PAIR};

const START_MS: u64 = 1_000_000;

fn at(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + number).into()
}

fn fail(lockout: &mut Lockout, times: u32, login: &str, address: IpAddr, now_ms: u64) {
    for _ in 0..times {
        lockout.failed(login, address, now_ms);
    }
}

#[test]
fn failures_beyond_the_free_ones_double_the_wait_up_to_the_longest() {
    let mut lockout = Lockout::default();
    let mut now_ms = START_MS;
    fail(&mut lockout, PAIR.free, "ana", at(1), now_ms);
    assert_eq!(lockout.check("ana", at(1), false, now_ms), Ok(()));
    for wait_ms in [
        1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000,
    ] {
        lockout.failed("ana", at(1), now_ms);
        assert_eq!(lockout.check("ana", at(1), false, now_ms), Err(wait_ms));
        assert_eq!(
            lockout.check("ana", at(1), true, now_ms + wait_ms - 1),
            Err(1),
            "a password that is remembered opens no closed door"
        );
        now_ms += wait_ms;
        assert_eq!(lockout.check("ana", at(1), false, now_ms), Ok(()));
    }
    assert_eq!(lockout.check("ben", at(1), false, now_ms), Ok(()));
}

#[test]
fn a_right_password_or_a_quiet_quarter_of_an_hour_ends_the_count() {
    for is_right in [true, false] {
        let mut lockout = Lockout::default();
        fail(&mut lockout, PAIR.free, "ana", at(1), START_MS);
        let mut now_ms = START_MS;
        if is_right {
            lockout.succeeded("ana", at(1), now_ms);
        } else {
            now_ms += PAIR.forgotten_after_ms;
        }
        fail(&mut lockout, PAIR.free, "ana", at(1), now_ms);
        assert_eq!(lockout.check("ana", at(1), false, now_ms), Ok(()));
        lockout.failed("ana", at(1), now_ms);
        assert_eq!(lockout.check("ana", at(1), false, now_ms), Err(1_000));
    }
}

#[test]
fn an_address_that_tries_many_logins_has_to_wait_with_all_but_those_that_are_remembered_there() {
    let mut lockout = Lockout::default();
    lockout.succeeded("ana", at(1), START_MS);
    for number in 0..=ADDRESS.free {
        assert_eq!(lockout.check("ben", at(1), false, START_MS), Ok(()));
        lockout.failed(&format!("login-{number}"), at(1), START_MS);
    }
    assert_eq!(lockout.check("ben", at(1), true, START_MS), Err(1_000));
    assert_eq!(lockout.check("ana", at(1), false, START_MS), Err(1_000));
    assert_eq!(lockout.check("ana", at(1), true, START_MS), Ok(()));
    assert_eq!(lockout.check("ben", at(2), false, START_MS), Ok(()));
}

#[test]
fn strangers_slow_a_login_down_but_not_where_it_was_right_before() {
    let mut lockout = Lockout::default();
    lockout.succeeded("ana", at(1), START_MS);
    for number in 0..LOGIN.free + 20 {
        lockout.failed("ana", at(100 + number), START_MS);
    }
    assert_eq!(
        lockout.check("ana", at(2), false, START_MS),
        Err(LOGIN.wait_ms_max)
    );
    assert_eq!(lockout.check("ana", at(1), false, START_MS), Ok(()));
    // From there, too, guessing is bounded.
    fail(&mut lockout, PAIR.free + 1, "ana", at(1), START_MS);
    assert_eq!(lockout.check("ana", at(1), true, START_MS), Err(1_000));
}

#[test]
fn one_network_of_version_6_counts_as_one_address() {
    let mut lockout = Lockout::default();
    let address = |text: &str| text.parse::<IpAddr>().expect("it is an address");
    for number in 0..=PAIR.free {
        let one = address(&format!("2001:db8:1:2::{number:x}"));
        lockout.failed("ana", one, START_MS);
    }
    let check = |text| lockout.check("ana", address(text), false, START_MS);
    assert_eq!(check("2001:db8:1:2:ffff::1"), Err(1_000));
    assert_eq!(check("2001:db8:1:3::1"), Ok(()));
    assert_eq!(check("::1"), Ok(()));
}

#[test]
fn a_full_table_forgets_the_oldest_failures() {
    let mut lockout = Lockout::default();
    let many = u32::try_from(ENTRIES_MAX).expect("it is small");
    fail(&mut lockout, PAIR.free + 1, "new", at(1), START_MS + 9_000);
    for number in 0..many {
        let now_ms = START_MS + u64::from(number) / 1_000;
        lockout.pairs.failed(("old".into(), at(number + 2)), now_ms);
    }
    assert!(lockout.pairs.entries.len() <= ENTRIES_MAX);
    assert!(lockout.pairs.entries.len() > ENTRIES_MAX / 2);
    let (first, last) = (("old".into(), at(2)), ("old".into(), at(many + 1)));
    assert!(!lockout.pairs.entries.contains_key(&first));
    assert!(lockout.pairs.entries.contains_key(&last));
    let now_ms = START_MS + 9_000;
    assert_eq!(lockout.check("new", at(1), false, now_ms), Err(1_000));
}
