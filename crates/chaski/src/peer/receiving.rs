//! What others bring to this peer: the flags that say whose files are taken, and the questions on the terminal.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use client::api::Api;
use client::peer::receive::{Accept, Inbox, Offered, ReceiveEvent, Rules};
use client::peer::relay::Relay;
use client::peer::throttle::Throttle;
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::files::rate;
use crate::number::{self, parse_size};

/// Events that wait to be shown; then offers wait, too.
const EVENTS_MAX: usize = 64;
/// Lines that were typed and not looked at.
const LINES_MAX: usize = 4;
/// How long until the server is asked again who we are.
const RETRY: Duration = Duration::from_secs(1);

/// Whose files are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whose {
    /// Those of contacts, and of others after a question
    Ask,
    /// Those of contacts alone
    Contacts,
    /// Those of everyone
    Everyone,
    /// Nobody's, not even one's own
    Nobody,
}

/// The flags for what others bring.
#[derive(Debug, Args)]
pub(super) struct ReceiveArgs {
    /// Take what others bring, into this folder; it is made if need be
    #[arg(long, value_name = "DIR", help_heading = "Receiving")]
    receive: Option<PathBuf>,

    /// Whose files are taken [default: ask]
    #[arg(
        long,
        value_name = "WHOSE",
        requires = "receive",
        help_heading = "Receiving"
    )]
    accept: Option<Whose>,

    /// Take the files of this account without a question; may be repeated
    #[arg(
        long,
        value_name = "LOGIN",
        requires = "receive",
        help_heading = "Receiving"
    )]
    contact: Vec<String>,

    /// Take nothing by which more than so many bytes would lie in the folder
    #[arg(long, value_name = "BYTES", requires = "receive", value_parser = number::from_zero, help_heading = "Receiving")]
    quota: Option<u64>,

    /// Take nothing that has more than so many bytes
    #[arg(long, value_name = "BYTES", requires = "receive", value_parser = number::from_zero, help_heading = "Receiving")]
    max_bytes: Option<u64>,

    /// Take at most so many bytes a second, of all together, such as 500KiB or 2MiB
    #[arg(long, value_name = "SIZE", requires = "receive", value_parser = parse_size, help_heading = "Receiving")]
    limit_receive_rate: Option<usize>,
}

impl ReceiveArgs {
    /// Whether anything is taken, of anybody.
    pub(super) fn takes(&self) -> bool {
        self.receive.is_some() && self.accept != Some(Whose::Nobody)
    }
}

/// What is told of offers.
pub(super) enum Told {
    /// A line is read: is it taken?
    Question(Offered),
    /// A line came that may have been for what was taken back: it is asked again.
    Again(Offered),
    /// It is being fetched.
    Taking(Offered, PathBuf),
    /// It is there.
    Received(Offered, PathBuf),
    /// It was there before.
    Already(Offered),
    /// It was not taken, or could not be.
    Refused(Offered, String),
}

/// The inbox, and what is asked because of it.
pub(super) struct Receiving {
    inbox: Option<Arc<Inbox>>,
    folder: Option<PathBuf>,
    /// The rate that is kept by all that is fetched.
    throttle: Arc<Throttle>,
    events: mpsc::Receiver<ReceiveEvent>,
    /// Those that wait for an answer; the first was shown.
    questions: VecDeque<(Offered, oneshot::Sender<bool>)>,
    is_shown: bool,
    /// The last that was shown is not there any more, and no line came since.
    is_withdrawn: bool,
    /// A line came that was not for the first.
    is_late: bool,
    lines: Option<mpsc::Receiver<String>>,
}

impl Receiving {
    /// Makes the folder ready; without one nothing is taken.
    pub(super) fn new(args: &ReceiveArgs, relay: Relay) -> anyhow::Result<Self> {
        let (tell, events) = mpsc::channel(EVENTS_MAX);
        let accept = match args.accept {
            None | Some(Whose::Ask) => Accept::Ask,
            Some(Whose::Contacts) => Accept::Contacts,
            Some(Whose::Everyone) => Accept::Everyone,
            Some(Whose::Nobody) => Accept::Nobody,
        };
        let rules = Rules {
            accept,
            contacts: args.contact.clone(),
            quota: args.quota,
            largest: args.max_bytes,
        };
        let folder = args.receive.as_deref().map(made).transpose()?;
        let throttle = Arc::new(Throttle::new(rate(args.limit_receive_rate)));
        let inbox = |folder: PathBuf| {
            let inbox = Inbox::new(folder, rules, is_attended(), tell).with_relay(relay);
            Arc::new(inbox.with_throttle(Arc::clone(&throttle)))
        };
        Ok(Self {
            inbox: folder.clone().map(inbox),
            folder,
            throttle,
            events,
            questions: VecDeque::new(),
            is_shown: false,
            is_withdrawn: false,
            is_late: false,
            lines: None,
        })
    }

    pub(super) fn inbox(&self) -> Option<Arc<Inbox>> {
        self.inbox.clone()
    }

    /// Where it goes what is taken.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.folder.clone()
    }

    /// The rate that whatever fetches into it keeps.
    pub(super) fn throttle(&self) -> Arc<Throttle> {
        Arc::clone(&self.throttle)
    }

    /// Asks the server which account this is, whose files are taken without a question.
    pub(super) fn learn_account(&self, runtime: &Runtime, api: Api) {
        let Some(inbox) = self.inbox() else {
            return;
        };
        let api = Arc::new(api);
        runtime.spawn(async move {
            loop {
                let api = api.clone();
                let asked = tokio::task::spawn_blocking(move || api.get("/v1/me")).await;
                let login = asked.ok().and_then(Result::ok);
                if let Some(login) = login.as_ref().and_then(|me| me["login"].as_str()) {
                    return inbox.set_own(login.to_owned());
                }
                sleep(RETRY).await;
            }
        });
    }

    /// Waits for something that is to be told; never if nothing is taken.
    pub(super) async fn next(&mut self) -> Option<Told> {
        loop {
            // Whoever offered it has hung up, or nobody answered in time.
            while self
                .questions
                .front()
                .is_some_and(|(_, answer)| answer.is_closed())
            {
                // Whoever read it may be typing.
                self.is_withdrawn |= self.is_shown;
                self.pop();
            }
            if let Some((offered, _)) = self.questions.front()
                && !self.is_shown
            {
                let offered = offered.clone();
                self.is_shown = true;
                self.lines.get_or_insert_with(lines);
                return Some(match std::mem::take(&mut self.is_late) {
                    true => Told::Again(offered),
                    false => Told::Question(offered),
                });
            }
            let closed = async {
                match self.questions.front_mut() {
                    Some((_, answer)) => answer.closed().await,
                    None => std::future::pending().await,
                }
            };
            let line = async {
                match &mut self.lines {
                    Some(lines) => lines.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.events.recv() => match event? {
                    ReceiveEvent::Asking(offered, answer) => self.questions.push_back((offered, answer)),
                    ReceiveEvent::Taking(offered, path) => return Some(Told::Taking(offered, path)),
                    ReceiveEvent::Received(offered, path) => return Some(Told::Received(offered, path)),
                    ReceiveEvent::Already(offered, _) => return Some(Told::Already(offered)),
                    ReceiveEvent::Refused(offered, why) => return Some(Told::Refused(offered, why)),
                },
                () = closed => {}
                line = line => self.answer(line.as_deref()),
            }
        }
    }

    /// Takes a line as the answer to what is shown, unless it may have been for what was shown before and taken back; without one, no question
    /// is answered any more.
    fn answer(&mut self, line: Option<&str>) {
        if line.is_some() && std::mem::take(&mut self.is_withdrawn) {
            self.is_late = !self.questions.is_empty();
            self.is_shown = false;
            return;
        }
        let is_yes = line.is_some_and(|line| {
            let line = line.trim().to_lowercase();
            // Yes in the languages of the interface.
            matches!(line.as_str(), "y" | "yes" | "s" | "si" | "sí")
        });
        if line.is_none() {
            self.lines = None;
        }
        if let Some((_, answer)) = self.pop() {
            // Whoever asked may have given up.
            let _ = answer.send(is_yes);
        }
    }

    fn pop(&mut self) -> Option<(Offered, oneshot::Sender<bool>)> {
        self.is_shown = false;
        self.questions.pop_front()
    }
}

/// Makes a folder, and says where it really is.
fn made(folder: &Path) -> anyhow::Result<PathBuf> {
    let cannot = || format!("cannot receive into {}", folder.display());
    fs::create_dir_all(folder).with_context(cannot)?;
    folder.canonicalize().with_context(cannot)
}

/// Whether somebody types here: in the background, reading from the terminal would stop this process.
fn is_attended() -> bool {
    tcgetpgrp(stdin()).is_ok_and(|foreground| foreground == getpgrp())
}

/// Reads what is typed, as long as somebody looks at it.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(LINES_MAX);
    // It ends with the process: nothing interrupts reading.
    thread::spawn(move || {
        for line in stdin().lock().lines() {
            let Ok(line) = line else {
                return;
            };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests;
