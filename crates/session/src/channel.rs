//! Channels: what each one remembers, and how they are found.

use std::sync::Arc;

use broker::{ConsumerNumber, Credit, Name};

use crate::confirms::Confirms;
use crate::faults::Fault;
use crate::publish::Assembly;
use crate::transaction::Transaction;
use crate::unacked::UnackedList;

/// Where a channel stands.
///
/// ```text
///  (none) --open--> [Open] --fault--> [Closing] --close-ok--> (none)
///                     +--------------- close ----------------> (none)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In use.
    Open,
    /// channel.close is out: everything but its answer is ignored.
    Closing,
}

/// The consumer of direct replies of one channel.
#[derive(Debug)]
pub(crate) struct ReplyConsumer {
    pub(crate) number: ConsumerNumber,
    /// What `reply_to` is rewritten to.
    pub(crate) address: String,
}

/// One channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) phase: Phase,
    /// The publish whose content is coming in.
    pub(crate) assembly: Option<Box<Assembly>>,
    pub(crate) confirms: Option<Confirms>,
    pub(crate) transaction: Option<Box<Transaction>>,
    pub(crate) unacked: UnackedList,
    /// The tag of the last delivery.
    pub(crate) delivery_tag: u64,
    /// What consumers that start from now on get.
    pub(crate) prefetch: u32,
    /// What all consumers share.
    pub(crate) credit: Arc<Credit>,
    pub(crate) credit_limit: u32,
    /// The channel is in the session's list of those whose consumers are to be served again.
    pub(crate) is_resume_due: bool,
    pub(crate) consumers: Vec<ConsumerNumber>,
    /// Which consumer is served first the next time.
    pub(crate) turn: usize,
    pub(crate) last_queue: Option<Name>,
    pub(crate) reply: Option<ReplyConsumer>,
}

impl Channel {
    fn new() -> Self {
        Self {
            phase: Phase::Open,
            assembly: None,
            confirms: None,
            transaction: None,
            unacked: UnackedList::default(),
            delivery_tag: 0,
            prefetch: 0,
            credit: Arc::default(),
            credit_limit: 0,
            is_resume_due: false,
            consumers: Vec::new(),
            turn: 0,
            last_queue: None,
            reply: None,
        }
    }

    /// Chooses the tag of the next delivery.
    #[inline]
    pub(crate) const fn next_tag(&mut self) -> u64 {
        self.delivery_tag += 1;
        self.delivery_tag
    }

    /// Forgets a consumer that is gone.
    pub(crate) fn forget_consumer(&mut self, number: ConsumerNumber) {
        self.consumers.retain(|other| *other != number);
        if self
            .reply
            .as_ref()
            .is_some_and(|reply| reply.number == number)
        {
            self.reply = None;
        }
    }
}

/// The channels of one connection, by number.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    slots: Vec<Option<Box<Channel>>>,
    count: usize,
}

impl Channels {
    /// Finds a channel in any phase.
    #[inline]
    pub(crate) fn find(&mut self, number: u16) -> Option<&mut Channel> {
        self.slots.get_mut(usize::from(number))?.as_deref_mut()
    }

    /// Finds a channel that is in use.
    #[inline]
    pub(crate) fn find_open(&mut self, number: u16) -> Option<&mut Channel> {
        self.find(number)
            .filter(|channel| channel.phase == Phase::Open)
    }

    /// Finds what is known of the message whose content is coming in; content of no message is a fault.
    #[inline]
    pub(crate) fn assembly(&mut self, number: u16) -> Result<&mut Assembly, Fault> {
        let open = self.find_open(number);
        open.and_then(|channel| channel.assembly.as_deref_mut())
            .ok_or_else(|| {
                Fault::unexpected_frame("expected method frame, got non method frame instead")
            })
    }

    /// Opens a channel; its number is free.
    pub(crate) fn open(&mut self, number: u16) {
        let index = usize::from(number);
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.slots.get_mut(index)
            && slot.replace(Box::new(Channel::new())).is_none()
        {
            self.count += 1;
        }
    }

    /// Removes a channel.
    pub(crate) fn remove(&mut self, number: u16) {
        if self
            .slots
            .get_mut(usize::from(number))
            .and_then(Option::take)
            .is_some()
        {
            self.count -= 1;
        }
    }

    /// How many there are, those that are closing included.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// The numbers of all channels, ascending.
    pub(crate) fn numbers(&self) -> Vec<u16> {
        let numbers = 0..=u16::MAX;
        numbers
            .zip(&self.slots)
            .filter(|(_, slot)| slot.is_some())
            .map(|(number, _)| number)
            .collect()
    }
}
