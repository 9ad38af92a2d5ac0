//! Who publishes to what and who consumes it.

use super::options::{LoadOptions, Routing};

/// Spreads producers and consumers over queues, and everything over threads.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) producers: usize,
    pub(crate) consumers: usize,
    pub(crate) queues: usize,
    routing: Routing,
    prefix: String,
    threads: usize,
}

impl Plan {
    /// Follows the options.
    pub(crate) fn new(options: &LoadOptions) -> Self {
        Self {
            producers: options.producers,
            consumers: options.consumers,
            queues: options.queues,
            routing: options.routing,
            prefix: options.prefix.clone(),
            threads: options.threads,
        }
    }

    /// A queue's name; all names have the same length.
    pub(crate) fn queue_name(&self, queue: usize) -> String {
        let digits = (self.queues.max(2) - 1).ilog10() as usize + 1;
        format!("{}.{queue:0digits$}", self.prefix)
    }

    /// The exchange that messages go to; empty for the default exchange.
    pub(crate) fn exchange_name(&self) -> String {
        match self.routing {
            Routing::Queue => String::new(),
            Routing::Direct | Routing::Topic | Routing::Fanout => {
                format!("{}.exchange", self.prefix)
            }
        }
    }

    /// Queues that get a copy of each message.
    pub(crate) fn copies(&self) -> u64 {
        match self.routing {
            Routing::Queue | Routing::Direct | Routing::Topic => 1,
            Routing::Fanout => self.queues as u64,
        }
    }

    /// The routing keys that a producer uses in turn.
    pub(crate) fn keys_of(&self, producer: usize) -> Vec<String> {
        match self.routing {
            Routing::Fanout => vec![String::new()],
            Routing::Queue | Routing::Direct | Routing::Topic => {
                share(producer, self.producers, self.queues)
                    .map(|queue| self.queue_name(queue))
                    .collect()
            }
        }
    }

    /// The subjects that a producer uses in turn, where there are no exchanges.
    pub(crate) fn subjects_of(&self, producer: usize) -> Vec<String> {
        match self.routing {
            Routing::Fanout => vec![self.exchange_name()],
            Routing::Queue | Routing::Direct | Routing::Topic => self.keys_of(producer),
        }
    }

    /// The subject that a queue's messages are published to, where there are no exchanges.
    pub(crate) fn subject(&self, queue: usize) -> String {
        match self.routing {
            Routing::Fanout => self.exchange_name(),
            Routing::Queue | Routing::Direct | Routing::Topic => self.queue_name(queue),
        }
    }

    /// The name of the stream and of its consumer that stand for a queue: names with dots are not allowed there.
    pub(crate) fn stream_name(&self, queue: usize) -> String {
        self.queue_name(queue).replace('.', "_")
    }

    /// The subject on which a stream's consumer delivers.
    pub(crate) fn deliver_subject(&self, queue: usize) -> String {
        format!("deliver.{}", self.queue_name(queue))
    }

    /// Beginning of the subjects that a producer's confirms come to; all have the same length.
    pub(crate) fn inbox(&self, producer: usize) -> String {
        format!("_INBOX.{}.{producer:06}.", self.prefix)
    }

    /// The producers of a queue: the first, the distance to the next, and their number.
    pub(crate) fn producers_of(&self, queue: usize) -> (usize, usize, usize) {
        let (producers, queues) = (self.producers, self.queues);
        match self.routing {
            Routing::Fanout => (0, 1, producers),
            Routing::Queue | Routing::Direct | Routing::Topic if producers >= queues => {
                (queue, queues, (producers - queue).div_ceil(queues))
            }
            Routing::Queue | Routing::Direct | Routing::Topic => {
                (queue % producers.max(1), 1, producers.min(1))
            }
        }
    }

    /// The queues that a consumer takes from.
    pub(crate) fn queues_of(&self, consumer: usize) -> impl Iterator<Item = usize> + use<> {
        share(consumer, self.consumers, self.queues)
    }

    /// The consumers of a queue.
    pub(crate) fn consumers_of(&self, queue: usize) -> usize {
        if self.consumers >= self.queues {
            (self.consumers - queue).div_ceil(self.queues)
        } else {
            self.consumers.min(1)
        }
    }

    /// The thread of a producer; with two threads and one pair it is not the consumer's.
    pub(crate) fn producer_thread(&self, producer: usize) -> usize {
        self.threads - 1 - producer % self.threads
    }

    /// The thread of a consumer: the same for all consumers of a queue.
    pub(crate) fn consumer_thread(&self, consumer: usize) -> usize {
        consumer % self.queues.max(1) % self.threads
    }
}

/// What falls to one of `of` members when `things` are dealt; when members are more, several share a thing.
fn share(member: usize, of: usize, things: usize) -> impl Iterator<Item = usize> + use<> {
    let step = of.max(1);
    let first = if of >= things {
        member % things.max(1)
    } else {
        member
    };
    let take = if of >= things { 1 } else { usize::MAX };
    (first..things).step_by(step).take(take)
}

#[cfg(test)]
mod tests;
