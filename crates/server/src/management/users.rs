//! Accounts.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use directory::{Account, Change, Permission, password};
use serde::{Deserialize, Serialize};

use super::body::{InPath, JsonBody, optional_tags, tags};
use super::failure::Failure;
use super::view::View;
use super::visitor::{Administrator, Visitor};
use super::{Site, done};
use crate::admin;

/// How RabbitMQ hashes unless it is told otherwise.
const HASHING_DEFAULT: &str = "rabbit_password_hashing_sha256";
/// What our own hashes are called beside RabbitMQ's.
const HASHING_OWN: &str = "argon2id";
/// The prefixes of stored hashes that came from RabbitMQ.
const HASHINGS_TAKEN_OVER: [(&str, &str); 2] = [
    ("rabbit-sha256$", HASHING_DEFAULT),
    ("rabbit-sha512$", "rabbit_password_hashing_sha512"),
];

/// An account, as it is shown and exported.
// None of those with a hash in them can be logged.
#[derive(Clone, Serialize)]
pub(super) struct UserOut {
    name: String,
    password_hash: String,
    hashing_algorithm: &'static str,
    tags: Vec<String>,
    limits: serde_json::Map<String, serde_json::Value>,
}

/// An account to be made or changed.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct UserWish {
    password: Option<admin::Password>,
    password_hash: Option<String>,
    hashing_algorithm: Option<String>,
    #[serde(deserialize_with = "optional_tags")]
    tags: Option<Vec<String>>,
}

/// The same in definitions.
#[derive(Clone, Deserialize)]
pub(super) struct UserIn {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) wish: UserWish,
}

#[derive(Debug, Serialize)]
struct WhoAmI<'a> {
    name: &'a str,
    tags: &'a [String],
}

/// Accounts to be deleted together.
#[derive(Debug, Deserialize)]
pub(super) struct Doomed {
    #[serde(deserialize_with = "tags")]
    users: Vec<String>,
}

impl UserOut {
    pub(super) fn of(account: &Account) -> Self {
        let stored = &account.password_hash;
        let taken_over = HASHINGS_TAKEN_OVER
            .iter()
            .find_map(|(prefix, name)| Some((stored.strip_prefix(prefix)?, *name)));
        let (hash, algorithm) = taken_over.unwrap_or((stored, HASHING_OWN));
        Self {
            name: account.login.clone(),
            password_hash: hash.to_owned(),
            hashing_algorithm: algorithm,
            tags: account.tags.clone(),
            limits: serde_json::Map::new(),
        }
    }
}

impl UserWish {
    /// The changes that make the account so. It hashes a password: not on a thread that has others to serve.
    pub(super) fn changes(
        self,
        login: &str,
        known: Option<&Account>,
        now_ms: u64,
    ) -> Result<Vec<Change>, Failure> {
        let tags = self
            .tags
            .clone()
            .ok_or_else(|| Failure::bad_request("tags_not_present"))?;
        let password_hash = self.stored_hash(known)?;
        let Some(known) = known else {
            let account = Account::with_tags(login.to_owned(), password_hash, tags, now_ms);
            return Ok(vec![Change::AccountAdded(account)]);
        };
        let mut changes = Vec::new();
        if known.password_hash != password_hash {
            changes.push(Change::AccountPassword {
                login: login.to_owned(),
                password_hash,
            });
        }
        if known.tags != tags {
            let login = login.to_owned();
            changes.push(Change::AccountTags { login, tags });
        }
        Ok(changes)
    }

    fn stored_hash(self, known: Option<&Account>) -> Result<String, Failure> {
        let invalid = |error: &dyn std::fmt::Display| Failure::bad_request(error.to_string());
        match (self.password, self.password_hash) {
            (Some(_), Some(_)) => Err(Failure::bad_request("both_password_and_password_hash")),
            (Some(password), None) if password.expose().is_empty() => Ok(String::new()),
            (Some(password), None) => {
                let password = password.expose();
                // The same password again is no change, which would close the account's connections.
                let stored = known.map(|account| &account.password_hash);
                match stored.filter(|stored| password::verify(password, stored)) {
                    Some(stored) => Ok(stored.clone()),
                    None => password::hash(password).map_err(|error| invalid(&error)),
                }
            }
            (None, Some(hash)) => {
                let algorithm = self.hashing_algorithm.as_deref();
                if algorithm == Some(HASHING_OWN) {
                    return own_hash(hash);
                }
                let algorithm = algorithm.unwrap_or(HASHING_DEFAULT);
                password::from_rabbit(algorithm, &hash).map_err(|error| invalid(&error))
            }
            // As in RabbitMQ: no password logs in from now on.
            (None, None) => Ok(String::new()),
        }
    }
}

/// Takes back a hash that was exported from here.
fn own_hash(hash: String) -> Result<String, Failure> {
    let parts = hash.split('$').count();
    if hash.is_empty() || (hash.starts_with("$argon2id$v=19$") && parts == 6) {
        return Ok(hash);
    }
    Err(Failure::bad_request("the password hash is not argon2id's"))
}

pub(super) async fn whoami(visitor: Visitor, view: View) -> Result<Response, Failure> {
    view.one(WhoAmI {
        name: visitor.login(),
        tags: visitor.tags(),
    })
}

pub(super) async fn list(
    State(site): State<Site>,
    _: Administrator,
    view: View,
) -> Result<Response, Failure> {
    view.all(site.engine().accounts().all().iter().map(UserOut::of))
}

pub(super) async fn without_permissions(
    State(site): State<Site>,
    _: Administrator,
    view: View,
) -> Result<Response, Failure> {
    let permissions = site.engine().accounts().permissions();
    let has_any = |account: &Account| {
        let mut all = permissions.iter();
        all.any(|permission: &Permission| permission.login == account.login)
    };
    let accounts = site.engine().accounts().all();
    view.all(accounts.iter().filter(|one| !has_any(one)).map(UserOut::of))
}

pub(super) async fn show(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(login): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    // Everybody may look at themselves.
    if login != visitor.login() && !visitor.is_administrator() {
        return Err(Failure::not_authorised("Not administrator user"));
    }
    let account = site.engine().accounts().account(&login);
    view.one(UserOut::of(&account.ok_or_else(Failure::no_object)?))
}

pub(super) async fn put(
    State(site): State<Site>,
    _: Administrator,
    InPath(login): InPath<String>,
    JsonBody(wish): JsonBody<UserWish>,
) -> Result<StatusCode, Failure> {
    let known = site.engine().accounts().account(&login);
    let is_new = known.is_none();
    let now_ms = site.engine().now_ms();
    let changes = engine::aside(move || wish.changes(&login, known.as_ref(), now_ms)).await?;
    site.commit(changes).await?;
    Ok(done(is_new))
}

pub(super) async fn delete(
    State(site): State<Site>,
    _: Administrator,
    InPath(login): InPath<String>,
) -> Result<StatusCode, Failure> {
    if site.engine().accounts().account(&login).is_none() {
        return Err(Failure::no_object());
    }
    site.commit(vec![Change::AccountDeleted { login }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete_many(
    State(site): State<Site>,
    _: Administrator,
    JsonBody(doomed): JsonBody<Doomed>,
) -> Result<StatusCode, Failure> {
    let accounts = site.engine().accounts();
    let absent = doomed
        .users
        .iter()
        .find(|one| accounts.account(one).is_none());
    if let Some(login) = absent {
        return Err(Failure::bad_request(format!("no_such_user: {login}")));
    }
    let users = doomed.users.into_iter();
    let changes = users.map(|login| Change::AccountDeleted { login });
    site.commit(changes.collect()).await?;
    Ok(StatusCode::NO_CONTENT)
}
