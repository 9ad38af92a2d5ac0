//! The thread that reads the words of all names into memory, again and again as they change.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use directory::files::FileReader;

use super::reading::ToReader;

/// With fewer changes since the last time, searches look at those one by one.
const CHANGES_MIN: u64 = 2_000;
/// How many times as long as the last reading took nothing is read: at most a fifth of a core, while peers publish.
const REST: u32 = 4;

/// What the thread is told.
pub(super) enum ToIndexer {
    /// So many entries came or went.
    Changed(u64),
    /// There is another file, the one of this number.
    Renewed(u64),
    /// There is nothing more to do.
    End,
}

/// What the thread owns.
pub(super) struct WordIndexer {
    path: PathBuf,
    /// Opened when it is first needed, and again for another file.
    reader: Option<FileReader>,
    generation: u64,
    readings: Sender<ToReader>,
    changed: u64,
    /// Not earlier.
    due: Instant,
}

impl WordIndexer {
    pub(super) fn new(path: PathBuf, readings: Sender<ToReader>) -> Self {
        Self {
            path,
            reader: None,
            generation: 0,
            readings,
            changed: 0,
            due: Instant::now(),
        }
    }

    pub(super) fn run(mut self, told: &Receiver<ToIndexer>) {
        loop {
            let wait = if self.changed >= CHANGES_MIN {
                self.due.saturating_duration_since(Instant::now())
            } else {
                Duration::MAX
            };
            match told.recv_timeout(wait) {
                Ok(ToIndexer::Changed(count)) => self.changed += count,
                Ok(ToIndexer::Renewed(generation)) => {
                    self.reader = None;
                    self.generation = generation;
                }
                Err(RecvTimeoutError::Timeout) => self.read(),
                Ok(ToIndexer::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn read(&mut self) {
        let begun = Instant::now();
        self.changed = 0;
        let reader = match self.reader.take() {
            Some(reader) => Ok(reader),
            None => FileReader::open(&self.path),
        };
        let index = reader.and_then(|reader| {
            let index = reader.word_index()?;
            self.reader = Some(reader);
            Ok(index)
        });
        match index {
            Ok(index) => {
                let generation = self.generation;
                // The reader is gone only when the server stops.
                let _ = self.readings.send(ToReader::Indexed { index, generation });
            }
            Err(failure) => {
                tracing::error!(error = %crate::admin::with_causes(&failure), "the words of the file index cannot be read");
            }
        }
        self.due = Instant::now() + begun.elapsed() * REST;
    }
}
