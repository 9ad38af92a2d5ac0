//! The connections of a stage, dealt to the threads.

use std::collections::VecDeque;

use super::consumer::Consumer;
use super::context::LocalQueue;
use super::options::LoadOptions;
use super::plan::Plan;
use super::producer::Producer;
use super::track::QueueTrack;
use super::wire::{self, Wire};

/// A connection that is to be opened.
pub(crate) struct Opening {
    pub(crate) role: Role,
    pub(crate) wire: Box<dyn Wire>,
}

/// What a connection is for.
pub(crate) enum Role {
    Producer(Box<Producer>),
    Consumer(Consumer),
    Idle,
}

/// What a stage runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cast {
    pub(crate) producers: bool,
    pub(crate) consumers: bool,
    /// Connections without work.
    pub(crate) idle: usize,
    /// Publishes over all producers; the greatest number for a run by time.
    pub(crate) messages: u64,
}

/// One thread's connections and the queues that its consumers take from.
#[derive(Default)]
pub(crate) struct Deal {
    pub(crate) openings: VecDeque<Opening>,
    pub(crate) queues: Vec<LocalQueue>,
}

impl Deal {
    fn open(&mut self, role: Role, wire: Option<Box<dyn Wire>>) {
        self.openings
            .extend(wire.map(|wire| Opening { role, wire }));
    }
}

/// Deals the connections to the threads, consumers first.
pub(crate) fn deal(cast: Cast, options: &LoadOptions, plan: &Plan) -> Vec<Deal> {
    let mut deals: Vec<Deal> = (0..options.threads).map(|_| Deal::default()).collect();
    if cast.consumers {
        deal_consumers(&mut deals, options, plan);
    }
    if cast.producers {
        for id in 0..plan.producers {
            let messages = share_of(cast.messages, id, plan.producers);
            let producer = Producer::new(id, messages, options, plan);
            deals[plan.producer_thread(id)].open(
                Role::Producer(Box::new(producer)),
                wire::for_producer(id, options, plan),
            );
        }
    }
    for id in 0..cast.idle {
        deals[id % options.threads].open(Role::Idle, wire::for_idle(id, options));
    }
    deals
}

fn deal_consumers(deals: &mut [Deal], options: &LoadOptions, plan: &Plan) {
    // Where each queue stands in its thread's list.
    let mut places: Vec<Option<usize>> = vec![None; plan.queues];
    for id in 0..plan.consumers {
        let deal = &mut deals[plan.consumer_thread(id)];
        let queues: Vec<usize> = plan.queues_of(id).collect();
        let local = queues.iter().map(|&queue| {
            *places[queue].get_or_insert_with(|| {
                deal.queues.push(local_queue(queue, plan));
                deal.queues.len() - 1
            })
        });
        let consumer = Consumer::new(options.acks, local.collect());
        deal.open(
            Role::Consumer(consumer),
            wire::for_consumer(id, &queues, options, plan),
        );
    }
}

/// What a thread keeps of a queue that it consumes.
pub(crate) fn local_queue(queue: usize, plan: &Plan) -> LocalQueue {
    let (first, step, count) = plan.producers_of(queue);
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    LocalQueue {
        track: QueueTrack::new(narrow(first), narrow(step), count),
        ordered: plan.consumers_of(queue) == 1,
    }
}

/// Splits messages evenly; the first producers get one more.
pub(crate) fn share_of(messages: u64, producer: usize, producers: usize) -> u64 {
    if messages == u64::MAX {
        return messages;
    }
    let (producer, producers) = (producer as u64, producers as u64);
    messages / producers + u64::from(producer < messages % producers)
}
