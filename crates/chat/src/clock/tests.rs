use super::Exchange;

#[test]
fn a_clock_that_is_three_hours_off_is_read_to_within_its_bound() {
    const HOURS: i64 = 3 * 3_600 * 1_000_000;
    // By how much the client's clock is behind the server's; how long the way there and back takes.
    for (offset, there, back) in [
        (HOURS, 500, 500),
        (-HOURS, 500, 500),
        (HOURS, 0, 40_000),
        (-HOURS, 40_000, 1),
        (0, 7, 8),
    ] {
        let t1 = 1_000_000_000_000;
        let t2 = t1 + offset + there;
        let t3 = t2 + 30;
        let reading = Exchange {
            t1_us: t1,
            t2_us: t2,
            t3_us: t3,
            t4_us: t3 - offset + back,
        }
        .read()
        .expect("a reading");
        let wrong = (reading.offset_us - offset).abs();
        assert!(wrong <= reading.error_us, "{reading:?}");
        assert_eq!(reading.error_us, (there + back + 1) / 2);
    }
}

#[test]
fn a_clock_that_jumped_meanwhile_is_not_read() {
    for (t1, t2, t3, t4) in [
        (10, 5, 6, 9),
        (0, 10, 5, 20),
        (0, 0, 30, 20),
        (i64::MIN, 0, 0, i64::MAX),
    ] {
        let exchange = Exchange {
            t1_us: t1,
            t2_us: t2,
            t3_us: t3,
            t4_us: t4,
        };
        assert_eq!(exchange.read(), None, "{exchange:?}");
    }
}
