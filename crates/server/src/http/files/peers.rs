//! Peers: announced, heard, listed, logged out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use directory::files::PeerDraft;
use directory::limits::{FILE_NAME_BYTES_MAX, PEER_ADDRESSES_MAX};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Sharer;
use super::forms::{check_peer_id, check_text, hex, unhex};
use crate::files::PeerView;
use crate::http::Web;
use crate::http::body::{InPath, JsonBody, Params};
use crate::http::page::{Page, PageParams};
use crate::http::problem::Problem;

/// The longest name of a host.
const HOST_BYTES_MAX: usize = 253;

/// What a peer says of itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PeerAnnouncement)]
pub(crate) struct Announcement {
    /// Its name, for people.
    #[schema(min_length = 1, max_length = 255)]
    pub(crate) name: String,
    /// Where others reach it, `host:port`.
    #[serde(default)]
    #[schema(max_items = 8)]
    pub(crate) addresses: Vec<String>,
    /// With no addresses: the server notes the one that it sees, with this port.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub(crate) port: Option<u16>,
    /// SHA-256 of the SubjectPublicKeyInfo of its certificate.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    pub(crate) key: String,
    /// It can be reached through the server.
    #[serde(default)]
    pub(crate) relay: bool,
    /// It speaks the sealed line and no TLS, as browsers do.
    #[serde(default)]
    pub(crate) sealed: bool,
    /// Whether it takes files that others bring. Whoever says that it takes none is picked for nobody's offer, and whoever says nothing only
    /// when nobody else is there.
    #[serde(default)]
    pub(crate) takes: Option<bool>,
}

/// A key that tickets are signed with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TicketKey {
    /// Its id, which is in the ticket.
    pub(crate) id: u32,
    /// The public key, Ed25519.
    pub(crate) key: String,
}

/// How a peer is known now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnnouncedPeer)]
pub(crate) struct Announced {
    /// Its id.
    pub(crate) peer: String,
    /// How often it should be heard, in seconds.
    pub(crate) heartbeat_s: u32,
    /// After how long a silence it is not there any more, in seconds.
    pub(crate) silence_s: u32,
    /// What the server has of its files; 0 is nothing.
    pub(crate) revision: u64,
    /// Where others reach it.
    pub(crate) addresses: Vec<String>,
    /// Whether peers can be called through this server.
    pub(crate) relay: bool,
    /// What tickets are checked with.
    pub(crate) ticket_keys: Vec<TicketKey>,
}

/// A heartbeat.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PeerHeartbeat)]
pub(crate) struct Beat {}

/// The answer to a heartbeat.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PeerHeard)]
pub(crate) struct Heard {
    /// What the server has of its files.
    pub(crate) revision: u64,
    /// How often it was named to those who have something to send, since it announced itself.
    pub(crate) offers: u64,
}

/// How a peer goes.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GoParams {
    /// The server forgets it with all its files.
    forget: bool,
}

/// Which peers are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PeerListParams {
    /// Your own ones too that are not live.
    all: bool,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// A peer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Peer)]
pub(crate) struct PeerOut {
    /// Its id.
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
    /// It is there.
    pub(crate) live: bool,
    /// It is yours.
    pub(crate) own: bool,
    /// How many files it has; of your own ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<u64>,
    /// What the server has of its files; of your own ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<u64>,
    /// When it announced itself, or was heard last, in milliseconds since 1970.
    pub(crate) seen_ms: u64,
}

impl PeerOut {
    pub(crate) fn of(view: PeerView) -> Self {
        let draft = &view.peer.draft;
        Self {
            peer: draft.id.clone(),
            account: draft.login.clone(),
            name: draft.name.clone(),
            addresses: draft.addresses.clone(),
            key: hex(&draft.key),
            relay: draft.relay,
            sealed: draft.sealed,
            live: view.is_live,
            own: view.is_own,
            files: view.is_own.then_some(view.peer.files),
            revision: view.is_own.then_some(view.peer.revision),
            seen_ms: view.peer.seen_ms,
        }
    }
}

/// Announce a peer
///
/// At its start and whenever something of it changes. The id is one that it made itself, once: 32 hexadecimal digits. From then on it is
/// live, as long as it sends heartbeats.
#[utoipa::path(put, path = "/v1/peers/{peer}", tag = "files",
    params(("peer" = String, Path, description = "The peer's id")),
    request_body = Announcement,
    responses(
        (status = 200, description = "It was known, and is live", body = Announced),
        (status = 201, description = "It is new, and live", body = Announced),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn announce(
    State(web): State<Web>,
    sharer: Sharer,
    InPath(peer): InPath<String>,
    JsonBody(wish): JsonBody<Announcement>,
) -> Result<(StatusCode, Json<Announced>), Problem> {
    let (announced, is_new) = announce_as(&web, &sharer, peer, wish).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(announced)))
}

/// Announces a peer of somebody's; tells whether it is new.
///
/// # Errors
/// See [`announce`].
pub(crate) async fn announce_as(
    web: &Web,
    sharer: &Sharer,
    peer: String,
    wish: Announcement,
) -> Result<(Announced, bool), Problem> {
    let settings = web.files().settings()?.clone();
    check_peer_id(&peer)?;
    check_text("name", &wish.name, FILE_NAME_BYTES_MAX)?;
    let addresses = addresses_of(sharer, wish.addresses, wish.port)?;
    let owner = sharer.account();
    // Pages that say nothing of it take none.
    let takes = wish.takes.or_else(|| wish.sealed.then_some(false));
    let draft = PeerDraft {
        id: peer.clone(),
        login: owner.name,
        account_ms: owner.created_ms,
        name: wish.name,
        addresses: addresses.clone(),
        key: unhex("key", &wish.key)?,
        relay: wish.relay && settings.relay_enabled,
        sealed: wish.sealed,
    };
    let announced = web
        .files()
        .ask(move |index, now_ms| index.announce(draft, takes, now_ms));
    let (known, is_new) = announced.await?;
    let (id, public) = web.files().ticket_key()?;
    let announced = Announced {
        peer,
        heartbeat_s: settings.heartbeat_s,
        silence_s: settings.silence_s,
        revision: known.revision,
        addresses,
        relay: settings.relay_enabled,
        ticket_keys: vec![TicketKey {
            id,
            key: hex(public),
        }],
    };
    Ok((announced, is_new))
}

fn addresses_of(
    sharer: &Sharer,
    addresses: Vec<String>,
    port: Option<u16>,
) -> Result<Vec<String>, Problem> {
    if addresses.len() > PEER_ADDRESSES_MAX {
        return Err(Problem::invalid(format!(
            "a peer has at most {PEER_ADDRESSES_MAX} addresses"
        )));
    }
    if let Some(wrong) = addresses.iter().find(|address| !is_address(address)) {
        let shown: String = wrong.chars().take(80).collect();
        return Err(Problem::invalid(format!(
            "'{shown}' is no address; write host:port, with an IPv6 address in brackets"
        )));
    }
    match port {
        Some(0) => Err(Problem::invalid("port is from 1 to 65535")),
        Some(port) if addresses.is_empty() => {
            let seen = sharer.caller.origin.address.to_canonical();
            Ok(vec![std::net::SocketAddr::new(seen, port).to_string()])
        }
        Some(_) | None => Ok(addresses),
    }
}

/// Tells whether a text is an address: a host or an IP address, and a port.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_port = !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok();
    let is_v6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let is_label = |label: &str| {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(is_good)
    };
    let is_host = host.len() <= HOST_BYTES_MAX && host.split('.').all(is_label);
    is_port && (is_v6 || is_host)
}

/// Say that a peer is still there
#[utoipa::path(post, path = "/v1/peers/{peer}/heartbeat", tag = "files",
    params(("peer" = String, Path, description = "The peer's id")),
    request_body = Beat,
    responses(
        (status = 200, description = "It is live", body = Heard),
        (status = "4XX", description = "It is not live: announce it again", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn heartbeat(
    State(web): State<Web>,
    sharer: Sharer,
    InPath(peer): InPath<String>,
    _beat: JsonBody<Beat>,
) -> Result<Json<Heard>, Problem> {
    Ok(Json(hear_as(&web, &sharer, peer).await?))
}

/// Hears a peer of somebody's.
///
/// # Errors
/// See [`heartbeat`].
pub(crate) async fn hear_as(web: &Web, sharer: &Sharer, peer: String) -> Result<Heard, Problem> {
    let owner = sharer.account();
    let heard = web
        .files()
        .ask(move |index, now_ms| index.hear(&peer, &owner, now_ms));
    let (revision, offers) = heard.await?;
    Ok(Heard { revision, offers })
}

/// Log a peer out
///
/// Its files are in no answer any more. When it announces itself again, it goes on from its revision, unless it was forgotten.
#[utoipa::path(delete, path = "/v1/peers/{peer}", tag = "files",
    params(("peer" = String, Path, description = "The peer's id"), GoParams),
    responses(
        (status = 204, description = "It is not live any more"),
        (status = "4XX", description = "You have no such peer", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn log_out(
    State(web): State<Web>,
    sharer: Sharer,
    InPath(peer): InPath<String>,
    Params(params): Params<GoParams>,
) -> Result<StatusCode, Problem> {
    log_out_as(&web, &sharer, peer, params.forget).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Logs a peer of somebody's out.
///
/// # Errors
/// See [`log_out`].
pub(crate) async fn log_out_as(
    web: &Web,
    sharer: &Sharer,
    peer: String,
    is_forgotten: bool,
) -> Result<(), Problem> {
    let owner = sharer.account();
    let gone = web
        .files()
        .ask(move |index, now_ms| index.log_out(&peer, &owner, is_forgotten, now_ms));
    Ok(gone.await?)
}

/// List peers
///
/// Those that are live; with `all` also your own ones that are not.
#[utoipa::path(get, path = "/v1/peers", tag = "files", params(PeerListParams),
    responses(
        (status = 200, description = "A page of peers, by id", body = Page<PeerOut>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn list(
    State(web): State<Web>,
    sharer: Sharer,
    Params(params): Params<PeerListParams>,
) -> Result<Json<Page<PeerOut>>, Problem> {
    let page = PageParams::new(params.cursor, params.limit)?;
    let (page, views) = list_as(&web, &sharer, page, params.all).await?;
    Ok(Json(page.cut(
        views,
        |view| view.peer.draft.id.clone(),
        PeerOut::of,
    )))
}

/// Lists peers as somebody sees them; one more than a page says that there are more.
///
/// # Errors
/// See [`list`].
pub(crate) async fn list_as(
    web: &Web,
    sharer: &Sharer,
    page: PageParams,
    all: bool,
) -> Result<(PageParams, Vec<PeerView>), Problem> {
    let owner = sharer.account();
    let listed = web.files().ask(move |index, _| {
        let mut views = index.peers(&owner, all, |id| page.is_behind_cursor(id))?;
        views.truncate(page.limit() + 1);
        Ok((page, views))
    });
    Ok(listed.await?)
}
