//! The thread that checks and hashes passwords, one after the other: a flood of logins costs one core at most.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use directory::credentials::CredentialCache;
use directory::password;
use tokio::sync::oneshot;

use super::Denied;
use super::lockout::{Closed, Lockout};
use crate::clock::Clock;

/// Passwords that may wait; one more is refused at once.
const WAITING_MAX: usize = 256;
/// How long nobody asks before the memory of hashing is given back: the next hash would have to fetch it again.
const REST: Duration = Duration::from_secs(1);
/// Credentials whose proof is remembered.
const CREDENTIALS_REMEMBERED: usize = 4_096;

/// One login that is to be checked.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) login: String,
    pub(super) password: String,
    pub(super) address: IpAddr,
    /// What is stored for the account, if there is one.
    pub(super) stored: Option<String>,
}

/// A password that was right.
#[derive(Debug)]
pub(super) struct Right {
    /// Another form in which it is to be stored from now on.
    pub(super) rehashed: Option<String>,
}

enum Job {
    Check(Attempt, oneshot::Sender<Result<Right, Denied>>),
    Hash(String, oneshot::Sender<Result<String, Denied>>),
}

/// What is remembered of logins.
///
/// # Concurrency
/// The locks are leaves, held for a look-up, and never two at the same time.
struct Memory {
    clock: Clock,
    proven: Mutex<CredentialCache>,
    lockout: Mutex<Lockout>,
    /// What is still to be written down of it.
    closed: Mutex<Vec<Closed>>,
}

/// A handle on the thread; it ends with the handle.
pub(super) struct Passwords {
    jobs: mpsc::SyncSender<Job>,
    memory: Arc<Memory>,
}

impl Passwords {
    /// Starts the thread. It calls `release_memory` when nothing was asked for a while: after the start, and after each burst of work.
    pub(super) fn start(
        clock: Clock,
        release_memory: fn(),
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (jobs, inbox) = mpsc::sync_channel::<Job>(WAITING_MAX);
        let memory = Arc::new(Memory {
            clock,
            proven: Mutex::new(CredentialCache::new(CREDENTIALS_REMEMBERED)?),
            lockout: Mutex::default(),
            closed: Mutex::default(),
        });
        let worker = memory.clone();
        std::thread::Builder::new()
            .name("passwords".into())
            .spawn(move || {
                loop {
                    match inbox.recv_timeout(REST) {
                        Ok(job) => worker.work(job),
                        Err(mpsc::RecvTimeoutError::Disconnected) => return,
                        Err(mpsc::RecvTimeoutError::Timeout) => {
                            release_memory();
                            let Ok(job) = inbox.recv() else { return };
                            worker.work(job);
                        }
                    }
                }
            })?;
        Ok(Self { jobs, memory })
    }

    /// Checks a password; one that is remembered, and one that is not heard for now, without waiting for others.
    pub(super) async fn check(&self, attempt: Attempt) -> Result<Right, Denied> {
        if self.memory.recalls(&attempt)? {
            return Ok(Right { rehashed: None });
        }
        let (answer, answered) = oneshot::channel();
        self.send(Job::Check(attempt, answer))?;
        answered.await.unwrap_or(Err(Denied::Busy))
    }

    pub(super) async fn hash(&self, password: &str) -> Result<String, Denied> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Hash(password.to_owned(), answer))?;
        answered.await.unwrap_or(Err(Denied::Busy))
    }

    /// Takes the doors that failed logins have closed since the last call.
    pub(super) fn take_closed(&self) -> Vec<Closed> {
        std::mem::take(&mut *self.memory.closed())
    }

    /// Forgets the password of a login.
    pub(super) fn forget(&self, login: &str) {
        self.memory.proven().forget(login);
    }

    fn send(&self, job: Job) -> Result<(), Denied> {
        self.jobs.try_send(job).map_err(|_| Denied::Busy)
    }
}

impl Memory {
    fn work(&self, job: Job) {
        // Whoever asked may have gone meanwhile.
        match job {
            Job::Check(attempt, answer) => drop(answer.send(self.judge(&attempt))),
            Job::Hash(password, answer) => drop(answer.send(hash(&password))),
        }
    }

    /// Decides what the thread is asked. It looks again who is to be heard: of those that waited, one may have been the last.
    fn judge(&self, attempt: &Attempt) -> Result<Right, Denied> {
        if self.recalls(attempt)? {
            return Ok(Right { rehashed: None });
        }
        let Attempt {
            login,
            password,
            address,
            stored,
        } = attempt;
        let is_right = match stored {
            Some(stored) => password::verify(password, stored),
            // The same work for an account that does not exist: time tells nothing.
            None => {
                password::verify_absent(password);
                false
            }
        };
        tracing::debug!(%login, is_right, "password checked");
        let now_ms = self.clock.now_ms();
        let Some(stored) = stored.as_ref().filter(|_| is_right) else {
            let closed = self.lockout().failed(login, *address, now_ms);
            self.closed().extend(closed);
            return Err(Denied::Credentials);
        };
        self.lockout().succeeded(login, *address, now_ms);
        self.proven().remember(login, password, stored);
        let rehashed = password::needs_upgrade(stored).then(|| hash(password).ok());
        Ok(Right {
            rehashed: rehashed.flatten(),
        })
    }

    /// Says whether a password was right before; refuses whom nobody hears for now.
    fn recalls(&self, attempt: &Attempt) -> Result<bool, Denied> {
        let Attempt {
            login,
            password,
            address,
            stored,
        } = attempt;
        let stored = stored.as_ref();
        let is_remembered =
            stored.is_some_and(|stored| self.proven().recalls(login, password, stored));
        let now_ms = self.clock.now_ms();
        let mut lockout = self.lockout();
        lockout
            .check(login, *address, is_remembered, now_ms)
            .map_err(|retry_after_ms| Denied::LockedOut { retry_after_ms })?;
        if is_remembered {
            lockout.succeeded(login, *address, now_ms);
        }
        Ok(is_remembered)
    }

    fn proven(&self) -> std::sync::MutexGuard<'_, CredentialCache> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> std::sync::MutexGuard<'_, Vec<Closed>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lockout(&self) -> std::sync::MutexGuard<'_, Lockout> {
        self.lockout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(password: &str) -> Result<String, Denied> {
    password::hash(password).map_err(|error| {
        tracing::debug!(%error, "a password cannot be hashed");
        Denied::Unusable
    })
}
