//! The thread that commits changes to the directory, as many in one transaction as have come.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::{fmt, io};

use directory::{Change, CommitError, Directory};

/// How many batches one transaction takes at most.
const BATCHES_MAX: usize = 512;

type Completion = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

struct Job {
    changes: Vec<Change>,
    done: Completion,
}

/// A handle on the thread.
pub(crate) struct Metadata {
    jobs: std::sync::Mutex<Option<mpsc::Sender<Job>>>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metadata").finish_non_exhaustive()
    }
}

impl Metadata {
    /// Starts the thread; `failed` is called when the disk fails.
    pub(crate) fn start(
        mut directory: Directory,
        failed: impl Fn(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("directory".into())
            .spawn(move || {
                while let Ok(first) = inbox.recv() {
                    let mut batches = vec![first.changes];
                    let mut done = vec![first.done];
                    while let Some(job) = (batches.len() < BATCHES_MAX)
                        .then(|| inbox.try_recv().ok())
                        .flatten()
                    {
                        batches.push(job.changes);
                        done.push(job.done);
                    }
                    let results = directory.commit_batches(&batches);
                    for (result, done) in results.into_iter().zip(done) {
                        // A full or busy disk fails these changes and nothing else.
                        if let Err(CommitError::Failure(failure)) = &result
                            && directory.is_poisoned()
                        {
                            failed(&failure.to_string());
                        }
                        done(result);
                    }
                }
            })?;
        Ok(Self {
            jobs: std::sync::Mutex::new(Some(jobs)),
            thread: std::sync::Mutex::new(Some(thread)),
        })
    }

    /// Commits changes; `done` is called on the thread once they are durable, in the order of the calls.
    pub(crate) fn commit(
        &self,
        changes: Vec<Change>,
        done: impl FnOnce(Result<(), CommitError>) + Send + 'static,
    ) {
        let jobs = self
            .jobs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(jobs) = jobs.as_ref() {
            // The thread ends only after the sender is gone.
            let _ = jobs.send(Job {
                changes,
                done: Box::new(done),
            });
        }
    }

    /// Finishes what was handed in and ends the thread.
    pub(crate) fn stop(&self) {
        drop(
            self.jobs
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!("the directory's thread ended in a panic");
        }
    }
}
