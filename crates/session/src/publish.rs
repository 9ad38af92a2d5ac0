//! Publishing: three frames become one call.
//!
//! The usual case, all frames together in the input, is [`Session::publish_whole`]: nothing is copied and nothing remembered. What
//! comes in pieces, interleaved or wrong goes frame by frame through an [`Assembly`]; both end in [`Session::publish`].

use broker::{Body, POSTED, Port, Publish};
use bytes::Bytes;
use codec::amqp::DecodeError;
use codec::amqp::content::{self, BASIC_CLASS_ID, ContentHeader};
use codec::amqp::frame::{self, FRAME_OVERHEAD, Frame, FrameKind};
use codec::amqp::method::{BasicPublish, BasicReturn, Method};
use codec::amqp::reply::ReplyCode;

use crate::confirms::Confirms;
use crate::faults::{Cause, Fault};
use crate::limits;
use crate::output::Output;
use crate::session::Session;

#[cfg(test)]
mod tests;

mod assembly;
mod properties;

pub(crate) use assembly::{Assembly, OwnedContent};
use properties::{Examined, examine};

/// One publish as it came.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) routing_key: &'a str,
    pub(crate) mandatory: bool,
    pub(crate) immediate: bool,
    /// Flags and list.
    pub(crate) properties: &'a [u8],
    pub(crate) body: Body<'a>,
}

/// What became of the attempt to take a publish at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// It is done with, and took so many bytes.
    Published(usize),
    /// The rest is on its way and worth waiting for.
    Incomplete,
    /// It is to be taken frame by frame.
    InPieces,
}

/// The frame after a frame.
enum Following<'i> {
    Frame(&'i [u8], usize),
    Incomplete,
    Other,
}

/// Says whether a frame holds basic.publish.
#[inline]
pub(crate) fn is_publish(frame: &Frame<'_>) -> bool {
    frame.kind == FrameKind::Method && frame.payload.starts_with(&[0, 60, 0, 40])
}

impl Session {
    /// Publishes the message whose method frame, of `used` bytes, is at `at`, if its other frames are there too.
    #[inline]
    pub(crate) fn publish_whole<P: Port>(
        &mut self,
        frame: &Frame<'_>,
        used: usize,
        input: &Bytes,
        at: usize,
        port: &mut P,
    ) -> Whole {
        let number = frame.channel;
        let is_ready = self
            .channels
            .find_open(number)
            .is_some_and(|channel| channel.assembly.is_none());
        let Ok(Method::BasicPublish(publish)) = Method::decode(frame.payload) else {
            return Whole::InPieces;
        };
        if !is_ready {
            return Whole::InPieces;
        }
        let rest = input.get(at..).unwrap_or_default();
        let mut all = used;
        let header = match self.following(rest, all, FrameKind::Header, number) {
            Following::Frame(payload, used) => {
                all += used;
                payload
            }
            Following::Incomplete => return Whole::Incomplete,
            Following::Other => return Whole::InPieces,
        };
        let Ok(header) = ContentHeader::decode(header) else {
            return Whole::InPieces;
        };
        if header.class_id != BASIC_CLASS_ID || header.body_size > self.settings.message_bytes_max {
            return Whole::InPieces;
        }
        let mut body: &[u8] = &[];
        if header.body_size > 0 {
            body = match self.following(rest, all, FrameKind::Body, number) {
                Following::Frame(payload, used) if payload.len() as u64 == header.body_size => {
                    all += used;
                    payload
                }
                Following::Incomplete => return Whole::Incomplete,
                Following::Frame(..) | Following::Other => return Whole::InPieces,
            };
        }
        let content = Content {
            exchange: publish.exchange,
            routing_key: publish.routing_key,
            mandatory: publish.mandatory,
            immediate: publish.immediate,
            properties: header.properties,
            body: body_of(body, input),
        };
        if let Err(fault) = self.publish(number, &content, port) {
            self.fail(number, Cause::PUBLISH, &fault, port);
        }
        Whole::Published(all)
    }

    /// Looks for a frame `offset` bytes behind the start of a publish.
    #[inline]
    fn following<'i>(
        &self,
        publish: &'i [u8],
        offset: usize,
        kind: FrameKind,
        channel: u16,
    ) -> Following<'i> {
        let rest = publish.get(offset..).unwrap_or_default();
        match frame::parse(rest, self.peer.frame_max) {
            Ok(Some((frame, used))) if frame.kind == kind && frame.channel == channel => {
                Following::Frame(frame.payload, used)
            }
            Ok(Some(_)) | Err(_) => Following::Other,
            Ok(None) => {
                let payload = match rest.get(3..).and_then(|rest| rest.first_chunk::<4>()) {
                    Some(size) => u32::from_be_bytes(*size) as usize,
                    None => 0,
                };
                // A caller's buffer holds at least one frame of the largest size, so waiting for that much cannot stall.
                let limit = match self.peer.frame_max {
                    0 => limits::PUBLISH_WAIT_BYTES_MAX,
                    frame_max => limits::PUBLISH_WAIT_BYTES_MAX.min(frame_max as usize),
                };
                if offset + payload + FRAME_OVERHEAD <= limit {
                    Following::Incomplete
                } else {
                    Following::Other
                }
            }
        }
    }

    /// Starts to take a publish frame by frame.
    pub(crate) fn begin_publish(&mut self, number: u16, publish: &BasicPublish<'_>) {
        if let Some(channel) = self.channels.find_open(number) {
            channel.assembly = Some(Box::new(Assembly::new(publish)));
        }
    }

    /// Takes a content header frame.
    pub(crate) fn handle_content_header<P: Port>(
        &mut self,
        number: u16,
        payload: &[u8],
        port: &mut P,
    ) -> Result<(), Fault> {
        let assembly = self.channels.assembly(number)?;
        if assembly.has_header() {
            return Err(Fault::unexpected_frame(
                "expected content body, got non content body frame instead",
            ));
        }
        let header = ContentHeader::decode(payload).map_err(syntax)?;
        if header.class_id != BASIC_CLASS_ID {
            let detail = format!(
                "expected content header for class 60, got one for class {} instead",
                header.class_id
            );
            return Err(Fault::unexpected_frame(&detail));
        }
        let largest = self.settings.message_bytes_max;
        if header.body_size > largest {
            let detail = format!(
                "message size {} is larger than configured max size {largest}",
                header.body_size
            );
            return Err(Fault::precondition(detail));
        }
        assembly.set_header(&header);
        if header.body_size == 0 {
            self.publish_assembled(number, None, port)
        } else {
            Ok(())
        }
    }

    /// Takes a content body frame.
    pub(crate) fn handle_content_body<P: Port>(
        &mut self,
        number: u16,
        input: &Bytes,
        payload: &[u8],
        port: &mut P,
    ) -> Result<(), Fault> {
        let assembly = self.channels.assembly(number)?;
        let Some(missing) = assembly.missing() else {
            let detail =
                "expected content header for class 60, got non content header frame instead";
            return Err(Fault::unexpected_frame(detail));
        };
        let length = payload.len() as u64;
        if length > missing {
            let detail = format!(
                "content body has {} bytes more than its header announced",
                length - missing
            );
            return Err(Fault::connection(ReplyCode::FrameError, detail));
        }
        if length == missing && assembly.received() == 0 {
            return self.publish_assembled(number, Some(body_of(payload, input)), port);
        }
        let limit = limits::ASSEMBLY_BYTES_MAX
            .max(usize::try_from(self.settings.message_bytes_max).unwrap_or(usize::MAX));
        if self.assembly_bytes.saturating_add(payload.len()) > limit {
            let detail =
                format!("more than {limit} bytes of unfinished messages on one connection");
            return Err(Fault::connection(ReplyCode::ResourceError, detail));
        }
        assembly.append(payload);
        self.assembly_bytes += payload.len();
        if length == missing {
            self.publish_assembled(number, None, port)
        } else {
            Ok(())
        }
    }

    /// Publishes what was taken frame by frame; `body` when it never had to be put together.
    fn publish_assembled<P: Port>(
        &mut self,
        number: u16,
        body: Option<Body<'_>>,
        port: &mut P,
    ) -> Result<(), Fault> {
        let assembly = self
            .channels
            .find_open(number)
            .and_then(|channel| channel.assembly.take());
        let Some(mut assembly) = assembly else {
            return Ok(());
        };
        self.assembly_bytes = self.assembly_bytes.saturating_sub(assembly.received());
        let owned = assembly.take_body();
        let body = body.unwrap_or_else(|| {
            if owned.len() >= limits::SHARED_BODY_BYTES_MIN {
                Body::Share(owned.clone())
            } else {
                Body::Copy(&owned)
            }
        });
        let content = assembly.content(body);
        self.publish(number, &content, port)
    }

    /// Checks one message and hands it on: to the open transaction, or to the broker with return and confirm.
    #[inline]
    pub(crate) fn publish<P: Port>(
        &mut self,
        number: u16,
        content: &Content<'_>,
        port: &mut P,
    ) -> Result<(), Fault> {
        self.published += 1;
        let Some(channel) = self.channels.find_open(number) else {
            return Ok(());
        };
        if content.immediate {
            return Err(Fault::connection(
                ReplyCode::NotImplemented,
                "immediate=true",
            ));
        }
        let examined = examine(
            content.properties,
            &self.peer,
            channel.reply.as_ref(),
            &mut self.scratch,
        )?;
        if let Some(transaction) = &mut channel.transaction {
            return transaction.push_publish(content, self.settings.transaction_bytes_max);
        }
        let Examined {
            properties,
            expiration_ms,
            delay_ms,
            dedup_id,
            is_rewritten,
        } = examined;
        let publish = Publish {
            channel: number,
            exchange: content.exchange,
            routing_key: content.routing_key,
            properties: &properties,
            forwarded: if is_rewritten {
                &self.scratch
            } else {
                content.properties
            },
            body: content.body.clone(),
            persistent: properties.delivery_mode == Some(2),
            priority: properties.priority.unwrap_or(0),
            expiration_ms,
            deliver_at_ms: delay_ms.map(|delay| self.timers.time_in(delay)),
            dedup_id,
            number: channel.confirms.as_ref().map(Confirms::next),
            wants_place: false,
        };
        let confirmed = publish.number;
        let answers = port.publish(&publish)?;
        if answers == POSTED {
            self.posted(number, confirmed, content);
            return Ok(());
        }
        if answers == 0 && content.mandatory {
            give_back(number, content, self.peer.frame_max, &mut self.output);
        }
        if let Some(confirms) = &mut channel.confirms
            && confirms.push(answers)
            && !confirms.is_due
        {
            confirms.is_due = true;
            self.confirms_due.push(number);
        }
        Ok(())
    }
}

/// A body as it goes on: a large one keeps the read buffer alive, a small one is worth a copy.
#[inline]
fn body_of<'i>(payload: &'i [u8], input: &Bytes) -> Body<'i> {
    if payload.len() >= limits::SHARED_BODY_BYTES_MIN {
        Body::Share(input.slice_ref(payload))
    } else {
        Body::Copy(payload)
    }
}

/// Encodes basic.return.
#[cold]
pub(crate) fn give_back(channel: u16, content: &Content<'_>, frame_max: u32, output: &mut Output) {
    let method = BasicReturn {
        reply_code: ReplyCode::NoRoute.code(),
        reply_text: ReplyCode::NoRoute.name(),
        exchange: content.exchange,
        routing_key: content.routing_key,
    };
    Method::from(method).encode_frame(channel, output.buffer());
    let (body, shared): (&[u8], _) = match &content.body {
        Body::Copy(body) => (body, None),
        Body::Share(body) => (body, Some(body)),
    };
    content::encode_header_frame(
        channel,
        body.len() as u64,
        content.properties,
        output.buffer(),
    );
    output.push_body(channel, body, shared, frame_max);
}

#[cold]
fn syntax(error: DecodeError) -> Fault {
    Fault::connection(error.reply_code(), error.to_string())
}
