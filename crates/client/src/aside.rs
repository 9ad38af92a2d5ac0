//! Work that takes long, done where it holds up nobody.

use std::future::pending;

use tokio::task::spawn_blocking;

/// Does work that takes long on a thread that may be held up; a panic of it goes on here.
///
/// # Concurrency
/// Whoever stops waiting does not stop the work. When the runtime is ending, nothing begins any more: then this waits until it is dropped with its task.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => pending().await,
        },
    }
}
