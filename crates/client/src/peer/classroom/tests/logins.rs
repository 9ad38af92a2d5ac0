//! Who is logged in, and for how long.

use std::time::{Duration, Instant};

use tokio::io::BufReader;

use super::held::{HERE, place};
use super::*;
use crate::peer::limits::PLAIN_LOGIN_IDLE;

#[test]
fn a_login_ends_when_it_is_not_used() {
    let (_folder, classroom) = place("127.0.0.1:1");
    let logins = &classroom.logins;
    let start = Instant::now();
    let at = |idles: f64| start + PLAIN_LOGIN_IDLE.mul_f64(idles);
    assert!(!logins.is_inside(HERE, start) && !logins.renew(HERE, start));
    logins.admit(HERE, start);
    assert!(logins.is_inside(HERE, at(0.9)), "a look is no use");
    assert!(logins.renew(HERE, at(0.9)) && logins.renew(HERE, at(1.8)));
    assert!(!logins.is_inside(HERE, at(1.8) + PLAIN_LOGIN_IDLE));
    logins.admit(HERE, start);
    assert!(!logins.renew(HERE, start + PLAIN_LOGIN_IDLE));
    assert!(
        !logins.renew(HERE, start + Duration::ZERO),
        "it is forgotten"
    );
}

/// A server that answers each request, on a connection of its own, with the next of these; gives its address.
async fn server(answers: Vec<(u16, &'static str)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        for (status, body) in answers {
            let (socket, _) = listener.accept().await.expect("it is asked");
            let mut socket = BufReader::new(socket);
            let mut seen = Vec::new();
            // The bodies of these requests are read as far as they have come: nothing waits for them.
            while !seen.ends_with(b"\r\n\r\n") {
                seen.push(socket.read_u8().await.expect("a head"));
            }
            let head = String::from_utf8_lossy(&seen).to_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
            let mut rest = vec![0; length.unwrap_or_default()];
            socket.read_exact(&mut rest).await.expect("a body");
            let answer = format!(
                "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let written = socket.get_mut().write_all(answer.as_bytes()).await;
            written.expect("it is read");
        }
    });
    address
}

const ME: (u16, &str) = (200, r#"{"login": "anna"}"#);
const OPENED: (u16, &str) = (201, r#"{"token": "t"}"#);

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_says_of_a_password_is_passed_on() {
    for (answers, expected, is_left) in [
        (vec![ME, OPENED, (204, "")], 200, false),
        (vec![ME, (401, "{}")], 401, false),
        (vec![ME, (429, "{}")], 429, false),
        (vec![ME, (503, "{}")], 503, false),
        (vec![(500, "{}")], 503, false),
        // The password is right, whatever becomes of the session.
        (vec![ME, OPENED, (500, "{}")], 200, true),
    ] {
        let case = format!("{answers:?}");
        let (_folder, classroom) = place(&server(answers).await);
        let from = (HERE, classroom.calls.take().expect("a place"));
        let (name, password) = ("anna".to_owned(), "secret".to_owned());
        let entering = classroom.logins.enter(&classroom.api, name, password, from);
        let entered = entering.await;
        assert_eq!(entered.code, Code(expected), "{case}");
        assert_eq!(entered.left.is_some(), is_left, "{case}");
        let is_inside = classroom.logins.is_inside(HERE, Instant::now());
        assert_eq!(is_inside, expected == 200, "{case}");
    }
}
