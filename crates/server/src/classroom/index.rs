//! The list of who has which file, by JSON over HTTP. See `docs/classroom/file-index.md`.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use directory::files::{FileSearch, FileViewer};
use engine::accounts::Denied;
use engine::sessions::{Credentials, Origin};
use serde_json::Value;

use super::json::{Answer, Call};
use super::peers::{NAME_BYTES_MAX, NoPlace, URL_BYTES_MAX};
use super::users::origin;
use super::{Classroom, REST, names, read};

/// Contents of one name that are looked at, beside what older peers have.
const CONTENTS_MAX: usize = 100;
/// Addresses that one answer holds.
const URLS_MAX: usize = 1_000;

/// What a handler gives: an answer either way.
type Answered = Result<Answer, Answer>;

/// These calls.
pub(super) fn routes() -> Router<Classroom> {
    Router::new()
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/ping", read(ping))
        .route("/index", post(index))
        .route("/query", read(query))
        .route("/upload", read(upload))
}

async fn log_in(State(room): State<Classroom>, call: Call) -> Answered {
    let name = name(&room, &call)?;
    let password = call.text("password")?;
    let url = url(&call)?;
    let from = origin(REST, call.peer);
    if room.engine().account(&name).is_none() {
        register(&room, &name, &password, &from).await?;
    }
    let credentials = Credentials::Password {
        login: &name,
        password: &password,
    };
    room.engine()
        .log_in(credentials, &from)
        .await
        .map_err(denied)?;
    room.peers().log_in(&url, &name).map_err(no_place)?;
    Ok(Answer::done("Logged in"))
}

async fn log_out(State(room): State<Classroom>, call: Call) -> Answered {
    let typed = call.text("username")?;
    let name = names::parse(&typed).unwrap_or(typed);
    if room.peers().log_out(&name) {
        return Ok(Answer::done("Logged out"));
    }
    Err(Answer::refused(
        StatusCode::UNAUTHORIZED,
        "Nobody of this name is logged in",
    ))
}

async fn ping(State(room): State<Classroom>, call: Call) -> Answered {
    // Its time is nobody's business here: what counts is when the call came.
    if room.peers().ping(&url(&call)?) {
        return Ok(Answer::done("pong"));
    }
    Err(stranger())
}

async fn index(State(room): State<Classroom>, call: Call) -> Answered {
    let files = call.texts("files")?;
    let url = url(&call)?;
    if files.iter().any(|name| name.len() > NAME_BYTES_MAX) {
        let detail = format!("the name of a file has at most {NAME_BYTES_MAX} bytes");
        return Err(Answer::refused(StatusCode::BAD_REQUEST, detail));
    }
    room.peers().index(&url, files).map_err(no_place)?;
    Ok(Answer::done("Indexed"))
}

async fn query(State(room): State<Classroom>, call: Call) -> Answered {
    let name = call.text("file_name")?;
    let mut urls = room.peers().holders(&name);
    urls.extend(shared(&room, &name).await);
    urls.truncate(URLS_MAX);
    if urls.is_empty() {
        return Err(Answer::refused(
            StatusCode::NOT_FOUND,
            "Nobody has this file",
        ));
    }
    Ok(Answer::Bare(Value::from(urls)))
}

async fn upload(State(room): State<Classroom>, call: Call) -> Answered {
    let name = call.text("file_name")?;
    let own = url(&call)?;
    let found = room.peers().taker(&name, &own);
    let none = || Answer::refused(StatusCode::NOT_FOUND, "No other peer is there");
    Ok(Answer::Bare(Value::from(found.ok_or_else(none)?)))
}

/// The addresses of Chaski's own live peers that share a file of this name with everyone.
async fn shared(room: &Classroom, name: &str) -> Vec<String> {
    let search = FileSearch {
        glob: directory::files::Glob::parse(&literal(name)),
        limit: CONTENTS_MAX,
        ..FileSearch::default()
    };
    // Somebody who is nobody: what is for everyone is for them.
    let viewer = FileViewer {
        login: String::new(),
        account_ms: 0,
        rooms: Vec::new(),
        guest_of: None,
    };
    if search.glob.is_none() {
        return Vec::new();
    }
    let Ok(page) = room.web().files().search(search, viewer).await else {
        return Vec::new();
    };
    let contents = page.contents.into_iter();
    // Case counts for these clients.
    let contents = contents.filter(|content| content.names.iter().any(|each| each == name));
    let holders = contents.flat_map(|content| content.holders);
    let addresses = holders.filter_map(|holder| holder.peer.draft.addresses.first().cloned());
    let mut urls: Vec<_> = addresses.collect();
    urls.sort();
    urls.dedup();
    urls
}

/// A pattern that one name fits.
fn literal(name: &str) -> String {
    let mut pattern = String::new();
    for letter in name.chars() {
        // A bracket with one character in it stands for that character.
        if "*?[".contains(letter) {
            pattern.extend(['[', letter, ']']);
        } else {
            pattern.push(letter);
        }
    }
    pattern
}

/// Makes an account for an unknown name, as the older index did. Its password is what the client was given: no rule about its length
/// would reach whoever chose it.
async fn register(
    room: &Classroom,
    name: &str,
    password: &str,
    from: &Origin,
) -> Result<(), Answer> {
    // Before the password costs work.
    room.users().check_free(name)?;
    let hash = room.engine().hash_password(password).await;
    let hash = hash.map_err(denied)?;
    // Another call may have been faster: the password tells whose it is.
    Ok(room.users().register(name, &hash, from).await?)
}

/// The name by which an account is found, or made: as it is stored.
fn name(room: &Classroom, call: &Call) -> Result<String, Answer> {
    let typed = call.text("username")?;
    names::parse(&typed).or_else(|why| {
        // An administrator may have given an account a name that nobody can choose here.
        let is_there = room.engine().account(&typed).is_some();
        let refused = || Answer::refused(StatusCode::BAD_REQUEST, why);
        is_there.then_some(typed).ok_or_else(refused)
    })
}

fn url(call: &Call) -> Result<String, Answer> {
    let url = call.text("url")?;
    if url.len() > URL_BYTES_MAX {
        let detail = format!("url has at most {URL_BYTES_MAX} bytes");
        return Err(Answer::refused(StatusCode::BAD_REQUEST, detail));
    }
    Ok(url)
}

fn denied(denied: Denied) -> Answer {
    match denied {
        Denied::Credentials | Denied::Secret | Denied::NotLocal => {
            Answer::refused(StatusCode::UNAUTHORIZED, "Wrong password")
        }
        Denied::Busy | Denied::LockedOut { .. } => {
            Answer::refused(StatusCode::TOO_MANY_REQUESTS, denied.to_string())
        }
        Denied::Unusable => Answer::refused(StatusCode::BAD_REQUEST, denied.to_string()),
    }
}

fn stranger() -> Answer {
    Answer::refused(StatusCode::UNAUTHORIZED, "Log in with this url first")
}

fn no_place(reason: NoPlace) -> Answer {
    match reason {
        NoPlace::Stranger => stranger(),
        NoPlace::Full => Answer::refused(
            StatusCode::TOO_MANY_REQUESTS,
            "There is no room for more peers or files",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn what_means_something_in_a_pattern_means_itself_in_a_name() {
        assert_eq!(literal("a[1]*?.txt"), "a[[]1][*][?].txt");
    }
}
