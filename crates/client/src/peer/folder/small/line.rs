//! The line to one source of small files.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use files::content::Root;
use rpc::v1::fetch_request::Ask;
use rpc::v1::fetch_response::Answer;
use rpc::v1::{FetchRequest, Groups, Open, RefusedReason};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Came, Event, Fate, SmallFile};
use crate::peer::download::{Lie, Means, SourcePeer};
use crate::peer::source::{Heard, SourceError, Talk};

/// Why a line ends whose folder is given up.
const UNWANTED: &str = "nobody wants it any more";

/// A line is to be given up.
enum End {
    Lost(String),
    Silent,
    Lied,
}

/// The line to one source.
pub(super) struct Line {
    pub(super) key: [u8; 32],
    pub(super) peer: SourcePeer,
    pub(super) collection: Root,
    pub(super) wanted: mpsc::UnboundedReceiver<(usize, SmallFile)>,
    /// What it was asked for, by the number in the stream.
    pub(super) asked: BTreeMap<u32, (usize, SmallFile)>,
    /// Files that came, from whomever.
    pub(super) came: Came,
    /// How long it may send nothing that it was asked for.
    pub(super) patience: Duration,
    pub(super) events: mpsc::Sender<([u8; 32], Event)>,
    pub(super) means: Means,
}

impl Line {
    pub(super) async fn run(mut self) {
        let (why, is) = match self.speak().await {
            Ok(()) => ("it has ended the stream".to_owned(), Fate::Lost),
            Err(End::Lost(why)) => (why, Fate::Lost),
            Err(End::Silent) => ("it does not answer".to_owned(), Fate::Silent),
            Err(End::Lied) => ("it sent what is not the content".to_owned(), Fate::Liar),
        };
        let asked = std::mem::take(&mut self.asked);
        let mut asked: Vec<_> = asked.into_values().map(|(file, _)| file).collect();
        self.wanted.close();
        while let Ok((file, _)) = self.wanted.try_recv() {
            asked.push(file);
        }
        let gone = Event::Gone { why, asked, is };
        // Nobody is left to be told.
        let _ = self.events.send((self.key, gone)).await;
    }

    async fn speak(&mut self) -> Result<(), End> {
        let opened = Talk::open(&self.peer, self.patience).await;
        let mut talk = opened.map_err(|error| match error {
            SourceError::Silent => End::Silent,
            SourceError::Unreachable { .. }
            | SourceError::NoAddress
            | SourceError::NoWay { .. }
            | SourceError::Refused(_)
            | SourceError::Lost(_) => End::Lost(error.to_string()),
        })?;
        self.tell_way(&talk).await?;
        let mut next = 0_u32;
        // Since when something is due and no file came, whatever else it says.
        let mut waits_since = Instant::now();
        loop {
            tokio::select! {
                heard = talk.hear() => match heard {
                    Ok(Some(Heard::Answer(answer))) => {
                        if self.take(answer.content, answer.answer).await? {
                            waits_since = Instant::now();
                        }
                    }
                    // Each file is opened by itself.
                    Ok(Some(Heard::Moved)) => self.tell_way(&talk).await?,
                    Ok(None) => return Ok(()),
                    Err(error) => return Err(End::Lost(error.to_string())),
                },
                file = self.wanted.recv() => match file {
                    Some((number, file)) => {
                        next = next.wrapping_add(1);
                        if self.asked.is_empty() {
                            waits_since = Instant::now();
                        }
                        self.ask(&talk, next, &file).await?;
                        self.asked.insert(next, (number, file));
                    }
                    None => return Ok(()),
                },
                () = sleep_until(waits_since + self.patience), if !self.asked.is_empty() => {
                    return Err(End::Silent);
                }
            }
        }
    }

    async fn tell_way(&self, talk: &Talk) -> Result<(), End> {
        let is_relayed = talk.is_relayed();
        self.tell(Event::Way { is_relayed }).await
    }

    async fn tell(&self, event: Event) -> Result<(), End> {
        let told = self.events.send((self.key, event)).await;
        told.map_err(|_| End::Lost(UNWANTED.to_owned()))
    }

    async fn ask(&self, talk: &Talk, content: u32, file: &SmallFile) -> Result<(), End> {
        let (ticket, secret) = self.peer.permission.shown();
        let open = Open {
            root: file.root.as_bytes().to_vec(),
            ticket,
            secret,
            collection: self.collection.as_bytes().to_vec(),
        };
        let groups = Groups { first: 0, count: 1 };
        for ask in [Ask::Open(open), Ask::Groups(groups), Ask::Close(true)] {
            let request = FetchRequest {
                content,
                ask: Some(ask),
            };
            let asked = talk.ask(request).await;
            asked.map_err(|error| End::Lost(error.to_string()))?;
        }
        Ok(())
    }

    /// Takes an answer; tells whether it settles a file.
    async fn take(&mut self, content: u32, answer: Option<Answer>) -> Result<bool, End> {
        let event = match answer {
            Some(Answer::Group(group)) => {
                let Some((number, file)) = self.asked.remove(&content) else {
                    // It could go on with that for ever.
                    return Err(End::Lied);
                };
                if Root::of(&group.data) != file.root {
                    if let Some(liars) = &self.means.liars {
                        let (key, root) = (self.peer.key, self.collection);
                        // Whoever wanted to know may have gone.
                        let _ = liars.send(Lie { key, root });
                    }
                    self.asked.insert(content, (number, file));
                    return Err(End::Lied);
                }
                let wait = self.means.throttle.take(file.size);
                if !wait.is_zero() {
                    // What is not read here is not sent there; and whoever gives the folder up waits for nobody.
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.events.closed() => return Err(End::Lost(UNWANTED.to_owned())),
                    }
                }
                self.keep(number, file, &group.data)
            }
            Some(Answer::Refused(refused)) => match refused.reason() {
                RefusedReason::NotHere | RefusedReason::Changed | RefusedReason::NotYet => {
                    let Some((number, _)) = self.asked.remove(&content) else {
                        return Ok(false);
                    };
                    Event::Missing(number)
                }
                RefusedReason::Unspecified
                | RefusedReason::Ticket
                | RefusedReason::Busy
                | RefusedReason::Invalid
                | RefusedReason::Disk => return Err(End::Lost(refused.text)),
            },
            Some(Answer::Opened(_) | Answer::Segment(_)) | None => return Ok(false),
        };
        self.tell(event).await?;
        Ok(true)
    }

    /// Writes a file that is right, if no other source was before it.
    fn keep(&self, number: usize, file: SmallFile, bytes: &[u8]) -> Event {
        if !self.came.is_first(number) {
            return Event::Again(number);
        }
        // One that is there already is the same, or was cut by a crash.
        match fs::write(&file.place, bytes) {
            Ok(()) => Event::Written(number),
            Err(error) => Event::Disk(file.place, error),
        }
    }
}
