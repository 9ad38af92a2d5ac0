//! `chaski bench http` and `chaski bench grpc` against the real server.

use std::net::TcpListener;
use std::process::Output;

use serde_json::Value;

use crate::server::Server;

fn server() -> Server {
    Server::start(&["--http", "127.0.0.1:0"])
}

fn bench(server: &Server, door: &str, line: &str) -> Output {
    let url = format!("http://guest:guest@{}", server.address("http"));
    let mut words = vec!["bench", door, "--json", "--url", &url];
    words.extend(line.split_whitespace());
    server.chaski(&words)
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is left in the server: queues and topics of runs, and streams of their readers.
fn left_behind(server: &Server) -> Vec<String> {
    let names = |kind: &str| {
        let output = server.chaski(&[kind, "list", "--json"]);
        let items: Value = serde_json::from_slice(&output.stdout).unwrap();
        let names = items.as_array().unwrap().iter();
        let names = names.filter_map(|item| item["name"].as_str().map(str::to_owned));
        let is_ours = |name: &String| name.starts_with("bench") || name.starts_with("reader");
        names.filter(is_ours).collect::<Vec<_>>()
    };
    [names("queue"), names("exchange")].concat()
}

#[test]
fn every_publish_is_confirmed_through_every_door_and_nothing_stays_behind() {
    let server = server();
    for (door, line) in [
        ("http", "-d -p 2 --batch 100"),
        ("http", "-p 3 --batch 1 -s 20"),
        ("grpc", "-d -p 2 --confirms 10"),
        ("grpc", "-p 2 --batch 100 --max-length 10"),
    ] {
        // No multiple of a batch.
        let line = format!("{line} --messages 250");
        let report = report(&bench(&server, door, &line));
        let stage = &report["stages"][0];
        assert_eq!(stage["confirmed"]["count"], 250, "{door} {line}");
        assert_eq!(stage["confirm_latency"]["count"], 250, "{door} {line}");
        assert_eq!(report["checks"]["refused"], 0, "{door} {line}");
    }
    assert_eq!(left_behind(&server), [""; 0]);
}

#[test]
fn every_reader_gets_every_message_once_and_in_order() {
    let server = server();
    for (door, line) in [
        ("http", "-s 100"),
        ("http", "-s 100 --one-stream --threads 2"),
        ("grpc", "-s 100"),
        ("grpc", "-s 16 -d --threads 2"),
    ] {
        let line = format!("{line} -p 2 --readers 3 --messages 500");
        let report = report(&bench(&server, door, &line));
        let checks = &report["checks"];
        assert_eq!(checks["expected"], 1_500, "{door} {line}");
        assert_eq!(checks["received"], 1_500, "{door} {line}");
        let end_to_end = &report["stages"][0]["end_to_end_latency"];
        assert_eq!(end_to_end["count"], 1_500, "{door} {line}");
    }
    assert_eq!(left_behind(&server), [""; 0]);
}

#[test]
fn consumers_by_grpc_empty_a_queue() {
    let server = server();
    for line in [
        "-d -c 1 --messages 500",
        "-d -c 3 --ack-every 7 --messages 500",
        "-d -c 1 --backlog 500",
    ] {
        let report = report(&bench(&server, "grpc", line));
        assert_eq!(report["checks"]["received"], 500, "{line}");
    }
    assert_eq!(left_behind(&server), [""; 0]);
}

#[test]
fn who_is_not_there_or_refuses_ends_the_run_in_one_line() {
    let server = server();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let stranger = format!("http://nobody:wrong@{}", server.address("http"));
    for (url, code) in [(nobody, 3), (stranger, 4)] {
        for door in ["http", "grpc"] {
            let output = server.chaski(&["bench", door, "--url", &url]);
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{door} {url}: {text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
}
