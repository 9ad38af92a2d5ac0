//! Messages for the chat: published like any other, answered when the chat has stored or refused them.
//!
//! What became of a post is known after its publish: a refusal then closes the channel with its reason, or is a nack where the channel
//! confirms and trying again may help; a post to a room that does not exist is returned if it is mandatory. A commit waits for its posts.

use std::collections::VecDeque;

use broker::{Port, PostOutcome, RefusalKind};

use crate::faults::{Cause, Fault};
use crate::limits;
use crate::publish::{Content, OwnedContent, give_back};
use crate::requests::Ask;
use crate::session::Session;

#[cfg(test)]
mod tests;

/// One post that the chat has not answered.
#[derive(Debug)]
struct Open {
    post: u64,
    channel: u16,
    /// Its number in a channel that confirms.
    number: Option<u64>,
    /// What goes back if there is no such room.
    returned: Option<Box<OwnedContent>>,
}

/// The posts of one connection.
#[derive(Debug, Default)]
pub(crate) struct Posts {
    made: u64,
    open: VecDeque<Open>,
    /// The channel whose commit is durable but for its posts.
    committed: Option<u16>,
}

impl Posts {
    /// Says whether so many wait for their answer that no more are taken.
    pub(crate) fn is_full(&self) -> bool {
        self.open.len() >= limits::POSTS_MAX
    }

    /// Notes that a channel is gone: nobody waits for its answers any more.
    pub(crate) fn forget(&mut self, channel: u16) {
        self.open.retain(|open| open.channel != channel);
    }

    fn has_any(&self, channel: u16) -> bool {
        self.open.iter().any(|open| open.channel == channel)
    }

    fn take(&mut self, post: u64) -> Option<Open> {
        let at = self.open.iter().position(|open| open.post == post)?;
        self.open.remove(at)
    }
}

impl Session {
    /// Notes a publish that the chat was given.
    #[cold]
    pub(crate) fn posted(&mut self, channel: u16, number: Option<u64>, content: &Content<'_>) {
        self.posts.made += 1;
        let channel_state = self.channels.find_open(channel);
        if let Some(confirms) = channel_state.and_then(|open| open.confirms.as_mut()) {
            // The chat gives one answer.
            confirms.push(1);
        }
        self.posts.open.push_back(Open {
            post: self.posts.made,
            channel,
            number,
            returned: content
                .mandatory
                .then(|| Box::new(OwnedContent::new(content))),
        });
    }

    /// Takes what became of one.
    pub(crate) fn post_settled<P: Port>(&mut self, post: u64, outcome: PostOutcome, port: &mut P) {
        let Some(open) = self.posts.take(post) else {
            return;
        };
        let channel = open.channel;
        match outcome {
            PostOutcome::Stored => self.confirm_post(&open, false),
            PostOutcome::NoRoom => {
                if let Some(content) = &open.returned {
                    let frame_max = self.peer.frame_max;
                    give_back(channel, &content.content(), frame_max, &mut self.output);
                }
                self.confirm_post(&open, false);
            }
            PostOutcome::Refused(refusal) => {
                let may_help = matches!(
                    refusal.kind,
                    RefusalKind::Unavailable | RefusalKind::LimitExceeded
                );
                if open.number.is_some() && may_help {
                    self.confirm_post(&open, true);
                } else {
                    self.fail(channel, Cause::PUBLISH, &Fault::from(refusal), port);
                    let is_theirs =
                        |asked: &mut crate::requests::Outstanding| asked.channel == channel;
                    if self.outstanding.take_if(is_theirs).is_some() {
                        self.posts.committed = None;
                    }
                }
            }
        }
        if let Some(committed) = self.posts.committed
            && !self.posts.has_any(committed)
        {
            self.posts.committed = None;
            self.reply(committed, Ok(broker::Reply::Done), port);
        }
    }

    /// Says whether the answer to a commit has to wait for posts; they give it then.
    pub(crate) fn commit_waits(&mut self, number: u16) -> bool {
        let asked = self.outstanding.as_ref();
        let is_commit =
            asked.is_some_and(|asked| asked.channel == number && asked.ask == Ask::Commit);
        let waits = is_commit && self.posts.has_any(number);
        if waits {
            self.posts.committed = Some(number);
        }
        waits
    }

    fn confirm_post(&mut self, open: &Open, is_rejected: bool) {
        if let Some(number) = open.number {
            self.confirm(open.channel, number, number, is_rejected);
        }
    }
}
