//! Options of `chaski bench chat`, and what they mean to the generator.

use std::time::Duration;

use clap::{Args, ValueEnum};
use client::api::WebUrl;
use client::load::chat::{ChatOptions, ChatProtocol, ChatWork};

use super::values::parse_duration;
use crate::number::parse_size;

/// Options of `chaski bench chat`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ChatArgs {
    /// What the members speak
    #[arg(long, value_enum, default_value_t = Protocol::Line)]
    protocol: Protocol,
    /// Where the server listens for it (default: the protocol's usual port on this machine)
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// A Chaski server's HTTP port with an administrator: makes the accounts there, and members log in by sessions
    #[arg(long, value_name = "URL", hide_env_values = true)]
    admin: Option<WebUrl>,
    /// Begins the logins of the members' accounts: bench-0, bench-1, …
    #[arg(long, value_name = "PREFIX", default_value = "bench-")]
    accounts_prefix: String,
    /// Accounts that the members share (default: one for each)
    #[arg(long, value_name = "N")]
    accounts: Option<usize>,
    /// The password of all these accounts
    #[arg(long, default_value = "bench-password", hide_default_value = true)]
    password: String,

    /// Members, in all rooms together
    #[arg(short, long, default_value_t = 200, help_heading = "Load")]
    members: usize,
    /// Rooms, with as many members each
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Load")]
    rooms: usize,
    /// Members of each room that talk (default: all)
    #[arg(long, value_name = "N", help_heading = "Load")]
    senders: Option<usize>,
    /// Messages per second that are offered, in all rooms together
    #[arg(
        short,
        long,
        value_name = "PER_SECOND",
        default_value_t = 1_000.0,
        help_heading = "Load"
    )]
    rate: f64,
    /// Bytes of a message, 48 to 400
    #[arg(short, long, default_value = "64", value_parser = parse_size, help_heading = "Load")]
    size: usize,

    /// How long to measure
    #[arg(long, default_value = "10s", value_parser = parse_duration, help_heading = "Length")]
    duration: Duration,
    /// Time before figures count
    #[arg(long, visible_alias = "warmup", default_value = "1s", value_parser = parse_duration, help_heading = "Length")]
    warm_up: Duration,
    /// In place of talking, N members log in and are quiet: what memory they take
    #[arg(long, value_name = "N", conflicts_with_all = ["members", "reconnect"], help_heading = "Length")]
    idle: Option<usize>,
    /// In place of talking, N members are dropped at once and come back: how long it takes
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "members",
        help_heading = "Length"
    )]
    reconnect: Option<usize>,

    /// Report the processor time and memory of this process and its children
    #[arg(long, value_name = "PID", help_heading = "Generator")]
    server_pid: Option<u32>,
}

/// What `--protocol` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Line,
    Websocket,
    Irc,
    Xmpp,
}

const EXAMPLES: &str = "\
Examples:
  chaski bench chat --admin http://guest:guest@127.0.0.1:8080     a room of 200 where all talk
  chaski bench chat --senders 1 --rate 20                         one talks, quietly
  chaski bench chat --idle 2000 --accounts 100 --server-pid 4711  memory of quiet connections
  chaski bench chat --reconnect 2000 --admin http://…             all are dropped and come back by their sessions
  chaski bench chat --protocol irc --address 127.0.0.1:6667       the same with an IRC server";

impl ChatArgs {
    /// Says what the generator is to do.
    pub(super) fn options(&self) -> ChatOptions {
        let (protocol, port) = match self.protocol {
            Protocol::Line => (ChatProtocol::Line, 1543),
            Protocol::Websocket => (ChatProtocol::WebSocket, 8080),
            Protocol::Irc => (ChatProtocol::Irc, 6667),
            Protocol::Xmpp => (ChatProtocol::Xmpp, 5222),
        };
        let (work, members) = match (self.idle, self.reconnect) {
            (Some(members), _) => (ChatWork::Idle, members),
            (None, Some(members)) => (ChatWork::Reconnect, members),
            (None, None) => {
                let (warm_up, duration) = (self.warm_up, self.duration);
                (ChatWork::Talk { warm_up, duration }, self.members)
            }
        };
        let address = self.address.clone();
        let address = address.unwrap_or_else(|| format!("127.0.0.1:{port}"));
        ChatOptions {
            members,
            rooms: self.rooms,
            senders: self.senders.unwrap_or_else(|| members / self.rooms.max(1)),
            rate: self.rate,
            size: self.size,
            work,
            accounts: self.accounts.unwrap_or(members),
            accounts_prefix: self.accounts_prefix.clone(),
            password: self.password.clone(),
            admin: self.admin.clone(),
            server_pid: self.server_pid,
            ..ChatOptions::new(protocol, address)
        }
    }
}
