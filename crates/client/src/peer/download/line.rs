//! The line to one source: what is asked goes out, what comes back is checked, written and told to the owner of the plan.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use files::content::Shape;
use files::have::Have;
use files::plan::{Holds, SourceId};
use rpc::v1::fetch_request::Ask as Request;
use rpc::v1::fetch_response::Answer;
use rpc::v1::{FetchRequest, FetchResponse, Group, Groups, Open, Opened, Refused, RefusedReason};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use super::due::Due;
use super::{SourcePeer, Wanted};
use crate::peer::limits::ANSWER_TIMEOUT;
use crate::peer::sink::{Sink, WriteError};
use crate::peer::source::{Heard, SourceError, Talk};
use crate::peer::throttle::Throttle;

/// Events that may wait for the owner of the plan.
pub(super) const EVENTS: usize = 256;
/// Groups of one source that are checked and written at the same time.
pub(super) const WRITES: usize = 8;
/// Why a source is never asked again.
const LIE: &str = "it sent what is not the content";
/// The same of one that sends without being asked: what is right could come again and again, and never be a lie.
const UNASKED: &str = "it sent what it was not asked for";

/// What the owner wants of a source.
pub(super) enum Ask {
    /// Write there.
    Start(Arc<Sink>),
    /// The list of a segment.
    Segment(u32),
    /// Groups.
    Groups(Range<u32>),
    /// A group that came from somebody else.
    Cancel(u32),
    /// Where it is now, and what to show to it.
    Known(SourcePeer),
    /// What it has now.
    Again,
}

/// What happened at a source.
pub(super) struct Event {
    pub(super) source: SourceId,
    pub(super) what: What,
}

/// What happened.
pub(super) enum What {
    /// It is spoken to, through the server or directly.
    Way { is_relayed: bool },
    /// It has the content.
    Opened { segments: Vec<u8>, holds: Holds },
    /// A segment's list is here.
    Segment,
    /// A group is here, checked and written.
    Arrived(u32),
    /// It cannot send these now.
    Busy { groups: Range<u32>, retry_ms: u64 },
    /// It does not have these.
    Missing(Range<u32>),
    /// It sent what is not the content.
    Lied(String),
    /// It is no source any more.
    Gone(String),
    /// Our own disk fails.
    Disk(std::io::Error),
}

/// The line is to be given up.
enum End {
    Gone(String),
    Lied(String),
    /// The owner has gone.
    Over,
}

/// A source that is spoken to.
pub(super) struct Line {
    pub(super) id: SourceId,
    pub(super) peer: SourcePeer,
    pub(super) wanted: Wanted,
    pub(super) asks: mpsc::UnboundedReceiver<Ask>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) writes: Arc<Semaphore>,
    pub(super) throttle: Arc<Throttle>,
    /// The number of the content in the stream; another one each time that it is opened.
    pub(super) content: u32,
}

impl Line {
    /// Speaks to the source until it is none any more, or nobody wants anything of it.
    pub(super) async fn run(mut self) {
        let what = match self.speak().await {
            End::Over => return,
            End::Gone(why) => What::Gone(why),
            End::Lied(why) => What::Lied(why),
        };
        // Nobody is left to be told.
        let _ = self.tell(what).await;
    }

    async fn tell(&self, what: What) -> Result<(), End> {
        let source = self.id;
        let event = Event { source, what };
        self.events.send(event).await.map_err(|_| End::Over)
    }

    async fn speak(&mut self) -> End {
        match self.converse().await {
            Ok(()) => End::Gone("it has ended the stream".to_owned()),
            Err(end) => end,
        }
    }

    async fn converse(&mut self) -> Result<(), End> {
        let mut talk = Talk::open(&self.peer, ANSWER_TIMEOUT).await.map_err(gone)?;
        let mut answers_by = Instant::now() + ANSWER_TIMEOUT;
        let mut due = Due::default();
        self.begin(&talk, &mut due).await?;
        let mut sink = None;
        let mut lists = BTreeSet::new();
        loop {
            tokio::select! {
                heard = talk.hear() => match heard.map_err(gone)? {
                    Some(Heard::Answer(FetchResponse { answer: Some(answer), .. })) => {
                        if !due.answered(&answer) {
                            return Err(End::Lied(UNASKED.to_owned()));
                        }
                        self.take(answer, sink.as_ref()).await?;
                    }
                    Some(Heard::Answer(FetchResponse { answer: None, .. })) => return Err(unknown()),
                    Some(Heard::Moved) => {
                        // Lists that are still to come come the other way, perhaps behind what needs them.
                        lists.clear();
                        answers_by = Instant::now() + ANSWER_TIMEOUT;
                        self.begin(&talk, &mut due).await?;
                    }
                    None => return Ok(()),
                },
                ask = self.asks.recv() => match ask {
                    Some(Ask::Start(started)) => sink = Some(started),
                    Some(Ask::Known(peer)) => {
                        talk.aim(&peer.addresses);
                        self.peer = peer;
                    }
                    Some(Ask::Again) => {
                        // What was asked for before comes before it is closed.
                        self.send(&talk, Request::Close(true)).await?;
                        answers_by = Instant::now() + ANSWER_TIMEOUT;
                        self.open(&talk, &mut due).await?;
                    }
                    Some(ask) => {
                        for request in requests(ask, sink.as_deref(), &mut lists) {
                            due.asked(&request);
                            self.send(&talk, request).await?;
                        }
                    }
                    None => return Err(End::Over),
                },
                () = sleep_until(answers_by), if due.is_opening() => return Err(silent()),
            }
        }
    }

    /// Opens the content where nothing is open.
    async fn begin(&mut self, talk: &Talk, due: &mut Due) -> Result<(), End> {
        let is_relayed = talk.is_relayed();
        self.tell(What::Way { is_relayed }).await?;
        self.open(talk, due).await
    }

    async fn open(&mut self, talk: &Talk, due: &mut Due) -> Result<(), End> {
        self.content = self.content.wrapping_add(1);
        let opening = Request::Open(self.opening());
        due.asked(&opening);
        self.send(talk, opening).await
    }

    fn opening(&self) -> Open {
        let (ticket, secret) = self.peer.permission.shown();
        let collection = self.wanted.collection;
        Open {
            root: self.wanted.root.as_bytes().to_vec(),
            ticket,
            secret,
            collection: collection.map_or_else(Vec::new, |root| root.as_bytes().to_vec()),
        }
    }

    async fn send(&self, talk: &Talk, request: Request) -> Result<(), End> {
        let request = FetchRequest {
            content: self.content,
            ask: Some(request),
        };
        talk.ask(request).await.map_err(gone)
    }

    async fn take(&self, answer: Answer, sink: Option<&Arc<Sink>>) -> Result<(), End> {
        match (answer, sink) {
            (Answer::Opened(opened), _) => self.take_opened(opened).await,
            (Answer::Refused(refused), _) => self.take_refused(refused).await,
            (Answer::Segment(list), Some(sink)) => {
                let Ok(segment) = u32::try_from(list.segment) else {
                    return Err(lied());
                };
                if sink.take_segment(segment, &list.groups).is_err() {
                    return Err(lied());
                }
                self.tell(What::Segment).await
            }
            (Answer::Group(group), Some(sink)) => self.take_group(group, sink).await,
            (Answer::Segment(_) | Answer::Group(_), None) => Err(unknown()),
        }
    }

    async fn take_opened(&self, opened: Opened) -> Result<(), End> {
        if opened.size != self.wanted.size {
            return Err(End::Gone("what it has is of another size".to_owned()));
        }
        let groups = Shape::new(opened.size).map_or(0, |shape| shape.groups());
        let holds = match opened.have {
            None => Holds::All,
            Some(have) => match Have::decode(groups, &have) {
                Ok(have) => Holds::Part(have),
                Err(error) => return Err(End::Gone(error.to_string())),
            },
        };
        let segments = opened.segments;
        self.tell(What::Opened { segments, holds }).await
    }

    /// Checks a group and writes it, beside what comes next.
    async fn take_group(&self, group: Group, sink: &Arc<Sink>) -> Result<(), End> {
        let Ok(index) = u32::try_from(group.index) else {
            return Err(lied());
        };
        let Ok(permit) = self.writes.clone().acquire_owned().await else {
            return Err(End::Over);
        };
        let wait = self.throttle.take(group.data.len() as u64);
        let (sink, events, source) = (sink.clone(), self.events.clone(), self.id);
        let written = move |written| {
            let what = match written {
                Ok(()) => What::Arrived(index),
                Err(WriteError::Wrong(_)) => What::Lied(LIE.to_owned()),
                // It sends groups before their list: nothing can be said of them.
                Err(WriteError::NoSegment) => What::Missing(index..index.saturating_add(1)),
                Err(WriteError::Disk(error)) => What::Disk(error),
            };
            drop(permit);
            // Nobody is left to be told; the owner gives up the line of one that lied.
            let _ = events.blocking_send(Event { source, what });
        };
        let last = self.events.clone();
        tokio::task::spawn_blocking(move || {
            sink.write(index, group.data, written);
            drop(sink);
            // Whoever waits until nobody can tell anything finds the file free.
            drop(last);
        });
        if !wait.is_zero() {
            // What is not read here is not sent there; and whoever gives the download up waits for nobody.
            tokio::select! {
                () = sleep(wait) => {}
                () = self.events.closed() => return Err(End::Over),
            }
        }
        Ok(())
    }

    async fn take_refused(&self, refused: Refused) -> Result<(), End> {
        let total = Shape::new(self.wanted.size).map_or(0, |shape| shape.groups());
        let groups = refused.groups.as_ref().and_then(run);
        // What it says of groups that there are not is nothing.
        let groups = groups.map(|groups| groups.start.min(total)..groups.end.min(total));
        match (refused.reason(), groups) {
            (RefusedReason::NotYet | RefusedReason::NotHere, Some(groups)) => {
                self.tell(What::Missing(groups)).await
            }
            (RefusedReason::Busy, Some(groups)) => {
                let retry_ms = refused.retry_after_ms;
                self.tell(What::Busy { groups, retry_ms }).await
            }
            _ => Err(End::Gone(refused.text)),
        }
    }
}

/// Says it as it is sent; a list that is not here is asked for before the first of its groups.
fn requests(ask: Ask, sink: Option<&Sink>, lists: &mut BTreeSet<u32>) -> Vec<Request> {
    match ask {
        Ask::Start(_) | Ask::Known(_) | Ask::Again => Vec::new(),
        Ask::Segment(segment) => {
            lists.insert(segment);
            vec![Request::Segment(u64::from(segment))]
        }
        Ask::Cancel(group) => vec![Request::Cancel(groups(&(group..group + 1)))],
        Ask::Groups(run) => {
            let mut asked = Vec::new();
            if let Some(sink) = sink {
                let segment = sink.shape().segment_of(run.start);
                if !sink.knows(segment) && lists.insert(segment) {
                    asked.push(Request::Segment(u64::from(segment)));
                }
            }
            asked.push(Request::Groups(groups(&run)));
            asked
        }
    }
}

fn groups(run: &Range<u32>) -> Groups {
    Groups {
        first: u64::from(run.start),
        count: u64::from(run.end - run.start),
    }
}

fn run(groups: &Groups) -> Option<Range<u32>> {
    let first = u32::try_from(groups.first).ok()?;
    let end = u32::try_from(groups.first.checked_add(groups.count)?).ok()?;
    (first < end).then_some(first..end)
}

fn gone(error: SourceError) -> End {
    End::Gone(error.to_string())
}

/// What answers nothing that there is.
fn unknown() -> End {
    End::Gone("it answers what was not asked".to_owned())
}

fn silent() -> End {
    End::Gone("it does not answer".to_owned())
}

fn lied() -> End {
    End::Lied(LIE.to_owned())
}
