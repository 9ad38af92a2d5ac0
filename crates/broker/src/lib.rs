//! The message broker as rules: exchanges, queues, consumers.
