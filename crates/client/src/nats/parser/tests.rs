#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const TRAFFIC: &[u8] = b"INFO {\"version\":\"2.0\"} \r\n\
    PING\r\nPONG\r\n+OK\r\n\
    MSG a.b 7 5\r\nhello\r\n\
    MSG a 12 $JS.ACK.s.c.1.2.3.4.5 0\r\n\r\n\
    MSG a 0 9lives 2\r\n\r\n\r\n\
    HMSG in.1 3 16 16\r\nNATS/1.0 503\r\n\r\n\r\n\
    HMSG in.1 3 to.me 12 16\r\nNATS/1.0\r\n\r\nbody\r\n\
    -ERR 'Slow Consumer'\r\n";

fn traffic() -> Vec<Operation<'static>> {
    let message = |subject, subscription, reply, headers, body| {
        Operation::Message(Message {
            subject,
            subscription,
            reply,
            headers,
            body,
        })
    };
    vec![
        Operation::Info(b"{\"version\":\"2.0\"} "),
        Operation::Ping,
        Operation::Pong,
        Operation::Ok,
        message(b"a.b", 7, b"", b"", b"hello"),
        message(b"a", 12, b"$JS.ACK.s.c.1.2.3.4.5", b"", b""),
        message(b"a", 0, b"9lives", b"", b"\r\n"),
        message(b"in.1", 3, b"", b"NATS/1.0 503\r\n\r\n", b""),
        message(b"in.1", 3, b"to.me", b"NATS/1.0\r\n\r\n", b"body"),
        Operation::Refusal(b"'Slow Consumer'"),
    ]
}

/// Reads all that is whole; gives it with the number of bytes it took.
fn parse_all(bytes: &[u8]) -> (Vec<Operation<'_>>, usize) {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some((operation, taken)) = parse(&bytes[at..]).unwrap() {
        assert!(taken > 0, "nothing was taken at {at}");
        found.push(operation);
        at += taken;
    }
    (found, at)
}

#[test]
fn every_operation_is_read() {
    let (found, taken) = parse_all(TRAFFIC);
    assert_eq!(found, traffic());
    assert_eq!(taken, TRAFFIC.len());
}

#[test]
fn bytes_split_anywhere_give_the_same_operations() {
    for split in 0..=TRAFFIC.len() {
        let (before, taken) = parse_all(&TRAFFIC[..split]);
        let (after, rest) = parse_all(&TRAFFIC[taken..]);
        assert!(taken <= split, "bytes were made up at {split}");
        assert_eq!([before, after].concat(), traffic(), "split at {split}");
        assert_eq!(taken + rest, TRAFFIC.len(), "split at {split}");
    }
}

#[test]
fn bad_input_is_an_error() {
    for bytes in [
        &b"HELLO\r\n"[..],
        b"PING\n",
        b"ping\r\n",
        b"\r\n",
        b"INFO{}\r\n",
        b"MSG a 1\r\n",
        b"MSG a 1 r 2 3 4\r\n",
        b"MSG a 1 r 2 3\r\n",
        b"MSG  a 1 2\r\nxx\r\n",
        b"MSG a x 2\r\nxx\r\n",
        b"MSG a 1 -2\r\nxx\r\n",
        b"MSG a 1 2\nxx\r\n",
        b"MSG a\t1 2\r\nxx\r\n",
        b"MSG a 1 2\rxx\r\n",
        b"MSG a 1 2\r\nxxx\r\n",
        b"MSG a 1 99999999999999999999\r\n",
        b"MSG a 4294967296 1\r\nx\r\n",
        b"HMSG a 1 4\r\nxxxx\r\n",
        b"HMSG a 1 5 4\r\nxxxx\r\n",
    ] {
        let text = bytes.escape_ascii();
        let result = parse(bytes);
        assert!(
            matches!(result, Err(NatsError::Protocol(_))),
            "{text} gave {result:?}"
        );
    }
}

#[test]
fn sizes_are_bounded_before_the_bytes_arrive() {
    let largest = format!("MSG a 1 {PAYLOAD_MAX}\r\n");
    assert!(parse(largest.as_bytes()).unwrap().is_none());
    let larger = format!("MSG a 1 {}\r\n", PAYLOAD_MAX + 1);
    assert!(parse(larger.as_bytes()).is_err());
    for start in ["MSG ", "HMSG a ", "INFO ", "-ERR ", "x"] {
        let mut bytes = start.as_bytes().to_vec();
        bytes.resize(LINE_MAX / 2, b'x');
        let short = parse(&bytes);
        assert!(matches!(short, Ok(None)), "{start} half way gave {short:?}");
        bytes.resize(LINE_MAX + 8, b'x');
        assert!(parse(&bytes).is_err(), "an endless line after {start}");
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut state = 1_u64;
    let alphabet = b"MSGHINFO -ERR0123456789\r\n$.a{}+K";
    for _ in 0..20_000 {
        let mut bytes = b"MSG ".to_vec();
        for _ in 0..40 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            bytes.push(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        for skipped in 0..8 {
            // Whatever it says, it takes no more than there is.
            if let Ok(Some((_, taken))) = parse(&bytes[skipped..]) {
                assert!(taken <= bytes.len() - skipped);
            }
        }
    }
}
