//! One stream that is served: what was asked for, in the order in which it was asked, read from disk by one thread.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use files::content::{Root, Shape};
use rpc::v1::fetch_request::Ask;
use rpc::v1::fetch_response::Answer;
use rpc::v1::{
    FetchRequest, FetchResponse, Groups, Open, Opened, Refused, RefusedReason, SegmentHashes,
};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout_at;
use tonic::Status;

use super::Contents;
use super::answers::{Framed, frame};
use super::callers::{Call, Calls};
use super::gate::{Gate, Seat};
use super::opening::{Opening, Unread};
use crate::peer::limits::{BUSY_RETRY, OPEN_MAX, WAITING_MAX};

/// Nobody is served any more: the caller has gone, or may have nothing.
struct Gone;

/// Something that is still to be answered.
enum Job {
    Segment(u32),
    Groups(Range<u32>),
    Close,
}

/// Serves one stream.
pub(super) struct Worker<'a, C> {
    contents: &'a C,
    gate: &'a Gate,
    answers: mpsc::Sender<Framed>,
    open: HashMap<u32, Opening>,
    jobs: VecDeque<(u32, Job)>,
    /// When something was opened or served last.
    active_at: Instant,
    slots: Arc<Semaphore>,
    calls: Calls,
    /// Its place among all streams, once it has shown that it may have something.
    slot: Option<(OwnedSemaphorePermit, Call)>,
    /// Its place among the streams of its account, once it has shown whose it is.
    seat: Option<Seat<'a>>,
}

impl<'a, C: Contents> Worker<'a, C> {
    pub(super) fn new(
        contents: &'a C,
        gate: &'a Gate,
        (slots, calls): (Arc<Semaphore>, Calls),
        answers: mpsc::Sender<Framed>,
    ) -> Self {
        Self {
            contents,
            gate,
            answers,
            open: HashMap::new(),
            jobs: VecDeque::new(),
            active_at: Instant::now(),
            slots,
            calls,
            slot: None,
            seat: None,
        }
    }

    /// Serves until the caller has gone, or has closed its side and has everything; and nobody who does not begin with something that
    /// it may have.
    pub(super) fn run(mut self, first: FetchRequest, mut requests: mpsc::Receiver<FetchRequest>) {
        if self.take(first).is_err() || self.slot.is_none() {
            return;
        }
        loop {
            let request = match self.jobs.is_empty() {
                true => self.wait_for_request(&mut requests),
                // What was taken back is not read any more.
                false => requests.try_recv().ok(),
            };
            let served = match request {
                Some(request) => self.take(request),
                None if self.jobs.is_empty() => return,
                None => self
                    .wait_for_rate(&mut requests)
                    .and_then(|()| self.serve()),
            };
            if served.is_err() {
                return;
            }
        }
    }

    /// Waits for the next request, with nothing open not for long.
    fn wait_for_request(
        &self,
        requests: &mut mpsc::Receiver<FetchRequest>,
    ) -> Option<FetchRequest> {
        if !self.open.is_empty() {
            return requests.blocking_recv();
        }
        let until = self.active_at + self.gate.terms().patience.idle;
        let request = timeout_at(until.into(), requests.recv());
        Handle::current().block_on(request).ok().flatten()
    }

    /// Waits until what comes next may be sent; requests are taken meanwhile, as they may take it back.
    fn wait_for_rate(&mut self, requests: &mut mpsc::Receiver<FetchRequest>) -> Result<(), Gone> {
        let bytes = match self.jobs.front() {
            Some((content, Job::Groups(run))) => {
                let opening = self.open.get(content);
                opening.map_or(0, |opening| opening.shape.group_bytes(run.start))
            }
            Some((_, Job::Segment(_) | Job::Close)) | None => 0,
        };
        let wait = self.gate.terms().throttle.take(bytes);
        if wait.is_zero() {
            return Ok(());
        }
        let until = Instant::now() + wait;
        let runtime = Handle::current();
        while Instant::now() < until {
            match runtime.block_on(timeout_at(until.into(), requests.recv())) {
                Ok(Some(request)) => self.take(request)?,
                // Its side is closed: it waits for the rest, or has gone.
                Ok(None) => {
                    let left = until.saturating_duration_since(Instant::now());
                    let gone = self.answers.closed();
                    if runtime.block_on(timeout_in(left, gone)) {
                        return Err(Gone);
                    }
                }
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Takes a request; what needs no disk is answered at once.
    fn take(&mut self, request: FetchRequest) -> Result<(), Gone> {
        let content = request.content;
        if self.jobs.len() >= WAITING_MAX {
            let status = format!("at most {WAITING_MAX} requests may wait; read the answers first");
            // Nobody is left to be told when it is not taken.
            let _ = self
                .answers
                .blocking_send(Err(Status::resource_exhausted(status)));
            return Err(Gone);
        }
        match request.ask {
            Some(Ask::Open(open)) => self.open(content, &open),
            Some(Ask::Segment(segment)) => {
                let job = u32::try_from(segment).map(Job::Segment);
                self.line_up(content, job.ok())
            }
            Some(Ask::Groups(groups)) => self.line_up(content, range(&groups).map(Job::Groups)),
            Some(Ask::Cancel(groups)) => {
                if let Some(run) = range(&groups) {
                    self.cancel(content, &run);
                }
                Ok(())
            }
            Some(Ask::Close(_)) => self.line_up(content, Some(Job::Close)),
            None => self.line_up(content, None),
        }
    }

    fn line_up(&mut self, content: u32, job: Option<Job>) -> Result<(), Gone> {
        match job {
            // What is closed or was refused has been told so.
            Some(job) if self.open.contains_key(&content) => {
                self.jobs.push_back((content, job));
                Ok(())
            }
            Some(_) => Ok(()),
            None => self.refuse(content, RefusedReason::Invalid, "there are no such groups"),
        }
    }

    fn open(&mut self, content: u32, open: &Open) -> Result<(), Gone> {
        if self.open.contains_key(&content) || self.open.len() >= OPEN_MAX {
            let text = format!("at most {OPEN_MAX} contents may be open, each with its own number");
            return self.refuse(content, RefusedReason::Invalid, &text);
        }
        let Ok(root) = <[u8; 32]>::try_from(&*open.root).map(Root::from_bytes) else {
            return self.refuse(content, RefusedReason::Invalid, "a root has 32 bytes");
        };
        let is_member = |collection: &Root| self.contents.is_member(collection, &root);
        match self.gate.admit(&root, open, is_member) {
            Err(denied) => {
                self.refuse(content, RefusedReason::Ticket, &denied.to_string())?;
                return self.end_if_idle();
            }
            Ok(account) => {
                if let Err(busy) = self.sit_down(account.as_deref()) {
                    self.refuse_busy(content, busy)?;
                    return self.end_if_idle();
                }
            }
        }
        self.active_at = Instant::now();
        let stored = match self.contents.open(&root) {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                return self.refuse(content, RefusedReason::NotHere, "it is not here any more");
            }
            Err(error) => return self.refuse(content, RefusedReason::Disk, &error.to_string()),
        };
        let Ok(shape) = Shape::new(stored.size) else {
            return self.refuse(content, RefusedReason::NotHere, "it is too large");
        };
        let opened = Opened {
            size: stored.size,
            segments: stored.segments.clone(),
            have: stored.have.as_ref().map(files::have::Have::encode),
        };
        let opening = Opening {
            root,
            shape,
            stored,
        };
        self.open.insert(content, opening);
        self.answer(content, Answer::Opened(opened))
    }

    /// Takes the places that a stream needs of an account, if it is one's; says who has them all otherwise.
    fn sit_down(&mut self, account: Option<&str>) -> Result<(), String> {
        if self.slot.is_none() {
            let slot = self.slots.clone().try_acquire_owned().ok();
            let wait = BUSY_RETRY.as_millis();
            let busy = || format!("too many are served already; come again in {wait} ms");
            self.slot = Some((slot.ok_or_else(busy)?, self.calls.begin()));
        }
        if let Some(account) = account
            && self.seat.is_none()
        {
            let busy =
                || format!("as many downloads of {account} as there may be are served already");
            self.seat = Some(self.gate.seat(account).ok_or_else(busy)?);
        }
        Ok(())
    }

    /// Whoever is refused and has nothing else has no use for the stream.
    fn end_if_idle(&self) -> Result<(), Gone> {
        if self.open.is_empty() {
            return Err(Gone);
        }
        Ok(())
    }

    /// Does a part of what comes first.
    fn serve(&mut self) -> Result<(), Gone> {
        self.active_at = Instant::now();
        let Some((content, job)) = self.jobs.pop_front() else {
            return Ok(());
        };
        match job {
            Job::Close => {
                self.open.remove(&content);
                Ok(())
            }
            Job::Segment(segment) => self.serve_segment(content, segment),
            Job::Groups(mut run) => {
                let Some(group) = run.next() else {
                    return Ok(());
                };
                if !run.is_empty() {
                    self.jobs.push_front((content, Job::Groups(run)));
                }
                self.serve_group(content, group)
            }
        }
    }

    fn serve_segment(&mut self, content: u32, segment: u32) -> Result<(), Gone> {
        let Some(opening) = self.open.get(&content) else {
            return Ok(());
        };
        match self.contents.segment(&opening.root, segment) {
            Ok(Some(groups)) => {
                let segment = u64::from(segment);
                self.answer(content, Answer::Segment(SegmentHashes { segment, groups }))
            }
            Ok(None) => self.refuse(content, RefusedReason::NotHere, "there is no such segment"),
            Err(error) => self.refuse(content, RefusedReason::Disk, &error.to_string()),
        }
    }

    fn serve_group(&mut self, content: u32, group: u32) -> Result<(), Gone> {
        let Some(opening) = self.open.get(&content) else {
            return Ok(());
        };
        match opening.read(content, group) {
            Ok(framed) => self.send(framed),
            Err(Unread::NotThere) => self.refuse_group(content, group),
            Err(Unread::Changed) => {
                self.open.remove(&content);
                let text = "the file was changed while it was shared";
                self.refuse(content, RefusedReason::Changed, text)
            }
            Err(Unread::Disk(error)) => {
                self.open.remove(&content);
                self.refuse(content, RefusedReason::Disk, &error.to_string())
            }
        }
    }

    /// Leaves out what was taken back.
    fn cancel(&mut self, content: u32, gone: &Range<u32>) {
        let jobs = std::mem::take(&mut self.jobs);
        for (of, job) in jobs {
            match job {
                Job::Groups(run) if of == content => {
                    let before = run.start..run.end.min(gone.start);
                    let behind = run.start.max(gone.end)..run.end;
                    let left = [before, behind].into_iter().filter(|run| !run.is_empty());
                    self.jobs.extend(left.map(|run| (of, Job::Groups(run))));
                }
                Job::Groups(_) | Job::Segment(_) | Job::Close => self.jobs.push_back((of, job)),
            }
        }
    }

    fn refuse(&mut self, content: u32, reason: RefusedReason, text: &str) -> Result<(), Gone> {
        let refused = Refused {
            reason: reason.into(),
            text: text.to_owned(),
            retry_after_ms: 0,
            groups: None,
        };
        self.answer(content, Answer::Refused(refused))
    }

    fn refuse_busy(&mut self, content: u32, text: String) -> Result<(), Gone> {
        let refused = Refused {
            reason: RefusedReason::Busy.into(),
            text,
            retry_after_ms: u64::try_from(BUSY_RETRY.as_millis()).unwrap_or(u64::MAX),
            groups: None,
        };
        self.answer(content, Answer::Refused(refused))
    }

    fn refuse_group(&mut self, content: u32, group: u32) -> Result<(), Gone> {
        let refused = Refused {
            reason: RefusedReason::NotYet.into(),
            text: "this group is not here yet".to_owned(),
            retry_after_ms: 0,
            groups: Some(Groups {
                first: u64::from(group),
                count: 1,
            }),
        };
        self.answer(content, Answer::Refused(refused))
    }

    fn answer(&mut self, content: u32, answer: Answer) -> Result<(), Gone> {
        let answer = FetchResponse {
            content,
            answer: Some(answer),
        };
        self.send(frame(&answer))
    }

    fn send(&self, framed: Bytes) -> Result<(), Gone> {
        self.answers.blocking_send(Ok(framed)).map_err(|_| Gone)
    }
}

/// Whether something happened in time.
async fn timeout_in(time: Duration, happens: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(time, happens).await.is_ok()
}

/// Reads a run of groups; the numbers of contents fit 32 bits, and none is empty.
fn range(groups: &Groups) -> Option<Range<u32>> {
    let first = u32::try_from(groups.first).ok()?;
    let end = u32::try_from(groups.first.checked_add(groups.count)?).ok()?;
    (first < end).then_some(first..end)
}
