use futures_util::SinkExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;

/// Two ends of a WebSocket.
async fn sockets() -> (Socket, Socket) {
    let (one, other) = duplex(10_000);
    let one: Box<dyn crate::chat::link::socket::Stream> = Box::new(one);
    let client = WebSocketStream::from_raw_socket(one, Role::Client, None).await;
    let server = WebSocketStream::from_raw_socket(Box::new(other) as _, Role::Server, None).await;
    (client, server)
}

#[tokio::test]
async fn a_tunnel_carries_bytes_of_any_length_and_ends_as_the_other_end_does() {
    let (one, other) = sockets().await;
    let (mut one, mut other) = (Tunnel::new(one), Tunnel::new(other));
    let bytes: Vec<u8> = (0..200_003_u32).map(|at| (at % 251) as u8).collect();
    let sent = bytes.clone();
    let sending = tokio::spawn(async move {
        for part in [&sent[..1], &sent[1..70_000], &sent[70_000..]] {
            one.write_all(part).await.expect("it is written");
        }
        one.shutdown().await.expect("it is closed");
    });
    let mut read = Vec::new();
    other.read_to_end(&mut read).await.expect("it is read");
    assert!(read == bytes, "{} of {} bytes", read.len(), bytes.len());
    drop(other);
    sending.await.expect("no panic");
}

#[tokio::test]
async fn no_message_of_a_tunnel_is_greater_than_the_relay_takes() {
    let (one, mut other) = sockets().await;
    let mut one = Tunnel::new(one);
    let sending = tokio::spawn(async move {
        one.write_all(&[7; 150_000]).await.expect("it is written");
        one.flush().await.expect("it is sent");
        one
    });
    let mut lengths = Vec::new();
    while lengths.iter().sum::<usize>() < 150_000 {
        match other.next().await {
            Some(Ok(Message::Binary(bytes))) => lengths.push(bytes.len()),
            heard => panic!("{heard:?}"),
        }
    }
    assert_eq!(lengths, [TUNNEL_BYTES_MAX, TUNNEL_BYTES_MAX, 18_928]);
    let mut one = sending.await.expect("no panic");
    let text = Message::Text("hello".into());
    other.send(text).await.expect("it is sent");
    let error = one.read_u8().await.expect_err("text is no bytes");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}
