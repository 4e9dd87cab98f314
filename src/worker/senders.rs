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

/// Tasks for one waking hand: a call that is over at once frees its hand for the next, and waking costs more than such a call.
/// What waits behind calls that are slow is what [`Senders::spread`] is for.
const EACH: usize = 4;

/// Something a hand does: one blocking call.
pub type Task = Box<dyn FnOnce() + Send>;

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

    /// Runs `tasks`, in their order, some after each other on one hand. Whoever gives some looks after them with [`Self::spread`].
    pub fn run_all(&self, tasks: Vec<Task>) {
        let hands = tasks.len().div_ceil(EACH);
        let mut state = lock(&self.0.state);
        state.tasks.extend(tasks);
        self.wake(state, hands);
    }

    /// Gives every task that still waits a hand of its own, as far as there are any.
    pub fn spread(&self) {
        self.wake(lock(&self.0.state), usize::MAX);
    }

    /// Whether a task waits and a hand could take it.
    pub fn can_spread(&self) -> bool {
        let state = lock(&self.0.state);
        !state.tasks.is_empty() && (state.idle > 0 || state.threads < self.1)
    }

    /// Tasks that wait for a hand.
    pub fn waiting(&self) -> usize {
        lock(&self.0.state).tasks.len()
    }

    /// Wakes as many hands as there are tasks waiting, `hands` at the most; starts those that are missing.
    fn wake(&self, mut state: MutexGuard<'_, State>, hands: usize) {
        let wanted = state.tasks.len().min(hands);
        let sleeping = wanted.min(state.idle);
        let missing = (wanted - sleeping).min(self.1.saturating_sub(state.threads));
        for _ in 0..missing {
            state.threads += usize::from(self.start());
        }
        drop(state);
        (0..sleeping).for_each(|_| self.0.work.notify_one());
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

    #[test]
    fn a_call_that_hangs_holds_up_nobody_once_the_rest_is_spread() {
        let senders = Senders::of(8);
        let (tell, told) = channel();
        let (go, wait) = channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let tasks = (0..8u32).map(|n| -> Task {
            let (tell, wait) = (tell.clone(), Arc::clone(&wait));
            Box::new(move || {
                if n == 0 || n == 4 {
                    wait.lock().unwrap().recv().ok(); // until the test lets it go
                }
                tell.send(n).unwrap();
            })
        });
        senders.run_all(tasks.collect());
        while senders.waiting() > 0 {
            senders.spread();
        }
        let mut seen: Vec<u32> = (0..6).map(|_| told.recv_timeout(Duration::from_secs(5)).unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 5, 6, 7]);
        drop(go);
        assert_eq!(told.iter().take(2).count(), 2);
    }
}
