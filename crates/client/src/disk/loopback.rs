//! A thread that writes when it is asked to over a loopback connection: what no server can do without.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;

/// Bytes of a request: about a publish of 1 KiB.
const REQUEST_BYTES: usize = 1_100;
/// Bytes of an answer: a `basic.ack` frame.
const ANSWER_BYTES: usize = 21;

/// The asking end.
#[derive(Debug)]
pub(super) struct Asker {
    stream: TcpStream,
    writer: Option<JoinHandle<io::Result<()>>>,
}

impl Asker {
    /// Starts the thread and connects to it.
    pub(super) fn start(
        write: impl FnMut(usize) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        stream.set_nodelay(true)?;
        let (peer, _) = listener.accept()?;
        peer.set_nodelay(true)?;
        let writer = std::thread::spawn(move || serve(&peer, write));
        Ok(Self {
            stream,
            writer: Some(writer),
        })
    }

    /// Has one slot written, and waits for the answer. When the write failed, says why.
    pub(super) fn ask(&mut self, slot: usize) -> io::Result<()> {
        let mut request = [0; REQUEST_BYTES];
        let (head, _) = request.split_at_mut(size_of::<u64>());
        head.copy_from_slice(&(slot as u64).to_le_bytes());
        let mut answer = [0; ANSWER_BYTES];
        let asked = self.stream.write_all(&request);
        match asked.and_then(|()| self.stream.read_exact(&mut answer)) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.reason().unwrap_or(error)),
        }
    }

    /// Why the thread has ended, if it has failed.
    fn reason(&mut self) -> Option<io::Error> {
        self.stream.shutdown(Shutdown::Both).ok();
        let ended = self.writer.take()?.join();
        ended
            .unwrap_or_else(|_| Err(io::Error::other("the writer has panicked")))
            .err()
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.reason();
    }
}

fn serve(mut stream: &TcpStream, mut write: impl FnMut(usize) -> io::Result<()>) -> io::Result<()> {
    let mut request = [0; REQUEST_BYTES];
    loop {
        match stream.read_exact(&mut request) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let slot = request
            .first_chunk()
            .map_or(0, |head| u64::from_le_bytes(*head));
        let written = write(usize::try_from(slot).unwrap_or_default());
        if written.is_err() {
            stream.shutdown(Shutdown::Both).ok();
            return written;
        }
        stream.write_all(&[0; ANSWER_BYTES])?;
    }
}
