//! A bare relay of bytes over TCP: the floor that a broker's figures are held against.
//!
//! It copies what a producer writes to the consumers of the same lane, without looking at it. What a broker takes
//! beyond this is the price of its work; what the relay takes, the machine asks from everyone.
//!
//! A connection begins with a [`Greeting`] of eight bytes; the relay answers one byte when it is registered. The load generator
//! waits for all answers before it sends, so nothing is lost. One thread serves one producer, with blocking calls.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use thiserror::Error;

/// Bytes that a read may bring.
const BUFFER_BYTES: usize = 256 << 10;
/// Lanes that may be open at the same time.
pub const LANES_MAX: usize = 4_096;
/// Time for a greeting to arrive.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
const MAGIC: [u8; 3] = *b"RLY";
/// What the relay answers.
const WELCOME: [u8; 1] = [1];

/// What a connection says first: which side it is, and of which lane.
///
/// *Shape*: `RLY`, then `P` or `C`, then the lane as a big-endian `u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    consumes: bool,
    lane: u32,
}

/// Says why the relay cannot serve.
#[derive(Debug, Error)]
#[error("cannot listen on {address}")]
pub struct RelayError {
    address: String,
    #[source]
    source: io::Error,
}

impl Greeting {
    /// Writes into a lane.
    pub fn producer(lane: usize) -> Self {
        Self {
            consumes: false,
            lane: u32::try_from(lane).unwrap_or(u32::MAX),
        }
    }

    /// Reads from a lane.
    pub fn consumer(lane: usize) -> Self {
        Self {
            consumes: true,
            ..Self::producer(lane)
        }
    }

    /// Gives the bytes to send.
    pub fn to_bytes(self) -> [u8; 8] {
        let [m0, m1, m2] = MAGIC;
        let side = if self.consumes { b'C' } else { b'P' };
        let [l3, l2, l1, l0] = self.lane.to_be_bytes();
        [m0, m1, m2, side, l3, l2, l1, l0]
    }

    fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        let [m0, m1, m2, side, l3, l2, l1, l0] = bytes;
        let consumes = match side {
            b'C' => true,
            b'P' => false,
            _ => return None,
        };
        let lane = u32::from_be_bytes([l3, l2, l1, l0]);
        ([m0, m1, m2] == MAGIC && (lane as usize) < LANES_MAX).then_some(Self { consumes, lane })
    }
}

/// A relay that listens.
pub struct Relay {
    listener: TcpListener,
    address: SocketAddr,
}

type Lanes = Arc<Mutex<Vec<Vec<TcpStream>>>>;

impl Relay {
    /// Opens the port; port zero takes a free one.
    ///
    /// # Errors
    ///
    /// Fails when the address is wrong or taken.
    pub fn bind(listen: &str) -> Result<Self, RelayError> {
        let fail = |source| RelayError {
            address: listen.to_owned(),
            source,
        };
        let address = listen
            .to_socket_addrs()
            .map_err(fail)?
            .next()
            .ok_or_else(|| fail(io::ErrorKind::AddrNotAvailable.into()))?;
        let listener = TcpListener::bind(address).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the process ends.
    ///
    /// *Concurrency*: one thread for each connection; a consumer's ends when it is registered.
    pub fn run(self) {
        let lanes = Lanes::default();
        for stream in self.listener.incoming() {
            // A connection that failed before it was taken is the peer's matter.
            let Ok(stream) = stream else { continue };
            let lanes = Arc::clone(&lanes);
            let serve = move || {
                // The end of a connection is how every lane ends.
                serve(stream, &lanes).ok();
            };
            thread::Builder::new()
                .name("relay".to_owned())
                .stack_size(64 << 10)
                .spawn(serve)
                .ok();
        }
    }
}

fn serve(mut stream: TcpStream, lanes: &Lanes) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(GREETING_TIMEOUT))?;
    let mut greeting = [0; 8];
    stream.read_exact(&mut greeting)?;
    stream.set_read_timeout(None)?;
    let Some(greeting) = Greeting::from_bytes(greeting) else {
        return Ok(());
    };
    let lane = greeting.lane as usize;
    if greeting.consumes {
        register(lanes, lane, stream.try_clone()?);
        return stream.write_all(&WELCOME);
    }
    stream.write_all(&WELCOME)?;
    // The first bytes come when every consumer has been welcomed, so the lane is complete then.
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut read = stream.read(&mut buffer)?;
    let mut consumers = take(lanes, lane);
    while read > 0 {
        for consumer in &mut consumers {
            consumer.write_all(&buffer[..read])?;
        }
        read = stream.read(&mut buffer)?;
    }
    Ok(())
}

fn register(lanes: &Lanes, lane: usize, stream: TcpStream) {
    let mut lanes = lanes.lock().unwrap_or_else(PoisonError::into_inner);
    if lanes.len() <= lane {
        lanes.resize_with(lane + 1, Vec::new);
    }
    lanes[lane].push(stream);
}

/// Takes a lane's consumers: the producer's end is theirs too.
fn take(lanes: &Lanes, lane: usize) -> Vec<TcpStream> {
    let mut lanes = lanes.lock().unwrap_or_else(PoisonError::into_inner);
    lanes.get_mut(lane).map(std::mem::take).unwrap_or_default()
}

#[cfg(test)]
mod tests;
