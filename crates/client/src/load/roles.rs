//! The connections of a stage, dealt to the threads, and what each asks of the server before it works.

use std::collections::VecDeque;

use codec::amqp::field::TableRef;
use codec::amqp::method::{BasicConsume, BasicQos, ChannelOpen, ConfirmSelect, Method};

use super::conn::{Role, SetupStep};
use super::consumer::Consumer;
use super::context::LocalQueue;
use super::options::{AckMode, LoadOptions, Target};
use super::plan::Plan;
use super::producer::Producer;
use super::track::QueueTrack;
use crate::relay::Greeting;

const CHANNEL: u16 = 1;

/// A connection that is to be opened.
pub(crate) struct Opening {
    pub(crate) role: Role,
    pub(crate) steps: VecDeque<SetupStep>,
    /// What it says to a relay.
    pub(crate) greeting: Greeting,
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
            let mut steps = vec![channel_open()];
            if options.confirms.is_some() {
                let select = ConfirmSelect { no_wait: false };
                steps.push(step(CHANNEL, select, [0, 85, 0, 11]));
            }
            let lane = if plan.copies() == 1 {
                id % plan.queues
            } else {
                0
            };
            deals[plan.producer_thread(id)].openings.push_back(Opening {
                role: Role::Producer(Box::new(producer)),
                steps: setup_steps(steps, options),
                greeting: Greeting::producer(lane),
            });
        }
    }
    for id in 0..cast.idle {
        deals[id % options.threads].openings.push_back(Opening {
            role: Role::Idle,
            steps: setup_steps(vec![channel_open()], options),
            greeting: Greeting::consumer(id),
        });
    }
    deals
}

fn deal_consumers(deals: &mut [Deal], options: &LoadOptions, plan: &Plan) {
    // Where each queue stands in its thread's list.
    let mut places: Vec<Option<usize>> = vec![None; plan.queues];
    for id in 0..plan.consumers {
        let deal = &mut deals[plan.consumer_thread(id)];
        let mut local = Vec::new();
        let mut steps = vec![channel_open()];
        if let AckMode::Manual { prefetch, .. } = options.acks
            && prefetch > 0
        {
            let qos = BasicQos {
                prefetch_count: prefetch,
                ..BasicQos::default()
            };
            steps.push(step(CHANNEL, qos, [0, 60, 0, 11]));
        }
        for queue in plan.queues_of(id) {
            let place = *places[queue].get_or_insert_with(|| {
                deal.queues.push(local_queue(queue, plan));
                deal.queues.len() - 1
            });
            steps.push(consume_step(queue, local.len(), options, plan));
            local.push(place);
        }
        let lane = if plan.copies() == 1 {
            id % plan.queues
        } else {
            0
        };
        deal.openings.push_back(Opening {
            role: Role::Consumer(Consumer::new(options.acks, local)),
            steps: setup_steps(steps, options),
            greeting: Greeting::consumer(lane),
        });
    }
}

fn local_queue(queue: usize, plan: &Plan) -> LocalQueue {
    let (first, step, count) = plan.producers_of(queue);
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    LocalQueue {
        track: QueueTrack::new(narrow(first), narrow(step), count),
        ordered: plan.consumers_of(queue) == 1,
    }
}

fn consume_step(queue: usize, tag: usize, options: &LoadOptions, plan: &Plan) -> SetupStep {
    let consume = BasicConsume {
        queue: &plan.queue_name(queue),
        consumer_tag: &tag.to_string(),
        no_ack: options.acks == AckMode::Auto,
        arguments: TableRef::EMPTY,
        ..BasicConsume::default()
    };
    step(CHANNEL, consume, [0, 60, 0, 21])
}

fn channel_open() -> SetupStep {
    step(CHANNEL, ChannelOpen {}, [0, 20, 0, 11])
}

fn step<'a>(channel: u16, method: impl Into<Method<'a>>, answer: [u8; 4]) -> SetupStep {
    let mut request = Vec::new();
    method.into().encode_frame(channel, &mut request);
    SetupStep { request, answer }
}

fn setup_steps(steps: Vec<SetupStep>, options: &LoadOptions) -> VecDeque<SetupStep> {
    match options.target {
        Target::Amqp { .. } => steps.into(),
        Target::Relay(_) => VecDeque::new(),
    }
}

/// Splits messages evenly; the first producers get one more.
fn share_of(messages: u64, producer: usize, producers: usize) -> u64 {
    if messages == u64::MAX {
        return messages;
    }
    let (producer, producers) = (producer as u64, producers as u64);
    messages / producers + u64::from(producer < messages % producers)
}
