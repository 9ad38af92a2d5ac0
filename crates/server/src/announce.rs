//! What the server prints when it is ready.

use std::io::{self, Write};

use crate::listen::Door;

/// Where the command line looks for a server by itself.
const USUAL_PORT: u16 = 5672;

/// Prints one line of JSON with each door's address, for scripts.
pub(crate) fn ready_json(doors: &[Door]) -> io::Result<()> {
    let addresses: serde_json::Map<_, _> = doors
        .iter()
        .map(|door| (door.name.to_owned(), door.address.to_string().into()))
        .collect();
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::Value::Object(addresses))?;
    out.flush()
}

/// Prints what listens where and what to type next, for people.
pub(crate) fn ready(
    doors: &[Door],
    first_password: Option<&(String, String)>,
    guest: bool,
    data: &std::path::Path,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Chaski {} is ready. Data in {}",
        env!("CARGO_PKG_VERSION"),
        data.display()
    )?;
    for door in doors {
        writeln!(out, "  {:<10} {}", door.name, door.address)?;
    }
    if let Some((login, password)) = first_password {
        writeln!(
            out,
            "\nAdministrator, shown this once: {login} / {password}"
        )?;
    }
    if guest {
        writeln!(out, "From this machine guest / guest works too.")?;
    }
    let amqp = doors.iter().find(|door| door.name == "amqp");
    if let Some(door) = amqp.filter(|_| guest) {
        // As it was called here, so that the lines can be pasted as they are.
        let program = std::env::args().next().unwrap_or_else(|| "chaski".into());
        let url = if door.address.port() == USUAL_PORT {
            String::new()
        } else {
            format!(" --url amqp://guest:guest@{}", door.address)
        };
        writeln!(out, "\nTry, in another terminal:")?;
        writeln!(out, "  {program} queue declare tasks{url}")?;
        writeln!(out, "  {program} publish -k tasks 'Hello World!'{url}")?;
        writeln!(out, "  {program} consume tasks{url}")?;
        writeln!(out, "  {program} status --data {}", data.display())?;
    }
    if let Some(door) = doors.iter().find(|door| door.name == "line") {
        let (host, port) = (door.address.ip(), door.address.port());
        writeln!(out, "\nTo talk, alone or with others: nc {host} {port}")?;
    }
    if let Some(door) = doors.iter().find(|door| door.name == "http") {
        writeln!(
            out,
            "\nOver HTTP, with what it can do at http://{}/docs:",
            door.address
        )?;
        if guest {
            let address = door.address;
            writeln!(
                out,
                "  curl -u guest:guest -X PUT http://{address}/v1/queues/tasks"
            )?;
        }
    }
    writeln!(out, "\nCtrl-C stops it.")?;
    out.flush()
}
