//! The chat's history on threads of its own: one writes it, one reads it, and neither keeps the other waiting.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use chat::{Query, Told};
use directory::Failure;
use directory::chat::{ChatChange, ChatOutcome, ChatReader, ChatSnapshot, ChatStore};

use super::inbox::{Inbox, Letter};

/// Messages that are added to the full-text index at once, while nothing else is to be written.
const INDEXED_AT_ONCE: usize = 500;

/// The history before its threads run.
pub(crate) struct Opened {
    store: ChatStore,
    reader: ChatReader,
}

/// The two threads, and the way to them.
pub(crate) struct Keeper {
    changes: Option<Sender<Vec<ChatChange>>>,
    queries: Option<Sender<(u64, Query)>>,
    inbox: Arc<Inbox>,
    threads: Vec<JoinHandle<()>>,
}

impl Opened {
    /// Opens the history, or makes a new one.
    ///
    /// # Errors
    /// The file cannot be opened or is not ours.
    pub(crate) fn open(path: &Path) -> Result<(Self, ChatSnapshot), Failure> {
        let store = ChatStore::open(path)?;
        let snapshot = store.load()?;
        let reader = ChatReader::open(path)?;
        Ok((Self { store, reader }, snapshot))
    }

    /// Commits at once, before the threads run.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn commit(&mut self, changes: &[ChatChange]) -> Result<Vec<ChatOutcome>, Failure> {
        self.store.commit(changes)
    }

    /// Starts the threads; what they have to say goes to the inbox.
    ///
    /// # Errors
    /// The operating system refuses threads.
    pub(crate) fn run(self, inbox: Arc<Inbox>) -> std::io::Result<Keeper> {
        let Self { store, reader } = self;
        let (changes, to_write) = channel();
        let (queries, to_read) = channel();
        let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let (written, told) = (inbox.clone(), inbox.clone());
        let writer = spawn("chat-writer").spawn(move || write(store, &to_write, &written))?;
        let reader = spawn("chat-reader").spawn(move || read(&reader, &to_read, &told))?;
        Ok(Keeper {
            changes: Some(changes),
            queries: Some(queries),
            inbox,
            threads: vec![reader, writer],
        })
    }
}

impl Keeper {
    /// Has changes written; what came of them is a [`Letter::Committed`].
    pub(crate) fn write(&self, changes: Vec<ChatChange>) {
        let sent = self.changes.as_ref().map(|sender| sender.send(changes));
        if !matches!(sent, Some(Ok(()))) {
            self.inbox.post(Letter::Committed(None));
        }
    }

    /// Has something read; what it said is a [`Letter::Told`].
    pub(crate) fn read(&self, id: u64, query: Query) {
        let sent = self.queries.as_ref().map(|sender| sender.send((id, query)));
        if !matches!(sent, Some(Ok(()))) {
            self.inbox.post(Letter::Told(id, Told::Unavailable));
        }
    }

    /// Ends the threads; what was handed over before is written. The reader goes first: it would keep the writer from tidying up.
    pub(crate) fn close(&mut self) {
        self.queries = None;
        self.changes = None;
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

fn write(mut store: ChatStore, changes: &Receiver<Vec<ChatChange>>, inbox: &Inbox) {
    let mut is_indexed = false;
    loop {
        let batch = if is_indexed {
            changes.recv().ok()
        } else {
            match changes.try_recv() {
                Ok(batch) => Some(batch),
                Err(std::sync::mpsc::TryRecvError::Disconnected) => None,
                Err(std::sync::mpsc::TryRecvError::Empty) => {
                    is_indexed = index(&mut store);
                    continue;
                }
            }
        };
        let Some(batch) = batch else { return };
        is_indexed = false;
        let outcomes = store.commit(&batch);
        if let Err(failure) = &outcomes {
            tracing::error!(error = %describe(failure), "the chat cannot be written; nothing is said until it can");
        }
        inbox.post(Letter::Committed(outcomes.ok()));
    }
}

/// Adds to the full-text index; true when there is nothing left to add.
fn index(store: &mut ChatStore) -> bool {
    match store.index(INDEXED_AT_ONCE) {
        Ok(has_more) => !has_more,
        Err(failure) => {
            tracing::error!(error = %describe(&failure), "the chat's messages cannot be indexed");
            true
        }
    }
}

fn read(reader: &ChatReader, queries: &Receiver<(u64, Query)>, inbox: &Inbox) {
    while let Ok((id, query)) = queries.recv() {
        let told = match query {
            Query::Page {
                room,
                cursor,
                limit,
            } => reader.history(room, cursor, limit).map(Told::Page),
            Query::Search {
                words,
                rooms,
                before,
                limit,
            } => reader
                .search(&words, &rooms, before, limit)
                .map(|(messages, has_more)| Told::Found(messages, has_more)),
        };
        let told = told.unwrap_or_else(|failure| {
            tracing::error!(error = %describe(&failure), "the chat's history cannot be read");
            Told::Unavailable
        });
        inbox.post(Letter::Told(id, told));
    }
}

/// A failure with what it came from.
fn describe(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut source = std::error::Error::source(failure);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
