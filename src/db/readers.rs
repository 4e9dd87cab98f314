//! Connections that only read. Short queries, never held across a network call or the making of a page.

use super::BUSY_TIMEOUT;
use rusqlite::{Connection, OpenFlags};
use std::ops::Deref;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Connections in the pool: enough for two cores and a slow page.
pub const POOL: usize = 4;
/// Longest a query may run (Reliability sheet §4).
const QUERY_LIMIT: Duration = Duration::from_secs(2);
/// SQLite instructions between two looks at the clock.
const PROGRESS_STEPS: i32 = 20_000;

/// The pool.
pub struct Readers {
    free: Mutex<Vec<Connection>>,
    returned: Condvar,
}

/// A connection on loan; goes back when dropped.
pub struct Reader<'p> {
    pool: &'p Readers,
    connection: Option<Connection>,
}

impl Readers {
    /// Opens `n` read-only connections on the database at `path`.
    pub fn open(path: &Path, n: usize) -> rusqlite::Result<Self> {
        let free = (0..n).map(|_| open_reader(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { free: Mutex::new(free), returned: Condvar::new() })
    }

    /// Waits for a free connection.
    pub fn take(&self) -> Reader<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(mut connection) = free.pop() {
                let started = Instant::now();
                // a failure to set the limit only means that this query has none
                let _ = connection.progress_handler(PROGRESS_STEPS, Some(move || started.elapsed() > QUERY_LIMIT));
                return Reader { pool: self, connection: Some(connection) };
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A read-only connection without a time limit: for exports, backups and checks.
pub fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    super::stable_plans(&connection)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

impl Deref for Reader<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("held until drop")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            self.pool.returned.notify_one();
        }
    }
}
