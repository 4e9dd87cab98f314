//! The hands of the queue threads: threads that make one blocking call at a time and report what came of it.
//! They start when needed and end when they have been idle; nothing they hold is not also a row.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Sends at once over all numbers.
pub const MOST: usize = 32;
/// An idle hand leaves after this.
const IDLE: Duration = Duration::from_secs(20);
/// Small stacks: a call needs little, and there may be many.
const STACK: usize = 512 * 1024;

type Task = Box<dyn FnOnce() + Send>;

/// The pool.
pub struct Senders(Arc<Shared>, usize);

impl Default for Senders {
    fn default() -> Self {
        Self::of(MOST)
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Senders {
    /// A pool of at most `most` hands.
    pub fn of(most: usize) -> Self {
        Self(Arc::default(), most)
    }

    /// Runs `task` on a free hand, a new one while there are fewer than there may be, else when one becomes free.
    pub fn run(&self, task: Task) {
        let mut state = lock(&self.0.state);
        state.tasks.push_back(task);
        if state.tasks.len() > state.idle && state.threads < self.1 && self.start() {
            state.threads += 1;
        }
        drop(state);
        self.0.work.notify_one();
    }

    fn start(&self) -> bool {
        let shared = Arc::clone(&self.0);
        let work = move || {
            while let Some(task) = next(&shared) {
                // the task reports its own panics; a hand that is lost would be missed later
                if std::panic::catch_unwind(std::panic::AssertUnwindSafe(task)).is_err() {
                    tracing::error!("a send panicked");
                }
            }
        };
        std::thread::Builder::new().name("sender".into()).stack_size(STACK).spawn(work).is_ok()
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        lock(&self.0.state).closed = true;
        self.0.work.notify_all();
    }
}

/// The next task; `None`: there has been none for a while, and the hand has taken its leave.
fn next(shared: &Shared) -> Option<Task> {
    let mut state = lock(&shared.state);
    loop {
        if let Some(task) = state.tasks.pop_front() {
            return Some(task);
        }
        state.idle += 1;
        let (back, wait) = shared.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
        state = back;
        state.idle -= 1;
        if (wait.timed_out() || state.closed) && state.tasks.is_empty() {
            state.threads -= 1;
            return None;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn every_task_runs_once_and_side_by_side() {
        let senders = Senders::default();
        let (tell, told) = channel();
        for n in 0..200u32 {
            let tell = tell.clone();
            senders.run(Box::new(move || {
                if n % 50 == 0 {
                    std::thread::sleep(Duration::from_millis(30));
                }
                tell.send(n).unwrap();
            }));
        }
        let mut seen: Vec<u32> = (0..200).map(|_| told.recv_timeout(Duration::from_secs(5)).unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..200).collect::<Vec<_>>());
    }
}
