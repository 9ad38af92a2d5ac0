//! What properties must be, and the few cases in which they go on in another form.

use codec::amqp::field::TableRef;
use codec::amqp::properties::PropertiesRef;

use super::syntax;
use crate::channel::ReplyConsumer;
use crate::faults::Fault;
use crate::limits;
use crate::peer::Peer;
use crate::requests::REPLY_QUEUE;

/// What a look at the properties found.
pub(super) struct Examined<'c> {
    pub(super) properties: PropertiesRef<'c>,
    pub(super) expiration_ms: Option<u64>,
    /// How long the message is to be kept back.
    pub(super) delay_ms: Option<u64>,
    /// What the publisher calls the message, so that it may publish it again.
    pub(super) dedup_id: Option<&'c str>,
    /// They go on in another form.
    pub(super) is_rewritten: bool,
}

/// Checks properties; those that must go on in another form are put into `scratch`.
#[inline]
pub(super) fn examine<'c>(
    raw: &'c [u8],
    peer: &Peer,
    reply: Option<&ReplyConsumer>,
    scratch: &mut Vec<u8>,
) -> Result<Examined<'c>, Fault> {
    let properties = PropertiesRef::parse(raw).map_err(syntax)?;
    let found = match properties.headers {
        Some(headers) => look_through(headers)?,
        None => Found::default(),
    };
    if let Some(user) = properties.user_id
        && !peer.is_impersonator
        && peer.login.as_deref() != Some(user)
    {
        let login = peer.login.as_deref().unwrap_or_default();
        let detail =
            format!("user_id property set to '{user}' but authenticated user was '{login}'");
        return Err(Fault::precondition(detail));
    }
    let expiration_ms = properties.expiration.map(parse_expiration).transpose()?;
    let asks_reply = properties.reply_to == Some(REPLY_QUEUE);
    let is_rewritten = found.has_bcc || asks_reply;
    if is_rewritten {
        rewrite(
            &properties,
            if asks_reply { Some(reply) } else { None },
            scratch,
        )?;
    }
    Ok(Examined {
        properties,
        expiration_ms,
        delay_ms: found.delay_ms,
        dedup_id: found.dedup_id,
        is_rewritten,
    })
}

/// What headers say to the server.
#[derive(Default)]
struct Found<'h> {
    has_bcc: bool,
    delay_ms: Option<u64>,
    dedup_id: Option<&'h str>,
}

/// Checks headers and picks out those that mean something, in one go.
fn look_through(headers: TableRef<'_>) -> Result<Found<'_>, Fault> {
    headers.validate().map_err(syntax)?;
    let mut found = Found::default();
    for (name, value) in headers.iter().flatten() {
        match name {
            "BCC" => found.has_bcc = true,
            // A delay that makes no sense is none.
            "x-delay" if found.delay_ms.is_none() => {
                found.delay_ms = value.as_i64().and_then(|delay| u64::try_from(delay).ok());
            }
            "x-deduplication-header" if found.dedup_id.is_none() => {
                found.dedup_id = value.as_str();
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Encodes properties without BCC, and with the reply address if one is asked for.
#[cold]
fn rewrite(
    properties: &PropertiesRef<'_>,
    reply: Option<Option<&ReplyConsumer>>,
    scratch: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut owned = (*properties).to_owned().map_err(syntax)?;
    if let Some(headers) = &mut owned.headers {
        headers.remove("BCC");
    }
    match reply {
        Some(Some(reply)) => owned.reply_to = Some(reply.address.clone()),
        Some(None) => return Err(Fault::precondition("fast reply consumer does not exist")),
        None => {}
    }
    scratch.clear();
    owned.encode(scratch);
    Ok(())
}

/// Reads an expiration: decimal digits and nothing else.
fn parse_expiration(text: &str) -> Result<u64, Fault> {
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(number) if is_decimal && number <= limits::EXPIRATION_MS_MAX => Ok(number),
        Ok(_) | Err(_) => Err(Fault::precondition(format!("invalid expiration '{text}'"))),
    }
}
