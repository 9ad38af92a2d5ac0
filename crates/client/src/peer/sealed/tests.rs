use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex};
use tokio::time::timeout;
use tonic::Status;

use super::frames::{FRAMES_MAX, PLAIN_BYTES_MAX};
use super::*;
use crate::peer::identity::Identity;

type Ends = (
    Incoming<ReadHalf<DuplexStream>>,
    Writer<WriteHalf<DuplexStream>>,
);

fn identity() -> (Identity, Signer) {
    let identity = Identity::passing().expect("an identity");
    let signer = Signer::of(&identity).expect("a key of the usual kind");
    (identity, signer)
}

/// The two ends of a line.
async fn line() -> (Ends, Ends) {
    let (identity, signer) = identity();
    let (one, other) = duplex(100_000);
    let (called, answered) =
        tokio::join!(call(one, identity.fingerprint()), answer(other, &signer));
    let ends = |(reader, writer)| (Incoming::new(reader), writer);
    (
        ends(called.expect("a line")),
        ends(answered.expect("a line")),
    )
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 253) as u8).collect()
}

/// What a caller says first, with a key that is one.
fn hello() -> Vec<u8> {
    let random = ring::rand::SystemRandom::new();
    let key = ring::agreement::EphemeralPrivateKey::generate(&ring::agreement::ECDH_P256, &random);
    let point = key.and_then(|key| key.compute_public_key());
    [MAGIC, point.expect("a point").as_ref()].concat()
}

#[tokio::test]
async fn messages_of_any_length_arrive_whole_both_ways() {
    let ((mut heard, mut caller), (mut requests, mut called)) = line().await;
    let head = 5;
    for length in [
        0,
        1,
        PLAIN_BYTES_MAX - head,
        PLAIN_BYTES_MAX - head + 1,
        300_000,
    ] {
        let sent = bytes(length);
        let (sending, message) = tokio::join!(
            async { caller.send(&said(&sent)).await },
            requests.message(1 << 20)
        );
        sending.expect("it is sent");
        assert!(message.expect("a message").as_deref() == Some(&*sent));
        caller.beat().await.expect("it is sent");
        let (sending, message) = tokio::join!(
            async { called.send(&said(&sent)).await },
            heard.message(1 << 20)
        );
        sending.expect("it is sent");
        assert!(message.expect("a message").as_deref() == Some(&*sent));
    }
    caller.close().await;
    drop((caller, heard));
    assert!(matches!(requests.message(10).await, Ok(None)));
}

#[tokio::test]
async fn a_refusal_says_why_and_a_long_message_is_not_read() {
    let ((mut heard, mut caller), (mut requests, mut called)) = line().await;
    let status = Status::resource_exhausted("come again");
    called.send(&refusal(&status)).await.expect("it is sent");
    let error = heard.message(0).await.expect_err("a refusal");
    let told = Status::from(error);
    assert_eq!(
        (told.code(), told.message()),
        (status.code(), status.message())
    );
    caller.send(&said(&bytes(5_000))).await.expect("it is sent");
    assert!(matches!(
        requests.message(4_999).await,
        Err(SealedError::Forged)
    ));
}

#[tokio::test]
async fn nobody_else_answers_for_a_peer() {
    let (wanted, _) = identity();
    let (_, other) = identity();
    let (one, two) = duplex(10_000);
    let (called, _) = tokio::join!(call(one, wanted.fingerprint()), answer(two, &other));
    assert!(matches!(called.err(), Some(SealedError::Stranger)));
}

#[tokio::test]
async fn whoever_passes_the_handshake_on_cannot_change_it() {
    // Every part of what is said first: the caller's key; the answering key, the public key, the signature.
    for (is_callers, place) in [(true, 30), (false, 20), (false, 100), (false, 200)] {
        let (identity, signer) = identity();
        let (caller, mut passing) = duplex(10_000);
        let (mut passed, called) = duplex(10_000);
        let between = async {
            let mut said = vec![0; 79];
            passing.read_exact(&mut said).await.expect("it is said");
            if is_callers {
                said[place] ^= 1;
            }
            passed.write_all(&said).await.expect("it is passed");
            let mut said = vec![0; 220];
            if passed.read_exact(&mut said).await.is_ok() {
                if !is_callers {
                    said[place] ^= 1;
                }
                // A caller who has noticed has gone.
                let _ = passing.write_all(&said).await;
            }
            drop(passing);
        };
        let (called, _, ()) = tokio::join!(
            call(caller, identity.fingerprint()),
            answer(called, &signer),
            between
        );
        assert!(called.is_err(), "{is_callers} {place}");
    }
}

#[tokio::test]
async fn what_is_no_sealed_line_is_hung_up_on() {
    let (_, signer) = identity();
    let no_point = [MAGIC, &[4; 65][..]].concat();
    let cut = hello()[..50].to_vec();
    for greeting in [
        Vec::new(),
        vec![0x16, 3, 1, 2, 0],
        bytes(200),
        no_point,
        cut,
    ] {
        let (mut stranger, called) = duplex(10_000);
        stranger.write_all(&greeting).await.expect("it is written");
        stranger.shutdown().await.expect("it is closed");
        let answered = timeout(Duration::from_secs(5), answer(called, &signer)).await;
        assert!(answered.expect("no waiting").is_err(), "{greeting:?}");
    }
}

#[tokio::test]
async fn whatever_follows_the_handshake_unsealed_is_found_out() {
    let frames: [&[u8]; 5] = [
        &[0, 0],
        &[0, 15, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        &[0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xff, 0xff, 1],
        &[7],
    ];
    for frame in frames {
        let (_, signer) = identity();
        let (mut stranger, called) = duplex(10_000);
        stranger.write_all(&hello()).await.expect("it is written");
        stranger.write_all(frame).await.expect("it is written");
        let (reader, _writer) = answer(called, &signer).await.expect("a line");
        stranger.shutdown().await.expect("it is closed");
        let mut incoming = Incoming::new(reader);
        assert!(incoming.message(1 << 20).await.is_err(), "{frame:?}");
    }
}

#[tokio::test]
async fn frames_that_are_changed_doubled_or_left_out_end_the_line() {
    for way in 0..3 {
        let (identity, signer) = identity();
        let (caller, mut passing) = duplex(10_000);
        let (mut passed, called) = duplex(10_000);
        let between = async {
            let mut said = vec![0; 79];
            passing.read_exact(&mut said).await.expect("it is said");
            passed.write_all(&said).await.expect("it is passed");
            let mut said = vec![0; 220];
            passed.read_exact(&mut said).await.expect("it is said");
            passing.write_all(&said).await.expect("it is passed");
            // Two messages of 10 bytes: frames of 2 + 5 + 10 + 16.
            let mut frame = vec![0; 33];
            passing.read_exact(&mut frame).await.expect("a frame");
            let mut next = vec![0; 33];
            passing.read_exact(&mut next).await.expect("a frame");
            let sent = match way {
                0 => {
                    frame[20] ^= 1;
                    [frame, next].concat()
                }
                1 => [frame.clone(), frame].concat(),
                _ => next,
            };
            passed.write_all(&sent).await.expect("it is passed");
            passed.shutdown().await.expect("it is closed");
        };
        let speaking = async {
            let (_reader, mut writer) = call(caller, identity.fingerprint()).await.expect("a line");
            writer.send(&said(&bytes(10))).await.expect("it is sent");
            writer.send(&said(&bytes(10))).await.expect("it is sent");
        };
        let hearing = async {
            let (reader, _writer) = answer(called, &signer).await.expect("a line");
            let mut incoming = Incoming::new(reader);
            loop {
                match incoming.message(100).await {
                    Ok(Some(_)) => {}
                    ended => return ended,
                }
            }
        };
        let ((), (), ended) = tokio::join!(between, speaking, hearing);
        assert!(
            matches!(ended, Err(SealedError::Forged)),
            "{way}: {ended:?}"
        );
    }
}

#[tokio::test]
async fn a_line_carries_so_many_frames_and_no_more() {
    let (identity, signer) = identity();
    let (one, other) = duplex(1 << 20);
    let (called, _answered) =
        tokio::join!(call(one, identity.fingerprint()), answer(other, &signer));
    let (_reader, mut writer) = called.expect("a line");
    writer.skip_to(FRAMES_MAX - 1);
    writer.beat().await.expect("the last one");
    assert!(matches!(writer.beat().await, Err(SealedError::Worn)));
}
