//! What members need before they come: accounts, and sessions to come back by.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use crate::api::{Api, ApiError, Credentials, WebUrl};

use super::super::error::LoadError;
use super::options::ChatOptions;

/// Requests under way at a time: a server hashes passwords on few threads, and is busy with these.
const TOGETHER: usize = 4;
const NOT_FOUND: u16 = 404;
/// The account is there already.
const CONFLICT: u16 = 409;

/// Makes the accounts that are not there yet.
pub(super) fn make(options: &ChatOptions, url: &WebUrl) -> Result<(), LoadError> {
    each(options.accounts, url, &url.credentials(), |api, number| {
        let login = options.login(number);
        // Asking costs the server less than a password.
        match api.get(&format!("/v1/accounts/{login}")) {
            Err(ApiError::Refused {
                status: NOT_FOUND, ..
            }) => {}
            found => return found.map(drop),
        }
        let wish = json!({ "login": login, "password": options.password });
        match api.send("POST", "/v1/accounts", Some(&wish)) {
            Ok(_)
            | Err(ApiError::Refused {
                status: CONFLICT, ..
            }) => Ok(()),
            Err(error) => Err(error),
        }
    })
    .map_err(LoadError::api("making an account"))?;
    Ok(())
}

/// Opens a session for each account, and gives the tokens.
pub(super) fn open_sessions(options: &ChatOptions, url: &WebUrl) -> Result<Vec<String>, LoadError> {
    each(options.accounts, url, &Credentials::None, |api, number| {
        let wish = json!({
            "login": options.login(number),
            "password": options.password,
            "client": "chaski bench chat",
        });
        let opened = api.send("POST", "/v1/sessions", Some(&wish))?;
        let token = opened["token"].as_str();
        token.map(str::to_owned).ok_or_else(|| ApiError::Answer {
            url: url.to_string(),
            reason: "a session without a token".to_owned(),
        })
    })
    .map_err(LoadError::api("opening a session"))
}

/// Asks something for each account, some at a time, each thread on a connection of its own; gives the answers in order.
fn each<T: Send>(
    count: usize,
    url: &WebUrl,
    credentials: &Credentials,
    ask: impl Fn(&Api, usize) -> Result<T, ApiError> + Sync,
) -> Result<Vec<T>, ApiError> {
    let next = AtomicUsize::new(0);
    let run = || {
        let url = format!("http://{}", url.authority());
        let api = Api::new(&url, credentials.clone(), None)?;
        let mut answers = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(answers);
            }
            // After a failure the others need not go on.
            let answer = ask(&api, number).inspect_err(|_| next.store(count, Ordering::Relaxed))?;
            answers.push((number, answer));
        }
    };
    let parts = thread::scope(|scope| {
        let threads: Vec<_> = (0..TOGETHER.min(count)).map(|_| scope.spawn(run)).collect();
        let parts = threads.into_iter().map(|thread| match thread.join() {
            Ok(part) => part,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        parts.collect::<Result<Vec<_>, ApiError>>()
    })?;
    let mut all: Vec<(usize, T)> = parts.into_iter().flatten().collect();
    all.sort_by_key(|&(number, _)| number);
    Ok(all.into_iter().map(|(_, answer)| answer).collect())
}
