//! AMQP as bytes: a client that can misbehave, and that is fast enough to fill a server.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::server::DEADLINE;

/// What every AMQP 0-9-1 client says first.
pub(crate) const HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";
pub(crate) const METHOD: u8 = 1;
pub(crate) const CONTENT_HEADER: u8 = 2;
pub(crate) const BODY: u8 = 3;
const FRAME_END: u8 = 0xCE;
/// Unconfirmed messages of one filling client.
const IN_FLIGHT_MAX: u64 = 2_000;

/// One frame as it was read.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The class and method of a method frame.
    pub(crate) fn method(&self) -> Option<(u16, u16)> {
        (self.kind == METHOD).then(|| (self.u16_at(0), self.u16_at(2)))
    }

    pub(crate) fn u16_at(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.payload[at..at + 2].try_into().expect("two bytes"))
    }

    pub(crate) fn u64_at(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.payload[at..at + 8].try_into().expect("eight bytes"))
    }
}

/// A connection that sends whatever it is told.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    buffered: Vec<u8>,
    read_to: usize,
    published: u64,
    confirmed: u64,
}

impl Wire {
    /// Connects and says nothing yet.
    pub(crate) fn silent(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the listener takes a connection");
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a timeout can be set");
        stream
            .set_write_timeout(Some(DEADLINE))
            .expect("a timeout can be set");
        Self {
            stream,
            buffered: Vec::new(),
            read_to: 0,
            published: 0,
            confirmed: 0,
        }
    }

    /// Connects and reads the server's start.
    pub(crate) fn started(address: &str) -> Self {
        let mut wire = Self::silent(address);
        wire.send(HEADER);
        wire.expect(10, 10);
        wire
    }

    /// Connects and logs in as guest with channel 1 open.
    pub(crate) fn open(address: &str) -> Self {
        Self::open_with(address, &[0, 0, 0, 0])
    }

    /// As [`Wire::open`], with client properties as given, length and all.
    pub(crate) fn open_with(address: &str, properties: &[u8]) -> Self {
        let mut wire = Self::started(address);
        wire.send(&start_ok_with(properties, "PLAIN", b"\0guest\0guest"));
        let tune = wire.expect(10, 30);
        let mut reply = tune.payload[4..].to_vec();
        reply[6..].fill(0); // no heartbeat
        wire.send(&method(0, 10, 31, &reply));
        wire.send(&method(0, 10, 40, b"\x01/\x00\x00"));
        wire.expect(10, 41);
        wire.send(&method(1, 20, 10, b"\x00"));
        wire.expect(20, 11);
        wire
    }

    /// Sends bytes; a peer that has closed is noticed when reading.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads one frame; `None` when the server has closed.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let head = self.take(7)?;
        let length = u32::from_be_bytes(head[3..7].try_into().expect("four bytes"));
        let mut payload = self.take(length as usize + 1)?;
        assert_eq!(payload.pop(), Some(FRAME_END));
        Some(Frame {
            kind: head[0],
            channel: u16::from_be_bytes([head[1], head[2]]),
            payload,
        })
    }

    /// Reads frames up to this method, past any others.
    pub(crate) fn expect(&mut self, class: u16, id: u16) -> Frame {
        loop {
            let frame = self
                .next()
                .unwrap_or_else(|| panic!("{class}.{id}, not the end"));
            match frame.method() {
                Some(found) if found == (class, id) => return frame,
                Some((10, 50)) => panic!("{class}.{id}, not {}", close_reason(&frame)),
                Some((20, 40)) => panic!("{class}.{id}, not {}", close_reason(&frame)),
                Some(_) | None => {}
            }
        }
    }

    /// Reads up to the end and returns the reply code of `connection.close`, if the server gave one.
    pub(crate) fn closed_with(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some(frame) = self.next() {
            if frame.method() == Some((10, 50)) {
                code = Some(frame.u16_at(4));
                self.send(&method(0, 10, 51, b""));
            }
        }
        code
    }

    /// Declares a durable queue.
    pub(crate) fn declare(&mut self, queue: &str) {
        let mut arguments = vec![0, 0];
        push_short(&mut arguments, queue);
        arguments.extend([0b10, 0, 0, 0, 0]);
        self.send(&method(1, 50, 10, &arguments));
        self.expect(50, 11);
    }

    /// Turns on publisher confirms.
    pub(crate) fn select_confirms(&mut self) {
        self.send(&method(1, 85, 10, b"\x00"));
        self.expect(85, 11);
    }

    /// Publishes persistent messages to a queue, a bounded number of them unconfirmed, and returns when all are confirmed.
    pub(crate) fn fill(&mut self, queue: &str, bodies: impl Iterator<Item = Vec<u8>>) {
        let mut batch = Vec::new();
        for body in bodies {
            publish_into(&mut batch, queue, &body);
            self.published += 1;
            if batch.len() > 64 << 10 {
                self.stream.write_all(&batch).expect("the server reads");
                batch.clear();
                self.wait_confirms(IN_FLIGHT_MAX);
            }
        }
        self.stream.write_all(&batch).expect("the server reads");
        self.wait_confirms(0);
    }

    fn wait_confirms(&mut self, in_flight: u64) {
        while self.published - self.confirmed > in_flight {
            self.confirmed = self.next_confirm().expect("a confirm, not the end");
        }
    }

    /// Reads the next confirm: how many messages are confirmed by now, as this server confirms in order.
    pub(crate) fn next_confirm(&mut self) -> Option<u64> {
        loop {
            let frame = self.next()?;
            match frame.method() {
                Some((60, 80)) => return Some(frame.u64_at(4)),
                Some((60, 120)) => panic!("a nack"),
                Some((10, 50) | (20, 40)) => return None,
                Some(_) | None => {}
            }
        }
    }

    /// As [`Wire::next_confirm`], but `None` also when none comes before the socket's read timeout.
    pub(crate) fn confirm_in_time(&mut self) -> Option<u64> {
        if self.buffered.len() == self.read_to {
            let mut byte = [0; 1];
            match self.stream.peek(&mut byte) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return None;
                }
                Err(error) => panic!("the server says nothing: {error}"),
            }
        }
        self.next_confirm()
    }

    /// Consumes a queue on channel 1.
    pub(crate) fn consume(&mut self, queue: &str, no_ack: bool) {
        let mut arguments = vec![0, 0];
        push_short(&mut arguments, queue);
        push_short(&mut arguments, "tag");
        arguments.extend([u8::from(no_ack) << 1, 0, 0, 0, 0]);
        self.send(&method(1, 60, 20, &arguments));
        self.expect(60, 21);
    }

    /// Reads one delivery: its tag and body.
    pub(crate) fn delivery(&mut self) -> (u64, Vec<u8>) {
        let deliver = self.expect(60, 60);
        let tag_length = usize::from(deliver.payload[4]);
        let tag = deliver.u64_at(5 + tag_length);
        (tag, self.content())
    }

    fn content(&mut self) -> Vec<u8> {
        let header = self.next().expect("a content header");
        assert_eq!(header.kind, CONTENT_HEADER);
        let size = header.u64_at(4);
        let mut body = Vec::new();
        while (body.len() as u64) < size {
            let frame = self.next().expect("a body frame");
            assert_eq!(frame.kind, BODY);
            body.extend_from_slice(&frame.payload);
        }
        body
    }

    /// Takes one message from a queue; `None` when it is empty.
    pub(crate) fn get(&mut self, queue: &str) -> Option<Vec<u8>> {
        let mut arguments = vec![0, 0];
        push_short(&mut arguments, queue);
        arguments.push(1);
        self.send(&method(1, 60, 70, &arguments));
        let answer = self.next().expect("an answer");
        match answer.method() {
            Some((60, 71)) => Some(self.content()),
            Some((60, 72)) => None,
            other => panic!("a message or none, not {other:?}"),
        }
    }

    /// Acknowledges one delivery.
    pub(crate) fn ack(&mut self, tag: u64) {
        let mut arguments = tag.to_be_bytes().to_vec();
        arguments.push(0);
        self.send(&method(1, 60, 80, &arguments));
    }

    /// Counts the ready messages of a queue.
    pub(crate) fn count(&mut self, queue: &str) -> u32 {
        let mut arguments = vec![0, 0];
        push_short(&mut arguments, queue);
        arguments.extend([1, 0, 0, 0, 0]);
        self.send(&method(1, 50, 10, &arguments));
        let answer = self.expect(50, 11);
        let at = 5 + usize::from(answer.payload[4]);
        u32::from_be_bytes(answer.payload[at..at + 4].try_into().expect("four bytes"))
    }

    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffered.len() - self.read_to < count {
            self.buffered.drain(..self.read_to);
            self.read_to = 0;
            let mut chunk = [0; 64 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(read) => self.buffered.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the server says nothing: {error}"),
            }
        }
        let taken = self.buffered[self.read_to..self.read_to + count].to_vec();
        self.read_to += count;
        Some(taken)
    }
}

/// Builds a frame.
pub(crate) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(channel.to_be_bytes());
    bytes.extend(
        u32::try_from(payload.len())
            .expect("a small frame")
            .to_be_bytes(),
    );
    bytes.extend_from_slice(payload);
    bytes.push(FRAME_END);
    bytes
}

/// Builds a method frame.
pub(crate) fn method(channel: u16, class: u16, id: u16, arguments: &[u8]) -> Vec<u8> {
    let mut payload = class.to_be_bytes().to_vec();
    payload.extend(id.to_be_bytes());
    payload.extend_from_slice(arguments);
    frame(METHOD, channel, &payload)
}

/// Builds `connection.start-ok` without client properties.
pub(crate) fn start_ok(mechanism: &str, response: &[u8]) -> Vec<u8> {
    start_ok_with(&[0, 0, 0, 0], mechanism, response)
}

/// Builds `connection.start-ok` with client properties as given, length and all.
pub(crate) fn start_ok_with(properties: &[u8], mechanism: &str, response: &[u8]) -> Vec<u8> {
    let mut arguments = properties.to_vec();
    push_short(&mut arguments, mechanism);
    arguments.extend(
        u32::try_from(response.len())
            .expect("a small response")
            .to_be_bytes(),
    );
    arguments.extend_from_slice(response);
    push_short(&mut arguments, "en_US");
    method(0, 10, 11, &arguments)
}

/// Builds `basic.publish` to a queue by the default exchange.
pub(crate) fn publish_method(queue: &str) -> Vec<u8> {
    let mut arguments = vec![0, 0, 0];
    push_short(&mut arguments, queue);
    arguments.push(0);
    method(1, 60, 40, &arguments)
}

/// Builds the content header of a persistent message.
pub(crate) fn content_header(bytes: u64) -> Vec<u8> {
    let mut header = vec![0, 60, 0, 0];
    header.extend(bytes.to_be_bytes());
    header.extend([0x10, 0x00, 2]);
    frame(CONTENT_HEADER, 1, &header)
}

/// Appends a persistent message to a queue.
pub(crate) fn publish_into(batch: &mut Vec<u8>, queue: &str, body: &[u8]) {
    batch.extend(publish_method(queue));
    batch.extend(content_header(body.len() as u64));
    if !body.is_empty() {
        batch.extend(frame(BODY, 1, body));
    }
}

fn push_short(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(u8::try_from(text.len()).expect("a short string"));
    bytes.extend_from_slice(text.as_bytes());
}

fn close_reason(frame: &Frame) -> String {
    let length = usize::from(frame.payload[6]);
    format!(
        "{} {}",
        frame.u16_at(4),
        String::from_utf8_lossy(&frame.payload[7..7 + length])
    )
}
