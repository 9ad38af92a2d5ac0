//! What a peer that connects and says nothing costs, by the bytes that the server asks its allocator for.
//!
//! ABUSE.md A.1 allows 40 MiB for ten thousand, of which allocators need a part for themselves.
#![expect(
    unsafe_code,
    reason = "an allocator cannot be written without; each call goes on to the system's as it is"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use server::ServeOptions;
use server::config::{Config, Sources};

/// What one silent connection may take.
const CONNECTION_BYTES_MAX: usize = 3 << 10;
const CONNECTIONS: usize = 400;

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches only an atomic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_silent_connection_costs_little() {
    let data = tempfile::tempdir().expect("a directory can be made");
    let address = TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a port is free");
    let sources = Sources {
        flags: vec![
            ("data".into(), data.path().display().to_string()),
            ("listeners.amqp".into(), address.to_string()),
            ("listeners.amqps".into(), "off".into()),
            ("listeners.http".into(), "off".into()),
            ("listeners.https".into(), "off".into()),
            ("listeners.management".into(), "off".into()),
            ("listeners.line".into(), "off".into()),
            ("listeners.line_tls".into(), "off".into()),
            ("shards".into(), "1".into()),
        ],
        ..Sources::default()
    };
    let config = Config::load(&sources).expect("the settings are right");
    let server = std::thread::spawn(|| {
        server::serve(
            config,
            ServeOptions {
                page: Vec::new(),
                ready_json: true,
                release_memory: || {},
            },
        )
    });
    let _first: Vec<_> = (0..64).map(|_| connect(address)).collect();
    await_accepted(address);
    let before = settled();
    let _silent: Vec<_> = (0..CONNECTIONS).map(|_| connect(address)).collect();
    await_accepted(address);
    let each = (settled() - before) / CONNECTIONS;
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
        .expect("a process may end itself");
    let stopped = server.join().expect("the server does not panic");
    stopped.expect("the server stops in an orderly way");
    assert!(
        (1 << 10..CONNECTION_BYTES_MAX).contains(&each),
        "{each} bytes each"
    );
}

/// What is allocated once that stays as it is: a server that has just begun has threads that still do.
fn settled() -> usize {
    let deadline = Instant::now() + Duration::from_secs(20);
    let (mut live, mut since) = (LIVE.load(Ordering::Relaxed), Instant::now());
    while since.elapsed() < Duration::from_millis(100) {
        assert!(Instant::now() < deadline, "the server never comes to rest");
        std::thread::park_timeout(Duration::from_millis(5));
        let now = LIVE.load(Ordering::Relaxed);
        if now != live {
            (live, since) = (now, Instant::now());
        }
    }
    live
}

/// Returns when the server has greeted a newcomer, and so has accepted everybody before.
fn await_accepted(address: SocketAddr) {
    let mut newcomer = connect(address);
    newcomer
        .write_all(b"AMQP\0\0\x09\x01")
        .expect("the server reads");
    newcomer
        .read_exact(&mut [0; 8])
        .expect("the server answers");
}
