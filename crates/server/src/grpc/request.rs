//! Requests to workers, and waiting for their replies.

use std::time::Duration;

use rpc::v1;
use tonic::Status;

use super::call::Call;
use super::message::{Place, draft, received};
use super::status::{Subject, flawed, no_reply, not_as_needed, refused};
use crate::flaw::Flaw;
use crate::gateway::Request;

/// How long a request waits for its reply when nothing else was asked for, in milliseconds.
const WAIT_MS_DEFAULT: u32 = 30_000;
/// The longest wait, in milliseconds.
const WAIT_MS_MAX: u32 = 600_000;

/// Publishes a request and waits for its reply.
pub(super) async fn ask(
    call: &Call,
    request: v1::RequestReplyRequest,
) -> Result<v1::RequestReplyResponse, Status> {
    let queue = request.queue;
    let wait_ms = match request.wait_ms {
        0 => WAIT_MS_DEFAULT,
        wait_ms if wait_ms <= WAIT_MS_MAX => wait_ms,
        _ => {
            let detail = format!("a request waits at most {WAIT_MS_MAX} ms");
            return Err(flawed(Flaw::new("wait_ms", detail)));
        }
    };
    if queue.is_empty() {
        return Err(flawed(Flaw::new("queue", "name a queue")));
    }
    let message = request.message.unwrap_or_default();
    if !message.reply_to.is_empty() {
        let detail = "the server says where the reply goes; leave it empty";
        return Err(flawed(Flaw::new("message.reply_to", detail)));
    }
    let draft = draft(message, &Place::queue(&queue)).and_then(|mut draft| {
        // What no worker took by then is to be taken by none.
        let wait_ms = u64::from(wait_ms);
        draft.ttl_ms = Some(draft.ttl_ms.map_or(wait_ms, |ttl_ms| ttl_ms.min(wait_ms)));
        let bytes_max = call.web.settings().message_bytes_max;
        draft.finish(bytes_max)
    });
    let message = draft.map_err(|flaw| flawed(flaw.within("message")))?;
    if request.fail_without_worker && call.find_queue(&queue).await?.statistics.consumers == 0 {
        let detail = format!("no worker consumes from '{queue}' at the moment");
        return Err(not_as_needed("NO_WORKER", Subject::Queue(&queue), detail));
    }
    let link = call.link().await?;
    let wait = Duration::from_millis(wait_ms.into());
    let reply = tokio::time::timeout(wait, link.call(Request::of(message))).await;
    let reply = reply.map_err(|_| {
        no_reply(format!(
            "no worker answered '{queue}' within {wait_ms} milliseconds"
        ))
    })?;
    let reply = reply.map_err(|refusal| refused(refusal, Subject::Queue(&queue)))?;
    let reply = received(&reply, call.web.gateway().engine());
    Ok(v1::RequestReplyResponse { reply: Some(reply) })
}
