//! Two clocks. The wall clock stamps rows and screens and may jump (or be set by a test). The process clock
//! only runs forward from the start of the program: quiet windows, retries and pacing are measured on it, so a
//! wall clock that jumps neither resends nor stalls anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both clocks; cheap to clone, clones share the offset a test sets.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    started_ms: i64,
    offset_ms: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(Inner { started: Instant::now(), started_ms: system_ms(), offset_ms: AtomicI64::new(0) }))
    }
}

impl Clock {
    /// Wall clock, unix milliseconds UTC.
    pub fn now_ms(&self) -> i64 {
        system_ms() + self.0.offset_ms.load(Ordering::Relaxed)
    }

    /// Process clock: milliseconds that look like unix time at the start of the process and then only run forward.
    pub fn process_ms(&self) -> i64 {
        self.0.started_ms + i64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(i64::MAX / 2)
    }

    /// Sets the wall clock; it runs on from there. The process clock does not move.
    pub fn set_now_ms(&self, now_ms: i64) {
        self.0.offset_ms.store(now_ms - system_ms(), Ordering::Relaxed);
    }

    /// How long until `due_ms` on the process clock, never negative, at most `cap`.
    pub fn until(&self, due_ms: i64, cap: Duration) -> Duration {
        let wait_ms = u64::try_from(due_ms - self.process_ms()).unwrap_or(0);
        Duration::from_millis(wait_ms).min(cap)
    }
}

fn system_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_the_wall_clock_leaves_the_process_clock_alone() {
        let clock = Clock::default();
        let before = clock.process_ms();
        clock.set_now_ms(1_000);
        assert!(clock.now_ms() < 10_000);
        assert!(clock.process_ms() - before < 10_000);
        assert_eq!(clock.until(clock.process_ms() - 5, Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(clock.until(i64::MAX / 2, Duration::from_secs(1)), Duration::from_secs(1));
    }
}
