//! The chat over AMQP: the exchange `chat` of the first virtual host (ADR 0016).
//!
//! What clients publish there is given to the chat as their accounts' posts, in each connection's order ([`posts`]). What is said in rooms is
//! published to the exchange's bindings by the server itself, and who may bind is asked of the chat ([`feed`]); both are one task, so that
//! whoever is banned hears nothing that was said afterwards.
//!
//! Start reading at [`open`].

mod feed;
mod letters;
mod positions;
mod posts;

use std::sync::Arc;
use std::time::Duration;

use broker::{Refusal, RefusalKind};
use chat::{Actor, Language};
use codec::amqp::properties::PropertiesRef;
use engine::{Handle, Hearing, Post, Rooms, Said};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::Chat;
use crate::gateway::Gateway;
use feed::Feed;

/// How long the end of what is under way is waited for when the server stops.
const LAST_PUBLISHES: Duration = Duration::from_secs(2);

/// The bridge while it runs.
pub(crate) struct Bridge {
    posts: JoinHandle<()>,
    feed: JoinHandle<()>,
    stopping: watch::Sender<bool>,
    /// Closes when the feed has ended.
    ended: std::sync::mpsc::Receiver<()>,
}

/// Opens the exchange; call it inside a runtime.
pub(crate) fn open(chat: &Chat, gateway: &Gateway) -> Bridge {
    let handle = gateway.engine().clone();
    let (post, posted) = mpsc::unbounded_channel();
    let (ask, asked) = mpsc::unbounded_channel();
    let (stopping, stops) = watch::channel(false);
    let feed = Feed::new(chat.clone(), gateway.clone(), asked);
    let (running, ended) = std::sync::mpsc::channel();
    let bridge = Bridge {
        posts: tokio::spawn(posts::carry(chat.clone(), handle.clone(), posted)),
        feed: tokio::spawn(async move {
            feed.run(stops).await;
            drop(running);
        }),
        stopping,
        ended,
    };
    handle.open_chat(Arc::new(Door { post, ask }));
    bridge
}

impl Bridge {
    /// Waits until what is under way is safe and how far the bindings have heard is written down, as long as connections are open: with them goes
    /// the feed's own. What is said from now on is published after the next start.
    pub(crate) fn stop(&self) {
        // It has ended already if nobody listens.
        let _ = self.stopping.send(true);
        // Nothing is ever sent: this waits for the end of the feed.
        let _ = self.ended.recv_timeout(LAST_PUBLISHES);
    }

    /// Ends what is left.
    pub(crate) async fn close(self) {
        let _ = self.stopping.send(true);
        let _ = tokio::time::timeout(LAST_PUBLISHES, self.feed).await;
        self.posts.abort();
    }
}

/// What shards reach the bridge by.
///
/// The channels have no bound of their own: a connection has [`session::limits::POSTS_MAX`] posts under way before it is held back, and
/// one binding.
#[derive(Debug)]
struct Door {
    post: mpsc::UnboundedSender<Post>,
    ask: mpsc::UnboundedSender<Hearing>,
}

impl Rooms for Door {
    fn fold(&self, room: &str) -> String {
        chat::fold(room)
    }

    fn read(&self, properties: &PropertiesRef<'_>, body: &[u8]) -> Result<Said, Refusal> {
        letters::read(properties, body)
    }

    fn say(&self, post: Post) {
        // One that is dropped is answered by that.
        let _ = self.post.send(post);
    }

    fn admit(&self, hearing: Hearing) {
        let _ = self.ask.send(hearing);
    }
}

/// Who an account is towards the chat; `None` when there is no such account any more.
fn actor_of(handle: &Handle, login: &str) -> Option<Actor> {
    let account = handle.accounts().account(login)?;
    Some(Actor {
        is_administrator: account.role == directory::Role::Administrator,
        login: account.login,
        created_ms: account.created_ms,
        session: None,
    })
}

/// What AMQP's clients are told that the chat refuses.
fn refusal_of(refusal: &chat::Refusal) -> Refusal {
    let kind = match refusal.kind {
        chat::RefusalKind::NotFound => RefusalKind::NotFound,
        chat::RefusalKind::Forbidden => RefusalKind::AccessRefused,
        chat::RefusalKind::Invalid | chat::RefusalKind::Taken => RefusalKind::PreconditionFailed,
        chat::RefusalKind::Limited { .. } => RefusalKind::LimitExceeded,
        chat::RefusalKind::Unavailable => RefusalKind::Unavailable,
    };
    Refusal::new(
        kind,
        chat::catalogue::refusal(&refusal.reason, Language::English),
    )
}
