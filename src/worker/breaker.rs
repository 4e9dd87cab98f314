//! The circuit breaker of one line to the gateway: opens after failures in a row, lets one probe through every 30 s, closes
//! on one success. While it is open rows stay due.

use std::time::{Duration, Instant};

/// Failures in a row that open the circuit breaker, and the time between probes (Reliability sheet §3).
const FAILURES: u32 = 5;
const PROBE: Duration = Duration::from_secs(30);
/// A gateway that answered this lately is not called down, however many single sends fail.
const GRACE: Duration = Duration::from_secs(5);
/// A gateway that answered within this time is at work.
const LIVELY: Duration = Duration::from_secs(60);

/// Where it stands.
#[derive(Default)]
pub struct Breaker {
    failures: u32,
    opened: Option<Instant>,
    probed: Option<Instant>,
    worked: Option<Instant>,
    /// Name of the failure that opened it.
    pub cause: String,
}

impl Breaker {
    /// Nothing is tried but a probe now and then.
    pub fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// Whether a try may be made now.
    pub fn allows(&self, now: Instant) -> bool {
        self.opened.is_none_or(|opened| now.duration_since(self.probed.unwrap_or(opened)) >= PROBE)
    }

    /// A try is made.
    pub fn tried(&mut self, now: Instant) {
        if self.is_open() {
            self.probed = Some(now);
        }
    }

    /// The gateway answered.
    pub fn worked(&mut self, now: Instant) {
        self.worked = Some(now);
        self.close();
    }

    /// Everything is tried again.
    pub fn close(&mut self) {
        self.failures = 0;
        self.opened = None;
        self.probed = None;
    }

    /// A try failed.
    pub fn failed(&mut self, now: Instant, cause: &str) {
        self.failures += 1;
        let alive = self.worked.is_some_and(|at| now.duration_since(at) < GRACE);
        if self.failures >= FAILURES && !alive && self.opened.is_none() {
            self.opened = Some(now);
            self.probed = Some(now);
            cause.clone_into(&mut self.cause);
        }
    }

    /// It answered this lately: what fails is the message, not the gateway.
    pub fn is_lively(&self, now: Instant) -> bool {
        self.worked.is_some_and(|at| now.duration_since(at) < LIVELY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_opens_probes_and_closes() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES {
            assert!(breaker.allows(start));
            breaker.failed(start, "refused");
        }
        assert!(breaker.is_open() && !breaker.allows(start + Duration::from_secs(29)));
        assert!(breaker.allows(start + Duration::from_secs(30)));
        breaker.tried(start + Duration::from_secs(30));
        assert!(!breaker.allows(start + Duration::from_secs(31)));
        breaker.worked(start + Duration::from_secs(32));
        assert!(!breaker.is_open());
        for _ in 0..50 {
            breaker.failed(start + Duration::from_secs(33), "gateway_500"); // a success one second ago: alive
        }
        assert!(!breaker.is_open());
    }
}
