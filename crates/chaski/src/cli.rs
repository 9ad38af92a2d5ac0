//! The commands, and the help that documents them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::remote::RemoteArgs;
use crate::{
    account, alarm, audit, bench, chat, config, consume, deadletter, files, invite, list, login,
    peer, permission, policy, publish, put, request, serve, stream, topic, user, vhost,
};

const AFTER_HELP: &str = "\
Examples:
  chaski serve                                  start on this machine, data in ./data
  chaski serve --bind 0.0.0.0 --data /srv/chaski
  chaski user add anna --full-access /          make an account (asks for its password)
  chaski queue declare tasks                    make a queue
  chaski publish -k tasks 'wash the dishes'     send it a message
  chaski queue list                             queues with their messages
  chaski consume tasks --count 1                take one message out
  chaski chat                                   talk with others
  chaski status --json                          for scripts

Configuration: a flag wins over the environment (CHASKI_..., also from ./.env), which wins over
the file (--config, else DATA/chaski.toml), which wins over the default. `chaski config` prints
the file with every key explained.

publish, consume, bench and queue declare|delete|purge|peek speak AMQP, to any broker: --url or
CHASKI_URL says where. chat, say, listen, account, session, topic, stream, request, deadletter and
audit speak HTTP, to the server of `chaski login` or --server. The other commands administer the server of a data directory on this
machine, so they ask for no login: --data or CHASKI_DATA says which.

Exit codes:
  0  done
  1  failed
  2  wrong usage or configuration
  3  cannot reach the server
  4  refused
  5  what was named does not exist
  6  it exists already

NO_COLOR=1 turns colours off. `chaski COMMAND --help` says more about a command.";

/// A message broker that every RabbitMQ client speaks to, in one program.
#[derive(Debug, Parser)]
#[command(
    name = "chaski",
    version,
    after_help = AFTER_HELP,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    propagate_version = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The flags that every command takes.
#[derive(Debug, Args)]
pub(crate) struct Globals {
    /// The data directory [default: ./data; environment: CHASKI_DATA]
    #[arg(
        long,
        global = true,
        display_order = 900,
        help_heading = "Everywhere",
        value_name = "DIR"
    )]
    pub(crate) data: Option<PathBuf>,

    /// The configuration file [default: DATA/chaski.toml if it exists; environment: CHASKI_CONFIG]
    #[arg(
        long,
        global = true,
        display_order = 900,
        help_heading = "Everywhere",
        value_name = "FILE"
    )]
    pub(crate) config: Option<PathBuf>,

    /// Print JSON, for scripts
    #[arg(long, global = true, display_order = 900, help_heading = "Everywhere")]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the server
    Serve(serve::ServeArgs),

    /// Show how the running server is: addresses, counts, memory, alarms
    Status,

    /// Accounts: who may log in
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },

    /// Make a link by which people make accounts, or one more administrator
    Invite(invite::InviteArgs),

    /// Virtual hosts: separate worlds of exchanges and queues
    Vhost {
        #[command(subcommand)]
        command: vhost::VhostCommand,
    },

    /// Permissions: what an account may do in a virtual host
    Permission {
        #[command(subcommand)]
        command: permission::PermissionCommand,
    },

    /// Policies: arguments given to queues and exchanges by their names
    Policy {
        #[command(subcommand)]
        command: policy::PolicyCommand,
    },

    /// Send messages to an exchange or a queue
    Publish(publish::PublishArgs),

    /// Receive messages of a queue and print them
    Consume(consume::ConsumeArgs),

    /// Talk with others, at a terminal or in lines
    Chat(chat::ChatArgs),

    /// Say something in a room or to somebody, for scripts
    Say(chat::SayArgs),

    /// Print what is said in a room or by somebody, for scripts
    Listen(chat::ListenArgs),

    /// Find files that peers have, by the words of their names
    Find(files::FindArgs),

    /// Fetch a file or a folder from the peers that have it
    Get(files::GetArgs),

    /// Bring files or folders to other peers
    Put(put::PutArgs),

    /// Links to files, for whoever is given one: make, list and delete them
    Link {
        #[command(subcommand)]
        command: files::LinkCommand,
    },

    /// Share folders with other peers, and take what they bring
    Peer(Box<peer::PeerArgs>),

    /// List the peers that are there
    Peers(files::PeersArgs),

    /// List what is fetched here, hold it, go on with it and give it up
    Transfers(Box<files::TransfersArgs>),

    /// Measure an AMQP broker, or the floors of this machine
    Bench {
        #[command(subcommand)]
        command: bench::BenchCommand,
    },

    /// Queues: list them, declare, delete, purge and peek
    Queue {
        #[command(subcommand)]
        command: list::QueueCommand,
    },

    /// Exchanges: where clients publish to
    Exchange {
        #[command(subcommand)]
        command: list::ListCommand,
    },

    /// Bindings: which exchange leads where
    Binding {
        #[command(subcommand)]
        command: list::ListCommand,
    },

    /// Consumers: who receives from which queue
    Consumer {
        #[command(subcommand)]
        command: list::ListCommand,
    },

    /// Open connections of clients: list and close them
    Connection {
        #[command(subcommand)]
        command: list::ConnectionCommand,
    },

    /// Log in to a server, for the commands below that name one
    Login(login::LoginArgs),

    /// Log out: end the session and forget its token
    Logout(login::LogoutArgs),

    /// Servers that were logged in to: list them, choose one
    Context {
        #[command(subcommand)]
        command: login::ContextCommand,
    },

    /// People's and programs' accounts, over the network
    Account {
        #[command(subcommand)]
        command: account::AccountCommand,
        #[command(flatten)]
        remote: RemoteArgs,
    },

    /// Sessions: who is logged in, from where
    Session {
        #[command(subcommand)]
        command: account::SessionCommand,
        #[command(flatten)]
        remote: RemoteArgs,
    },

    /// Topics: publish to many, follow what comes
    Topic {
        #[command(subcommand)]
        command: topic::TopicCommand,
        #[command(flatten)]
        remote: RemoteArgs,
    },

    /// Streams: logs that many read from anywhere
    Stream {
        #[command(subcommand)]
        command: stream::StreamCommand,
        #[command(flatten)]
        remote: RemoteArgs,
    },

    /// Ask whoever works on a queue, and print the reply
    Request {
        #[command(flatten)]
        args: request::RequestArgs,
        #[command(flatten)]
        remote: RemoteArgs,
    },

    /// Dead letters: look at them, replay or discard them
    Deadletter {
        #[command(subcommand)]
        command: deadletter::DeadLetterCommand,
        #[command(flatten)]
        remote: RemoteArgs,
    },

    /// The audit log: who did what, to what, from where
    Audit {
        #[command(subcommand)]
        command: audit::AuditCommand,
        #[command(flatten)]
        remote: RemoteArgs,
    },

    /// Raise or clear an alarm by hand, to see how publishers bear being paused
    Alarm {
        #[command(subcommand)]
        command: alarm::AlarmCommand,
    },

    /// Load the TLS certificates again, without closing a connection
    Reload,

    /// Check a data directory and say what is found; changes nothing
    #[command(after_help = "\
Looks at the rights of the directory and its files, the database of accounts and topology, and every
checksum of the messages. A line begins with ok, note (worth knowing) or BAD (the server does not
start, or something is lost); the exit code is 1 if anything is BAD. Of use with and without a
running server; best without, as its files change meanwhile.

Examples:
  chaski doctor
  chaski doctor --data /srv/chaski --json")]
    Doctor,

    /// Print the commented default configuration, or the values in effect
    Config(config::ConfigArgs),

    /// Print the description of the REST interface (OpenAPI 3.1), for programs that write clients
    #[command(after_help = "\
The same as a running server has at /openapi.json.

Example:
  chaski openapi > openapi.json")]
    Openapi,

    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  chaski completions bash > /etc/bash_completion.d/chaski
  chaski completions zsh > ~/.zfunc/_chaski
  chaski completions fish > ~/.config/fish/completions/chaski.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests;
