//! A progress line on stderr: `1.240 dari 5.000 · 82/dtk · kira-kira 46 dtk lagi`. Silent when stderr is no terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// A bar.
pub struct Progress {
    started: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

/// Between two drawings.
const EVERY: Duration = Duration::from_millis(120);
const WIDTH: u64 = 24;

impl Default for Progress {
    fn default() -> Self {
        Self { started: Instant::now(), shown: None, terminal: std::io::stderr().is_terminal() }
    }
}

impl Progress {
    /// `done` of `total` (0: unknown) `what`.
    pub fn tell(&mut self, what: &str, done: u64, total: u64) {
        let finished = total > 0 && done >= total;
        if !self.terminal || (!finished && self.shown.is_some_and(|at| at.elapsed() < EVERY)) {
            return;
        }
        self.shown = Some(Instant::now());
        let line = describe(what, done, total, self.started.elapsed());
        let _ = write!(std::io::stderr(), "\r\x1b[2K{line}"); // a closed terminal needs no bar
    }

    /// Takes the bar away.
    pub fn end(&mut self) {
        if self.terminal && self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K"); // as above
        }
    }
}

fn describe(what: &str, done: u64, total: u64, passed: Duration) -> String {
    let rate = done as f64 / passed.as_secs_f64().max(0.001);
    if total == 0 {
        return format!("{done} {what} · {rate:.0}/s");
    }
    let full = done * WIDTH / total.max(1);
    let bar: String = (0..WIDTH).map(|at| if at < full { '█' } else { '░' }).collect();
    let left = (total.saturating_sub(done)) as f64 / rate.max(0.001);
    format!("{bar} {done} of {total} {what} · {rate:.0}/s · about {left:.0} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_count_rate_and_time_left() {
        let line = describe("rows", 500, 1_000, Duration::from_secs(5));
        assert!(line.contains("500 of 1000 rows") && line.contains("100/s") && line.contains("about 5 s left"), "{line}");
    }
}
