//! Who has logged in: the account of this peer, from which addresses. Older clients open a connection for each call, so it is not the connection that
//! counts; and what one machine has proved says nothing of another.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::json;

use super::code::Code;
use super::place::{Place, Places};
use crate::api::{Api, ApiError, Credentials};
use crate::peer::limits::PLAIN_LOGINS_MAX;

/// What the session is called for as long as it takes to end it.
const CLIENT: &str = "chaski peer --classroom";

/// Who has logged in.
#[derive(Debug)]
pub(super) struct Logins {
    /// The account that this peer is of, once the server has said so.
    own: Arc<OnceLock<String>>,
    /// A leaf: held for a look-up.
    inside: Mutex<Vec<IpAddr>>,
    /// Passwords are checked one at a time.
    pub(super) checks: Places,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            own: Arc::default(),
            inside: Mutex::default(),
            checks: Places::new(1),
        }
    }
}

impl Logins {
    pub(super) fn is_inside(&self, from: IpAddr) -> bool {
        self.inside().contains(&from)
    }

    /// Lets an address in, if the name and the password are those of the account of this peer: the server says so.
    pub(super) async fn enter(
        &self,
        api: &Arc<Api>,
        name: String,
        password: String,
        (from, place): (IpAddr, Place),
    ) -> Code {
        let Some(check_place) = self.checks.wait().await else {
            return Code::AWAY;
        };
        let (api, own) = (Arc::clone(api), Arc::clone(&self.own));
        let checked = move || {
            let _one = check_place;
            check(&api, &own, &name, &password)
        };
        let checked = place.block(checked).await;
        match checked {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Code::DENIED,
            Ok(Err(_)) | Err(_) => return Code::AWAY,
        }
        self.admit(from);
        Code::DONE
    }

    pub(super) fn admit(&self, from: IpAddr) {
        let mut inside = self.inside();
        if !inside.contains(&from) {
            if inside.len() >= PLAIN_LOGINS_MAX {
                inside.remove(0);
            }
            inside.push(from);
        }
    }

    /// Lets an address out; that of somebody else stays in.
    pub(super) fn leave(&self, name: &str, from: IpAddr) -> Code {
        let is_own = self.own.get().is_some_and(|own| own == name);
        let mut inside = self.inside();
        let place = inside.iter().position(|each| *each == from);
        match place.filter(|_| is_own) {
            Some(place) => {
                inside.remove(place);
                Code::DONE
            }
            None => Code::DENIED,
        }
    }

    fn inside(&self) -> MutexGuard<'_, Vec<IpAddr>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the server whether that is this account's password. The names of other accounts are not tried.
fn check(api: &Api, own: &OnceLock<String>, name: &str, password: &str) -> Result<bool, ApiError> {
    if own.get().is_none() {
        let me = api.get("/v1/me")?;
        if let Some(login) = me["login"].as_str() {
            // Another call may have been faster, with the same.
            let _ = own.set(login.to_owned());
        }
    }
    if own.get().is_none_or(|own| own != name) {
        return Ok(false);
    }
    let wish = json!({"login": name, "password": password, "client": CLIENT});
    let stranger = api.with_credentials(Credentials::None);
    let opened = match stranger.send("POST", "/v1/sessions", Some(&wish)) {
        Ok(opened) => opened,
        // Too many have failed, for one: until the server listens again, it is wrong.
        Err(ApiError::Refused { status, .. }) if status < 500 => return Ok(false),
        Err(error) => return Err(error),
    };
    // It was opened to see whether it can be.
    if let Some(token) = opened["token"].as_str() {
        let session = api.with_credentials(Credentials::Token(token.to_owned()));
        session.send("DELETE", "/v1/sessions/present", None)?;
    }
    Ok(true)
}
