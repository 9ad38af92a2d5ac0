//! Reads a byte stream as a server does: frames, then what they carry.
//!
//! Nothing may panic, and what is accepted must be read again as it was when written again.
#![no_main]

use codec::amqp::content::ContentHeader;
use codec::amqp::frame::{FRAME_MIN_SIZE, FrameKind, parse};
use codec::amqp::method::Method;
use codec::amqp::properties::{Properties, PropertiesRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let mut rest = stream;
    while let Ok(Some((frame, used))) = parse(rest, FRAME_MIN_SIZE) {
        match frame.kind {
            FrameKind::Method => check_method(frame.payload),
            FrameKind::Header => check_header(frame.payload),
            FrameKind::Body => {}
            FrameKind::Heartbeat => assert!(frame.payload.is_empty()),
        }
        rest = &rest[used..];
    }
});

fn check_method(payload: &[u8]) {
    let Ok(method) = Method::decode(payload) else {
        return;
    };
    let mut written = Vec::new();
    method.encode_frame(1, &mut written);
    let (frame, used) = parse(&written, 0).expect("a frame").expect("a whole frame");
    assert_eq!(used, written.len());
    assert_eq!(Method::decode(frame.payload), Ok(method));
}

fn check_header(payload: &[u8]) {
    let Ok(header) = ContentHeader::decode(payload) else {
        return;
    };
    let raw = header.properties;
    let Ok(borrowed) = PropertiesRef::parse(raw) else {
        return;
    };
    let Ok(owned) = borrowed.to_owned() else {
        return;
    };
    let mut written = Vec::new();
    owned.encode(&mut written);
    // Floats may be NaN, which equals nothing: compare the bytes of a second round.
    let (again, used) = Properties::decode(&written).expect("what was written can be read");
    assert_eq!(used, written.len());
    let mut rewritten = Vec::new();
    again.encode(&mut rewritten);
    assert_eq!(written, rewritten);
}
