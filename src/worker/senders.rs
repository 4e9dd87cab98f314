//! The hands of the queue threads: threads that make one blocking call at a time and report what came of it.
//! They start when needed and end when they have been idle; nothing they hold is not also a row.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Calls at once over all numbers.
pub const MOST: usize = 32;
/// An idle hand leaves after this.
const IDLE: Duration = Duration::from_secs(20);
/// Small stacks: a call needs little, and there may be many.
const STACK: usize = 512 * 1024;

type Task = Box<dyn FnOnce() + Send>;

/// The pool.
pub struct Senders {
    tasks: Sender<Task>,
    queue: Arc<Mutex<Receiver<Task>>>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    threads: usize,
    pending: usize,
}

impl Default for Senders {
    fn default() -> Self {
        let (tasks, queue) = channel();
        Self { tasks, queue: Arc::new(Mutex::new(queue)), state: Arc::default() }
    }
}

impl Senders {
    /// Runs `task` on a free hand, a new one while there are fewer than [`MOST`], else when one becomes free.
    pub fn run(&self, task: Task) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pending += 1;
        if state.pending > state.threads && state.threads < MOST && self.start() {
            state.threads += 1;
        }
        drop(state);
        // the receiver lives in `self`, so this cannot fail
        let _ = self.tasks.send(task);
    }

    fn start(&self) -> bool {
        let (queue, state) = (Arc::clone(&self.queue), Arc::clone(&self.state));
        let work = move || {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(IDLE);
                match next {
                    Ok(task) => {
                        // the task reports its own panics; a hand that is lost would be missed later
                        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(task)).is_err() {
                            tracing::error!("a send panicked");
                        }
                        state.lock().unwrap_or_else(PoisonError::into_inner).pending -= 1;
                    }
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                        if state.pending < state.threads {
                            state.threads -= 1;
                            return;
                        }
                    }
                }
            }
        };
        std::thread::Builder::new().name("sender".into()).stack_size(STACK).spawn(work).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
