//! The message log on disk.
