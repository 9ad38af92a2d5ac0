//! `chaski bench chat` from outside, against a server, and against a chat that this file plays: what is wrong with a room's messages is found.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::server::Server;

/// What the played chat does wrong with every tenth message, for one of the members.
#[derive(Clone, Copy)]
enum Flaw {
    None,
    Loses,
    Doubles,
    /// It comes after the next one.
    Disorders,
}

/// A room of the line protocol.
#[derive(Default)]
struct Room {
    members: Vec<TcpStream>,
    said: u64,
    /// What the first member hears later.
    held: Vec<u8>,
}

impl Room {
    fn say(&mut self, line: &[u8], flaw: Flaw) -> std::io::Result<()> {
        self.said += 1;
        let is_wrong = self.said.is_multiple_of(10);
        for (place, member) in self.members.iter_mut().enumerate() {
            match flaw {
                Flaw::Loses if is_wrong && place == 0 => {}
                Flaw::Doubles if is_wrong && place == 0 => member.write_all(&line.repeat(2))?,
                Flaw::Disorders if is_wrong && place == 0 => self.held = line.to_vec(),
                Flaw::Disorders if place == 0 => {
                    member.write_all(line)?;
                    member.write_all(&std::mem::take(&mut self.held))?;
                }
                Flaw::None | Flaw::Loses | Flaw::Doubles | Flaw::Disorders => {
                    member.write_all(line)?;
                }
            }
        }
        Ok(())
    }
}

/// Serves one member until it goes.
fn serve(stream: TcpStream, room: &Mutex<Room>, flaw: Flaw) -> Option<()> {
    let mut output = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines();
    output.write_all(b"-- Welcome\n-- Login:\n").ok()?;
    let login = lines.next()?.ok()?;
    let password = lines.next()?.ok()?;
    assert_eq!(password, "bench-password");
    for line in lines {
        let line = line.ok()?;
        let mut room = room.lock().ok()?;
        if line.starts_with(r#"{"type":"join""#) {
            room.members.push(output.try_clone().ok()?);
            output
                .write_all(b"{\"type\":\"joined\",\"room\":\"lobby\"}\n")
                .ok()?;
        } else if line == "#mode text" {
            output.write_all(b"-- Text\n").ok()?;
        } else if !line.starts_with('#') {
            let line = format!("{login}: {line}\n");
            room.say(line.as_bytes(), flaw).ok()?;
        }
    }
    None
}

/// Lets 20 members talk for a moment in a chat that is played with a flaw.
fn talk(flaw: Flaw) -> (Output, Value) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let room = Arc::new(Mutex::new(Room::default()));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let room = Arc::clone(&room);
            // The end of a connection ends its thread.
            std::thread::spawn(move || serve(stream, &room, flaw));
        }
    });
    // 99 messages: one every 5 ms.
    let load = ["--members", "20", "--rate", "200"];
    let length = ["--duration", "495ms", "--warm-up", "0s"];
    let output = super::generate(
        "chat",
        &["--address", &address],
        &[&load[..], &length].concat(),
    );
    let report = super::report(&output);
    (output, report)
}

#[test]
fn a_room_where_all_talk_passes() {
    let (output, report) = talk(Flaw::None);
    assert!(output.status.success(), "{report}");
    let (stage, checks) = (&report["stages"][0], &report["checks"]);
    assert_eq!(checks["expected"], 20 * 99, "{report}");
    assert_eq!(checks["received"], 20 * 99, "{report}");
    // Every message that counts was timed for each of the members, and once for the last of them.
    let last = stage["last_latency"]["count"].as_u64().unwrap();
    assert_eq!(stage["end_to_end_latency"]["count"], 20 * last, "{report}");
}

#[test]
fn a_servers_own_room_passes_by_each_of_its_doors() {
    let listeners = ["--http", "127.0.0.1:0", "--line", "127.0.0.1:0"];
    let server = Server::start(&listeners);
    let admin = format!("http://guest:guest@{}", server.address("http"));
    for (protocol, listener) in [("line", "line"), ("websocket", "http")] {
        let address = server.address(listener);
        let target = [
            "--protocol",
            protocol,
            "--address",
            address,
            "--admin",
            &admin,
        ];
        // 39 messages, one every 25 ms: four a second of each account, which is below what one may say.
        let load = ["--members", "20", "--accounts", "10", "--rate", "40"];
        let length = ["--duration", "975ms", "--warm-up", "0s"];
        let output = super::generate("chat", &target, &[&load[..], &length].concat());
        let report = super::report(&output);
        assert!(output.status.success(), "{protocol}: {report}");
        assert_eq!(
            report["checks"]["received"],
            20 * 39,
            "{protocol}: {report}"
        );
    }
}

#[test]
fn what_goes_wrong_in_a_room_is_found() {
    for (flaw, name, count) in [
        (Flaw::Loses, "lost", 9),
        (Flaw::Doubles, "duplicated", 9),
        (Flaw::Disorders, "out_of_order", 9),
    ] {
        let (output, report) = talk(flaw);
        assert!(!output.status.success(), "{report}");
        let found = report["checks"][name].as_u64().unwrap();
        assert!(found >= count, "{name}: {report}");
    }
}
