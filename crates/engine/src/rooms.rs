//! The chat behind the exchange `chat`: it is given what clients publish there, and asked before a queue hears a room.
//!
//! The engine knows no rooms. It hands over what it may not decide, and answers the client when the chat has (ADR 0016).
//!
//! Start reading at [`Rooms`].

use std::fmt;
use std::sync::{Arc, Weak};

use broker::access::{Access, Office};
use broker::topology::{
    Actor, BindingView, CHAT_EXCHANGE, Listeners, RoomBinding, room_key, room_of,
};
use broker::{
    Body, ConnectionId, Event, Name, POSTED, PostOutcome, Publish, Refusal, RefusalKind, Reply,
};
use codec::amqp::properties::PropertiesRef;

use crate::connection::{Batch, Connection};
use crate::declared::Concerned;
use crate::mailbox::Letter;
use crate::startup::DEFAULT_VHOST;
use crate::{Handle, Shared, SharedRef};

/// The chat, as the exchange `chat` reaches it.
///
/// *Concurrency*: called on shards' threads, so nothing here may wait.
pub trait Rooms: fmt::Debug + Send + Sync {
    /// How a room is spelt in bindings: two spellings of one name come out the same.
    fn fold(&self, room: &str) -> String;

    /// Reads what is to be said out of a message.
    ///
    /// # Errors
    /// `PreconditionFailed`: it is nothing that can be said.
    fn read(&self, properties: &PropertiesRef<'_>, body: &[u8]) -> Result<Said, Refusal>;

    /// Says something in a room; what one connection says is said in its order.
    fn say(&self, post: Post);

    /// Asks whether a queue may hear a room, or many.
    fn admit(&self, hearing: Hearing);
}

/// What somebody says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The text.
    pub text: String,
    /// It says what its author does.
    pub is_action: bool,
    /// The sender's own name for it.
    pub sent_id: Option<String>,
    /// The message of the same room that it answers.
    pub reply_to: Option<u64>,
}

/// One message for the chat. Its sender is answered also when this is dropped.
#[derive(Debug)]
pub struct Post {
    /// The account that says it.
    pub by: Name,
    /// The connection that it came by.
    pub connection: ConnectionId,
    /// The room, as the sender wrote it.
    pub room: String,
    /// What.
    pub said: Said,
    number: u64,
    shared: Weak<Shared>,
    is_answered: bool,
}

impl Post {
    /// Tells the sender what became of it.
    pub fn answer(mut self, outcome: PostOutcome) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: PostOutcome) {
        if std::mem::replace(&mut self.is_answered, true) {
            return;
        }
        if let Some(shared) = self.shared.upgrade() {
            let post = self.number;
            let event = Event::Posted { post, outcome };
            shared.post(
                self.connection.shard(),
                Letter::Event(self.connection, event),
            );
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.tell(PostOutcome::Refused(not_open()));
    }
}

/// A queue or exchange that is to hear rooms. Whoever binds it is answered also when this is dropped.
#[derive(Debug)]
pub struct Hearing {
    /// The binding's key: a room, or a pattern that an administrator wants.
    pub key: Name,
    /// The accounts that would hear: who binds, and whose queue it is.
    pub accounts: Vec<Name>,
    /// It outlives the process.
    pub is_durable: bool,
    binding: BindingView,
    access: Arc<Access>,
    connection: ConnectionId,
    channel: u16,
    shared: Weak<Shared>,
    is_answered: bool,
}

impl Hearing {
    /// The one room that is to be heard; `None` for a pattern.
    #[must_use]
    pub fn room(&self) -> Option<&str> {
        room_of(&self.key)
    }

    /// Binds, and answers once that is durable.
    pub fn admit(mut self) {
        self.is_answered = true;
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let actor = Actor {
            connection: self.connection,
            access: Some(&self.access),
        };
        let mut topology = shared.topology_mut();
        let bound = topology.bind(self.binding.clone(), &actor);
        let changes = topology.take_changes();
        match bound {
            Ok(()) => shared.commit_then_answer(
                changes,
                Some((self.connection, self.channel)),
                Reply::Done,
                Concerned::Nothing,
            ),
            Err(refusal) => self.tell(&shared, Err(refusal)),
        }
        drop(topology);
    }

    /// Answers that it may not be.
    pub fn refuse(mut self, refusal: Refusal) {
        self.is_answered = true;
        if let Some(shared) = self.shared.upgrade() {
            self.tell(&shared, Err(refusal));
        }
    }

    fn tell(&self, shared: &SharedRef, result: Result<Reply, Refusal>) {
        let channel = self.channel;
        let event = Event::Replied { channel, result };
        shared.post(
            self.connection.shard(),
            Letter::Event(self.connection, event),
        );
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        if !self.is_answered
            && let Some(shared) = self.shared.upgrade()
        {
            self.tell(&shared, Err(not_open()));
        }
    }
}

impl Handle {
    /// Opens the exchange `chat`: until then nobody can bind to it or publish there.
    pub fn open_chat(&self, rooms: Arc<dyn Rooms>) {
        // A second chat would be another server's.
        let _ = self.shared.rooms.set(rooms);
    }

    /// What hears a room by the exchange; `room` as [`Rooms::fold`] spells it.
    #[must_use]
    pub fn room_listeners(&self, room: &str) -> Listeners {
        let topology = self.shared.topology();
        topology.listeners(DEFAULT_VHOST, &room_key(room))
    }

    /// Says whether anything is bound to the exchange.
    #[must_use]
    pub fn has_room_bindings(&self) -> bool {
        self.shared.topology().has_room_bindings(DEFAULT_VHOST)
    }

    /// The bindings of the exchange to queues, with whose queues they are.
    #[must_use]
    pub fn room_bindings(&self) -> Vec<RoomBinding> {
        self.shared.topology().room_bindings(DEFAULT_VHOST)
    }

    /// Removes a binding of the exchange whose queue may not hear the room any more.
    pub fn end_room_binding(&self, binding: BindingView) {
        let mut topology = self.shared.topology_mut();
        let server = Actor {
            connection: ConnectionId(u64::MAX),
            access: None,
        };
        if let Err(refusal) = topology.unbind(binding, &server) {
            tracing::warn!(%refusal, "a binding to a room cannot be ended");
        }
        let changes = topology.take_changes();
        self.shared
            .commit_then_answer(changes, None, Reply::Done, Concerned::Nothing);
        drop(topology);
    }
}

impl Connection {
    /// Binds to the exchange `chat`, once the chat has said that it may be, or unbinds.
    pub(crate) fn bind_room(
        &self,
        channel: u16,
        is_end: bool,
        mut binding: BindingView,
    ) -> Result<Option<Reply>, Refusal> {
        let shared = &self.shard().shared;
        let rooms = shared.rooms.get().ok_or_else(not_open)?;
        binding.routing_key = spelt(&**rooms, &binding.routing_key)?;
        if is_end {
            return self.modify(channel, |topology, actor, _| {
                topology.unbind(binding, actor)
            });
        }
        let hearer = shared
            .topology()
            .check_room_binding(&binding, &self.actor())?;
        let login = self.access().login.clone();
        let owner = hearer.owner.filter(|owner| *owner != login);
        rooms.admit(Hearing {
            key: binding.routing_key.clone(),
            accounts: std::iter::once(login).chain(owner).collect(),
            is_durable: hearer.is_durable,
            binding,
            access: self.shared_access(),
            connection: self.id(),
            channel,
            shared: Arc::downgrade(shared),
            is_answered: false,
        });
        Ok(None)
    }
}

impl Batch<'_> {
    /// Says whether what this connection publishes to the exchange `chat` is for the chat.
    pub(crate) fn is_post(&self) -> bool {
        let host = self.topology.vhost(&self.access.vhost);
        let is_chat = host.is_some_and(|host| host.is_chat(CHAT_EXCHANGE));
        is_chat && self.access.office != Office::Server
    }

    /// Gives the chat what was published to its exchange.
    #[cold]
    pub(crate) fn post(&mut self, publish: &Publish<'_>) -> Result<u32, Refusal> {
        let shared = &self.shard.shared;
        let rooms = shared.rooms.get().ok_or_else(not_open)?;
        let refuse = |detail: String| Err(Refusal::new(RefusalKind::PreconditionFailed, detail));
        if publish.deliver_at_ms.is_some() {
            return refuse("what is said in the chat is said at once: it takes no delay".into());
        }
        let login = &self.access.login;
        if let Some(user) = publish.properties.user_id
            && *user != **login
        {
            return refuse(format!(
                "user_id is '{user}', but in the chat you are '{login}'"
            ));
        }
        let Some(room) = room_of(publish.routing_key) else {
            self.state.outboxes.counted.unroutable += 1;
            return Ok(0);
        };
        let body: &[u8] = match &publish.body {
            Body::Copy(body) => body,
            Body::Share(body) => body,
        };
        let said = rooms.read(publish.properties, body)?;
        *self.posts += 1;
        rooms.say(Post {
            by: login.clone(),
            connection: self.id,
            room: room.to_owned(),
            said,
            number: *self.posts,
            shared: Arc::downgrade(shared),
            is_answered: false,
        });
        Ok(POSTED)
    }
}

/// A binding's key with its room as bindings spell it.
fn spelt(rooms: &dyn Rooms, key: &str) -> Result<Name, Refusal> {
    let Some(room) = room_of(key) else {
        return Ok(key.into());
    };
    let spelt = room_key(&rooms.fold(room));
    if spelt.len() > broker::limits::NAME_BYTES_MAX {
        return Err(Refusal::new(
            RefusalKind::PreconditionFailed,
            "the room's name is too long for a routing key",
        ));
    }
    Ok(spelt.into())
}

fn not_open() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "the chat cannot be reached at the moment; try again",
    )
}

#[cfg(test)]
mod tests;
