//! What runs by itself: the turn worker, one queue thread per number with its senders, the media fetcher, the
//! scheduler, and the simulator's phone. All state is rows; these threads hold nothing that a crash could lose.

pub mod breaker;
pub mod fetcher;
pub mod labels;
pub mod mailer;
pub mod model;
pub mod nightly;
pub mod push;
pub mod queue;
pub mod reconcile;
pub mod replay;
pub mod scheduler;
pub mod senders;
pub mod simulator;
pub mod turns;

use crate::app::App;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Threads that end after [`App::begin_stop`].
pub struct Workers(Vec<JoinHandle<()>>);

impl Workers {
    /// Starts them all.
    pub fn start(app: &Arc<App>) -> Self {
        let spawn = |name: &'static str, work: fn(&Arc<App>)| {
            let app = Arc::clone(app);
            std::thread::Builder::new().name(name.into()).spawn(move || keep_running(&app, name, work)).expect("a thread can be started")
        };
        Self(vec![
            spawn("turns", turns::run),
            spawn("queues", queue::manage),
            spawn("fetcher", fetcher::run),
            spawn("labels", labels::run),
            spawn("mailer", mailer::run),
            spawn("push", push::run),
            spawn("scheduler", scheduler::run),
            spawn("lab", replay::run_asked),
            spawn("nightly", nightly::run),
        ])
    }

    /// Waits until they have ended.
    pub fn join(self) {
        for thread in self.0 {
            let _ = thread.join(); // a panic was logged where it happened
        }
    }
}

/// Runs `work` until the program ends; a panic is logged and it starts afresh from the rows.
fn keep_running(app: &Arc<App>, name: &str, work: fn(&Arc<App>)) {
    while !app.is_stopping() {
        if catch_unwind(AssertUnwindSafe(|| work(app))).is_err() {
            tracing::error!(worker = name, "panicked; starting again");
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}
