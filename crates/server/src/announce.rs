//! What the server prints when it is ready.

use std::io::{self, Write};

use crate::listen::Door;

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
        writeln!(out, "  {:<6} {}", door.name, door.address)?;
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
    if let Some(door) = doors.iter().find(|door| door.name == "amqp") {
        writeln!(out, "\nTry, in another terminal:")?;
        writeln!(
            out,
            "  python3 -c \"import pika; c = pika.BlockingConnection(pika.URLParameters('amqp://guest:guest@{}/%2F')); \\",
            door.address
        )?;
        writeln!(
            out,
            "    ch = c.channel(); ch.queue_declare('hello'); ch.basic_publish('', 'hello', b'Hello!'); print(ch.basic_get('hello', True)[2])\""
        )?;
        writeln!(out, "  chaski queue list")?;
    }
    writeln!(out, "\nCtrl-C stops it.")?;
    out.flush()
}
