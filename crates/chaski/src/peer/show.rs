//! Shows what a peer does: JSON events, lines, or lines with a bar below them on a terminal.

mod classroom;

use std::io::{IsTerminal as _, stderr};
use std::net::SocketAddr;

use client::peer::announce::{Me, Stage, State};
use client::peer::catalog::Audience;
use client::peer::receive::Offered;
use client::peer::share::{Progress, ShareEvent};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::receiving::Told;
use crate::output;

/// Where and how it is shown.
pub(super) struct Show {
    is_json: bool,
    server: String,
    /// What is shared is for those who have a link.
    is_by_link: bool,
    bar: Option<ProgressBar>,
    /// Before everything is hashed for the first time, a terminal shows the bar alone.
    is_ready: bool,
    known: State,
}

impl Show {
    pub(super) fn new(is_json: bool, server: String, audience: &Audience) -> Self {
        let is_drawn = !is_json && stderr().is_terminal();
        Self {
            is_json,
            server,
            is_by_link: *audience == Audience::Link,
            bar: is_drawn.then(bar),
            is_ready: false,
            known: State::default(),
        }
    }

    /// Tells where the peer listens, and who it is.
    pub(super) fn listening(&self, listen: Option<SocketAddr>, me: &Me) {
        let text = match listen {
            Some(listen) => format!("{} listens on {listen}", me.name),
            None => format!("{} is reached through the server alone", me.name),
        };
        let listen = listen.map(|listen| listen.to_string());
        let event = json!({"event": "listening", "address": listen, "peer": me.peer, "name": me.name,
            "addresses": me.addresses});
        self.tell(&event, &text);
    }

    /// Tells whether others can reach this peer through the server.
    pub(super) fn relay(&self, is_open: bool) {
        let event = json!({"event": "relay", "open": is_open});
        let text = match is_open {
            true => "others reach this peer through the server, too",
            false => "others cannot reach this peer through the server at the moment",
        };
        self.detail(&event, text);
    }

    /// Tells what happened to the shares.
    pub(super) fn share(&mut self, event: &ShareEvent) {
        match event {
            ShareEvent::Progress(progress) => self.progress(progress),
            ShareEvent::Shared { path, size, root } => {
                let event = json!({"event": "shared", "path": path, "size": size, "root": root.to_string()});
                let text = format!("+ {path} ({})", HumanBytes(*size));
                self.detail(&event, &text);
            }
            ShareEvent::Removed { path } => {
                let event = json!({"event": "removed", "path": path});
                self.detail(&event, &format!("- {path}"));
            }
            ShareEvent::LeftOut { path, reason } => {
                let event =
                    json!({"event": "left-out", "path": path, "reason": reason.to_string()});
                self.warn(&event, &format!("not shared: {path}: {reason}"));
            }
            ShareEvent::Restless { path } => {
                let event = json!({"event": "restless", "path": path});
                self.warn(
                    &event,
                    &format!("{path} is written all the time; it is shared when it rests"),
                );
            }
            ShareEvent::Collection {
                path,
                root,
                files,
                bytes,
            } => {
                let event = json!({"event": "collection", "path": path, "root": root.to_string(), "files": files, "bytes": bytes});
                // Its hash alone opens nothing to others.
                let text = match self.is_by_link {
                    true => format!("{path} as a whole: `chaski link make {root}` makes a link"),
                    false => format!("{path} as a whole: chaski:{root}"),
                };
                self.tell(&event, &text);
            }
            ShareEvent::Ready { files, bytes } => {
                self.is_ready = true;
                if let Some(bar) = &self.bar {
                    bar.set_length(0);
                    bar.reset();
                }
                let event = json!({"event": "ready", "files": files, "bytes": bytes});
                let with = match self.is_by_link {
                    true => ", with whoever has a link: `chaski link make NAME` makes one",
                    false => "",
                };
                let text = format!("shares {files} files, {}{with}", HumanBytes(*bytes));
                self.tell(&event, &text);
            }
            ShareEvent::Unwatched { reason } => {
                let event = json!({"event": "unwatched", "reason": reason});
                self.warn(
                    &event,
                    &format!("cannot watch the folders, so looks at them now and then: {reason}"),
                );
            }
            ShareEvent::Failed { error } => {
                let event = json!({"event": "failed", "reason": error.to_string()});
                self.warn(&event, &error.to_string());
            }
        }
    }

    /// Tells how it goes with the server.
    pub(super) fn state(&mut self, state: State) {
        let known = std::mem::replace(&mut self.known, state);
        let State {
            stage,
            told,
            offers,
            addresses,
            ignored,
            refused,
            ..
        } = &self.known;
        for name in ignored.iter().skip(known.ignored.len()) {
            let event = json!({"event": "ignored", "audience": name});
            self.warn(
                &event,
                &format!("the server knows no {name}, or this account may not share there"),
            );
        }
        for file in refused.iter().skip(known.refused.len()) {
            let event = json!({"event": "refused", "file": file});
            self.warn(&event, &format!("the server does not take {file}"));
        }
        if *stage == known.stage && *offers == known.offers {
            return;
        }
        let mut event = json!({"event": "server", "url": self.server, "told": told, "offers": offers, "addresses": addresses});
        let place = match &**addresses {
            [] => "no address of its own".to_owned(),
            addresses => addresses.join(" "),
        };
        let (name, text) = match stage {
            Stage::Connecting => ("connecting", None),
            Stage::Telling => ("telling", None),
            Stage::Live => (
                "live",
                Some(format!(
                    "{} knows everything; others find this peer at {place}",
                    self.server
                )),
            ),
            Stage::Away { reason, .. } => {
                event["reason"] = reason.clone().into();
                ("away", Some(format!("{reason}; tries again")))
            }
        };
        event["state"] = name.into();
        let is_new = *stage != known.stage;
        match text.filter(|_| is_new) {
            Some(text) => self.tell(&event, &text),
            None if self.is_json => self.tell(&event, ""),
            None => {}
        }
    }

    /// Tells what becomes of what others bring.
    pub(super) fn receive(&self, told: &Told) {
        let told_of = |offered: &Offered, name: &str| {
            json!({"event": name, "offer": offered.id, "account": offered.account, "name": offered.name,
                "root": offered.root.to_string(), "bytes": offered.bytes, "folder": offered.is_folder})
        };
        let what = |offered: &Offered| {
            let bytes = HumanBytes(offered.bytes);
            format!("\"{}\" ({bytes}) of {}", offered.name, offered.account)
        };
        match told {
            Told::Question(offered) => {
                let event = told_of(offered, "asking");
                if self.is_json {
                    self.tell(&event, "");
                }
                self.print(|| output::note(&format!("Take {}? [y/N]", what(offered))));
            }
            Told::Again(offered) => {
                let text = format!(
                    "That may have been for an offer that has ended, so once more:\nTake {}? [y/N]",
                    what(offered)
                );
                self.print(|| output::note(&text));
            }
            Told::Taking(offered, path) => {
                let mut event = told_of(offered, "receiving");
                event["path"] = path.to_string_lossy().into();
                self.tell(&event, &format!("takes {}", what(offered)));
            }
            Told::Received(offered, path) => {
                let mut event = told_of(offered, "received");
                event["path"] = path.to_string_lossy().into();
                self.tell(&event, &format!("{}: {}", path.display(), what(offered)));
            }
            Told::Already(offered) => {
                let event = told_of(offered, "already");
                self.tell(&event, &format!("{} was here already", what(offered)));
            }
            Told::Refused(offered, reason) => {
                let mut event = told_of(offered, "not-taken");
                event["reason"] = reason.clone().into();
                self.warn(&event, &format!("not taken: {}: {reason}", what(offered)));
            }
        }
    }

    fn progress(&self, progress: &Progress) {
        if self.is_json {
            let event = json!({"event": "progress", "files": progress.files, "files_due": progress.files_due, "bytes": progress.bytes,
                "bytes_due": progress.bytes_due, "bytes_per_s": progress.bytes_per_s, "walking": progress.is_walking});
            return self.tell(&event, "");
        }
        if let Some(bar) = &self.bar {
            bar.set_length(progress.bytes_due);
            bar.set_position(progress.bytes);
            let more = if progress.is_walking { "+" } else { "" };
            let rate = HumanBytes(progress.bytes_per_s);
            bar.set_message(format!(
                "{rate}/s {}/{}{more} files",
                progress.files, progress.files_due
            ));
        }
    }

    /// Tells of one file: on a terminal, once the first look is done.
    fn detail(&self, event: &Value, text: &str) {
        if self.bar.is_none() || self.is_ready {
            self.tell(event, text);
        }
    }

    fn tell(&self, event: &Value, text: &str) {
        self.print(|| {
            // Whoever reads no more does not keep others from fetching.
            if self.is_json {
                let _ = output::raw(&format!("{event}\n"));
            } else {
                let _ = output::line(text);
            }
        });
    }

    /// Tells of something that is not as it should be.
    fn warn(&self, event: &Value, text: &str) {
        if self.is_json {
            self.tell(event, text);
        } else {
            self.print(|| output::note(text));
        }
    }

    fn print(&self, work: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {bytes}/{total_bytes} {msg} {eta}") {
        bar.set_style(style);
    }
    bar
}
