//! Who has logged in: the account of this peer, from which addresses. Older clients open a connection for each call, so it is not the connection that
//! counts; and what one machine has proved says nothing of another.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use serde_json::json;

use super::code::{Code, of_check};
use super::place::{Place, Places};
use crate::api::{Api, ApiError, Credentials};
use crate::peer::limits::{PLAIN_LOGIN_IDLE, PLAIN_LOGINS_MAX};

/// What the session is called for as long as it takes to end it.
const CLIENT: &str = "chaski peer --classroom";

/// Who has logged in.
#[derive(Debug)]
pub(super) struct Logins {
    /// The account that this peer is of, once the server has said so.
    own: Arc<OnceLock<String>>,
    /// Addresses, and when each last made a call that needed it. A leaf: held for a look-up.
    inside: Mutex<Vec<(IpAddr, Instant)>>,
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
    /// Whether an address is logged in; what has made no call for long is not any more.
    pub(super) fn is_inside(&self, from: IpAddr, now: Instant) -> bool {
        self.inside(now).iter().any(|(each, _)| *each == from)
    }

    /// The same, for a call that needs it: it holds on.
    pub(super) fn renew(&self, from: IpAddr, now: Instant) -> bool {
        let mut inside = self.inside(now);
        let own = inside.iter_mut().find(|(each, _)| *each == from);
        own.map(|(_, last)| *last = now).is_some()
    }

    /// Lets an address in, if the name and the password are those of the account of this peer: the server says so.
    pub(super) async fn enter(
        &self,
        api: &Arc<Api>,
        name: String,
        password: String,
        (from, place): (IpAddr, Place),
    ) -> Entered {
        let Some(check_place) = self.checks.wait().await else {
            return Entered::code(Code::AWAY);
        };
        let (api, own) = (Arc::clone(api), Arc::clone(&self.own));
        let checked = move || {
            let _one = check_place;
            check(&api, &own, &name, &password)
        };
        let checked = place.block(checked).await;
        let entered = checked.unwrap_or_else(|_| Entered::code(Code::AWAY));
        if entered.code == Code::DONE {
            self.admit(from, Instant::now());
        }
        entered
    }

    pub(super) fn admit(&self, from: IpAddr, now: Instant) {
        if self.renew(from, now) {
            return;
        }
        let mut inside = self.inside(now);
        if inside.len() >= PLAIN_LOGINS_MAX {
            inside.remove(0);
        }
        inside.push((from, now));
    }

    /// Lets an address out; that of somebody else stays in.
    pub(super) fn leave(&self, name: &str, from: IpAddr, now: Instant) -> Code {
        let is_own = self.own.get().is_some_and(|own| own == name);
        let mut inside = self.inside(now);
        let place = inside.iter().position(|(each, _)| *each == from);
        match place.filter(|_| is_own) {
            Some(place) => {
                inside.remove(place);
                Code::DONE
            }
            None => Code::DENIED,
        }
    }

    /// Those who are logged in now.
    fn inside(&self, now: Instant) -> MutexGuard<'_, Vec<(IpAddr, Instant)>> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.retain(|(_, last)| now.saturating_duration_since(*last) < PLAIN_LOGIN_IDLE);
        inside
    }
}

/// What became of a login.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) code: Code,
    /// Why the session that was opened to check the password is still open.
    pub(super) left: Option<ApiError>,
}

impl Entered {
    const fn code(code: Code) -> Self {
        Self { code, left: None }
    }
}

/// Asks the server whether that is this account's password. The names of other accounts are not tried.
fn check(api: &Api, own: &OnceLock<String>, name: &str, password: &str) -> Entered {
    if own.get().is_none() {
        let Ok(me) = api.get("/v1/me") else {
            return Entered::code(Code::AWAY);
        };
        if let Some(login) = me["login"].as_str() {
            // Another call may have been faster, with the same.
            let _ = own.set(login.to_owned());
        }
    }
    if own.get().is_none_or(|own| own != name) {
        return Entered::code(Code::DENIED);
    }
    let wish = json!({"login": name, "password": password, "client": CLIENT});
    let stranger = api.with_credentials(Credentials::None);
    let opened = match stranger.send("POST", "/v1/sessions", Some(&wish)) {
        Ok(opened) => opened,
        Err(error) => return Entered::code(of_check(&error)),
    };
    // It was opened to see whether it can be; that it cannot be ended says nothing of the password.
    let ended = opened["token"].as_str().map(|token| {
        let session = api.with_credentials(Credentials::Token(token.to_owned()));
        session.send("DELETE", "/v1/sessions/present", None)
    });
    Entered {
        code: Code::DONE,
        left: ended.and_then(Result::err),
    }
}
