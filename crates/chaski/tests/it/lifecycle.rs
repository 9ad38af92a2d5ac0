//! Starting, stopping, and what stands in the way.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use crate::server::{Server, command, read_to_end};

/// Starts a server that must not come up, and returns what it said.
fn refused(data: &std::path::Path, arguments: &[&str]) -> String {
    let output = command(data)
        .arg("serve")
        .args(["--amqps", "off"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(!output.status.success(), "it must not start");
    let said = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<_> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert_eq!(errors.len(), 1, "one clear line, not: {said}");
    said
}

#[test]
fn a_taken_port_is_named_with_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let said = refused(directory.path(), &["--amqp", &address]);
    assert!(said.contains(&address) && said.contains("--amqp"), "{said}");
}

#[test]
fn a_port_of_another_server_is_taken_too() {
    let server = Server::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let said = refused(directory.path(), &["--amqp", server.address("amqp")]);
    assert!(said.contains(server.address("amqp")), "{said}");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start(&[]);
    let said = refused(&server.data, &["--amqp", "127.0.0.1:0"]);
    assert!(said.contains(&server.data.display().to_string()), "{said}");
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"not a directory").unwrap();
    let said = refused(&file.join("data"), &["--amqp", "127.0.0.1:0"]);
    assert!(said.contains("--data"), "{said}");
}

#[test]
fn the_first_start_shows_the_administrator_once() {
    let directory = tempfile::tempdir().unwrap();
    let said = |directory: &std::path::Path| {
        let mut child = command(directory)
            .args(["serve", "--amqp", "127.0.0.1:0", "--amqps", "off"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = Vec::new();
        for line in std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap())) {
            let line = line.unwrap();
            let is_end = line.contains("Ctrl-C");
            lines.push(line);
            if is_end {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.join("\n")
    };
    assert!(said(directory.path()).contains("Administrator, shown this once: admin / "));
    assert!(!said(directory.path()).contains("Administrator"));
}

#[test]
fn an_unknown_protocol_is_answered_with_ours() {
    let server = Server::start(&[]);
    for header in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"AMQP\x01\x01\x09\x01",
        b"AMQP\x00\x01\x00\x00",
    ] {
        let mut stream = TcpStream::connect(server.address("amqp")).unwrap();
        stream.write_all(header).unwrap();
        assert_eq!(
            read_to_end(&mut stream),
            b"AMQP\x00\x00\x09\x01",
            "{header:?}"
        );
    }
}

#[test]
fn a_server_may_be_stopped_as_soon_as_it_is_ready() {
    for _ in 0..5 {
        let mut server = Server::start(&[]);
        let ended = server.terminate();
        assert_eq!(ended.code(), Some(0), "{ended}");
    }
}
