//! What the server prints when it is ready.

mod links;

use std::io::{self, IsTerminal as _, Write};

use engine::FirstStart;

use crate::listen::Door;
use crate::qr::qr_code;

pub(crate) use links::Links;

/// Where the command line looks for a server by itself.
const USUAL_PORT: u16 = 5672;

/// What there is to tell.
pub(crate) struct Announcement<'a> {
    pub(crate) doors: &'a [Door],
    pub(crate) links: &'a Links,
    /// What this start made, if it is the first.
    pub(crate) first: Option<&'a FirstStart>,
    /// Guest may log in.
    pub(crate) guest: bool,
    pub(crate) data: &'a std::path::Path,
}

impl Announcement<'_> {
    /// Prints one line of JSON with each door's address and the links, for scripts.
    pub(crate) fn print_json(&self) -> io::Result<()> {
        let doors = self.doors.iter();
        let addresses = doors.map(|door| (door.name.to_owned(), door.address.to_string().into()));
        let links = [
            ("page", &self.links.page),
            ("admin-link", &self.links.administrator),
            ("join-link", &self.links.join),
        ];
        let links = links
            .into_iter()
            .filter_map(|(name, link)| Some((name.to_owned(), link.clone()?.into())));
        let told: serde_json::Map<_, _> = addresses.chain(links).collect();
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::Value::Object(told))?;
        out.flush()
    }

    /// Prints what listens where, where to go and what to type next, for people.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        self.print_doors(&mut out)?;
        self.print_links(&mut out)?;
        self.print_commands(&mut out)?;
        writeln!(out, "\nCtrl-C stops it.")?;
        out.flush()
    }

    fn print_doors(&self, out: &mut impl Write) -> io::Result<()> {
        let (version, data) = (env!("CARGO_PKG_VERSION"), self.data.display());
        writeln!(out, "Chaski {version} is ready. Data in {data}")?;
        for door in self.doors {
            writeln!(out, "  {:<10} {}", door.name, door.address)?;
        }
        if let Some(FirstStart {
            administrator,
            password: Some(password),
        }) = self.first
        {
            writeln!(
                out,
                "\nAdministrator, shown this once: {administrator} / {password}"
            )?;
        }
        if self.guest {
            writeln!(out, "From this machine guest / guest works too.")?;
        }
        Ok(())
    }

    fn print_links(&self, out: &mut impl Write) -> io::Result<()> {
        let program = program();
        let Some(page) = &self.links.page else {
            return Ok(());
        };
        writeln!(out, "\nIn a browser: {page}")?;
        if let Some(link) = &self.links.administrator {
            writeln!(out, "  your administrator's account, once, within a day:")?;
            writeln!(out, "    {link}")?;
        }
        if let Some(link) = &self.links.join {
            writeln!(out, "  everybody else joins by:")?;
            writeln!(out, "    {link}")?;
            if io::stdout().is_terminal() {
                let is_coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
                write!(out, "{}", qr_code(link, is_coloured).unwrap_or_default())?;
            }
            let is_local = self
                .doors
                .iter()
                .all(|door| door.address.ip().is_loopback());
            if is_local {
                writeln!(
                    out,
                    "  Other devices reach the server once it is started with --bind 0.0.0.0"
                )?;
            }
        }
        if self.links.is_awaited {
            writeln!(
                out,
                "  The administrator's link of an earlier start was not used. A new one: {program} invite --administrator --data {}",
                self.data.display()
            )?;
        }
        Ok(())
    }

    fn print_commands(&self, out: &mut impl Write) -> io::Result<()> {
        let find = |name| self.doors.iter().find(|door| door.name == name);
        if let Some(door) = find("amqp").filter(|_| self.guest) {
            let (program, data) = (program(), self.data.display());
            let url = if door.address.port() == USUAL_PORT {
                String::new()
            } else {
                format!(" --url amqp://guest:guest@{}", door.address)
            };
            writeln!(out, "\nTry, in another terminal:")?;
            writeln!(out, "  {program} queue declare tasks{url}")?;
            writeln!(out, "  {program} publish -k tasks 'Hello World!'{url}")?;
            writeln!(out, "  {program} consume tasks{url}")?;
            writeln!(out, "  {program} status --data {data}")?;
        }
        if let Some(door) = find("line") {
            let (host, port) = (door.address.ip(), door.address.port());
            writeln!(out, "\nTo talk, alone or with others: nc {host} {port}")?;
        }
        if let Some(door) = find("http") {
            let address = door.address;
            writeln!(
                out,
                "\nOver HTTP, with what it can do at http://{address}/docs:"
            )?;
            if self.guest {
                writeln!(
                    out,
                    "  curl -u guest:guest -X PUT http://{address}/v1/queues/tasks"
                )?;
            }
        }
        Ok(())
    }
}

/// The program as it was called, so that lines can be pasted as they are.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "chaski".into())
}
