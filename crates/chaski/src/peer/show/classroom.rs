//! Shows what older clients do.

use client::peer::classroom::{Callers, ClassroomEvent};
use indicatif::HumanBytes;
use serde_json::json;

use super::Show;

impl Show {
    /// Tells what it means that older clients are answered.
    pub(in crate::peer) fn classroom_open(&self, callers: Callers, fetches: bool) {
        let (whose, text) = match callers {
            Callers::Local => (
                "local",
                "callers on this machine may speak PServer on this port: whoever logs in there as this account has this peer fetch and send files",
            ),
            Callers::Anyone => (
                "anyone",
                "anyone may speak PServer on this port, without TLS: passwords and names can be read on the way, and whoever logs in as this account \
                 has this peer fetch and send files",
            ),
        };
        let event = json!({"event": "classroom", "callers": whose, "fetches": fetches});
        let note = match fetches {
            true => "",
            false => {
                "; without --receive nothing is fetched, as what is for this account alone would be given on from a folder that is shared"
            }
        };
        self.warn(&event, &format!("{text}{note}"));
    }

    /// Tells what became of a call.
    pub(in crate::peer) fn classroom(&self, event: &ClassroomEvent) {
        match event {
            ClassroomEvent::LoggedIn(from) => {
                let event = json!({"event": "classroom-login", "from": from.to_string()});
                self.tell(&event, &format!("logged in from {from}"));
            }
            ClassroomEvent::SessionLeft { reason } => {
                let event = json!({"event": "classroom-session-left", "reason": reason});
                let text =
                    format!("the session that a password was checked with is still open: {reason}");
                self.warn(&event, &text);
            }
            ClassroomEvent::LoggedOut(from) => {
                let event = json!({"event": "classroom-logout", "from": from.to_string()});
                self.tell(&event, &format!("logged out from {from}"));
            }
            ClassroomEvent::Fetching { name, bytes } => {
                let event = json!({"event": "classroom-fetching", "name": name, "bytes": bytes});
                let bytes = HumanBytes(*bytes);
                self.tell(&event, &format!("fetches \"{name}\" ({bytes})"));
            }
            ClassroomEvent::Fetched { name, path } => {
                let path = path.to_string_lossy();
                let event = json!({"event": "classroom-fetched", "name": name, "path": path});
                self.tell(&event, &format!("{path}: fetched"));
            }
            ClassroomEvent::Sent { name, to } => {
                let event = json!({"event": "classroom-sent", "name": name, "to": to});
                self.tell(&event, &format!("{to} has \"{name}\" now"));
            }
            ClassroomEvent::Asked {
                name,
                at,
                status,
                is_upload,
            } => {
                let event = json!({"event": "classroom-asked", "name": name, "at": at, "status": status, "upload": is_upload});
                let what = if *is_upload { "take" } else { "give" };
                let text = format!(
                    "the older peer {at} was asked to {what} \"{name}\" and said {status}; such peers move no bytes"
                );
                self.tell(&event, &text);
            }
            ClassroomEvent::Announced { name, from } => {
                let event =
                    json!({"event": "classroom-announced", "name": name, "from": from.to_string()});
                let text = format!("the older peer at {from} gives \"{name}\"; no bytes came");
                self.tell(&event, &text);
            }
            ClassroomEvent::Failed { name, reason } => {
                let event = json!({"event": "classroom-failed", "name": name, "reason": reason});
                self.warn(&event, &format!("\"{name}\": {reason}"));
            }
        }
    }
}
