//! The line mode, for pipes and for those who have the screen read to them: lines in, lines out, no cursor moved.
//!
//! A line is `HH:MM room name: text`. What was typed is read as everywhere, commands and all. At the end of the input it waits until
//! everything is acknowledged and was heard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

use super::command::{self, Typed};
use super::ledger::key;
use super::limits::{PAGE, TEXT_BYTES_MAX};
use super::link::{Door, Fault, Link, LinkEvent, SentIds, Use};
use super::model::{Further, Model, Notice};
use super::run::{hand_over, on_link_event, time_in_words};
use super::safe;
use super::wire::{Message, Said, Say};

/// How long the input may wait for the output once it has ended.
const LAST_WAIT: Duration = Duration::from_secs(60);

/// How long what is stored may take to be heard by whoever said it: a moment, unless they left the place meanwhile.
const HEARING: Duration = Duration::from_secs(2);

/// How the line mode ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything that was said is stored.
    Well,
    /// So many lines were refused, or not acknowledged in time.
    Unsaid(usize),
    /// There is no connection, and none is tried any more.
    Fault(Fault),
}

/// The line mode, fed line by line.
struct Lines<'a> {
    link: Link,
    model: Model,
    ids: SentIds,
    zone: TimeZone,
    /// What is not acknowledged, by its sender's id.
    waiting: BTreeMap<String, Say>,
    /// What is stored and was not heard yet, by its sender's id: it is not printed before.
    unheard: BTreeSet<String>,
    /// Until when that is waited for.
    heard_by: Option<Instant>,
    /// What was said too fast, and when it may be said again.
    later: Option<(Instant, Say)>,
    unsaid: usize,
    /// Lines that came before there was a room to say them in.
    early: Vec<String>,
    has_been_up: bool,
    /// Where to begin, and whether that was asked for.
    place: Option<String>,
    is_asked: bool,
    print: &'a mut dyn FnMut(&str),
    note: &'a mut dyn FnMut(&str),
}

/// Runs the line mode until its input ends or the person ends it.
///
/// `print` takes what is said, `note` what is not said by anybody.
pub async fn run(
    door: Door,
    place: Option<String>,
    mut input: mpsc::Receiver<String>,
    print: &mut dyn FnMut(&str),
    note: &mut dyn FnMut(&str),
) -> Ended {
    let wanted = Use {
        keeps_all: true,
        follow: Vec::new(),
    };
    let mut lines = Lines {
        link: Link::start(door, wanted),
        model: Model::default(),
        ids: SentIds::new(),
        zone: TimeZone::system(),
        waiting: BTreeMap::new(),
        unheard: BTreeSet::new(),
        heard_by: None,
        later: None,
        unsaid: 0,
        early: Vec::new(),
        has_been_up: false,
        place,
        is_asked: false,
        print,
        note,
    };
    let ended = lines.serve(&mut input).await;
    lines.link.close().await;
    ended
}

impl Lines<'_> {
    async fn serve(&mut self, input: &mut mpsc::Receiver<String>) -> Ended {
        let mut has_input = true;
        let mut deadline: Option<Instant> = None;
        loop {
            if !has_input && self.is_done() {
                return self.ended();
            }
            let last = at(deadline);
            let hearing = at(self.heard_by.filter(|_| !self.unheard.is_empty()));
            let again = at(self.later.as_ref().map(|(due, _)| *due));
            tokio::select! {
                event = self.link.next() => {
                    let Some(event) = event else { return self.ended() };
                    if let Some(fault) = self.on_event(event) {
                        return Ended::Fault(fault);
                    }
                    self.begin();
                    if self.place.is_some() && self.unsaid > 0 {
                        return self.ended();
                    }
                }
                // One after the other: a line that has to wait must not be overtaken by the next.
                line = input.recv(), if has_input && self.is_done() => match line {
                    Some(line) => {
                        if self.on_line(line) {
                            self.drain().await;
                            return self.ended();
                        }
                    }
                    None => {
                        has_input = false;
                        deadline = Some(Instant::now() + LAST_WAIT);
                    }
                },
                () = again => {
                    if let Some((_, say)) = self.later.take() {
                        self.link.say(say);
                    }
                }
                () = hearing => self.unheard.clear(),
                () = last => return self.ended(),
            }
            self.flush();
        }
    }

    /// Whether everything is acknowledged, answered and heard.
    fn is_done(&self) -> bool {
        self.waiting.is_empty()
            && self.unheard.is_empty()
            && self.early.is_empty()
            && !self.model.has_wanted()
    }

    fn ended(&mut self) -> Ended {
        self.flush();
        match self.unsaid + self.waiting.len() + self.early.len() {
            0 => Ended::Well,
            count => Ended::Unsaid(count),
        }
    }

    /// What was said before `#exit` is still acknowledged.
    async fn drain(&mut self) {
        self.flush();
        let all = async {
            while !(self.waiting.is_empty() && self.unheard.is_empty()) && self.later.is_none() {
                let event = tokio::select! {
                    event = self.link.next() => event,
                    () = at(self.heard_by.filter(|_| self.waiting.is_empty())) => None,
                };
                let Some(event) = event else {
                    break;
                };
                if self.on_event(event).is_some() {
                    break;
                }
            }
        };
        let _ = timeout(LAST_WAIT, all).await;
    }

    /// Says what came early, as soon as one is where one wanted to be.
    fn begin(&mut self) {
        let now_ms = self.link.time.now_ms();
        if !self.is_here() {
            return;
        }
        if let Some(place) = self.place.clone() {
            if self.model.current != key(&place) {
                if !self.is_asked {
                    self.is_asked = true;
                    self.model.enter(&place, now_ms);
                }
                return;
            }
            self.place = None;
        }
        for line in std::mem::take(&mut self.early) {
            self.on_line(line);
        }
    }

    fn is_here(&self) -> bool {
        let here = self.model.here();
        here.is_some_and(|here| here.is_joined || here.is_private())
    }

    /// Takes what the link told; gives why there will be no connection.
    fn on_event(&mut self, event: LinkEvent) -> Option<Fault> {
        let now_ms = self.link.time.now_ms();
        if let LinkEvent::Ended(fault) = event {
            return Some(fault);
        }
        match &event {
            LinkEvent::Down { fault, .. } if !self.has_been_up => return Some(fault.clone()),
            LinkEvent::Down { fault, retry_at } => {
                let wait = retry_at
                    .saturating_duration_since(Instant::now())
                    .as_secs_f64();
                (self.note)(&format!("{fault}; again in {wait:.1} s"));
            }
            LinkEvent::Up(hello) => {
                self.has_been_up = true;
                (self.note)(&format!("connected as {}", hello.login));
            }
            LinkEvent::Refused { sent_id, refused } => {
                let said = self.waiting.get(sent_id).cloned();
                match (refused.retry_after_ms, said) {
                    (Some(wait @ 1..), Some(say)) => {
                        self.later = Some((Instant::now() + Duration::from_millis(wait), say));
                        return None;
                    }
                    (Some(_) | None, _) => {
                        self.waiting.remove(sent_id);
                        self.unsaid += 1;
                        (self.note)(&format!("not sent: {}", refused.text));
                    }
                }
            }
            LinkEvent::Said(said) => self.on_said(said),
            LinkEvent::Answer(number, Said::Error(_)) if self.model.is_wanted(*number) => {
                self.unsaid += 1;
            }
            LinkEvent::Answer(_, Said::Found { messages, .. }) => {
                for message in messages.iter().rev() {
                    self.print_message(message);
                }
            }
            LinkEvent::Answer(_, Said::History(history)) => {
                for message in &history.messages {
                    let mut message = message.clone();
                    if message.room.is_empty() {
                        message.room.clone_from(&history.room);
                    }
                    self.print_message(&message);
                }
            }
            LinkEvent::Answer(..)
            | LinkEvent::Connecting
            | LinkEvent::Unasked(_)
            | LinkEvent::Ended(_) => {}
        }
        on_link_event(&mut self.model, event, Instant::now(), now_ms);
        None
    }

    fn on_said(&mut self, said: &Said) {
        if let Said::Message(message) = said {
            if let Some(sent_id) = &message.sent_id {
                self.waiting.remove(sent_id);
                self.unheard.remove(sent_id);
            }
            self.print_message(message);
        } else if let Said::Sent {
            sent_id: Some(sent_id),
            ..
        } = said
        {
            // Heard before it was acknowledged, it does not wait any more.
            if self.waiting.remove(sent_id).is_some() {
                self.unheard.insert(sent_id.clone());
                self.heard_by = Some(Instant::now() + HEARING);
            }
        } else if let Said::Changed(message) = said
            && message.edited_ms.is_some()
            && message.deleted_ms.is_none()
        {
            self.print_message(message);
        }
    }

    fn print_message(&mut self, message: &Message) {
        let at = jiff::Timestamp::from_millisecond(message.at_ms).unwrap_or_default();
        let at = at.to_zoned(self.zone.clone()).strftime("%H:%M").to_string();
        let (room, from) = (safe::line(&message.room), safe::line(&message.from));
        let edited = if message.edited_ms.is_some() {
            " (edited)"
        } else {
            ""
        };
        let text = if message.deleted_ms.is_some() {
            "(taken back)".to_owned()
        } else {
            safe::text(&message.text)
        };
        for line in text.split('\n') {
            (self.print)(&if message.action {
                format!("{at} {room} * {from} {line}{edited}")
            } else {
                format!("{at} {room} {from}: {line}{edited}")
            });
        }
    }

    /// Takes a line that was typed; tells whether that was the last.
    fn on_line(&mut self, line: String) -> bool {
        let now_ms = self.link.time.now_ms();
        let typed = command::parse(&line);
        let is_said = matches!(typed, Typed::Say(_) | Typed::Act(_));
        if (!self.is_here() || self.place.is_some()) && typed != Typed::Exit {
            self.early.push(line);
            return false;
        }
        if is_said && line.len() > TEXT_BYTES_MAX {
            self.unsaid += 1;
        }
        if let Typed::Wrong(_) = typed {
            self.unsaid += 1;
        }
        let time = time_in_words(&self.link.time, &self.zone);
        match self.model.want(typed, self.ids.next_id(), &time, now_ms) {
            Further::Nothing => {}
            Further::Exit => return true,
            Further::Older(count) => {
                let room = self
                    .model
                    .here()
                    .map_or_else(String::new, |here| here.name.clone());
                let ask = super::wire::Ask::History {
                    room,
                    before: None,
                    after: None,
                    limit: count.clamp(1, PAGE * 2),
                };
                self.model.outbox.push((ask, super::model::Intent::Act("")));
            }
        }
        self.flush();
        false
    }

    /// Sends what is to be sent, and prints what the model noticed.
    fn flush(&mut self) {
        // Pages that a screen would show are not asked for: only what comes from now on is printed.
        self.model.outbox.retain(|(_, intent)| !intent.is_page());
        for say in &self.model.says {
            self.waiting.insert(say.sent_id.clone(), say.clone());
        }
        let now_ms = self.link.time.now_ms();
        hand_over(&mut self.model, &mut self.link, now_ms);
        self.model.calls.clear();
        let mut texts = Vec::new();
        for place in self.model.places.values_mut() {
            place.window.is_loading = false;
            texts.extend(place.notices.drain(..).map(|notice: Notice| notice.text));
        }
        for text in texts {
            (self.note)(&safe::text(&text));
        }
    }
}

/// Waits for a moment, for ever without one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
