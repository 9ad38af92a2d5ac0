//! The bytes of a ticket before its signature.

use super::{KeyId, PeerKey, Right, Scope, Ticket, Unsignable};
use crate::content::Root;

const VERSION: u8 = 1;
const FETCH: u8 = 0;
const PUT: u8 = 1;
const CONTENT: u8 = 0;
const ANY_OF: u8 = 1;

pub(super) fn encode(ticket: &Ticket) -> Result<Vec<u8>, Unsignable> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&ticket.key.0.to_le_bytes());
    out.push(match ticket.right {
        Right::Fetch => FETCH,
        Right::Put => PUT,
    });
    out.push(match ticket.scope {
        Scope::Content(_) => CONTENT,
        Scope::AnyOf(_) => ANY_OF,
    });
    out.extend_from_slice(&ticket.issued_ms.to_le_bytes());
    out.extend_from_slice(&ticket.expires_ms.to_le_bytes());
    out.extend_from_slice(&ticket.peer.0);
    match &ticket.scope {
        Scope::Content(root) => out.extend_from_slice(root.as_bytes()),
        Scope::AnyOf(owner) => encode_login(owner, &mut out)?,
    }
    encode_login(&ticket.account, &mut out)?;
    Ok(out)
}

fn encode_login(login: &str, out: &mut Vec<u8>) -> Result<(), Unsignable> {
    let length = u8::try_from(login.len()).map_err(|_| Unsignable::Login)?;
    if length == 0 {
        return Err(Unsignable::Login);
    }
    out.push(length);
    out.extend_from_slice(login.as_bytes());
    Ok(())
}

/// Reads the bytes: nothing where they are not exactly those of a ticket.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Ticket> {
    let bytes = &mut bytes;
    let [VERSION] = take(bytes)? else {
        return None;
    };
    let key = KeyId(u32::from_le_bytes(take(bytes)?));
    let right = match take(bytes)? {
        [FETCH] => Right::Fetch,
        [PUT] => Right::Put,
        _ => return None,
    };
    let [scope] = take(bytes)?;
    let issued_ms = u64::from_le_bytes(take(bytes)?);
    let expires_ms = u64::from_le_bytes(take(bytes)?);
    let peer = PeerKey(take(bytes)?);
    let scope = match scope {
        CONTENT => Scope::Content(Root::from_bytes(take(bytes)?)),
        ANY_OF => Scope::AnyOf(take_login(bytes)?),
        _ => return None,
    };
    let account = take_login(bytes)?;
    bytes.is_empty().then_some(Ticket {
        account,
        peer,
        scope,
        right,
        issued_ms,
        expires_ms,
        key,
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn take_login(bytes: &mut &[u8]) -> Option<String> {
    let [length] = take(bytes)?;
    let (login, rest) = bytes.split_at_checked(usize::from(length))?;
    *bytes = rest;
    let login = str::from_utf8(login).ok().filter(|login| !login.is_empty());
    login.map(str::to_owned)
}
