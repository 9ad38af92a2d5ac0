//! Users of the plain chat while they are there: each is a session of the ordinary chat, and what it hears waits here until its
//! client asks.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::chat::{Actor, Command, Event, Newcomer, Reason, Refusal, RefusalKind, Target};
use engine::ConnectionInfo;
use engine::sessions::Origin;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::CHAT;
use super::users::{NoUser, User, Users};
use crate::chat::{Chat, Heard, Listener};
use crate::config;
use crate::http::{DEFAULT_VHOST, Web};

/// Events that may wait for the task that takes them in.
const EVENTS_WAITING_MAX: usize = 4 * ::chat::limits::MISSED_MAX as usize;
/// Lines that wait for one user; the oldest go first.
const LINES_MAX: usize = 10_000;
/// Their bytes.
const LINES_BYTES_MAX: usize = 1 << 20;
/// How long somebody may need to get into the room.
const ENTRY_PATIENCE: Duration = Duration::from_secs(10);
/// How long somebody who talks fast is made to wait before they are refused.
const PACE_PATIENCE: Duration = Duration::from_secs(10);
/// How often those who fell silent are looked for, at most.
const SWEEP_INTERVAL_MAX: Duration = Duration::from_secs(15);

/// Those who are there; cheap to clone.
#[derive(Clone)]
pub(super) struct Guests(Arc<Inner>);

struct Inner {
    web: Web,
    users: Users,
    room: String,
    silence: Duration,
    max: usize,
    present: Mutex<HashMap<String, Guest>>,
    /// Held while somebody comes in, so that one name is let in once.
    entering: tokio::sync::Mutex<()>,
}

/// Somebody who is there.
struct Guest {
    actor: Actor,
    mailbox: Arc<Mutex<Mailbox>>,
    task: AbortHandle,
    heard_of: Instant,
}

/// What somebody has not asked for yet.
#[derive(Default)]
struct Mailbox {
    lines: VecDeque<String>,
    bytes: usize,
}

/// Why somebody is not let in, or may not say something.
pub(super) enum Refused {
    /// They are not who they say.
    User(NoUser),
    /// There are as many as there may be.
    Full,
    /// The chat says no.
    Chat(Refusal),
}

impl From<NoUser> for Refused {
    fn from(reason: NoUser) -> Self {
        Self::User(reason)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Chat(refusal)
    }
}

impl Mailbox {
    fn put(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > LINES_MAX || self.bytes > LINES_BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= oldest.len();
        }
    }

    /// All lines, each behind a line break.
    fn take(&mut self) -> String {
        let lines = std::mem::take(self).lines;
        lines.iter().flat_map(|line| ["\n", line]).collect()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // The listener goes with its task.
        self.task.abort();
    }
}

impl Guests {
    pub(super) fn new(web: &Web, users: Users, config: &config::Classroom) -> Self {
        let room = if config.room.is_empty() {
            web.chat_door().default_room.clone()
        } else {
            config.room.clone()
        };
        Self(Arc::new(Inner {
            web: web.clone(),
            users,
            room,
            silence: Duration::from_secs(config.silence_s),
            max: usize::try_from(config.max_users).unwrap_or(usize::MAX),
            present: Mutex::default(),
            entering: tokio::sync::Mutex::new(()),
        }))
    }

    /// Lets somebody in by a name that nobody has who is there.
    ///
    /// # Errors
    /// The name is taken or cannot be one, or the room is closed to it.
    pub(super) async fn register(
        &self,
        name: &str,
        origin: &Origin,
        peer: &str,
    ) -> Result<(), Refused> {
        let _entering = self.0.entering.lock().await;
        let (user, _) = self.0.users.make(name, origin).await?;
        if self.is_present(&user.login.name) {
            return Err(NoUser::Taken.into());
        }
        self.enter(user, peer).await
    }

    /// Says something to everybody in the room.
    ///
    /// # Errors
    /// Nobody of this name ever registered, or the chat says no.
    pub(super) async fn say(&self, name: &str, text: &str, peer: &str) -> Result<(), Refused> {
        let (actor, _) = self.attend(name, peer).await?;
        // An empty line was Enter alone: there is nothing to hear.
        if text.trim().is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        loop {
            let say = Command::Say {
                to: Target::Room(self.0.room.clone()),
                text: text.to_owned(),
                is_action: false,
                sent_id: None,
                reply_to: None,
            };
            match self.chat().ask(actor.clone(), say).await {
                Ok(_) => return Ok(()),
                // These clients know of no such answer: whoever talks fast waits.
                Err(Refusal {
                    kind: RefusalKind::Limited { retry_after_ms },
                    ..
                }) if retry_after_ms > 0 && begun.elapsed() < PACE_PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(retry_after_ms)).await;
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }

    /// Takes what somebody has not heard yet, each line behind a line break.
    ///
    /// # Errors
    /// Nobody of this name ever registered, or the room is closed to them.
    pub(super) async fn take(&self, name: &str, peer: &str) -> Result<String, Refused> {
        let (_, mailbox) = self.attend(name, peer).await?;
        let mut mailbox = mailbox.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(mailbox.take())
    }

    /// Lets somebody go, and others have the name; false when nobody of it was there.
    pub(super) fn leave(&self, name: &str) -> bool {
        let Ok(user) = self.0.users.find(name) else {
            return false;
        };
        self.present().remove(&*user.login.name).is_some()
    }

    /// Who is there, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.present().keys().cloned().collect();
        names.sort();
        names
    }

    /// Lets go of whoever fell silent, until the task is dropped.
    pub(super) async fn sweep(&self) {
        let silence = self.0.silence;
        let mut interval = tokio::time::interval(
            (silence / 4).clamp(Duration::from_millis(100), SWEEP_INTERVAL_MAX),
        );
        loop {
            interval.tick().await;
            self.present()
                .retain(|_, guest| guest.heard_of.elapsed() < silence && !guest.task.is_finished());
        }
    }

    /// Notes that somebody is there. Whoever registered once and was let go comes back by what they do.
    async fn attend(
        &self,
        name: &str,
        peer: &str,
    ) -> Result<(Actor, Arc<Mutex<Mailbox>>), Refused> {
        let user = self.0.users.find(name)?;
        let login = user.login.name.clone();
        if let Some(found) = self.note(&login) {
            return Ok(found);
        }
        let _entering = self.0.entering.lock().await;
        if let Some(found) = self.note(&login) {
            return Ok(found);
        }
        self.enter(user, peer).await?;
        self.note(&login)
            .ok_or_else(|| Refused::Chat(Refusal::new(Reason::Void)))
    }

    fn note(&self, login: &str) -> Option<(Actor, Arc<Mutex<Mailbox>>)> {
        let mut present = self.present();
        let guest = present.get_mut(login)?;
        if guest.task.is_finished() {
            return None;
        }
        guest.heard_of = Instant::now();
        Some((guest.actor.clone(), guest.mailbox.clone()))
    }

    fn is_present(&self, login: &str) -> bool {
        let present = self.present();
        let guest = present.get(login);
        guest.is_some_and(|guest| {
            !guest.task.is_finished() && guest.heard_of.elapsed() < self.0.silence
        })
    }

    async fn enter(&self, user: User, peer: &str) -> Result<(), Refused> {
        let login = user.login.name.to_string();
        {
            let present = self.present();
            if present.len() >= self.0.max && !present.contains_key(&login) {
                return Err(Refused::Full);
            }
        }
        let listener = self.listen(&user, peer).await?;
        let mailbox = Arc::<Mutex<Mailbox>>::default();
        let actor = listener.actor();
        let task = tokio::spawn(listen(listener, login.clone(), mailbox.clone()));
        let guest = Guest {
            actor,
            mailbox,
            task: task.abort_handle(),
            heard_of: Instant::now(),
        };
        self.present().insert(login, guest);
        Ok(())
    }

    /// Begins to listen, and returns in the room: what is said from now on is heard.
    async fn listen(&self, user: &User, peer: &str) -> Result<Listener, Refused> {
        let door = self.0.web.chat_door();
        let is_default = ::chat::fold(&self.0.room) == ::chat::fold(&door.default_room);
        let newcomer = Newcomer {
            login: user.login.name.to_string(),
            created_ms: user.created_ms,
            is_administrator: false,
            door: CHAT,
            language: None,
            reads_all: true,
            enters_default: is_default,
        };
        let mut listener = self.chat().listen(newcomer, EVENTS_WAITING_MAX).await?;
        let engine = self.0.web.gateway().engine();
        let info = ConnectionInfo {
            login: user.login.name.clone(),
            vhost: DEFAULT_VHOST.into(),
            peer: peer.to_owned(),
            protocol: CHAT,
            name: None,
            client: None,
            connected_at_ms: engine.now_ms(),
            channels: Arc::default(),
        };
        let admitted = listener.admit(engine, &user.login, info);
        admitted.map_err(|_| Refusal::new(Reason::TooMany(::chat::Plenty::Connections)))?;
        if !is_default {
            self.join(&listener).await?;
        }
        let inside = async {
            while let Some(heard) = listener.hear().await {
                match heard {
                    Heard::Event(event) if matches!(*event, Event::Entered(_)) => return true,
                    Heard::Event(_) | Heard::End(_) => {}
                }
            }
            false
        };
        match tokio::time::timeout(ENTRY_PATIENCE, inside).await {
            Ok(true) => Ok(listener),
            Ok(false) | Err(_) => Err(Refusal::new(Reason::Unavailable).into()),
        }
    }

    /// Enters the room that the operator chose; the first one makes it.
    async fn join(&self, listener: &Listener) -> Result<(), Refusal> {
        let room = self.0.room.clone();
        let join = || Command::Join {
            room: room.clone(),
            after: None,
            is_only: true,
        };
        match listener.ask(join()).await {
            Err(Refusal {
                kind: RefusalKind::NotFound,
                ..
            }) => {}
            entered => return entered.map(drop),
        }
        let create = Command::Create {
            room: room.clone(),
            keep: false,
            is_only: true,
        };
        match listener.ask(create).await {
            // Another one was faster.
            Err(Refusal {
                kind: RefusalKind::Taken,
                ..
            }) => listener.ask(join()).await.map(drop),
            created => created.map(drop),
        }
    }

    fn chat(&self) -> &Chat {
        self.0.web.chat()
    }

    fn present(&self) -> std::sync::MutexGuard<'_, HashMap<String, Guest>> {
        self.0
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts what others say into a mailbox, until the session ends.
async fn listen(mut listener: Listener, own: String, mailbox: Arc<Mutex<Mailbox>>) {
    while let Some(Heard::Event(event)) = listener.hear().await {
        if let Some(line) = line_of(&event, &own) {
            let mut mailbox = mailbox.lock().unwrap_or_else(PoisonError::into_inner);
            mailbox.put(line);
        }
    }
}

/// The line that a client shows for an event, if it is something that another one said.
fn line_of(event: &Event, own: &str) -> Option<String> {
    let Event::Message {
        place,
        message,
        is_history: false,
    } = event
    else {
        return None;
    };
    if message.from == own {
        return None;
    }
    let is_private = place.starts_with('@');
    let whisper = if is_private { " (private)" } else { "" };
    // One message is one line to these clients.
    let text = message.text.replace(['\r', '\n'], " ");
    Some(format!("{}{whisper}>{text}", message.from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_gives_every_line_behind_a_line_break_and_once() {
        let mut mailbox = Mailbox::default();
        assert_eq!(mailbox.take(), "");
        mailbox.put("ana>hola".to_owned());
        mailbox.put("bob> qué tal".to_owned());
        assert_eq!(mailbox.take(), "\nana>hola\nbob> qué tal");
        assert_eq!(mailbox.take(), "");
    }

    #[test]
    fn a_mailbox_that_nobody_empties_forgets_the_oldest() {
        let mut mailbox = Mailbox::default();
        for number in 0..=LINES_MAX {
            mailbox.put(format!("ana>{number}"));
        }
        assert!(mailbox.take().starts_with("\nana>1\n"));
        for _ in 0..200 {
            mailbox.put("x".repeat(8 << 10));
        }
        assert!(mailbox.bytes <= LINES_BYTES_MAX);
        assert_eq!(mailbox.lines.len(), LINES_BYTES_MAX / (8 << 10));
    }
}
