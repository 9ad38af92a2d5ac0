//! How a consumer begins: its first request, read and checked.

use broker::access::{Resource, Right};
use broker::arguments::QueueKind;
use broker::{Name, Refusal, RefusalKind, StreamOffset};
use rpc::v1;
use rpc::v1::consume_start::Flow;
use tonic::Status;

use super::source::{Credit, Source};
use crate::flaw::Flaw;
use crate::gateway::{ConsumeWish, Link};
use crate::grpc::call::Call;
use crate::grpc::message::stream_offset;
use crate::grpc::status::{Subject, flawed, not_as_needed, refused, unimplemented};
use crate::http::DEFAULT_VHOST;

/// How many deliveries may be unsettled when nothing else was asked for.
const PREFETCH_DEFAULT: u16 = 100;

/// What a consumer asked for at its start.
pub(super) struct Start {
    pub(super) queue: String,
    group: Option<String>,
    pub(super) is_automatic: bool,
    flow: Wish,
    /// Where to begin, if it is a stream.
    stream: Option<StreamOffset>,
    priority: i64,
    exclusive: bool,
    owner: Option<Name>,
}

enum Wish {
    Prefetch(u16),
    Credit(u32),
}

impl Start {
    /// Reads a start.
    pub(super) async fn read(call: &Call, start: v1::ConsumeStart) -> Result<Self, Status> {
        let is_automatic = match v1::AckMode::try_from(start.ack_mode) {
            Ok(v1::AckMode::Automatic) => true,
            Ok(v1::AckMode::Manual | v1::AckMode::Unspecified) => false,
            Err(_) => return Err(flawed(Flaw::new("ack_mode", "there is no such mode"))),
        };
        let flow = flow(start.flow).map_err(flawed)?;
        let queue = call.find_queue(&start.queue).await?;
        let stream = match queue.kind {
            QueueKind::Stream => Some(stream_offset(start.stream_start).map_err(flawed)?),
            QueueKind::Classic | QueueKind::Quorum if start.stream_start.is_some() => {
                let detail = format!("'{}' is no stream", start.queue);
                return Err(flawed(Flaw::new("stream_start", detail)));
            }
            QueueKind::Classic | QueueKind::Quorum => None,
        };
        if stream.is_some() && is_automatic {
            let detail = "a stream's deliveries are acknowledged; use ACK_MODE_MANUAL";
            return Err(flawed(Flaw::new("ack_mode", detail)));
        }
        let takes_turns = start.exclusive || start.priority != 0 || queue.auto_delete;
        if matches!(flow, Wish::Credit(_)) && takes_turns {
            let detail = "a consumer with credit cannot be exclusive, have a priority, or keep an auto-delete queue alive yet; begin with a prefetch";
            return Err(unimplemented(detail));
        }
        Ok(Self {
            queue: start.queue,
            group: Some(start.group).filter(|group| !group.is_empty()),
            is_automatic,
            flow,
            stream,
            priority: start.priority.into(),
            exclusive: start.exclusive,
            owner: queue.owner,
        })
    }

    /// Begins on a link.
    pub(super) async fn open(&self, call: &Call, link: &Link, tag: &str) -> Result<Source, Status> {
        let prefetch = match self.flow {
            Wish::Prefetch(prefetch) => prefetch,
            Wish::Credit(credit) => {
                let groups = call.web.gateway().groups().clone();
                let group = self.group.clone();
                let credit = Credit::new(groups, self.queue.clone(), group, credit, self.stream);
                return Ok(Source::Credit(credit));
            }
        };
        let wish = ConsumeWish {
            vhost: DEFAULT_VHOST.to_owned(),
            queue: self.queue.clone(),
            group: self.group.clone(),
            prefetch,
            offset: self.stream,
            exclusive: self.exclusive,
            priority: self.priority,
            tag: Some(tag.to_owned()),
        };
        let groups = call.web.gateway().groups();
        match groups.consume(link, wish).await {
            Ok(consumed) => Ok(Source::Prefetch(consumed.receiver)),
            Err(refusal) => Err(self.refused(call, refusal)),
        }
    }

    /// AMQP has one refusal for a right that is missing and a consumer that is in the way; here they are told apart.
    fn refused(&self, call: &Call, refusal: Refusal) -> Status {
        let subject = Subject::Queue(&self.queue);
        let may_read = call.access().is_some_and(|access| {
            let owner = self.owner.as_deref();
            access.may(Right::Read, Resource::Queue, &self.queue, owner)
        });
        if refusal.kind == RefusalKind::AccessRefused && may_read {
            return not_as_needed("IN_USE", subject, refusal.detail);
        }
        refused(refusal, subject)
    }
}

fn flow(flow: Option<Flow>) -> Result<Wish, Flaw> {
    let out_of_range = |name: &str, least: u16| {
        let detail = format!("{name} is from {least} to {}", u16::MAX);
        Flaw::new(name, detail)
    };
    match flow {
        None => Ok(Wish::Prefetch(PREFETCH_DEFAULT)),
        Some(Flow::Prefetch(prefetch)) => u16::try_from(prefetch)
            .ok()
            .filter(|prefetch| *prefetch > 0)
            .map(Wish::Prefetch)
            .ok_or_else(|| out_of_range("prefetch", 1)),
        Some(Flow::Credit(credit)) if credit <= u32::from(u16::MAX) => Ok(Wish::Credit(credit)),
        Some(Flow::Credit(_)) => Err(out_of_range("credit", 0)),
    }
}
