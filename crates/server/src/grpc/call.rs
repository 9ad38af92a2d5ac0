//! One call: who makes it, until when, and what it may use.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use broker::access::Access;
use directory::Change;
use engine::{Handle, QueueView};
use futures_util::Stream;
use futures_util::stream::{BoxStream, poll_fn};
use tokio::time::{Instant, Sleep};
use tonic::{Extensions, Status};

use super::status::{
    Subject, forbidden, logged_out, not_found, refused, too_late, unavailable, uncommitted,
};
use crate::gateway::Link;
use crate::http::{Caller, DEFAULT_VHOST, Web};

/// The answers of a call that has many.
pub(super) type Answers<T> = BoxStream<'static, Result<T, Status>>;

/// When the client no longer waits; the gate puts it into the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(pub(super) Instant);

/// One call of somebody who is logged in.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) web: Web,
    pub(super) caller: Caller,
    deadline: Option<Deadline>,
}

impl Call {
    /// Reads what the gate put into the request.
    pub(super) fn of(web: &Web, extensions: &Extensions) -> Result<Self, Status> {
        let caller = extensions.get::<Caller>().cloned();
        Ok(Self {
            web: web.clone(),
            caller: caller.ok_or_else(|| Status::internal("the call has no caller"))?,
            deadline: extensions.get::<Deadline>().copied(),
        })
    }

    /// Refuses all but administrators.
    pub(super) fn check_administrator(&self) -> Result<(), Status> {
        if self.caller.login.is_administrator() {
            return Ok(());
        }
        Err(forbidden("this is for administrators alone"))
    }

    /// Commits one change in the caller's name.
    pub(super) async fn commit(&self, change: Change) -> Result<(), Status> {
        let engine = self.web.gateway().engine();
        let committed = engine.commit_as(&self.caller.author(), vec![change]).await;
        committed.map_err(uncommitted)
    }

    /// The engine.
    pub(super) fn engine(&self) -> &Handle {
        self.web.gateway().engine()
    }

    /// The link that the account's short calls share.
    pub(super) async fn link(&self) -> Result<Link, Status> {
        let gateway = self.web.gateway();
        let place = self.caller.place();
        let link = gateway.link(&self.caller.login, DEFAULT_VHOST, &place);
        link.await
            .map_err(|refusal| refused(refusal, Subject::Several))
    }

    /// A link of the call's own: what it holds is given back when the call ends.
    pub(super) async fn own_link(&self) -> Result<Link, Status> {
        let gateway = self.web.gateway();
        let place = self.caller.place();
        let link = gateway.open(&self.caller.login, DEFAULT_VHOST, &place);
        link.await
            .map_err(|refusal| refused(refusal, Subject::Several))
    }

    /// What the caller may do; `None` once it may not even come in.
    pub(super) fn access(&self) -> Option<Arc<Access>> {
        let accounts = self.web.gateway().engine().accounts();
        accounts.access(&self.caller.login, DEFAULT_VHOST)
    }

    /// Finds a queue that the caller has a right on.
    pub(super) async fn find_queue(&self, queue: &str) -> Result<QueueView, Status> {
        let engine = self.web.gateway().engine();
        let found = match self.access() {
            Some(access) => {
                engine
                    .queues_seen_by(&access, |one| *one.name == *queue, 1)
                    .await
            }
            None => Vec::new(),
        };
        found.into_iter().next().ok_or_else(|| {
            let detail = format!("there is no queue '{queue}' that you have a right on");
            not_found(Subject::Queue(queue), detail)
        })
    }

    /// For how many milliseconds the client still waits.
    pub(super) fn left_ms(&self) -> u64 {
        self.deadline.map_or(u64::MAX, |Deadline(deadline)| {
            let left = deadline.saturating_duration_since(Instant::now());
            u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// Says why a link of the call's was closed.
    pub(super) fn why_closed(&self) -> Status {
        let engine = self.web.gateway().engine();
        if engine.is_valid(&self.caller.login) && self.access().is_some() {
            unavailable(
                "the connection to the broker was closed: the session was ended or the server stops; try again",
            )
        } else {
            logged_out()
        }
    }

    /// The answers, until the client no longer waits for them.
    pub(super) fn in_time<T: 'static>(
        &self,
        answers: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> Answers<T> {
        let Some(Deadline(deadline)) = self.deadline else {
            return Box::pin(answers);
        };
        let mut clock: Pin<Box<Sleep>> = Box::pin(tokio::time::sleep_until(deadline));
        // Dropped at the deadline, and with it what the call holds.
        let mut answers = Some(Box::pin(answers));
        Box::pin(poll_fn(move |context| {
            let Some(open) = answers.as_mut() else {
                return Poll::Ready(None);
            };
            if clock.as_mut().poll(context).is_ready() {
                answers = None;
                return Poll::Ready(Some(Err(too_late())));
            }
            open.as_mut().poll_next(context)
        }))
    }
}
