//! The thread that searches.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use directory::Failure;
use directory::files::{FilePeer, FileReader, LivePeers, WordIndex};

/// What a search sees.
pub(super) struct Seen<'a> {
    pub(super) reader: &'a FileReader,
    pub(super) live: &'a LivePeers,
    pub(super) index: Option<&'a WordIndex>,
}

/// A search.
type Look = Box<dyn FnOnce(&Seen<'_>) + Send>;

/// What the thread is told.
pub(super) enum ToReader {
    /// Something is to be looked up.
    Look(Look),
    /// A peer is live, under this number.
    Live(Arc<FilePeer>),
    /// No peer of this number is live any more.
    Gone(u64),
    /// There is another file, the one of this number, of which nobody is live.
    Renewed(u64),
    /// The words of a file were read.
    Indexed {
        /// Nothing, if they are too many.
        index: Option<WordIndex>,
        /// The file's number.
        generation: u64,
    },
    /// There is nothing more to do.
    End,
}

/// What the thread owns.
pub(super) struct Reading {
    reader: FileReader,
    live: LivePeers,
    index: Option<WordIndex>,
    generation: u64,
    path: PathBuf,
}

impl Reading {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self {
            reader: FileReader::open(path)?,
            live: LivePeers::new(),
            index: None,
            generation: 0,
            path: path.to_owned(),
        })
    }

    pub(super) fn run(mut self, told: &Receiver<ToReader>) {
        while let Ok(told) = told.recv() {
            match told {
                ToReader::Look(look) => look(&Seen {
                    reader: &self.reader,
                    live: &self.live,
                    index: self.index.as_ref(),
                }),
                ToReader::Live(peer) => {
                    self.live.insert(peer.number, peer);
                }
                ToReader::Gone(number) => {
                    self.live.remove(&number);
                }
                ToReader::Renewed(generation) => self.renew(generation),
                ToReader::Indexed { index, generation } => {
                    if generation == self.generation {
                        self.index = index;
                    }
                }
                ToReader::End => return,
            }
        }
    }

    fn renew(&mut self, generation: u64) {
        self.generation = generation;
        self.index = None;
        match FileReader::open(&self.path) {
            Ok(reader) => {
                self.reader = reader;
                self.live.clear();
            }
            Err(failure) => {
                tracing::error!(error = %crate::admin::with_causes(&failure), "the file index cannot be read");
            }
        }
    }
}
