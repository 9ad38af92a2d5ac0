//! Asking the server who has a content: what it is, and peers with the permission to fetch it from them, again and again while a
//! download runs.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use files::content::Root;
use files::ticket;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::download::{Lie, SourcePeer};
use super::relay::{Detour, Relay};
use super::source::Permission;
use crate::api::{Api, ApiError, escape};

/// What a link begins with.
const SCHEME: &str = "chaski:";
/// How often the server is asked for those who came meanwhile, and for tickets that last longer.
const REFRESH: Duration = Duration::from_secs(5);
/// Contents of one name that are told apart.
const CANDIDATES_MAX: usize = 20;
/// Pages of the index that are read for a name; there may be nothing on one that is not the last.
const PAGES_MAX: usize = 32;
/// Sources that may wait to be tried.
const SOURCES_MAX: usize = 64;

/// A content that somebody has.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its name among contents.
    pub root: Root,
    /// Its bytes; of a folder those of its list.
    pub size: u64,
    /// What people call it.
    pub name: String,
    /// Whether it is the list of a folder.
    pub is_folder: bool,
    /// Who has it and gives it.
    pub sources: Vec<SourcePeer>,
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// A content, with a capability if a link was given.
    Content(Root, Option<String>),
    /// A name.
    Name(String),
}

impl Query {
    /// Reads a link (`chaski:<root>?key=<capability>`), a root, or else a name.
    ///
    /// # Errors
    /// [`FindError::Link`]: it begins as a link does, and is none.
    pub fn parse(text: &str) -> Result<Self, FindError> {
        let link = text.strip_prefix(SCHEME);
        let bare = link.unwrap_or(text);
        let (root, key) = match bare.split_once("?key=") {
            Some((root, key)) => (root, Some(key)),
            None => (bare, None),
        };
        match root.parse() {
            Ok(root) if key.is_none_or(is_capability) => {
                Ok(Self::Content(root, key.map(str::to_owned)))
            }
            // What is called so has no such beginning: it would be asked for by its hash.
            Ok(_) | Err(_) if link.is_some() => Err(FindError::Link(text.to_owned())),
            Ok(_) | Err(_) => Ok(Self::Name(text.to_owned())),
        }
    }
}

/// Whether something looks like what a server makes for a link.
fn is_capability(key: &str) -> bool {
    let is_its = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !key.is_empty() && key.bytes().all(is_its)
}

/// Why nothing is found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The server says no, or cannot be reached.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Nobody has something of that name.
    #[error("nobody who is there has '{0}'; chaski find searches by words")]
    Nobody(String),
    /// No live peer of the account shares something of that name.
    #[error(
        "no peer of yours that is there shares '{0}'; `chaski peer --share DIR` shares a folder, and a hash does as well as a name"
    )]
    NotShared(String),
    /// It begins as a link does, and is none.
    #[error(
        "'{0}' is no link: one is chaski: with 64 hexadecimal digits, and often ?key= with letters and digits behind them; copy all of it, in quotes"
    )]
    Link(String),
    /// Several contents have that name.
    #[error("several contents are called '{name}'; take one by its hash")]
    Several {
        /// The name.
        name: String,
        /// A line for each.
        list: Vec<String>,
    },
    /// The answer is none of this interface's.
    #[error("the server's answer cannot be read: {0}")]
    Answer(&'static str),
}

/// Finds who has a content.
///
/// # Errors
/// [`FindError`].
pub fn find(api: &Api, query: &Query) -> Result<Found, FindError> {
    match query {
        Query::Content(root, link) => tickets(api, *root, link.as_deref(), None),
        Query::Name(name) => {
            let root = named(&candidates(api, name, None)?, name)?;
            let root = root.ok_or_else(|| FindError::Nobody(name.clone()))?;
            tickets(api, root, None, None)
        }
    }
}

/// Finds a content among those that the account's own peers share, whoever may have it. A root is taken as it is.
///
/// # Errors
/// [`FindError`].
pub fn own(api: &Api, query: &Query) -> Result<Root, FindError> {
    let name = match query {
        Query::Content(root, _) => return Ok(*root),
        Query::Name(name) => name,
    };
    let me = api.get("/v1/me")?;
    let login = me["login"].as_str();
    let login = login.ok_or(FindError::Answer("it does not say who this is"))?;
    let root = named(&candidates(api, name, Some(login))?, name)?;
    root.ok_or_else(|| FindError::NotShared(name.clone()))
}

/// Finds who has a file of exactly this name. Of several contents that have it, it is the one that most peers have as a whole: whoever knows no more
/// than a name cannot choose.
///
/// # Errors
/// [`FindError`].
pub fn find_file(api: &Api, name: &str) -> Result<Found, FindError> {
    let candidates = candidates(api, name, None)?;
    let chosen = most_held(&candidates, name);
    let root = chosen.ok_or_else(|| FindError::Nobody(name.to_owned()))?;
    tickets(api, root, None, None)
}

/// The sources of a download: those that were found, and those that are found while it runs.
///
/// # Panics
/// Outside of a runtime.
#[must_use]
pub fn sources(api: Arc<Api>, found: &Found, link: Option<String>) -> mpsc::Receiver<SourcePeer> {
    let (sender, sources) = mpsc::channel(SOURCES_MAX);
    for source in found.sources.iter().take(SOURCES_MAX) {
        // There is room for so many.
        let _ = sender.try_send(source.clone());
    }
    tokio::spawn(keep_finding(api, (found.root, found.size), link, sender));
    sources
}

/// Tells the server of those who sent what was not the content, so that they are not named to others; ends with the downloads that tell of them.
pub async fn report(
    api: Arc<Api>,
    mut liars: mpsc::UnboundedReceiver<Lie>,
    mut tell: impl FnMut(&Lie),
) {
    while let Some(lie) = liars.recv().await {
        tell(&lie);
        let api = api.clone();
        let told = spawn_blocking(move || {
            let body = json!({"root": lie.root.to_string()});
            let path = format!("/v1/peers/{}/reports", lie.key.peer());
            api.send("POST", &path, Some(&body))
        });
        // It is asked no more by this download, whatever the server thinks of it.
        let _ = told.await;
    }
}

/// Goes on asking until the download has ended.
async fn keep_finding(
    api: Arc<Api>,
    (root, size): (Root, u64),
    link: Option<String>,
    sources: mpsc::Sender<SourcePeer>,
) {
    loop {
        tokio::select! {
            () = sources.closed() => return,
            () = sleep(REFRESH) => {}
        }
        let (api, link) = (api.clone(), link.clone());
        // What others state meanwhile is another content.
        let asked = spawn_blocking(move || tickets(&api, root, link.as_deref(), Some(size)));
        // Whoever is not found now may be there the next time.
        let Ok(Ok(found)) = asked.await else {
            continue;
        };
        for source in found.sources {
            if sources.send(source).await.is_err() {
                return;
            }
        }
    }
}

/// The one content of a name, if there is one.
fn named(candidates: &[Value], name: &str) -> Result<Option<Root>, FindError> {
    let root = |file: &Value| root_of(file).ok_or(FindError::Answer("a file has no root"));
    match candidates {
        [] => Ok(None),
        [only] => root(only).map(Some),
        several => Err(FindError::Several {
            name: name.to_owned(),
            list: several.iter().map(described).collect(),
        }),
    }
}

/// What the index has under a name, without regard to case; of one account, if one is named.
fn candidates(api: &Api, name: &str, owner: Option<&str>) -> Result<Vec<Value>, FindError> {
    // Taken literally: a pattern is what `chaski find` is for.
    let literal: String = name
        .chars()
        .map(|each| match each {
            '*' | '?' | '[' => format!("[{each}]"),
            _ => each.to_string(),
        })
        .collect();
    let mut path = format!("/v1/files?glob={}&limit={CANDIDATES_MAX}", escape(&literal));
    if let Some(owner) = owner {
        path.push_str(&format!("&owner={}", escape(owner)));
    }
    let mut page = path.clone();
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let answer = api.get(&page)?;
        let files = answer["files"].as_array();
        let files = files.ok_or(FindError::Answer("it has no list"))?;
        found.extend(files.iter().cloned());
        match answer["next"].as_str() {
            Some(next) if found.len() < CANDIDATES_MAX => {
                page = format!("{path}&cursor={}", escape(next));
            }
            Some(_) | None => break,
        }
    }
    Ok(found)
}

/// The file that most peers have as a whole, of those that have exactly this name.
fn most_held(candidates: &[Value], name: &str) -> Option<Root> {
    let has_name = |file: &&Value| {
        let mut names = file["names"].as_array().into_iter().flatten();
        file["kind"] == "file" && names.any(|each| each == name)
    };
    let whole = |file: &Value| {
        let holders = file["holders"].as_array().into_iter().flatten();
        holders.filter(|holder| holder["part"] == 1.0).count()
    };
    let named = candidates.iter().filter(has_name);
    let rooted = named.filter_map(|file| Some((root_of(file)?, whole(file))));
    let best = rooted.max_by_key(|(root, whole)| (*whole, Reverse(*root.as_bytes())));
    best.map(|(root, _)| root)
}

fn root_of(file: &Value) -> Option<Root> {
    file["root"].as_str()?.parse().ok()
}

fn described(file: &Value) -> String {
    let holders = file["holders"].as_array().map_or(0, Vec::len);
    format!(
        "  {}  {} bytes, {holders} peers",
        file["root"].as_str().unwrap_or_default(),
        file["size"]
    )
}

/// Asks for permission to fetch a content, of a size if one is wanted.
fn tickets(
    api: &Api,
    root: Root,
    link: Option<&str>,
    size: Option<u64>,
) -> Result<Found, FindError> {
    let mut body = json!({});
    if let Some(link) = link {
        body["link"] = link.into();
    }
    if let Some(size) = size {
        body["size"] = size.into();
    }
    let answer = api.send("POST", &format!("/v1/files/{root}/tickets"), Some(&body))?;
    let sources = answer["sources"].as_array();
    let sources = sources.ok_or(FindError::Answer("it has no sources"))?;
    Ok(Found {
        root,
        size: answer["size"]
            .as_u64()
            .ok_or(FindError::Answer("it has no size"))?,
        name: answer["name"].as_str().unwrap_or_default().to_owned(),
        is_folder: answer["kind"].as_str() == Some("collection"),
        sources: sources
            .iter()
            .filter_map(|source| reachable(api, source))
            .collect(),
    })
}

/// Reads one source, with the way through the server if there is one.
pub(super) fn reachable(api: &Api, value: &Value) -> Option<SourcePeer> {
    let peer = value["peer"].as_str().filter(|_| value["relay"] == true);
    let detour = peer.map(|peer| Detour {
        relay: Relay::of(api),
        peer: peer.to_owned(),
        // A server of before knows of none.
        is_sealed: value["sealed"] == true,
    });
    let source = source(value)?;
    Some(SourcePeer { detour, ..source })
}

/// Reads one source; one that cannot be read is none.
fn source(value: &Value) -> Option<SourcePeer> {
    let text = |key: &str| value[key].as_str();
    let addresses = value["addresses"].as_array()?.iter();
    Some(SourcePeer {
        name: format!("{}/{}", text("account")?, text("name")?),
        addresses: addresses
            .filter_map(|address| address.as_str().map(str::to_owned))
            .collect(),
        key: text("key")?.parse().ok()?,
        permission: Permission::Ticket(ticket::from_text(text("ticket")?).ok()?),
        detour: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_roots_and_names_are_told_apart() {
        let root = Root::of(b"a content");
        let content = |key: Option<&str>| Query::Content(root, key.map(str::to_owned));
        let parse = |text: &str| Query::parse(text).expect(text);
        assert_eq!(parse(&root.to_string()), content(None));
        assert_eq!(parse(&format!("chaski:{root}")), content(None));
        let link = format!("chaski:{root}?key=chl_8Jq-x");
        assert_eq!(parse(&link), content(Some("chl_8Jq-x")));
        for name in ["a.iso", "what?key=1", "chaski"] {
            assert_eq!(parse(name), Query::Name(name.to_owned()));
        }
    }

    #[test]
    fn a_damaged_link_is_told_and_not_searched_for() {
        let root = Root::of(b"a content").to_string();
        let (short, long) = (&root[..63], format!("{root}0"));
        for damaged in [
            "chaski:".to_owned(),
            format!("chaski:{short}"),
            format!("chaski:{long}?key=chl_8"),
            format!("chaski:{root}?key="),
            format!("chaski:{root}?key=chl_8…"),
            format!("chaski:{root}?kez=chl_8"),
        ] {
            let told = Query::parse(&damaged).expect_err("no link");
            assert!(matches!(told, FindError::Link(_)), "{told}");
            assert!(told.to_string().contains("is no link"), "{told}");
        }
    }

    #[test]
    fn of_several_files_of_a_name_the_one_that_most_have_is_taken() {
        let file = |seed: &[u8], names: &[&str], kind: &str, parts: &[f64]| {
            let holders: Vec<_> = parts.iter().map(|part| json!({"part": part})).collect();
            json!({"root": Root::of(seed).to_string(), "names": names, "kind": kind, "holders": holders})
        };
        let list = [
            file(b"folder", &["a"], "collection", &[1.0, 1.0, 1.0]),
            file(b"other case", &["A"], "file", &[1.0, 1.0, 1.0]),
            file(b"parts", &["a"], "file", &[0.5, 0.5, 0.5]),
            file(b"one", &["b", "a"], "file", &[1.0]),
        ];
        assert_eq!(most_held(&list, "a"), Some(Root::of(b"one")));
        assert_eq!(most_held(&list, "b"), Some(Root::of(b"one")));
        assert_eq!(most_held(&list, "c"), None);
    }

    #[test]
    fn a_source_without_a_ticket_is_none() {
        let mut value = json!({"account": "anna", "name": "desk", "addresses": ["192.0.2.7:5001"],
            "key": "00".repeat(32), "ticket": "AAAA"});
        let read = source(&value).expect("a source");
        assert_eq!(read.name, "anna/desk");
        assert_eq!(read.addresses, ["192.0.2.7:5001"]);
        value["ticket"] = Value::Null;
        assert!(source(&value).is_none());
    }
}
