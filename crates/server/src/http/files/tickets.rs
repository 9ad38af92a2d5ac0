//! Permissions to fetch from peers and to send to them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat::{Command, Reply};
use directory::files::{AudienceMember, FilePeer};
use directory::limits::{FILE_NAME_BYTES_MAX, FILE_NUMBER_MAX};
use files::ticket::Right;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Sharer;
use super::forms::{KindWord, check_peer_id, check_text, hex, unhex};
use super::stated::Stated;
use crate::files::{FilesError, OfferTo, Permission};
use crate::http::Web;
use crate::http::body::{InPath, JsonBody};
use crate::http::problem::Problem;

/// The most peers that an offer is not to go to.
const EXCEPT_MAX: usize = 100;

/// What one has to show.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = TicketWish)]
pub(crate) struct TicketWish {
    /// The capability of a link.
    pub(crate) link: Option<String>,
    /// The size in bytes in which it is wanted, where several are stated; absent: the one that is believed.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub(crate) size: Option<u64>,
}

/// Somebody from whom a file can be fetched.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileSource)]
pub(crate) struct SourceOut {
    /// The peer.
    pub(crate) peer: String,
    /// Its account.
    pub(crate) account: String,
    /// Its name.
    pub(crate) name: String,
    /// Where it is reached.
    pub(crate) addresses: Vec<String>,
    /// SHA-256 of the SubjectPublicKeyInfo of its certificate.
    pub(crate) key: String,
    /// It can be reached through the server.
    pub(crate) relay: bool,
    /// It speaks the sealed line and no TLS, as browsers do.
    pub(crate) sealed: bool,
    /// The parts that it has, in their wire form as base64url; null: the whole.
    pub(crate) have: Option<String>,
    /// What to show to it.
    pub(crate) ticket: String,
    /// When that ends, in milliseconds since 1970.
    pub(crate) expires_ms: u64,
}

/// Where a file can be fetched.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileTickets)]
pub(crate) struct TicketsOut {
    /// The BLAKE3 root of its content.
    pub(crate) root: String,
    /// Its size in bytes, as the sources state it.
    pub(crate) size: u64,
    /// All sizes that are stated for it, the one that is believed first; at most 21.
    pub(crate) sizes: Vec<u64>,
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: KindWord,
    /// From whom, those with the whole first.
    pub(crate) sources: Vec<SourceOut>,
}

/// To whom something is offered; one of these.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = OfferTo)]
pub(crate) struct OfferToForm {
    /// A peer.
    pub(crate) peer: Option<String>,
    /// All peers of an account.
    pub(crate) account: Option<String>,
    /// The peers of those who are in a room.
    pub(crate) room: Option<String>,
}

/// Something that a peer has to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Offer)]
pub(crate) struct OfferForm {
    /// Your live peer that sends it.
    pub(crate) from: String,
    /// The BLAKE3 root of its content.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    pub(crate) root: String,
    /// Its name.
    #[schema(min_length = 1, max_length = 255)]
    pub(crate) name: String,
    /// Its size in bytes.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub(crate) size: u64,
    /// What it is.
    #[serde(rename = "kind")]
    pub(crate) _kind: KindWord,
    /// To whom; absent: one live peer of somebody else.
    #[serde(default)]
    pub(crate) to: Option<OfferToForm>,
    /// Without `to`: peers that it is not to be, since they were asked before.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub(crate) except: Vec<String>,
}

/// Somebody to whom a file can be sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileReceiver)]
pub(crate) struct ReceiverOut {
    /// The peer.
    pub(crate) peer: String,
    /// Its account.
    pub(crate) account: String,
    /// Its name.
    pub(crate) name: String,
    /// Where it is reached.
    pub(crate) addresses: Vec<String>,
    /// SHA-256 of the SubjectPublicKeyInfo of its certificate.
    pub(crate) key: String,
    /// It can be reached through the server.
    pub(crate) relay: bool,
    /// It speaks the sealed line and no TLS, as browsers do.
    pub(crate) sealed: bool,
    /// What to show to it.
    pub(crate) ticket: String,
    /// When that ends, in milliseconds since 1970.
    pub(crate) expires_ms: u64,
}

/// Those to whom a file can be sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileReceivers)]
pub(crate) struct ReceiversOut {
    /// The receivers.
    pub(crate) receivers: Vec<ReceiverOut>,
}

/// Ask for tickets to fetch a file
///
/// One for each live peer that has the file, or a part of it, and from which you may fetch it.
#[utoipa::path(post, path = "/v1/files/{root}/tickets", tag = "files",
    params(("root" = String, Path, description = "The BLAKE3 root of its content")),
    request_body = TicketWish,
    responses(
        (status = 200, description = "From whom it can be fetched, and what to show them", body = TicketsOut),
        (status = "4XX", description = "Nobody who is there and from whom you may fetch it has it", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn fetch(
    State(web): State<Web>,
    sharer: Sharer,
    InPath(root): InPath<String>,
    JsonBody(wish): JsonBody<TicketWish>,
) -> Result<Json<TicketsOut>, Problem> {
    Ok(Json(fetch_as(&web, &sharer, &root, &wish).await?))
}

/// Gives somebody tickets to fetch a file.
///
/// # Errors
/// See [`fetch`].
pub(crate) async fn fetch_as(
    web: &Web,
    sharer: &Sharer,
    root: &str,
    wish: &TicketWish,
) -> Result<TicketsOut, Problem> {
    let root = unhex("root", root)?;
    let mut viewer = sharer.viewer(web).await?;
    if let Some(link) = &wish.link {
        viewer.guest_of = host_of(web, link, root).await?;
    }
    let stated = Stated::look(web, sharer, root, viewer).await?;
    let sizes = stated.sizes();
    let content = match wish.size {
        None => stated.into_best(),
        Some(size) => stated.into_one_of(size),
    };
    let content = content.ok_or(FilesError::NotFound)?;
    let times = times(web)?;
    let sources = content.holders.iter().map(|holder| {
        let draft = &holder.peer.draft;
        Ok(SourceOut {
            peer: draft.id.clone(),
            account: draft.login.clone(),
            name: draft.name.clone(),
            addresses: draft.addresses.clone(),
            key: hex(&draft.key),
            relay: draft.relay,
            sealed: draft.sealed,
            have: holder
                .have
                .as_ref()
                .map(|have| URL_SAFE_NO_PAD.encode(have)),
            ticket: ticket(web, sharer, &holder.peer, root, Right::Fetch, times)?,
            expires_ms: times.1,
        })
    });
    Ok(TicketsOut {
        sources: sources.collect::<Result<_, FilesError>>()?,
        root: hex(&root),
        size: content.size,
        sizes,
        name: content.name,
        kind: content.kind.into(),
    })
}

/// Finds whose files a link opens, if it holds for this content.
async fn host_of(
    web: &Web,
    capability: &str,
    root: [u8; 32],
) -> Result<Option<AudienceMember>, FilesError> {
    let hash = directory::token::hash(capability);
    let Some(link) = web.files().link(hash).await? else {
        return Ok(None);
    };
    let engine = web.gateway().engine();
    let now_ms = engine.now_ms();
    let account = engine.account(&link.login);
    // An account that was made anew under the same name has made no link.
    let is_there = account.is_some_and(|account| account.created_ms == link.account_ms);
    let is_good = is_there && link.root == root && link.expires_ms.is_none_or(|end| now_ms < end);
    Ok(is_good.then_some(AudienceMember {
        name: link.login,
        created_ms: link.account_ms,
    }))
}

/// When a ticket begins and ends that is made now.
fn times(web: &Web) -> Result<(u64, u64), FilesError> {
    let now_ms = web.gateway().engine().now_ms();
    let life_ms = u64::from(web.files().settings()?.ticket_s) * 1_000;
    Ok((now_ms, now_ms + life_ms))
}

fn ticket(
    web: &Web,
    sharer: &Sharer,
    peer: &FilePeer,
    root: [u8; 32],
    right: Right,
    times: (u64, u64),
) -> Result<String, FilesError> {
    let permission = Permission {
        account: &sharer.actor.login,
        peer: peer.draft.key,
        root,
        right,
    };
    web.files().sign(&permission, times)
}

/// Offer a file
///
/// The answer says to whom it can be sent. Whether they take it is for them to decide. Without `to` it is one live peer of somebody else
/// that takes files, the one that was picked longest ago; `except` names those who were asked before.
#[utoipa::path(post, path = "/v1/offers", tag = "files",
    request_body = OfferForm,
    responses(
        (status = 200, description = "To whom it can be sent, and what to show them", body = ReceiversOut),
        (status = "4XX", description = "None of them is there, or you have no such live peer", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn offer(
    State(web): State<Web>,
    sharer: Sharer,
    JsonBody(offer): JsonBody<OfferForm>,
) -> Result<Json<ReceiversOut>, Problem> {
    Ok(Json(offer_as(&web, &sharer, offer).await?))
}

/// Offers a file for somebody.
///
/// # Errors
/// See [`offer`].
pub(crate) async fn offer_as(
    web: &Web,
    sharer: &Sharer,
    offer: OfferForm,
) -> Result<ReceiversOut, Problem> {
    check_peer_id(&offer.from)?;
    check_text("name", &offer.name, FILE_NAME_BYTES_MAX)?;
    if offer.size > FILE_NUMBER_MAX {
        return Err(Problem::invalid("size is at most 2^53 - 1"));
    }
    let root = unhex("root", &offer.root)?;
    let to = receivers(web, sharer, offer.to, offer.except).await?;
    let (from, owner) = (offer.from, sharer.account());
    let offered = web
        .files()
        .ask(move |index, _| index.offer(&from, &owner, &to));
    let peers: Vec<Arc<FilePeer>> = offered.await.map_err(|error| {
        if error == FilesError::NotFound {
            Problem::not_found("no such receiver is live, or you have no such live peer")
        } else {
            error.into()
        }
    })?;
    let times = times(web)?;
    let receivers = peers.iter().map(|peer| {
        let draft = &peer.draft;
        Ok(ReceiverOut {
            peer: draft.id.clone(),
            account: draft.login.clone(),
            name: draft.name.clone(),
            addresses: draft.addresses.clone(),
            key: hex(&draft.key),
            relay: draft.relay,
            sealed: draft.sealed,
            ticket: ticket(web, sharer, peer, root, Right::Put, times)?,
            expires_ms: times.1,
        })
    });
    let receivers = receivers.collect::<Result<_, FilesError>>()?;
    Ok(ReceiversOut { receivers })
}

/// Reads to whom something is offered.
async fn receivers(
    web: &Web,
    sharer: &Sharer,
    to: Option<OfferToForm>,
    except: Vec<String>,
) -> Result<OfferTo, Problem> {
    if except.len() > EXCEPT_MAX {
        return Err(Problem::invalid(format!(
            "except has at most {EXCEPT_MAX} peers"
        )));
    }
    for id in &except {
        check_peer_id(id)?;
    }
    let Some(to) = to else {
        return Ok(OfferTo::Any(except.into_iter().collect()));
    };
    if !except.is_empty() {
        return Err(Problem::invalid(
            "except is for offers without to: whoever is named there is asked",
        ));
    }
    match (to.peer, to.account, to.room) {
        (Some(peer), None, None) => Ok(OfferTo::Peer(peer)),
        (None, Some(account), None) => Ok(OfferTo::Accounts(vec![account])),
        (None, None, Some(room)) => {
            let command = Command::Members { room };
            let Reply::Members { members, .. } =
                web.chat().ask(sharer.actor.clone(), command).await?
            else {
                return Err(Problem::internal());
            };
            let logins = members.into_iter().map(|member| member.login);
            let others = logins.filter(|login| *login != sharer.actor.login);
            Ok(OfferTo::Accounts(others.collect()))
        }
        _ => Err(Problem::invalid(
            "to has exactly one of peer, account and room",
        )),
    }
}
