//! What is counted, and how a task of the bench is told to run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::thread::Thread;

static CALLS: AtomicU64 = AtomicU64::new(0);

/// Runs what is to be counted: callgrind finds this function by its name and collects while it is on the stack.
#[inline(never)]
fn counted_work(work: &mut dyn FnMut()) {
    work();
    // With something left to do, the call above cannot become a jump that leaves this function early.
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Ends the warm-up: callgrind forgets what it has collected, on the committer's thread too, when this function is called.
#[inline(never)]
fn counting_begins() {
    CALLS.store(0, Ordering::Relaxed);
}

/// Tells the warm-up from what is counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counter {
    is_counting: bool,
}

impl Counter {
    /// Counts from the start.
    pub(crate) fn started() -> Self {
        let mut counter = Self::default();
        counter.start();
        counter
    }

    /// Ends the warm-up.
    pub(crate) fn start(&mut self) {
        counting_begins();
        self.is_counting = true;
    }

    /// Runs some work, and counts it unless this is the warm-up.
    pub(crate) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        if !self.is_counting {
            return work();
        }
        let (mut work, mut result) = (Some(work), None);
        counted_work(&mut || result = work.take().map(|work| work()));
        result.expect("the work ran once")
    }
}

/// Remembers that a task was woken.
#[derive(Debug)]
pub(crate) struct Bell {
    is_rung: AtomicBool,
    listener: Thread,
}

impl Bell {
    /// Makes a bell that the calling thread listens to, and the waker that rings it.
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self {
            is_rung: AtomicBool::new(false),
            listener: std::thread::current(),
        });
        (bell.clone(), Waker::from(bell))
    }

    /// Says whether it was rung since the last time.
    pub(crate) fn take(&self) -> bool {
        self.is_rung.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_rung.store(true, Ordering::Release);
        self.listener.unpark();
    }
}
