//! What older clients call: the flags that open it, and what is told of it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use client::api::Api;
use client::peer::catalog::Catalog;
use client::peer::classroom::{Callers, Classroom, ClassroomEvent, Terms};
use client::peer::identity::Identity;
use client::peer::relay::Tunnel;
use client::peer::serving::{Doors, Gate};
use client::peer::throttle::Throttle;
use tokio::sync::mpsc;

use super::environment::{Environment, host, is_one_host};
use super::show::Show;
use super::usage;
use crate::remote::RemoteArgs;

/// The port of the list of older peers.
const INDEX_PORT: u16 = 4000;
/// Events that wait to be shown; then older clients wait, too.
const EVENTS_MAX: usize = 64;

/// Whose calls are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whose {
    /// Those of callers on this machine
    Local,
    /// Those of callers from anywhere
    Anyone,
}

/// The flags for older clients.
#[derive(Debug, Args)]
pub(super) struct ClassroomArgs {
    /// Answer the gRPC service PServer of an older system on the same port, without TLS: to callers on this machine, or to anyone
    #[arg(
        long,
        value_name = "WHOSE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "local",
        help_heading = "Older systems"
    )]
    classroom: Option<Whose>,

    /// Where the list of older peers is asked [default: the server's host, port 4000]
    #[arg(
        long,
        value_name = "HOST:PORT",
        requires = "classroom",
        help_heading = "Older systems"
    )]
    classroom_index: Option<String>,
}

impl ClassroomArgs {
    /// Names the server that the environment names. What older peers have there is where their list is: a server at that host that was logged in to
    /// is meant, whatever its port.
    pub(super) fn name_server(
        &self,
        environment: &Environment,
        remote: &mut RemoteArgs,
    ) -> anyhow::Result<()> {
        if self.classroom.is_some()
            && let Some(usual) = remote.usual()?
            && is_list_of(environment, &usual)
        {
            return Ok(());
        }
        environment.name_server(remote)
    }

    /// Where the list of older peers is asked.
    pub(super) fn index(&self, environment: &Environment, server: &str) -> anyhow::Result<String> {
        if let Some(index) = &self.classroom_index {
            return Ok(index.clone());
        }
        // A port that is the server's own is none of the list.
        let is_other = |port: &u16| !server.trim_end_matches('/').ends_with(&format!(":{port}"));
        let named = environment.server_port().map_err(usage)?;
        let port = named.filter(is_other).unwrap_or(INDEX_PORT);
        // The list may listen at one of the names of this machine alone: the one that is written.
        let written = environment.server_host();
        let written = written.filter(|_| is_list_of(environment, server));
        Ok(format!(
            "{}:{port}",
            written.unwrap_or_else(|| host(server))
        ))
    }
}

/// Whether the variables name the host of a server.
fn is_list_of(environment: &Environment, server: &str) -> bool {
    let named = environment.server_host();
    named.is_some_and(|named| is_one_host(named, host(server)))
}

/// What answers older clients, if something does, and what it tells.
pub(super) struct Room {
    classroom: Option<(Arc<Classroom>, Callers)>,
    /// Whether there is a folder for what is fetched.
    fetches: bool,
    events: mpsc::Receiver<ClassroomEvent>,
}

impl Room {
    /// Opens it, if a flag says so.
    pub(super) fn new(
        args: &ClassroomArgs,
        (index, folder, throttle): (String, Option<PathBuf>, Arc<Throttle>),
        api: Api,
        identity: &Identity,
        (catalog, gate): (&Arc<Catalog>, &Arc<Gate>),
    ) -> Self {
        let (tell, events) = mpsc::channel(EVENTS_MAX);
        let callers = args.classroom.map(|whose| match whose {
            Whose::Local => Callers::Local,
            Whose::Anyone => Callers::Anyone,
        });
        let fetches = folder.is_some();
        let classroom = callers.map(|callers| {
            let terms = Terms {
                callers,
                folder,
                throttle,
                peer: identity.id(),
                key: identity.fingerprint(),
                index,
            };
            let (catalog, gate) = (Arc::clone(catalog), Arc::clone(gate));
            let classroom = Classroom::new(terms, api, catalog, gate, tell);
            (Arc::new(classroom), callers)
        });
        Self {
            classroom,
            fetches,
            events,
        }
    }

    /// The doors of a peer, without its port: those who call through the server, and what is to answer callers without TLS.
    pub(super) fn doors(&self, tunnels: mpsc::Receiver<Tunnel>) -> Doors {
        let classroom = self.classroom.as_ref();
        Doors {
            listener: None,
            tunnels: Some(tunnels),
            plain: classroom.map(|(classroom, _)| Arc::clone(classroom)),
        }
    }

    /// Tells what it means that this is open.
    pub(super) fn tell_terms(&self, show: &Show) {
        if let Some((_, callers)) = &self.classroom {
            show.classroom_open(*callers, self.fetches);
        }
    }

    /// Takes where others are told that this peer is.
    pub(super) fn set_addresses(&self, addresses: &[String]) {
        if let Some((classroom, _)) = &self.classroom {
            classroom.set_addresses(addresses.to_vec());
        }
    }

    /// Waits for something that is to be told; `None` if nothing is open.
    pub(super) async fn next(&mut self) -> Option<ClassroomEvent> {
        self.events.recv().await
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ClassroomArgs,
        /// Shows that a word behind the flag is not its value.
        words: Vec<String>,
    }

    fn parse(words: &[&str]) -> ClassroomArgs {
        let words = ["peer"].iter().chain(words);
        Line::try_parse_from(words).expect("it is understood").args
    }

    #[test]
    fn whose_calls_are_taken_is_said_behind_the_flag() {
        assert_eq!(parse(&[]).classroom, None);
        assert_eq!(
            parse(&["--classroom", "word"]).classroom,
            Some(Whose::Local)
        );
        assert_eq!(
            parse(&["--classroom=anyone"]).classroom,
            Some(Whose::Anyone)
        );
        assert!(Line::try_parse_from(["peer", "--classroom=me"]).is_err());
        assert!(Line::try_parse_from(["peer", "--classroom-index", "a:1"]).is_err());
    }

    #[test]
    fn a_server_is_known_by_any_name_of_this_machine() {
        let is_it = |url: &str, server: &str| {
            let environment = Environment::of(|name| (name == "SERVER_URL").then(|| url.into()));
            is_list_of(&environment, server)
        };
        assert!(is_it("http://localhost", "http://127.0.0.1:8080"));
        assert!(is_it("127.0.0.1:4000", "http://LOCALHOST:8080/"));
        assert!(is_it("[::1]:4000", "http://localhost:8080"));
        assert!(is_it("http://Home.example", "https://home.example"));
        assert!(!is_it("http://localhost", "http://10.0.0.5:8080"));
        assert!(!is_it("http://10.0.0.6", "http://10.0.0.5:8080") && !is_it("", "http://a"));
    }

    #[test]
    fn the_list_of_older_peers_is_at_the_host_of_the_server() {
        let index = |port: &str, server: &str| {
            let environment = Environment::of(|name| (name == "SERVER_PORT").then(|| port.into()));
            let index = parse(&["--classroom"]).index(&environment, server);
            index.expect("a port")
        };
        assert_eq!(index("", "http://10.0.0.5:8080"), "10.0.0.5:4000");
        assert_eq!(index("4040", "http://10.0.0.5:8080/"), "10.0.0.5:4040");
        assert_eq!(index("8080", "http://10.0.0.5:8080/"), "10.0.0.5:4000");
        assert_eq!(index("", "https://[::1]"), "[::1]:4000");
        let of_url = |url: &str, server: &str| {
            let environment = Environment::of(|name| match name {
                "SERVER_URL" => Some(url.into()),
                "SERVER_PORT" => Some("4040".into()),
                _ => None,
            });
            let index = parse(&["--classroom"]).index(&environment, server);
            index.expect("a port")
        };
        assert_eq!(of_url("http://a:4001", "http://a:8080"), "a:4001");
        assert_eq!(of_url("http://a:4001/x", "http://a:8080"), "a:4001");
        assert_eq!(of_url("http://a:8080", "http://a:8080"), "a:4000");
        assert_eq!(of_url("http://a", "http://a:8080"), "a:4040");
        assert_eq!(
            of_url("localhost:4001", "http://127.0.0.1:8080"),
            "localhost:4001"
        );
        assert_eq!(of_url("[::1]", "http://localhost:8080"), "[::1]:4040");
        let named = parse(&["--classroom", "--classroom-index", "a.example:7"]);
        let environment = Environment::of(|_| None);
        let index = named.index(&environment, "http://b").expect("it is named");
        assert_eq!(index, "a.example:7");
        let environment = Environment::of(|name| (name == "SERVER_PORT").then(|| "x".into()));
        assert!(
            parse(&["--classroom"])
                .index(&environment, "http://b")
                .is_err()
        );
    }
}
