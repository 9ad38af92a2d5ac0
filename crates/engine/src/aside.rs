//! Work that takes long, done where it holds up nobody.

use std::future::pending;

use tokio::task::spawn_blocking;

/// Does work that takes long on a thread that may be held up; a panic of it goes on here.
///
/// # Concurrency
/// Whoever stops waiting does not stop the work. When the runtime is ending, nothing begins any more: then this waits until it is dropped with its task.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn what_cannot_begin_as_the_runtime_ends_is_waited_for_in_silence() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let _entered = handle.enter();
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(pin!(aside(|| 5)).poll(&mut context), Poll::Pending);
    }

    #[tokio::test]
    #[should_panic(expected = "it is broken")]
    async fn a_panic_of_the_work_goes_on() {
        aside(|| panic!("it is broken")).await
    }
}
