//! Posts on their way to the chat: one after the other for each connection, so that they are said in their order.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use broker::{ConnectionId, PostOutcome, Refusal, RefusalKind};
use chat::{Actor, Command, RefusalKind as ChatRefusalKind, Target};
use engine::{Handle, Post, Said};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::{actor_of, refusal_of};
use crate::chat::Chat;

/// Whoever talks too fast is slowed down: a post is tried again while it has not waited longer than this, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// Carries posts to the chat until nobody can post any more.
pub(super) async fn carry(chat: Chat, handle: Handle, mut inbox: mpsc::UnboundedReceiver<Post>) {
    let mut lanes: HashMap<ConnectionId, VecDeque<Post>> = HashMap::new();
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            post = inbox.recv() => {
                let Some(post) = post else { return };
                match lanes.get_mut(&post.connection) {
                    Some(lane) => lane.push_back(post),
                    None => {
                        lanes.insert(post.connection, VecDeque::new());
                        under_way.push(say(&chat, &handle, post));
                    }
                }
            }
            Some(connection) = under_way.next(), if !under_way.is_empty() => {
                let next = lanes.get_mut(&connection).and_then(VecDeque::pop_front);
                match next {
                    Some(post) => under_way.push(say(&chat, &handle, post)),
                    None => drop(lanes.remove(&connection)),
                }
            }
        }
    }
}

/// Says one thing, and answers its sender; returns whose lane may go on.
async fn say(chat: &Chat, handle: &Handle, mut post: Post) -> ConnectionId {
    let connection = post.connection;
    let outcome = match actor_of(handle, &post.by) {
        Some(actor) => ask(chat, &actor, &mut post).await,
        None => PostOutcome::Refused(Refusal::new(
            RefusalKind::AccessRefused,
            format!("there is no account '{}' any more", post.by),
        )),
    };
    post.answer(outcome);
    connection
}

async fn ask(chat: &Chat, actor: &Actor, post: &mut Post) -> PostOutcome {
    let Said {
        text,
        is_action,
        sent_id,
        reply_to,
    } = post.said.clone();
    let command = Command::Say {
        to: Target::Room(std::mem::take(&mut post.room)),
        text,
        is_action,
        sent_id,
        reply_to,
    };
    let mut waited_ms = 0;
    loop {
        let Err(refusal) = chat.ask(actor.clone(), command.clone()).await else {
            return PostOutcome::Stored;
        };
        match refusal.kind {
            ChatRefusalKind::Limited { retry_after_ms }
                if retry_after_ms > 0 && waited_ms + retry_after_ms <= PATIENCE_MS =>
            {
                waited_ms += retry_after_ms;
                tokio::time::sleep(Duration::from_millis(retry_after_ms)).await;
            }
            ChatRefusalKind::NotFound if matches!(refusal.reason, chat::Reason::NoRoom(_)) => {
                return PostOutcome::NoRoom;
            }
            ChatRefusalKind::NotFound
            | ChatRefusalKind::Forbidden
            | ChatRefusalKind::Invalid
            | ChatRefusalKind::Taken
            | ChatRefusalKind::Limited { .. }
            | ChatRefusalKind::Unavailable => return PostOutcome::Refused(refusal_of(&refusal)),
        }
    }
}
