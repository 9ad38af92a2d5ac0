//! Runs the broker over a log: shards, batching, group commit.
