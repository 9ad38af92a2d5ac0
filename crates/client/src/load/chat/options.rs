//! What a chat run does.

use std::time::Duration;

use crate::api::WebUrl;

use super::super::options::CONNECTIONS_MAX;
use super::speech::SIZE_MAX;

/// Describes a run of a chat's load.
#[derive(Clone, Debug)]
pub struct ChatOptions {
    /// What the members speak.
    pub protocol: ChatProtocol,
    /// Where the server listens for it, at `host:port`.
    pub address: String,
    /// Members of all rooms together.
    pub members: usize,
    /// Rooms, with as many members each. One room is the server's default room where it has one.
    pub rooms: usize,
    /// Members of each room that talk.
    pub senders: usize,
    /// Messages per second, over all rooms.
    pub rate: f64,
    /// Bytes of a message.
    pub size: usize,
    /// What is measured.
    pub work: ChatWork,
    /// Accounts that the members share, one after the other; each has its own if there are as many.
    pub accounts: usize,
    /// Begins the accounts' logins: `bench-` for `bench-0`, `bench-1`, …
    pub accounts_prefix: String,
    /// The password of all of them.
    pub password: String,
    /// A Chaski server's HTTP port, and its administrator: the accounts are made there, and sessions opened.
    pub admin: Option<WebUrl>,
    /// Process whose processor time and memory are reported, with its children.
    pub server_pid: Option<u32>,
    /// Time for the last messages to arrive.
    pub drain_timeout: Duration,
}

/// What the members speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatProtocol {
    /// Chaski's line protocol.
    Line,
    /// Chaski's WebSocket, at its HTTP port.
    WebSocket,
    /// IRC, as ngircd serves it.
    Irc,
    /// XMPP with rooms of XEP-0045, as ejabberd serves it; the login is SASL PLAIN without TLS.
    Xmpp,
}

/// What a run measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ChatWork {
    /// Talk, for a time after another that does not count.
    Talk {
        /// Time before figures count.
        warm_up: Duration,
        /// Time that counts.
        duration: Duration,
    },
    /// All members log in and are quiet.
    Idle,
    /// All members are dropped at once, and come back: with their sessions' tokens where there is an [`ChatOptions::admin`].
    Reconnect,
}

impl ChatOptions {
    /// A room of 20 where all talk for ten seconds, 100 messages a second.
    pub fn new(protocol: ChatProtocol, address: String) -> Self {
        Self {
            protocol,
            address,
            members: 20,
            rooms: 1,
            senders: 20,
            rate: 100.0,
            size: 64,
            work: ChatWork::Talk {
                warm_up: Duration::from_secs(1),
                duration: Duration::from_secs(10),
            },
            accounts: 20,
            accounts_prefix: "bench-".to_owned(),
            password: "bench-password".to_owned(),
            admin: None,
            server_pid: None,
            drain_timeout: Duration::from_secs(30),
        }
    }

    /// The login of one of the accounts.
    pub(super) fn login(&self, account: usize) -> String {
        format!("{}{account}", self.accounts_prefix)
    }

    /// Says what contradicts itself, before anything is started.
    ///
    /// # Errors
    ///
    /// Gives one sentence for the person who chose the options.
    pub fn check(&self) -> Result<(), String> {
        if self.members == 0 || self.members > CONNECTIONS_MAX {
            return Err(format!("members must be 1 to {CONNECTIONS_MAX}"));
        }
        if self.rooms == 0 || !self.members.is_multiple_of(self.rooms) {
            return Err("the rooms must have as many members each".to_owned());
        }
        if self.senders == 0 || self.senders > self.members / self.rooms {
            return Err("senders must be 1 up to the members of a room".to_owned());
        }
        if !(self.rate > 0.0 && self.rate <= 1e7) {
            return Err("the rate must be above 0 and at most 1e7".to_owned());
        }
        if self.size > SIZE_MAX {
            return Err(format!("a message may have {SIZE_MAX} bytes"));
        }
        if self.accounts == 0 || self.accounts > self.members {
            return Err("accounts must be 1 up to the members".to_owned());
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if self.accounts_prefix.is_empty() || !self.accounts_prefix.bytes().all(plain) {
            return Err("logins may begin with letters, digits and -".to_owned());
        }
        if !matches!(self.work, ChatWork::Idle) && self.members / self.rooms < 2 {
            return Err("a room needs two members".to_owned());
        }
        let is_ours = matches!(self.protocol, ChatProtocol::Line | ChatProtocol::WebSocket);
        if self.admin.is_some() && !is_ours {
            return Err("accounts are made on a Chaski server only".to_owned());
        }
        Ok(())
    }
}
