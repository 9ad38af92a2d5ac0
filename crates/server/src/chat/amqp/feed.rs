//! What is said in rooms, published to the bindings of the exchange `chat`; and who may bind.
//!
//! One task does both in the order of the chat: a queue that was admitted hears what was said after it was asked about, and a ban ends
//! bindings before anything is published that was said behind it.
//!
//! Messages are published in the order of their numbers, many under way at once. Where the broker does not take them, as under an alarm, or
//! where the chat is faster, rooms fall behind: they catch up page by page from the history ([`Feed::behind`]).

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use broker::topology::{Listeners, room_key, room_of};
use chat::{Actor, Command, Cursor, Event, PageOf, Reason, Reply, RoomChange, RoomView, Target};
use directory::Change;
use engine::Hearing;
use engine::accounts::Login;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::letters;
use super::positions::{PARAMETER, Positions, Turn, stored};
use super::{actor_of, refusal_of};
use crate::chat::{Chat, Overheard};
use crate::gateway::{Gateway, Link, Origin};

/// What was overheard and waits to be published; beyond it the history is read.
const OVERHEARD_MAX: usize = 1_024;
/// Publishes that wait to be safe.
const UNDER_WAY_MAX: usize = 256;
/// Messages that a room that is behind reads of its history at once.
const PAGE: u32 = 50;
/// How often positions are written, while they change.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// How long nothing is tried after the chat or the broker could not be reached.
const PAUSE: Duration = Duration::from_millis(500);

/// A publish under way; gives the room, the message's number if it has one that counts, and whether the broker took it.
type UnderWay = Pin<Box<dyn Future<Output = (String, Option<u64>, bool)> + Send>>;

/// The task's state.
pub(super) struct Feed {
    chat: Chat,
    gateway: Gateway,
    hearings: mpsc::UnboundedReceiver<Hearing>,
    link: Option<Link>,
    /// What is overheard, while anything is bound: whoever has no members over AMQP pays nothing for them.
    heard: Option<mpsc::Receiver<Overheard>>,
    positions: Positions,
    under_way: FuturesOrdered<UnderWay>,
    /// Rooms that have more to hear than was overheard, in turn.
    behind: VecDeque<String>,
    /// Something that was overheard may have been lost.
    may_have_missed: bool,
    /// When whatever failed is tried again.
    retry_at: Instant,
}

impl Feed {
    pub(super) fn new(
        chat: Chat,
        gateway: Gateway,
        hearings: mpsc::UnboundedReceiver<Hearing>,
    ) -> Self {
        Self {
            chat,
            gateway,
            hearings,
            link: None,
            heard: None,
            positions: Positions::default(),
            under_way: FuturesOrdered::new(),
            behind: VecDeque::new(),
            may_have_missed: false,
            retry_at: Instant::now(),
        }
    }

    /// Publishes and admits until the server stops.
    pub(super) async fn run(mut self, mut stops: watch::Receiver<bool>) {
        let mut interval = tokio::time::interval(WRITE_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Err(problem) = self.take_up().await {
            tracing::warn!(problem, "the chat cannot be heard over AMQP yet");
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = is_over(&mut stops) => return,
            }
        }
        loop {
            let has_room = self.under_way.len() < UNDER_WAY_MAX;
            let is_behind = has_room && !self.behind.is_empty();
            tokio::select! {
                () = is_over(&mut stops) => break,
                Some(done) = self.under_way.next(), if !self.under_way.is_empty() => self.settle(done),
                next = overhear(&mut self.heard), if has_room => {
                    let Some((next, was_full)) = next else { break };
                    self.may_have_missed |= was_full;
                    self.hear(&next).await;
                }
                Some(hearing) = self.hearings.recv() => self.admit(hearing).await,
                () = tokio::time::sleep_until(self.retry_at), if is_behind => self.catch_up().await,
                _ = interval.tick(), if self.heard.is_some() => self.look_after().await,
            }
        }
        while let Some(done) = self.under_way.next().await {
            self.settle(done);
        }
        self.write_durable().await;
    }

    /// Does what is to be done every now and then while anything is bound.
    async fn look_after(&mut self) {
        if std::mem::take(&mut self.may_have_missed) {
            self.all_behind();
        }
        self.write_durable().await;
        if !self.gateway.engine().has_room_bindings() {
            self.heard = None;
            self.positions = Positions::default();
            self.behind.clear();
        }
    }

    /// Begins to overhear; what is asked of the chat from now on comes behind that.
    fn listen(&mut self) {
        if self.heard.is_none() {
            self.heard = Some(self.chat.overhear(OVERHEARD_MAX));
        }
    }

    /// Takes up what the last run left: positions, and bindings whose owners were banned since.
    async fn take_up(&mut self) -> Result<(), String> {
        if !self.gateway.engine().has_room_bindings() {
            return Ok(());
        }
        self.listen();
        let Some(rooms) = self.rooms().await else {
            return Err("its rooms cannot be listed".to_owned());
        };
        let engine = self.gateway.engine().clone();
        let snapshot = engine.snapshot().await.map_err(|error| error.to_string())?;
        for one in engine.room_bindings() {
            let Some(owner) = &one.owner else { continue };
            if !self.may_hear(owner, &one.binding.routing_key).await? {
                engine.end_room_binding(one.binding);
            }
        }
        for room in rooms {
            let fold = chat::fold(&room.name);
            if engine.room_listeners(&fold) != Listeners::Durable {
                continue;
            }
            let value = snapshot.parameters.get(&format!("{PARAMETER}{fold}"));
            let heard = value.and_then(|value| stored(value, room.created_ms));
            self.positions
                .follow(&fold, room.created_ms, heard.unwrap_or_default());
            self.fall_behind(fold);
        }
        Ok(())
    }

    /// Says whether an account that has a queue may go on hearing what it is bound with.
    async fn may_hear(&mut self, login: &str, key: &str) -> Result<bool, String> {
        let Some(actor) = actor_of(self.gateway.engine(), login) else {
            return Ok(false);
        };
        let Some(room) = room_of(key) else {
            return Ok(actor.is_administrator);
        };
        let room = room.to_owned();
        let Err(refusal) = self.chat.ask(actor, Command::Room { room }).await else {
            return Ok(true);
        };
        if refusal.reason == Reason::Unavailable {
            return Err("its rooms cannot be asked about".to_owned());
        }
        Ok(matches!(refusal.reason, Reason::NoRoom(_)))
    }

    async fn rooms(&mut self) -> Option<Vec<RoomView>> {
        match self.chat.ask(server(), Command::Rooms).await {
            Ok(Reply::Rooms(rooms)) => Some(rooms),
            Ok(_) | Err(_) => None,
        }
    }

    async fn hear(&mut self, overheard: &Overheard) {
        let fold = chat::fold(&overheard.room);
        let event = &*overheard.event;
        match event {
            Event::Message { message, .. } => self.message(event, fold, message.seq).await,
            Event::Changed { .. } => {
                if self.listeners(&fold) != Listeners::None {
                    self.publish(event, fold, None).await;
                }
            }
            Event::Room { change, .. } => self.changed(fold, change).await,
            Event::Mentioned { .. }
            | Event::Entered(_)
            | Event::Left { .. }
            | Event::Presence { .. }
            | Event::Typing { .. }
            | Event::Read { .. } => {}
        }
    }

    fn listeners(&self, room: &str) -> Listeners {
        self.gateway.engine().room_listeners(room)
    }

    async fn message(&mut self, event: &Event, fold: String, seq: u64) {
        if self.listeners(&fold) == Listeners::None {
            self.positions.leave(&fold);
            return;
        }
        if !self.positions.has(&fold) {
            self.begin(&fold, 0).await;
        }
        match self.positions.turn(&fold, seq) {
            Turn::Past => {}
            Turn::Now => drop(self.publish(event, fold, Some(seq)).await),
            Turn::Early => self.fall_behind(fold),
        }
    }

    async fn changed(&mut self, fold: String, change: &RoomChange) {
        match change {
            RoomChange::Created => {
                if self.listeners(&fold) != Listeners::None {
                    self.begin(&fold, 0).await;
                }
            }
            RoomChange::Deleted => self.positions.leave(&fold),
            RoomChange::Banned { login, is_on: true } => self.end_bindings(&fold, login),
            RoomChange::Banned { .. }
            | RoomChange::Muted { .. }
            | RoomChange::Topic(_)
            | RoomChange::Keep(_)
            | RoomChange::Slow(_) => {}
        }
    }

    /// Follows a room behind a message.
    async fn begin(&mut self, fold: &str, heard: u64) {
        let room = fold.to_owned();
        if let Ok(Reply::Room(view)) = self.chat.ask(server(), Command::Room { room }).await {
            self.positions.follow(fold, view.created_ms, heard);
        }
    }

    /// Ends what somebody who is banned hears of a room: by its name, and by patterns that they bound while they might.
    fn end_bindings(&self, fold: &str, login: &str) {
        let engine = self.gateway.engine();
        let key = room_key(fold);
        for one in engine.room_bindings() {
            let is_theirs = one.owner.as_deref() == Some(login);
            let bound = &*one.binding.routing_key;
            if is_theirs && (bound == key || room_of(bound).is_none()) {
                engine.end_room_binding(one.binding);
            }
        }
    }

    async fn admit(&mut self, hearing: Hearing) {
        self.listen();
        let mut heard = None;
        for login in &hearing.accounts {
            let (Some(room), Some(actor)) =
                (hearing.room(), actor_of(self.gateway.engine(), login))
            else {
                continue;
            };
            let room = room.to_owned();
            match self.chat.ask(actor, Command::Room { room }).await {
                Ok(Reply::Room(view)) => heard = Some(view),
                Ok(_) => {}
                Err(refusal) if matches!(refusal.reason, Reason::NoRoom(_)) => {}
                Err(refusal) => return hearing.refuse(refusal_of(&refusal)),
            }
        }
        let rooms = match hearing.room() {
            Some(_) => heard.into_iter().collect(),
            None => self.rooms().await.unwrap_or_default(),
        };
        let mut names = Vec::new();
        for room in rooms {
            let fold = chat::fold(&room.name);
            self.positions.follow(&fold, room.created_ms, room.head);
            names.push(fold);
        }
        // A binding that outlives the process finds its position there.
        if hearing.is_durable && !self.write(&names).await {
            let detail = "how far the room was heard could not be made durable; try again later";
            let kind = broker::RefusalKind::Unavailable;
            return hearing.refuse(broker::Refusal::new(kind, detail));
        }
        hearing.admit();
    }

    fn fall_behind(&mut self, fold: String) {
        if !self.behind.contains(&fold) {
            self.behind.push_back(fold);
        }
    }

    fn all_behind(&mut self) {
        for room in self.positions.names() {
            self.fall_behind(room);
        }
    }

    /// Publishes a page of what the room whose turn it is has missed.
    async fn catch_up(&mut self) {
        let Some(fold) = self.behind.pop_front() else {
            return;
        };
        let Some(sent) = self.positions.sent(&fold) else {
            return;
        };
        let command = Command::History {
            of: Target::Room(fold.clone()),
            page: PageOf {
                cursor: Cursor::After(sent),
                limit: PAGE,
            },
        };
        let history = match self.chat.ask(server(), command).await {
            Ok(Reply::History(history)) => history,
            Ok(_) => return,
            Err(refusal) => {
                if refusal.reason == Reason::Unavailable {
                    self.behind.push_back(fold);
                    self.retry_at = Instant::now() + PAUSE;
                }
                return;
            }
        };
        for message in history.messages {
            let seq = Some(message.seq);
            let event = Event::Message {
                place: history.place.clone(),
                message: Arc::new(message),
                is_history: false,
            };
            if !self.publish(&event, fold.clone(), seq).await {
                return;
            }
        }
        if history.has_more {
            self.behind.push_back(fold);
        } else {
            // What is not kept any more nobody can hear.
            self.positions.note_sent(&fold, history.head);
        }
    }

    /// Publishes to the bindings; false when the broker could not be reached, and all is to be published again.
    async fn publish(&mut self, event: &Event, fold: String, seq: Option<u64>) -> bool {
        let key = room_key(&fold);
        // A longer one nothing can be bound with.
        let is_short = key.len() <= broker::limits::NAME_BYTES_MAX;
        let written = is_short.then(|| letters::write(event, key));
        if let Some(outgoing) = written.flatten() {
            let Some(link) = self.link().await else {
                self.lose_link();
                return false;
            };
            let Ok(published) = link.begin_publish(vec![outgoing]).await else {
                self.lose_link();
                return false;
            };
            let room = fold.clone();
            self.under_way.push_back(Box::pin(async move {
                let is_safe = published.wait().await.is_ok();
                (room, seq, is_safe)
            }));
        }
        if let Some(seq) = seq {
            self.positions.note_sent(&fold, seq);
        }
        true
    }

    fn settle(&mut self, (room, seq, is_safe): (String, Option<u64>, bool)) {
        if !is_safe {
            self.lose_link();
        } else if let Some(seq) = seq {
            self.positions.note_safe(&room, seq);
        }
    }

    async fn link(&mut self) -> Option<Link> {
        if self.link.as_ref().is_none_or(|link| !link.is_open()) {
            let origin = Origin {
                peer: "the server".to_owned(),
                door: "chat",
                client: None,
            };
            let login = Login::of_server();
            match self.gateway.open(&login, "/", &origin).await {
                Ok(link) => self.link = Some(link),
                Err(refusal) => {
                    tracing::debug!(%refusal, "nothing can be published to the exchange of the chat");
                    return None;
                }
            }
        }
        self.link.clone()
    }

    /// Begins again behind what is safe.
    fn lose_link(&mut self) {
        self.link = None;
        self.under_way = FuturesOrdered::new();
        self.behind = self.positions.rewind().into();
        self.retry_at = Instant::now() + PAUSE;
    }

    /// Writes the positions of rooms that something durable hears.
    async fn write_durable(&mut self) {
        let mut names = self.positions.names();
        names.retain(|name| self.listeners(name) == Listeners::Durable);
        self.write(&names).await;
    }

    /// Writes positions; false when they are not on disk.
    async fn write(&mut self, names: &[String]) -> bool {
        let changes: Vec<_> = names
            .iter()
            .filter_map(|name| self.positions.take_change(name))
            .map(|(key, value)| Change::ParameterSet { key, value })
            .collect();
        if changes.is_empty() {
            return true;
        }
        let written = self.gateway.engine().commit(changes).await;
        if let Err(error) = &written {
            tracing::warn!(%error, "how far rooms were heard over AMQP could not be written");
            self.positions.keep_changes(names);
        }
        written.is_ok()
    }
}

/// Waits for what is overheard next, and says whether more may have been than there was room for; `None` when the chat has stopped.
async fn overhear(heard: &mut Option<mpsc::Receiver<Overheard>>) -> Option<(Overheard, bool)> {
    let Some(heard) = heard else {
        return std::future::pending().await;
    };
    let next = heard.recv().await?;
    // Whoever does not keep up has a full buffer when it looks.
    Some((next, heard.len() + 1 >= OVERHEARD_MAX))
}

/// Waits until the server stops.
async fn is_over(stops: &mut watch::Receiver<bool>) {
    // Nobody is left to stop it: so it is over.
    let _ = stops.wait_for(|is_over| *is_over).await;
}

/// As whom the server itself asks.
fn server() -> Actor {
    Actor {
        login: Login::of_server().name.to_string(),
        created_ms: 1,
        is_administrator: true,
        session: None,
    }
}
