//! The service of dead letters: looked at where they wait, sent again, or dropped.
//!
//! While a call looks through a queue it holds what it looked at, on a link of its own: when the call ends, whatever it did not settle
//! is back in its queue.

use std::collections::HashSet;

use broker::Refusal;
use rpc::v1;
use rpc::v1::DeadLetterReason;
use rpc::v1::dead_letter_service_server::DeadLetterService;
use tonic::{Request, Response, Status, async_trait};

use super::call::Call;
use super::message::{Place, received};
use super::queues::page;
use super::status::{Subject, flawed, refused};
use super::value::ms_of;
use crate::flaw::Flaw;
use crate::gateway::{Delivered, Link, Outgoing, PublishOutcome, SettleKind};
use crate::http::Web;
use crate::http::deadletters::{Death, SEARCHED_MAX, hold, properties_of, resent, settles};

/// Sequences of one selection.
const SEQUENCES_MAX: usize = 1_000;
/// Dead letters that are handled together.
const TOGETHER_MAX: usize = 1_000;

/// The service.
pub(super) struct DeadLetters(pub(super) Web);

#[async_trait]
impl DeadLetterService for DeadLetters {
    async fn list_dead_letters(
        &self,
        request: Request<v1::ListDeadLettersRequest>,
    ) -> Result<Response<v1::ListDeadLettersResponse>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        list(&call, request.into_inner()).await.map(Response::new)
    }

    async fn replay_dead_letters(
        &self,
        request: Request<v1::ReplayDeadLettersRequest>,
    ) -> Result<Response<v1::ReplayDeadLettersResponse>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        replay(&call, request.into_inner()).await.map(Response::new)
    }

    async fn discard_dead_letters(
        &self,
        request: Request<v1::DiscardDeadLettersRequest>,
    ) -> Result<Response<v1::DiscardDeadLettersResponse>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        let discarded = discard(&call, request.into_inner()).await?;
        Ok(Response::new(v1::DiscardDeadLettersResponse { discarded }))
    }
}

/// Which dead letters are meant.
struct Filter {
    /// None are all.
    sequences: HashSet<u64>,
    behind: u64,
    source_queue: String,
    reason: DeadLetterReason,
}

impl Filter {
    fn of(selection: Option<v1::DeadLetterSelection>) -> Result<Self, Flaw> {
        let missing = || Flaw::new("selection", "say which: either sequences, or all");
        let selection = selection.ok_or_else(missing)?;
        if selection.all != selection.sequences.is_empty() {
            return Err(missing());
        }
        if selection.sequences.len() > SEQUENCES_MAX {
            let detail = format!("at most {SEQUENCES_MAX} sequences at once");
            return Err(Flaw::new("selection.sequences", detail));
        }
        Ok(Self {
            reason: reason(selection.reason).map_err(|flaw| flaw.within("selection"))?,
            sequences: selection.sequences.into_iter().collect(),
            behind: 0,
            source_queue: selection.source_queue,
        })
    }

    fn wants(&self, delivered: &Delivered) -> bool {
        let is_named = self.sequences.is_empty() || self.sequences.contains(&delivered.sequence);
        if !is_named || delivered.sequence <= self.behind {
            return false;
        }
        let death = Death::of(&properties_of(delivered));
        let is_from = death.queue.as_deref() == Some(self.source_queue.as_str());
        (self.source_queue.is_empty() || is_from)
            && (self.reason == DeadLetterReason::Unspecified
                || self.reason == reason_of(death.reason.as_deref()))
    }
}

fn reason(number: i32) -> Result<DeadLetterReason, Flaw> {
    let unknown = |_| Flaw::new("reason", "there is no such reason");
    DeadLetterReason::try_from(number).map_err(unknown)
}

fn reason_of(text: Option<&str>) -> DeadLetterReason {
    match text {
        Some("rejected") => DeadLetterReason::Rejected,
        Some("expired") => DeadLetterReason::Expired,
        Some("maxlen") => DeadLetterReason::LengthMax,
        Some("delivery_limit") => DeadLetterReason::DeliveryLimit,
        Some(_) | None => DeadLetterReason::Unspecified,
    }
}

async fn list(
    call: &Call,
    request: v1::ListDeadLettersRequest,
) -> Result<v1::ListDeadLettersResponse, Status> {
    let page = page(request.page_size, String::new())?;
    let behind = match request.page_token.as_str() {
        "" => 0,
        token => token.parse().map_err(|_| {
            let detail = "the token is none that a page gave; begin without one";
            flawed(Flaw::new("page_token", detail))
        })?,
    };
    let filter = Filter {
        sequences: HashSet::new(),
        behind,
        source_queue: request.source_queue,
        reason: reason(request.reason).map_err(flawed)?,
    };
    let link = call.own_link().await?;
    let held = hold(&link, &request.queue, SEARCHED_MAX).await;
    let held = held.map_err(|refusal| about(refusal, &request.queue))?;
    let mut wanted = held.iter().filter(|delivered| filter.wants(delivered));
    let letters: Vec<_> = wanted.by_ref().take(page.limit()).collect();
    let has_more = wanted.next().is_some();
    let next_page_token = match letters.last() {
        Some(last) if has_more => last.sequence.to_string(),
        Some(_) | None => String::new(),
    };
    let dead_letters = letters.into_iter().map(|letter| written(call, letter));
    let dead_letters = dead_letters.collect();
    give_back(call, &link, &held).await?;
    Ok(v1::ListDeadLettersResponse {
        dead_letters,
        next_page_token,
    })
}

fn written(call: &Call, delivered: &Delivered) -> v1::DeadLetter {
    let death = Death::of(&properties_of(delivered));
    v1::DeadLetter {
        received: Some(received(delivered, call.web.gateway().engine())),
        reason: reason_of(death.reason.as_deref()).into(),
        source_queue: death.queue.unwrap_or_default(),
        source_topic: death.exchange.unwrap_or_default(),
        source_routing_key: death.routing_key.unwrap_or_default(),
        count: death
            .count
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or_default(),
        first_at_ms: death.first_at_s.map(ms_of).unwrap_or_default(),
    }
}

async fn discard(call: &Call, request: v1::DiscardDeadLettersRequest) -> Result<u64, Status> {
    let filter = Filter::of(request.selection).map_err(flawed)?;
    let link = call.own_link().await?;
    let mut search = Search::begin(call, &link, &request.queue).await?;
    let mut discarded = 0;
    while let Some(wanted) = search.next(&filter).await? {
        discarded += finish(call, &link, &wanted).await?;
    }
    search.end().await?;
    Ok(discarded)
}

async fn replay(
    call: &Call,
    request: v1::ReplayDeadLettersRequest,
) -> Result<v1::ReplayDeadLettersResponse, Status> {
    let filter = Filter::of(request.selection).map_err(flawed)?;
    let place = match request.address {
        None => None,
        address => Some(Place::of(address).map_err(flawed)?),
    };
    let link = call.own_link().await?;
    let mut search = Search::begin(call, &link, &request.queue).await?;
    let mut response = v1::ReplayDeadLettersResponse::default();
    while let Some(wanted) = search.next(&filter).await? {
        let (lost, messages) = again(wanted, place.as_ref());
        let (letters, messages): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        let outcomes = link
            .publish(messages)
            .await
            .map_err(|_| call.why_closed())?;
        let mut sent = Vec::new();
        let mut kept: Vec<_> = lost
            .into_iter()
            .map(|letter| (letter, "it does not say where it died".to_owned()))
            .collect();
        for (letter, outcome) in letters.into_iter().zip(outcomes) {
            match why_not(outcome) {
                None => sent.push(letter),
                Some(detail) => kept.push((letter, detail)),
            }
        }
        response.replayed += finish(call, &link, &sent).await?;
        for (letter, detail) in kept {
            if response.detail.is_empty() {
                response.detail = detail;
            }
            response.failed_sequences.push(letter.sequence);
            search.keep(letter);
        }
    }
    search.end().await?;
    Ok(response)
}

/// The messages to be published again, each with its dead letter; and those that do not say where to.
fn again(
    wanted: Vec<Delivered>,
    place: Option<&Place>,
) -> (Vec<Delivered>, Vec<(Delivered, Outgoing)>) {
    let mut lost = Vec::new();
    let mut messages = Vec::new();
    for letter in wanted {
        match (resent(&letter, place.is_some()), place) {
            (None, _) => lost.push(letter),
            (Some(message), None) => messages.push((letter, message)),
            (Some(message), Some(place)) => messages.push((letter, place.address(message))),
        }
    }
    (lost, messages)
}

fn why_not(outcome: Result<PublishOutcome, Refusal>) -> Option<String> {
    match outcome {
        Ok(outcome) if outcome.is_rejected => Some("the queue that it was to go to is full"),
        Ok(outcome) if !outcome.is_routed => Some("no queue is where it was to go to"),
        Ok(_) => None,
        Err(refusal) => return Some(refusal.detail),
    }
    .map(str::to_owned)
}

/// Says that dead letters are done with; returns how many were.
async fn finish(call: &Call, link: &Link, done: &[Delivered]) -> Result<u64, Status> {
    let held = link.settle(settles(done, SettleKind::Ack)).await;
    let held = held.map_err(|_| call.why_closed())?;
    Ok(held.iter().filter(|is_held| **is_held).count() as u64)
}

async fn give_back(call: &Call, link: &Link, held: &[Delivered]) -> Result<(), Status> {
    let given = link.settle(settles(held, SettleKind::Return)).await;
    given.map(drop).map_err(|_| call.why_closed())
}

fn about(refusal: Refusal, queue: &str) -> Status {
    refused(refusal, Subject::Queue(queue))
}

/// A walk through a queue, from its head to what was its end when the walk began.
struct Search<'a> {
    call: &'a Call,
    link: &'a Link,
    queue: &'a str,
    /// How many messages are still ahead: what is sent again may come back, and is not to be met twice.
    ahead: usize,
    /// What is not wanted, held so that the walk goes on behind it.
    others: Vec<Delivered>,
}

impl<'a> Search<'a> {
    async fn begin(call: &'a Call, link: &'a Link, queue: &'a str) -> Result<Self, Status> {
        let ready = call.find_queue(queue).await?.statistics.ready;
        Ok(Self {
            call,
            link,
            queue,
            ahead: usize::try_from(ready).unwrap_or(usize::MAX),
            others: Vec::new(),
        })
    }

    /// The next ones that are wanted; `None` at the end.
    async fn next(&mut self, filter: &Filter) -> Result<Option<Vec<Delivered>>, Status> {
        while self.ahead > 0 && self.others.len() < SEARCHED_MAX {
            let held = hold(self.link, self.queue, self.ahead.min(TOGETHER_MAX)).await;
            let held = held.map_err(|refusal| about(refusal, self.queue))?;
            self.ahead -= held.len();
            if held.is_empty() {
                self.ahead = 0;
            }
            let (wanted, others): (Vec<_>, Vec<_>) =
                held.into_iter().partition(|one| filter.wants(one));
            self.others.extend(others);
            if !wanted.is_empty() {
                return Ok(Some(wanted));
            }
        }
        Ok(None)
    }

    /// Gives a message back when the walk ends.
    fn keep(&mut self, delivered: Delivered) {
        self.others.push(delivered);
    }

    async fn end(self) -> Result<(), Status> {
        give_back(self.call, self.link, &self.others).await
    }
}
