//! `chaski bench nats` from outside, against a NATS server that this file plays, and the real one where it is installed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

use crate::server::DEADLINE;

mod chat;

/// What a played server does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// One message in a hundred goes nowhere.
    Loses,
    /// It cuts a subscriber off after some messages.
    Cuts,
    /// There are no streams.
    NoJetStream,
}

/// A NATS server with exact subjects, streams that pass messages on at once, and no storage.
struct Played {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Subscribers by subject, each with its own number.
    subscribers: HashMap<String, Vec<(String, TcpStream)>>,
    /// The stream that takes a subject.
    streams: HashMap<String, String>,
    /// Where a stream's consumer delivers.
    deliver: HashMap<String, String>,
    acks: u64,
    published: u64,
    deleted: Vec<String>,
}

impl Played {
    fn start(flaw: Flaw) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // The end of a connection ends its thread.
                std::thread::spawn(move || serve(stream, &shared, flaw));
            }
        });
        Self { address, state }
    }

    fn bench(&self, arguments: &[&str]) -> Output {
        bench(&self.address, arguments)
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>, flaw: Flaw) -> Option<()> {
    let mut output = stream.try_clone().ok()?;
    output
        .write_all(b"INFO {\"version\":\"0.0.1\",\"headers\":true}\r\n")
        .ok()?;
    let mut input = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        let mut state = state.lock().ok()?;
        match fields[..] {
            ["CONNECT", ..] | ["PONG"] => {}
            // A server asks too, and may do so between any two messages.
            ["PING"] => output.write_all(b"PONG\r\nPING\r\n").ok()?,
            ["SUB", subject, number] => {
                let subscriber = (number.to_owned(), output.try_clone().ok()?);
                let place = state.subscribers.entry(subject.to_owned());
                place.or_default().push(subscriber);
            }
            ["PUB", subject, ref rest @ .., size] => {
                let mut body = vec![0; size.parse::<usize>().ok()? + 2];
                input.read_exact(&mut body).ok()?;
                body.truncate(body.len() - 2);
                let reply = rest.first().copied();
                state.publish(subject, reply, &body, flaw, &mut output)?;
            }
            _ => panic!("the generator said {line:?}"),
        }
    }
}

impl State {
    fn publish(
        &mut self,
        subject: &str,
        reply: Option<&str>,
        body: &[u8],
        flaw: Flaw,
        asker: &mut TcpStream,
    ) -> Option<()> {
        if let Some(question) = subject.strip_prefix("$JS.API.") {
            let reply = reply?;
            if flaw == Flaw::NoJetStream {
                let line = format!("HMSG {reply} 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
                return asker.write_all(line.as_bytes()).ok();
            }
            let answer = self.answer(question, body).to_string();
            let line = format!("MSG {reply} 1 {}\r\n{answer}\r\n", answer.len());
            return asker.write_all(line.as_bytes()).ok();
        }
        if subject.starts_with("$JS.ACK.") {
            self.acks += 1;
            return Some(());
        }
        self.published += 1;
        let stream = self.streams.get(subject).cloned();
        let to = stream
            .as_ref()
            .and_then(|stream| self.deliver.get(stream).cloned());
        let ack_to = stream.map_or_else(String::new, |stream| format!(" $JS.ACK.{stream}.1"));
        if let Some(reply) = reply {
            let inbox = reply.rsplit_once('.')?.0.to_owned() + ".*";
            let confirm = br#"{"stream":"s","seq":1}"#;
            self.deliver_to(&inbox, reply, "", confirm);
        }
        if flaw == Flaw::Cuts && self.published == 500 {
            for (_, subscriber) in self.subscribers.values().flatten() {
                subscriber.shutdown(std::net::Shutdown::Both).ok();
            }
        }
        if flaw != Flaw::Loses || !self.published.is_multiple_of(100) {
            self.deliver_to(to.as_deref().unwrap_or(subject), subject, &ack_to, body);
        }
        Some(())
    }

    /// Sends a message to those who subscribed to `subscription`.
    fn deliver_to(&mut self, subscription: &str, subject: &str, reply: &str, body: &[u8]) {
        for (number, subscriber) in self.subscribers.get_mut(subscription).into_iter().flatten() {
            let line = format!("MSG {subject} {number}{reply} {}\r\n", body.len());
            let message = [line.as_bytes(), body, b"\r\n"].concat();
            // Who has gone gets nothing.
            subscriber.write_all(&message).ok();
        }
    }

    fn answer(&mut self, question: &str, body: &[u8]) -> Value {
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if let Some(name) = question.strip_prefix("STREAM.CREATE.") {
            assert_eq!(asked["storage"], "file");
            self.streams
                .insert(text(&asked["subjects"][0]), name.to_owned());
        } else if question.starts_with("CONSUMER.CREATE.") {
            let config = &asked["config"];
            assert_eq!(config["ack_policy"], "explicit");
            assert_eq!(config["max_ack_pending"], 10);
            let stream = text(&asked["stream_name"]);
            self.deliver
                .insert(stream, text(&config["deliver_subject"]));
        } else if let Some(name) = question.strip_prefix("STREAM.DELETE.") {
            if !self.streams.values().any(|stream| stream == name) {
                let error =
                    json!({"code": 404, "err_code": 10059, "description": "stream not found"});
                return json!({ "error": error });
            }
            self.streams.retain(|_, stream| stream != name);
            self.deleted.push(name.to_owned());
        } else if question.starts_with("STREAM.INFO.") {
            return json!({"state": {"messages": 0}});
        }
        json!({"success": true})
    }
}

fn bench(address: &str, arguments: &[&str]) -> Output {
    generate("nats", &["--url", &format!("nats://{address}")], arguments)
}

/// Puts a load on a server.
fn generate(load: &str, target: &[&str], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chaski"))
        .args(["bench", load, "--json"])
        .args(target)
        .args(arguments)
        .output()
        .expect("the generator runs")
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Runs that any NATS server must pass, with the number of messages that arrive in each.
const LOADS: [(&[&str], u64); 5] = [
    (&["--messages", "2000"], 2_000),
    (&["--messages", "100", "--size", "20KiB"], 100),
    (&["--messages", "600", "-p", "3", "-q", "6", "-c", "2"], 600),
    (
        &[
            "--messages",
            "200",
            "-q",
            "3",
            "-c",
            "3",
            "--routing",
            "fanout",
        ],
        600,
    ),
    (
        &[
            "--messages",
            "500",
            "-p",
            "5",
            "-d",
            "--confirms",
            "7",
            "--prefetch",
            "10",
        ],
        500,
    ),
];

#[test]
fn every_kind_of_load_goes_through_nats_once_and_in_order() {
    let server = Played::start(Flaw::None);
    for (arguments, wanted) in LOADS {
        let output = server.bench(arguments);
        let report = report(&output);
        assert!(output.status.success(), "{arguments:?}: {report}");
        assert_eq!(report["checks"]["received"], wanted, "{arguments:?}");
        assert_eq!(report["server"], "nats-server 0.0.1");
    }
    let state = server.state.lock().unwrap();
    assert_eq!(
        state.acks, 500,
        "every durable message is acknowledged by itself"
    );
    assert_eq!(state.deleted.len(), 1, "a run takes its streams with it");
}

#[test]
fn confirms_are_measured() {
    let server = Played::start(Flaw::None);
    let output = server.bench(&[
        "--messages",
        "50",
        "-d",
        "--confirms",
        "1",
        "--prefetch",
        "10",
    ]);
    let stage = &report(&output)["stages"][0];
    assert_eq!(stage["confirmed"]["count"], 50);
    assert_eq!(stage["confirm_latency"]["count"], 50);
    assert_eq!(stage["end_to_end_latency"]["count"], 50);
}

#[test]
fn lost_messages_make_the_run_fail() {
    let server = Played::start(Flaw::Loses);
    let patience = ["--drain-timeout", "1s"];
    let output = server.bench(&[&["--messages", "950"][..], &patience].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("nothing moved"), "{text}");
    let server = Played::start(Flaw::Loses);
    let timed = ["--duration", "200ms", "--warm-up", "0s", "--rate", "5000"];
    let output = server.bench(&[&timed[..], &patience].concat());
    let report = report(&output);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report["checks"]["lost"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_cut_subscriber_is_named() {
    let server = Played::start(Flaw::Cuts);
    let output = server.bench(&["--messages", "5000"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("falls too far behind"), "{text}");
}

#[test]
fn a_server_without_streams_is_told_apart() {
    let server = Played::start(Flaw::NoJetStream);
    let output = server.bench(&[
        "--messages",
        "1",
        "-d",
        "--confirms",
        "1",
        "--prefetch",
        "10",
    ]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("start it with -js"), "{text}");
}

#[test]
fn nobody_there_is_said_in_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let output = bench(&address, &["--messages", "1"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("is nats-server running there?"), "{text}");
}

/// The real server, stopped at the end.
struct Real {
    child: Child,
    address: String,
    _store: tempfile::TempDir,
}

impl Real {
    /// Starts the server, if it is installed.
    fn start() -> Option<Self> {
        let store = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let child = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", &address.port().to_string()])
            .args(["--jetstream", "--store_dir"])
            .arg(store.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let real = Self {
            child,
            address: address.to_string(),
            _store: store,
        };
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "nats-server does not listen");
            std::thread::yield_now();
        }
        Some(real)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn the_real_nats_server_passes_where_it_is_installed() {
    // The comparison needs it, the tests do not: what it would show the played server shows too.
    let Some(server) = Real::start() else {
        return;
    };
    let backlog: (&[&str], u64) = (
        &[
            "--backlog",
            "1000",
            "-d",
            "--confirms",
            "9",
            "--prefetch",
            "10",
        ],
        1_000,
    );
    for (arguments, wanted) in LOADS.into_iter().chain([backlog]) {
        let output = bench(&server.address, arguments);
        let report = report(&output);
        assert!(output.status.success(), "{arguments:?}: {report}");
        assert_eq!(report["checks"]["received"], wanted, "{arguments:?}");
    }
}
