//! What a peer can make a session allocate, to the byte: at most 8 KiB at once before it is known, less than a mebibyte by a table.
//!
//! A counting allocator sees every request of the thread that measures; small ones count for the least block that allocators have.
#![expect(
    unsafe_code,
    reason = "an allocator cannot be written without; each call goes on to the system's as it is"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use broker::{ConsumerNumber, Outcome, Port, Publish, QueueRef, Refusal, Request};
use bytes::Bytes;
use codec::amqp::content;
use codec::amqp::field::{ITEMS_MAX, TableRef};
use codec::amqp::frame::{FRAME_END, FRAME_METHOD, PROTOCOL_HEADER};
use codec::amqp::method::{
    BasicPublish, ChannelOpen, ConnectionOpen, ConnectionStartOk, ConnectionTuneOk, Method,
    QueueDeclare,
};
use session::{Action, Login, Session, Settings};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// The least block of an allocator.
const BLOCK_BYTES: usize = 8;

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

const fn cost(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK_BYTES)
}

fn add(bytes: usize) {
    LIVE.set(LIVE.get() + cost(bytes));
    PEAK.set(PEAK.get().max(LIVE.get()));
    LARGEST.set(LARGEST.get().max(bytes));
}

fn remove(bytes: usize) {
    LIVE.set(LIVE.get().saturating_sub(cost(bytes)));
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches only cells of the thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        remove(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // Both are there at one time where it has to move.
        add(bytes);
        remove(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

/// The largest single request of `work`, and how much more than before was held at one time.
fn measure(work: impl FnOnce()) -> (usize, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    LARGEST.set(0);
    work();
    (LARGEST.get(), PEAK.get() - before)
}

/// A broker that forgets everything.
struct Forgetful;

impl Port for Forgetful {
    fn publish(&mut self, _: &Publish<'_>) -> Result<u32, Refusal> {
        Ok(0)
    }

    fn settle(&mut self, _: QueueRef, _: Option<ConsumerNumber>, _: u64, _: Outcome) {}

    fn has_queue(&self, _: QueueRef) -> bool {
        true
    }

    fn request(&mut self, _: u16, _: Request) {}

    fn drop_consumer(&mut self, _: ConsumerNumber) {}

    fn resume(&mut self, _: ConsumerNumber) {}

    fn open_reply_address(&mut self, _: u16, _: ConsumerNumber) -> String {
        String::new()
    }
}

fn encode<'m>(channel: u16, method: impl Into<Method<'m>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    method.into().encode_frame(channel, &mut bytes);
    bytes
}

/// Hands over bytes as the server does: whole frames are taken, the rest comes again with what follows.
fn feed(session: &mut Session, bytes: &[u8]) {
    let input = Bytes::copy_from_slice(bytes);
    let mut at = 0;
    let mut until = 0;
    while until < input.len() {
        until = (until + 4 * KIB).min(input.len());
        at += session.handle_input(&input.slice(at..until), 0, Some(&mut Forgetful));
    }
}

fn start_ok(properties: &[u8], mechanism: &str, response: &[u8]) -> Vec<u8> {
    let start = ConnectionStartOk {
        client_properties: TableRef::new(properties),
        mechanism,
        response,
        locale: "en_US",
    };
    encode(0, start)
}

/// As many of one field as there is room for.
fn fields(field: &[u8], bytes_max: usize) -> Vec<u8> {
    field.repeat((bytes_max / field.len()).min(ITEMS_MAX))
}

fn with_length(letter: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("it is small");
    [&[letter][..], &length.to_be_bytes(), bytes].concat()
}

/// Tables of up to so many bytes whose values take much more room than their bytes, each with its name.
fn costly_tables(bytes_max: usize) -> Vec<(&'static str, Vec<u8>)> {
    let one_deep = |letter: u8, inner: &[u8]| {
        let field = [&[1, b'k'][..], &with_length(letter, inner)].concat();
        let count = (bytes_max / field.len()).min(ITEMS_MAX / 2);
        field.repeat(count)
    };
    let array = |item: &[u8], count: usize| {
        let room = bytes_max - 7;
        let items = item.repeat((room / item.len()).min(count));
        [&[1, b'k'][..], &with_length(b'A', &items)].concat()
    };
    let mut deep = Vec::new();
    for _ in 0..30 {
        // Each level has as many values beside the next one as may be counted.
        let room = bytes_max - 10 - deep.len();
        let wide = vec![b'V'; room.min(bytes_max / 31)];
        deep = with_length(b'A', &[deep, wide].concat());
    }
    let deep = [&[1, b'k'][..], &deep].concat();
    vec![
        ("nameless fields", fields(&[0, b'V'], bytes_max)),
        ("short names", fields(&[1, b'k', b'V'], bytes_max)),
        (
            "short names and texts",
            fields(&[1, b'k', b'S', 0, 0, 0, 1, b'x'], bytes_max),
        ),
        (
            "short names and empty texts",
            fields(&[1, b'k', b'S', 0, 0, 0, 0], bytes_max),
        ),
        ("an array", array(b"V", ITEMS_MAX - 1)),
        ("an array of texts", array(b"S\0\0\0\x01x", ITEMS_MAX - 1)),
        ("empty tables", one_deep(b'F', b"")),
        ("tables of one field", one_deep(b'F', b"\x01kV")),
        ("arrays of one value", one_deep(b'A', b"V")),
        ("arrays as deep as may be", deep),
        (
            "one long text",
            [
                &[1, b'k'][..],
                &with_length(b'S', &vec![b'x'; bytes_max - 7]),
            ]
            .concat(),
        ),
    ]
}

/// A frame whose header lies.
fn lying_frame(kind: u8, size: u32) -> Vec<u8> {
    [&[kind, 0, 0][..], &size.to_be_bytes(), &[FRAME_END; 64]].concat()
}

#[test]
fn nobody_unknown_makes_the_session_take_more_than_eight_kibibytes_at_once() {
    let mut inputs: Vec<(String, Vec<u8>)> = Vec::new();
    for size in [0, 1, 8_192, 131_073, 0x7FFF_FFFF, 0xFFFF_FFFF] {
        for kind in [1, 2, 3, 8, 9] {
            inputs.push((
                format!("frame of type {kind} and {size}"),
                lying_frame(kind, size),
            ));
        }
    }
    for (name, table) in costly_tables(7 * KIB) {
        inputs.push((
            format!("{name} as properties"),
            start_ok(&table, "PLAIN", b"\0u\0p"),
        ));
        inputs.push((
            format!("{name} as AMQPLAIN"),
            start_ok(&[], "AMQPLAIN", &table),
        ));
    }
    for (name, table) in [
        ("longer than its frame", &[0x7F, 0xFF, 0xFF, 0xFF][..]),
        ("of 2^32-1 bytes", &[0xFF; 4]),
        (
            "an array of 2^31 nothings",
            b"\0\0\0\x0b\x01kA\x7F\xFF\xFF\xFFVVVV",
        ),
        ("a text of 2^32-1", b"\0\0\0\x07\x01kS\xFF\xFF\xFF\xFF"),
    ] {
        let payload = [&[0, 10, 0, 11][..], table].concat();
        let length = u32::try_from(payload.len()).expect("it is small");
        let head = [&[FRAME_METHOD, 0, 0][..], &length.to_be_bytes()].concat();
        inputs.push((
            format!("a table {name}"),
            [head, payload, vec![FRAME_END]].concat(),
        ));
    }
    let long = vec![b'x'; 8 * KIB - 64];
    inputs.push(("a long password".into(), {
        start_ok(&[], "PLAIN", &[b"\0u\0", &long[..]].concat())
    }));
    inputs.push(("a long name".into(), {
        start_ok(&[], "PLAIN", &[b"\0", &long[..], b"\0p"].concat())
    }));
    inputs.push((
        "a long mechanism".into(),
        start_ok(&[], &"m".repeat(255), b""),
    ));
    inputs.push(("no protocol".into(), b"GET / HTTP/1.1\r\n\r\n".repeat(400)));
    let settings = Arc::new(Settings::default());
    for (name, input) in inputs {
        let (largest, held) = measure(|| {
            let mut session = Session::new(settings.clone(), Arc::default(), 0);
            feed(&mut session, &PROTOCOL_HEADER);
            // What the test itself makes of the input does not count.
            LARGEST.set(0);
            let input = Bytes::copy_from_slice(&input);
            let own = LARGEST.replace(0);
            assert!(own <= input.len());
            let mut at = 0;
            while at < input.len() && !session.is_closed() && !session.is_paused() {
                let until = input.len().min(at + 8 * KIB);
                let used = session.handle_input(&input.slice(at..until), 0, Some(&mut Forgetful));
                if used == 0 {
                    break;
                }
                at += used;
            }
            drop(session.poll_action());
        });
        assert!(largest <= 8 * KIB, "{name}: {largest} bytes at once");
        let held = held.saturating_sub(input.len());
        assert!(held <= 24 * KIB, "{name}: {held} bytes held");
    }
}

/// A session that is open, with one channel.
fn open() -> Session {
    let mut session = Session::new(Arc::new(Settings::default()), Arc::default(), 0);
    feed(&mut session, &PROTOCOL_HEADER);
    feed(&mut session, &start_ok(&[], "PLAIN", b"\0user\0password"));
    assert!(matches!(
        session.poll_action(),
        Some(Action::Authenticate { .. })
    ));
    let login = Login {
        name: "user".into(),
        impersonator: false,
    };
    session.authenticated(Ok(login), 0);
    let tune = ConnectionTuneOk {
        channel_max: 2_047,
        frame_max: 131_072,
        heartbeat: 0,
    };
    feed(&mut session, &encode(0, tune));
    let open = ConnectionOpen {
        virtual_host: "/",
        ..ConnectionOpen::default()
    };
    feed(&mut session, &encode(0, open));
    assert!(matches!(session.poll_action(), Some(Action::Open { .. })));
    session.opened(Ok(()), 0);
    feed(&mut session, &encode(1, ChannelOpen {}));
    assert!(session.is_open());
    session
}

#[test]
fn no_table_in_arguments_takes_a_mebibyte() {
    let mut costliest = 0;
    for (name, table) in costly_tables(131_072 - 64) {
        let mut session = open();
        let declare = QueueDeclare {
            queue: "q",
            arguments: TableRef::new(&table),
            ..QueueDeclare::default()
        };
        let frame = Bytes::from(encode(1, declare));
        let (_, held) = measure(|| {
            session.handle_input(&frame, 0, Some(&mut Forgetful));
        });
        assert!(held < MIB, "{name}: {held} bytes");
        costliest = costliest.max(held);
    }
    assert!(
        costliest > MIB / 2,
        "the tables are those that cost most, as far as anybody knows: {costliest}"
    );
}

#[test]
fn a_table_in_headers_is_read_where_it_lies() {
    for (name, table) in costly_tables(131_072 - 64) {
        let mut session = open();
        let publish = BasicPublish {
            routing_key: "q",
            ..BasicPublish::default()
        };
        let mut frames = encode(1, publish);
        let properties = [&[0x20, 0][..], &with_length(0, &table)[1..]].concat();
        content::encode_header_frame(1, 0, &properties, &mut frames);
        let frames = Bytes::from(frames);
        let (_, held) = measure(|| {
            session.handle_input(&frames, 0, Some(&mut Forgetful));
        });
        assert!(held < 16 * KIB, "{name}: {held} bytes");
    }
}
