//! Waiting for another process: the one place where tests sleep.

use std::thread;
use std::time::{Duration, Instant};

/// Looks again and again until there is an answer.
///
/// For what another process does; what happens in this one is waited for with channels.
///
/// # Panics
/// When the patience is over, with `what` was waited for.
#[track_caller]
pub(crate) fn wait_until<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        // Asked before the look: what is true at the deadline is seen, however slow the look is.
        let last = Instant::now() >= deadline;
        if let Some(answer) = look() {
            return answer;
        }
        assert!(!last, "waited {patience:?} in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn looks_until_there_is_an_answer() {
    let mut looks = 0;
    let answer = wait_until("the third look", Duration::from_secs(60), || {
        looks += 1;
        (looks == 3).then_some("here")
    });
    assert_eq!((answer, looks), ("here", 3));
}

#[test]
fn gives_up_at_the_deadline_and_says_on_what() {
    let in_vain = || wait_until("the moon", Duration::ZERO, || None::<()>);
    let panic = std::panic::catch_unwind(in_vain).expect_err("there is no answer");
    let message = panic.downcast_ref::<String>().expect("a formatted message");
    assert!(message.contains("the moon"), "{message}");
}
