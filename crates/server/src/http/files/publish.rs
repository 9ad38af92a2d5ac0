//! What a peer has: announced as a whole, and then by differences.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat::{Command, Reply};
use directory::files::{Audience, AudienceMember, FileEntry};
use directory::limits::{
    AUDIENCE_MEMBERS_MAX, FILE_ID_BYTES_MAX, FILE_NAME_BYTES_MAX, FILE_NUMBER_MAX,
    FILE_TYPE_BYTES_MAX,
};
use files::content::Shape;
use files::have::Have;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Sharer;
use super::cards::{cards_of, tell};
use super::forms::{KindWord, check_peer_id, check_text, unhex};
use crate::http::Web;
use crate::http::body::{InPath, JsonBody};
use crate::http::problem::Problem;

/// Entries of one request, those that go included.
const ENTRIES_MAX: usize = 1_000;
/// Groups of the files of which a request says that there are parts: each is a bit in memory while they are counted.
const GROUPS_MAX: u64 = 2 * files::limits::GROUPS_MAX as u64;
/// Rooms that the audiences of one request name.
const ROOMS_MAX: usize = 64;

/// Who may find a file; exactly one of these.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = FileAudience)]
pub(in crate::http) struct AudienceForm {
    /// Everyone, with `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    everyone: Option<bool>,
    /// Those who are in one of these rooms.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 64)]
    rooms: Option<Vec<String>>,
    /// These accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 64)]
    accounts: Option<Vec<String>>,
    /// Whoever has a link, with `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<bool>,
}

/// A file as a peer has it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FileEntry)]
pub(in crate::http) struct EntryForm {
    /// Its id in the peer: its relative path.
    #[schema(min_length = 1, max_length = 4096)]
    file: String,
    /// Its name.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// Where it is in the peer.
    #[schema(min_length = 1, max_length = 4096)]
    path: String,
    /// Its size in bytes.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    size: u64,
    /// The BLAKE3 root of its content.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    root: String,
    /// Its media type.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 128)]
    media_type: String,
    /// What it is.
    kind: KindWord,
    /// The parts that are there, in their wire form as base64url; absent: the whole.
    #[serde(default)]
    have: Option<String>,
    /// Since when, in milliseconds since 1970.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    since_ms: u64,
    /// Who may find it.
    audience: AudienceForm,
}

/// What has changed since a revision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FileChanges)]
pub(in crate::http) struct Changes {
    /// The revision that the server has; 0 begins anew with nothing.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    from: u64,
    /// The revision that it has then, above `from`.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    to: u64,
    /// Files that are new or otherwise.
    #[serde(default)]
    #[schema(max_items = 1000)]
    put: Vec<EntryForm>,
    /// Ids of files that are there no more; they go first.
    #[serde(default)]
    #[schema(max_items = 1000)]
    remove: Vec<String>,
}

/// What the server has of a peer's files.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FilesPublished)]
pub(in crate::http) struct Published {
    /// The revision.
    revision: u64,
    /// Audiences that are not there, or whose room you may not enter: `room NAME`, `account LOGIN`. Nobody of them sees the files.
    ignored: Vec<String>,
}

/// The rooms and accounts of a request's audiences, as they are now.
#[derive(Default)]
struct Known {
    rooms: BTreeMap<String, Option<AudienceMember>>,
    accounts: BTreeMap<String, Option<AudienceMember>>,
}

/// Publish what a peer has
///
/// At first as a whole, from revision 0, and then what changes; in several steps where it is more than 1,000 entries or 1 MiB. All of a
/// request is done, or nothing.
#[utoipa::path(patch, path = "/v1/peers/{peer}/files", tag = "files",
    params(("peer" = String, Path, description = "The peer's id")),
    request_body = Changes,
    responses(
        (status = 200, description = "It is found from now on", body = Published),
        (status = "4XX", description = "Refused; 409 says which revision the server has", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn publish(
    State(web): State<Web>,
    sharer: Sharer,
    InPath(peer): InPath<String>,
    JsonBody(changes): JsonBody<Changes>,
) -> Result<Json<Published>, Problem> {
    check_peer_id(&peer)?;
    check_changes(&changes)?;
    let (from, to) = (changes.from, changes.to);
    let known = resolve(&web, &sharer, &changes.put).await?;
    let put = changes.put.into_iter().map(|form| form.entry(&known));
    let put = put.collect::<Result<Vec<_>, _>>()?;
    let cards = cards_of(&put);
    let (owner, remove) = (sharer.account(), changes.remove);
    let published = web
        .files()
        .ask(move |index, now_ms| index.publish(&peer, &owner, (from, to), put, remove, now_ms));
    let revision = published.await?;
    // What was published is published, whether rooms hear of it or not.
    if let Err(error) = tell(&web, &sharer, cards).await {
        tracing::warn!(?error, "rooms were not told of what is shared with them");
    }
    let ignored = known.ignored();
    Ok(Json(Published { revision, ignored }))
}

fn check_changes(changes: &Changes) -> Result<(), Problem> {
    if changes.to <= changes.from || changes.to > FILE_NUMBER_MAX {
        return Err(Problem::invalid("to is above from, and at most 2^53 - 1"));
    }
    if changes.put.len() + changes.remove.len() > ENTRIES_MAX {
        return Err(Problem::invalid(format!(
            "put and remove have at most {ENTRIES_MAX} entries together; send the rest after it"
        )));
    }
    let partial = changes.put.iter().filter(|entry| entry.have.is_some());
    let groups: u64 = partial
        .filter_map(|entry| groups(entry.size))
        .map(u64::from)
        .sum();
    if groups > GROUPS_MAX {
        return Err(Problem::invalid(
            "the files of which there are parts are too large for one request; send them one by one",
        ));
    }
    for file in &changes.remove {
        check_text("an id in remove", file, FILE_ID_BYTES_MAX)?;
    }
    Ok(())
}

/// Finds out which rooms and accounts the audiences name.
async fn resolve(web: &Web, sharer: &Sharer, entries: &[EntryForm]) -> Result<Known, Problem> {
    let names = |of: fn(&AudienceForm) -> &Option<Vec<String>>| -> BTreeSet<&String> {
        entries
            .iter()
            .flat_map(|entry| of(&entry.audience).iter().flatten())
            .collect()
    };
    let rooms = names(|audience| &audience.rooms);
    if rooms.len() > ROOMS_MAX {
        return Err(Problem::invalid(format!(
            "the audiences of one request name at most {ROOMS_MAX} rooms"
        )));
    }
    let mut known = Known::default();
    for name in rooms {
        let room = name.clone();
        let command = Command::Room { room };
        let found = match web.chat().ask(sharer.actor.clone(), command).await {
            Ok(Reply::Room(view)) => Some(AudienceMember {
                name: view.name,
                created_ms: view.created_ms,
            }),
            Ok(_) => None,
            Err(refusal) if refusal.kind == chat::RefusalKind::Unavailable => {
                return Err(refusal.into());
            }
            Err(_) => None,
        };
        known.rooms.insert(name.clone(), found);
    }
    for login in names(|audience| &audience.accounts) {
        let account = web.gateway().engine().account(login);
        let account = account.map(|account| AudienceMember {
            name: account.login,
            created_ms: account.created_ms,
        });
        known.accounts.insert(login.clone(), account);
    }
    Ok(known)
}

impl Known {
    fn ignored(&self) -> Vec<String> {
        let of = |kind: &'static str, known: &BTreeMap<String, Option<AudienceMember>>| {
            let missing = known.iter().filter(|(_, found)| found.is_none());
            missing
                .map(|(name, _)| format!("{kind} {name}"))
                .collect::<Vec<_>>()
        };
        let mut ignored = of("room", &self.rooms);
        ignored.append(&mut of("account", &self.accounts));
        ignored
    }
}

impl AudienceForm {
    fn audience(&self, known: &Known) -> Result<Audience, Problem> {
        let members = |names: &[String], of: &BTreeMap<String, Option<AudienceMember>>| {
            if names.is_empty() || names.len() > AUDIENCE_MEMBERS_MAX {
                return Err(Problem::invalid(format!(
                    "an audience has 1 to {AUDIENCE_MEMBERS_MAX} rooms or accounts"
                )));
            }
            let found = names
                .iter()
                .filter_map(|name| of.get(name).cloned().flatten());
            Ok(found.collect::<Vec<_>>())
        };
        match (self.everyone, &self.rooms, &self.accounts, self.link) {
            (Some(true), None, None, None) => Ok(Audience::Everyone),
            (None, Some(rooms), None, None) => Ok(Audience::Rooms(members(rooms, &known.rooms)?)),
            (None, None, Some(accounts), None) => {
                Ok(Audience::Accounts(members(accounts, &known.accounts)?))
            }
            (None, None, None, Some(true)) => Ok(Audience::Link),
            _ => Err(Problem::invalid(
                "audience has exactly one of everyone: true, rooms, accounts and link: true",
            )),
        }
    }
}

impl EntryForm {
    fn entry(self, known: &Known) -> Result<FileEntry, Problem> {
        check_text("file", &self.file, FILE_ID_BYTES_MAX)?;
        check_text("path", &self.path, FILE_ID_BYTES_MAX)?;
        check_text("name", &self.name, FILE_NAME_BYTES_MAX)?;
        check_text("type", &self.media_type, FILE_TYPE_BYTES_MAX)?;
        if self.name.contains('/') {
            return Err(Problem::invalid("name has no '/'"));
        }
        if self.size > FILE_NUMBER_MAX || self.since_ms > FILE_NUMBER_MAX {
            return Err(Problem::invalid("size and since_ms are at most 2^53 - 1"));
        }
        let (have, part) = parts(self.size, self.have.as_deref())?;
        Ok(FileEntry {
            audience: self.audience.audience(known)?,
            root: unhex("root", &self.root)?,
            file: self.file,
            name: self.name,
            path: self.path,
            size: self.size,
            media_type: self.media_type,
            kind: self.kind.into(),
            have,
            part,
            since_ms: self.since_ms,
        })
    }
}

/// The parts that are there, and how much that is.
fn parts(size: u64, have: Option<&str>) -> Result<(Option<Vec<u8>>, f64), Problem> {
    let Some(have) = have else {
        return Ok((None, 1.0));
    };
    let wrong = |error: &dyn std::fmt::Display| {
        Problem::invalid(format!(
            "have is no list of the parts of such a file: {error}"
        ))
    };
    let bytes = URL_SAFE_NO_PAD
        .decode(have)
        .map_err(|error| wrong(&error))?;
    let total = groups(size).ok_or_else(|| wrong(&"the file is too large"))?;
    let parts = Have::decode(total, &bytes).map_err(|error| wrong(&error))?;
    if parts.is_all() {
        return Ok((None, 1.0));
    }
    Ok((Some(bytes), f64::from(parts.count()) / f64::from(total)))
}

/// How many groups a file of so many bytes has.
fn groups(size: u64) -> Option<u32> {
    Shape::new(size).ok().map(|shape| shape.groups())
}
