//! The one thread that writes. Jobs that wait together share one transaction and one fsync (group commit), each
//! such that a bad job does not spoil its neighbours. A caller is answered after the commit. A job may be run twice
//! (the first run undone): it must have no effect outside of its transaction.

use super::setting::SecretKey;
use super::{StoreError, audit, event};
use crate::kernel::clock::Clock;
use rusqlite::{CachedStatement, Connection, Statement, Transaction, TransactionBehavior};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Jobs in one transaction at the most (Reliability sheet §2).
const BATCH: usize = 64;
/// Background jobs in a batch that also holds foreground jobs.
const BACKGROUND_SHARE: usize = 4;
/// Jobs that may wait; one more is refused with [`StoreError::Closed`], which the web answers with 503.
const WAITING: usize = 4_096;
/// Pages in the write-ahead log before it is copied back into the database.
const CHECKPOINT_PAGES: u32 = 1_000;
/// Size the write-ahead log is cut back to after it was copied.
const LOG_KEEP_BYTES: u32 = 2 << 20;
/// How often a store that cannot be written is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Why nothing is written any more when somebody put another file in the database's place while it was open.
const REPLACED: &str = "replaced";
/// Exit codes of a store that must not go on: sysexits EX_SOFTWARE and EX_IOERR.
const EXIT_PANIC: i32 = 70;
const EXIT_STORAGE: i32 = 74;

/// Who goes first: webhooks and people before the workers that run by themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Somebody waits for the answer.
    Foreground,
    /// A worker's own bookkeeping.
    Background,
}

/// What a committed batch tells the rest of the program.
#[derive(Clone, Copy, Default)]
pub struct Woken {
    /// A conversation's turn became due.
    pub turns: bool,
    /// An outbox row became due, or a number's line changed.
    pub outbox: Lines,
    /// A file is to be fetched.
    pub media: bool,
    /// A setting changed.
    pub settings: bool,
    /// A gateway has something to hear about labels.
    pub labels: bool,
}

/// The numbers whose queue threads have something to do.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Lines {
    /// None.
    #[default]
    None,
    /// This channel's.
    One(i64),
    /// More than one, or a number that is new.
    All,
}

impl Lines {
    fn and(self, channel_id: i64) -> Self {
        match self {
            Self::None => Self::One(channel_id),
            Self::One(other) if other == channel_id => self,
            Self::One(_) | Self::All => Self::All,
        }
    }
}

/// Hears of every commit that woke something or wrote to the live log. Called on the writer thread: must not block.
pub type Hook = Box<dyn Fn(Woken, Vec<event::Live>) + Send + Sync>;

/// What a job works in: the transaction, the time of the batch, and what to do once it is committed.
pub struct Tx<'c> {
    connection: &'c Connection,
    /// Wall clock of the batch, unix milliseconds.
    pub now_ms: i64,
    /// Process clock of the batch.
    pub process_ms: i64,
    /// Key for secrets in settings.
    pub key: &'c SecretKey,
    pending: RefCell<Pending>,
    channels: RefCell<Vec<(String, i64)>>,
    early: Cell<Option<bool>>,
    day: RefCell<Option<String>>,
    statements: RefCell<Vec<(&'static str, CachedStatement<'c>)>>,
}

/// A statement on loan from its batch: given back on drop, ready for the next job that says the same.
pub struct Loan<'t, 'c> {
    shelf: &'t RefCell<Vec<(&'static str, CachedStatement<'c>)>>,
    sql: &'static str,
    statement: Option<CachedStatement<'c>>,
}

impl<'c> Deref for Loan<'_, 'c> {
    type Target = Statement<'c>;
    fn deref(&self) -> &Statement<'c> {
        self.statement.as_ref().expect("kept until the drop")
    }
}

impl<'c> DerefMut for Loan<'_, 'c> {
    fn deref_mut(&mut self) -> &mut Statement<'c> {
        self.statement.as_mut().expect("kept until the drop")
    }
}

impl Drop for Loan<'_, '_> {
    fn drop(&mut self) {
        self.shelf.borrow_mut().extend(self.statement.take().map(|statement| (self.sql, statement)));
    }
}

#[derive(Default)]
struct Pending {
    woken: Woken,
    live: Vec<event::Live>,
    counts: Vec<(Cow<'static, str>, i64)>,
    campaigns: Vec<String>,
    audit: Vec<audit::Row>,
}

/// A point in a batch's pending work.
struct Mark {
    woken: Woken,
    lengths: [usize; 4],
}

impl Pending {
    /// Where it stands, to come back to when a job fails.
    fn mark(&self) -> Mark {
        Mark { woken: self.woken, lengths: [self.live.len(), self.counts.len(), self.campaigns.len(), self.audit.len()] }
    }

    fn rewind(&mut self, mark: &Mark) {
        self.woken = mark.woken;
        self.live.truncate(mark.lengths[0]);
        self.counts.truncate(mark.lengths[1]);
        self.campaigns.truncate(mark.lengths[2]);
        self.audit.truncate(mark.lengths[3]);
    }
}

thread_local! {
    /// Set where SQLite says that the disk, not the statement, is at fault: then the whole batch is undone.
    static TROUBLE: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Remembers, for the writer thread, that the storage itself failed.
pub(super) fn note_trouble(why: &'static str) {
    TROUBLE.set(Some(why));
}

/// Whether SQLite could not bring data to the disk for certain.
pub(super) fn is_failed_sync(error: &rusqlite::Error) -> bool {
    const SQLITE_IOERR_FSYNC: i32 = 1034;
    const SQLITE_IOERR_DIR_FSYNC: i32 = 1290;
    error.sqlite_error().is_some_and(|e| [SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC].contains(&e.extended_code))
}

impl Deref for Tx<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl<'c> Tx<'c> {
    /// Like [`Connection::prepare_cached`], and quicker for what many jobs of a batch say: found by where the text
    /// stands in the program, neither hashed nor compared.
    pub fn prepare_cached(&self, sql: &'static str) -> rusqlite::Result<Loan<'_, 'c>> {
        let mut shelf = self.statements.borrow_mut();
        let place = shelf.iter().rposition(|(text, _)| std::ptr::eq(*text, sql));
        let statement = match place {
            Some(place) => shelf.swap_remove(place).1,
            None => self.connection.prepare_cached(sql)?,
        };
        Ok(Loan { shelf: &self.statements, sql, statement: Some(statement) })
    }

    /// Today where the agency is.
    pub fn today(&self) -> Result<chrono::NaiveDate, StoreError> {
        let day = super::setting::today(self.connection, self.now_ms)?;
        Ok(day.parse().unwrap_or_default())
    }

    /// Adds `n` to today's figure `name`, in this transaction.
    pub fn count(&self, name: impl Into<Cow<'static, str>>, n: i64) {
        self.pending.borrow_mut().counts.push((name.into(), n));
    }

    /// What this batch has added to a figure so far and the store does not show yet.
    pub fn counted(&self, name: &str) -> i64 {
        self.pending.borrow().counts.iter().filter(|(counted, _)| counted == name).map(|(_, n)| n).sum()
    }

    /// One more conversation for a campaign; summed up at the end of the batch, many messages carry one code.
    pub fn campaign_met(&self, code: &str) {
        self.pending.borrow_mut().campaigns.push(code.to_owned());
    }

    /// Appends to the live log; sockets hear of it after the commit.
    pub fn emit(&self, kind: &'static str, conversation_id: Option<i64>, data: Value) -> Result<(), StoreError> {
        self.emit_json(kind, conversation_id, data.to_string())
    }

    /// Like [`Tx::emit`], for data that is JSON text already.
    pub fn emit_json(&self, kind: &'static str, conversation_id: Option<i64>, data: String) -> Result<(), StoreError> {
        let mut pending = self.pending.borrow_mut();
        let last = match pending.live.last() {
            Some(line) => line.seq,
            None => event::last_seq(self.connection)?,
        };
        pending.live.push(event::Live { seq: last + 1, at: self.now_ms, kind: Cow::Borrowed(kind), conversation_id, data });
        Ok(())
    }

    /// Appends to the audit trail.
    pub fn audit(&self, actor: &str, action: &str, object: &str, detail: &str) -> Result<(), StoreError> {
        self.audit_owned(Cow::Owned(actor.to_owned()), Cow::Owned(action.to_owned()), object.to_owned(), detail.to_owned())
    }

    /// Like [`Tx::audit`], without copies: for what is written with every message.
    pub fn audit_owned(&self, actor: Cow<'static, str>, action: Cow<'static, str>, object: String, detail: String) -> Result<(), StoreError> {
        let mut pending = self.pending.borrow_mut();
        let chain = match pending.audit.last() {
            Some(row) => row.chain(),
            None => audit::head(self.connection)?,
        };
        pending.audit.push(audit::follow(&chain, self.now_ms, actor, action, object, detail));
        Ok(())
    }

    /// The channel of a session, remembered for the batch.
    pub fn channel_memo(&self, session: &str) -> Option<i64> {
        self.channels.borrow().iter().find(|(name, _)| name == session).map(|(_, id)| *id)
    }

    /// Remembers it.
    pub fn remember_channel(&self, session: &str, id: i64) {
        self.channels.borrow_mut().push((session.to_owned(), id));
    }

    /// Whether anything came before its message; looked up once a batch.
    pub fn has_early_events(&self) -> Result<bool, StoreError> {
        if let Some(known) = self.early.get() {
            return Ok(known);
        }
        let any: i64 = self.prepare_cached("SELECT EXISTS (SELECT 1 FROM early_event)")?.query_row([], |row| row.get(0))?;
        self.early.set(Some(any != 0));
        Ok(any != 0)
    }

    /// Something came before its message.
    pub fn note_early_event(&self) {
        self.early.set(Some(true));
    }

    /// Wakes the turn workers after the commit.
    pub fn wake_turns(&self) {
        self.pending.borrow_mut().woken.turns = true;
    }
    /// Wakes a number's queue thread after the commit.
    pub fn wake_outbox(&self, channel_id: i64) {
        let mut pending = self.pending.borrow_mut();
        pending.woken.outbox = pending.woken.outbox.and(channel_id);
    }
    /// Wakes every queue thread after the commit, and whoever starts those of new numbers.
    pub fn wake_every_outbox(&self) {
        self.pending.borrow_mut().woken.outbox = Lines::All;
    }
    /// Wakes the media fetcher after the commit.
    pub fn wake_media(&self) {
        self.pending.borrow_mut().woken.media = true;
    }
    /// Wakes the label worker after the commit.
    pub fn wake_labels(&self) {
        self.pending.borrow_mut().woken.labels = true;
    }
    /// Tells the program to read its settings again after the commit.
    pub fn wake_settings(&self) {
        self.pending.borrow_mut().woken.settings = true;
    }

    fn flush(&self) -> Result<(), StoreError> {
        let campaigns = std::mem::take(&mut self.pending.borrow_mut().campaigns);
        crate::growth::campaign::add_conversations(self, &campaigns)?;
        self.flush_counts()?;
        let pending = self.pending.borrow();
        event::append(self.connection, &pending.live)?;
        audit::append(self.connection, &pending.audit)
    }

    fn flush_counts(&self) -> Result<(), StoreError> {
        let counts = std::mem::take(&mut self.pending.borrow_mut().counts);
        if counts.is_empty() {
            return Ok(());
        }
        let mut day = self.day.borrow_mut();
        let day = match day.as_ref() {
            Some(day) => day.clone(),
            None => day.insert(super::setting::today(self.connection, self.now_ms)?).clone(),
        };
        let mut add = self.prepare_cached("INSERT INTO daily_count (day, name, n) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET n = n + excluded.n")?;
        let mut sums: BTreeMap<Cow<'static, str>, i64> = BTreeMap::new();
        for (name, n) in counts {
            *sums.entry(name).or_default() += n;
        }
        for (name, n) in sums {
            add.execute((&day, name, n))?;
        }
        Ok(())
    }
}

/// A `Tx` outside the writer thread, for the command line and for unit tests: one job, one transaction.
pub fn once<T, E: From<StoreError>>(connection: &mut Connection, clock: &Clock, key: &SecretKey, job: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
    let transaction = begin(connection).map_err(E::from)?;
    let tx = new_tx(&transaction, clock, key);
    let out = job(&tx)?;
    tx.flush()?;
    drop(tx);
    transaction.commit().map_err(|error| E::from(StoreError::from(error)))?;
    Ok(out)
}

trait Job: Send {
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    fn finish(self: Box<Self>, failed: Option<String>);
}

struct Typed<T, E, F> {
    job: F,
    out: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T: Send, E: From<StoreError> + Send, F: FnMut(&Tx<'_>) -> Result<T, E> + Send> Job for Typed<T, E, F> {
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let out = (self.job)(tx);
        let good = out.is_ok();
        self.out = Some(out);
        good
    }

    fn finish(self: Box<Self>, failed: Option<String>) {
        let answer = match (failed, self.out) {
            (Some(why), _) => Err(StoreError::Unavailable(why).into()),
            (None, Some(out)) => out,
            (None, None) => Err(StoreError::Closed.into()),
        };
        // a caller that has gone away needs no answer; its work is committed all the same
        let _ = self.reply.send(answer);
    }
}

#[derive(Default)]
struct Waiting {
    foreground: VecDeque<Box<dyn Job>>,
    background: VecDeque<Box<dyn Job>>,
    /// The writer sleeps and has not been called yet.
    asleep: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    closing: AtomicBool,
    trouble: Mutex<Option<String>>,
    hook: OnceLock<Hook>,
}

/// Handle of the writer thread.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, clock: Clock, key: SecretKey) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || {
                if catch_unwind(AssertUnwindSafe(|| work(connection, &clock, &key, &theirs))).is_err() {
                    tracing::error!("the writer thread panicked; ending so that a supervisor starts us afresh");
                    std::process::exit(EXIT_PANIC);
                }
            })
            .expect("a thread can be started");
        Self { shared, thread: Mutex::new(Some(thread)) }
    }

    pub(super) fn submit<T, E, F>(&self, job: F, class: Class) -> Result<oneshot::Receiver<Result<T, E>>, StoreError>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Typed { job, out: None, reply });
        let mut waiting = lock(&self.shared.waiting);
        if self.shared.closing.load(Ordering::Acquire) || waiting.foreground.len() + waiting.background.len() >= WAITING {
            return Err(StoreError::Closed);
        }
        let queue = if class == Class::Foreground { &mut waiting.foreground } else { &mut waiting.background };
        queue.push_back(job);
        let asleep = std::mem::take(&mut waiting.asleep);
        drop(waiting);
        // a call into the kernel, only where it is needed
        if asleep {
            self.shared.wake.notify_one();
        }
        Ok(answer)
    }

    /// Jobs waiting for their turn.
    pub fn depth(&self) -> usize {
        let waiting = lock(&self.shared.waiting);
        waiting.foreground.len() + waiting.background.len()
    }

    /// Why the store cannot be written now; `None` when all is well.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.shared.trouble).clone()
    }

    /// Sets the one listener; a second call is a mistake of ours and ignored.
    pub fn on_commit(&self, hook: Hook) {
        if self.shared.hook.set(hook).is_err() {
            tracing::error!("a second commit listener was ignored");
        }
    }

    pub(super) fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            // a panic in there has already ended the process
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(mut connection: Connection, clock: &Clock, key: &SecretKey, shared: &Shared) {
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).ok(); // only a size, never correctness
    connection.pragma_update(None, "journal_size_limit", LOG_KEEP_BYTES).ok(); // what a busy hour needed is given back
    connection.pragma_update(None, "cache_size", -16_000).ok(); // kibibytes: keeps the inner pages of big indexes
    let opened = identity(&connection);
    loop {
        let mut jobs = next_jobs(shared);
        if jobs.is_empty() {
            if shared.closing.load(Ordering::Acquire) {
                break;
            }
            // idle and in trouble: has it passed?
            if identity(&connection) == opened {
                probe(&mut connection, shared);
            }
            continue;
        }
        let done = if identity(&connection) == opened { commit(&mut connection, clock, key, &mut jobs) } else { Err(StoreError::Unavailable(REPLACED.into())) };
        let failed = match done {
            Ok((woken, live)) => {
                *lock(&shared.trouble) = None;
                if let Some(hook) = shared.hook.get() {
                    hook(woken, live);
                }
                None
            }
            Err(error) => Some(trouble(shared, &error)),
        };
        for job in jobs {
            job.finish(failed.clone());
        }
    }
    // leaves one file behind; a failure only leaves the log beside it, which the next start reads
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
}

/// Waits for work, or for the next probe when the store is in trouble.
fn next_jobs(shared: &Shared) -> Vec<Box<dyn Job>> {
    let mut waiting = lock(&shared.waiting);
    while waiting.foreground.is_empty() && waiting.background.is_empty() {
        if shared.closing.load(Ordering::Acquire) {
            return Vec::new();
        }
        waiting.asleep = true;
        let (guard, late) = shared.wake.wait_timeout(waiting, RETRY).unwrap_or_else(PoisonError::into_inner);
        waiting = guard;
        waiting.asleep = false;
        if late.timed_out() && lock(&shared.trouble).is_some() {
            return Vec::new();
        }
    }
    let mut jobs = Vec::with_capacity(BATCH);
    while let Some(job) = (jobs.len() < BATCH).then(|| waiting.foreground.pop_front()).flatten() {
        jobs.push(job);
    }
    // while somebody waits for an answer, the workers' bookkeeping gets a small share of the batch
    let room = if jobs.is_empty() { BATCH } else { jobs.len() + BACKGROUND_SHARE };
    while let Some(job) = (jobs.len() < room).then(|| waiting.background.pop_front()).flatten() {
        jobs.push(job);
    }
    jobs
}

/// Device and inode of the database file as it stands in its folder now. What is written to another than the one opened
/// would be gone with the next start.
fn identity(connection: &Connection) -> Option<(u64, u64)> {
    let meta = std::fs::metadata(connection.path()?).ok()?;
    Some((meta.dev(), meta.ino()))
}

fn begin(connection: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)
}

fn new_tx<'c>(connection: &'c Connection, clock: &Clock, key: &'c SecretKey) -> Tx<'c> {
    Tx {
        connection,
        now_ms: clock.now_ms(),
        process_ms: clock.process_ms(),
        key,
        pending: RefCell::default(),
        channels: RefCell::default(),
        early: Cell::new(None),
        day: RefCell::new(None),
        statements: RefCell::default(),
    }
}

/// Runs and commits a batch. First without savepoints, which cost a copy of every page touched; only when a job fails
/// is all of it undone and the batch run again with a savepoint per job, so that the bad one stands alone.
fn commit(connection: &mut Connection, clock: &Clock, key: &SecretKey, jobs: &mut [Box<dyn Job>]) -> Result<(Woken, Vec<event::Live>), StoreError> {
    match attempt(connection, clock, key, jobs, false)? {
        Some(done) => Ok(done),
        None => attempt(connection, clock, key, jobs, true)?.ok_or(StoreError::Closed),
    }
}

/// `Ok(None)`: a job failed and nothing was kept (only without savepoints).
fn attempt(connection: &mut Connection, clock: &Clock, key: &SecretKey, jobs: &mut [Box<dyn Job>], apart: bool) -> Result<Option<(Woken, Vec<event::Live>)>, StoreError> {
    let transaction = begin(connection)?;
    let tx = new_tx(&transaction, clock, key);
    TROUBLE.set(None);
    for job in jobs.iter_mut() {
        let mark = tx.pending.borrow().mark();
        if apart {
            tx.prepare_cached("SAVEPOINT job")?.execute([])?;
        }
        let good = job.run(&tx);
        if let (false, Some(why)) = (good, TROUBLE.take()) {
            return Err(StoreError::Unavailable(why.into())); // dropping the transaction undoes the whole batch
        }
        match (good, apart) {
            (true, false) => {}
            (false, false) => return Ok(None),
            (true, true) => drop(tx.prepare_cached("RELEASE job")?.execute([])?),
            (false, true) => {
                tx.pending.borrow_mut().rewind(&mark);
                tx.channels.borrow_mut().clear(); // one of them may have been made by this job
                tx.early.set(None);
                tx.prepare_cached("ROLLBACK TO job")?.execute([])?;
                tx.prepare_cached("RELEASE job")?.execute([])?;
            }
        }
    }
    tx.flush()?;
    let pending = tx.pending.take();
    drop(tx);
    transaction.commit().map_err(StoreError::from)?;
    Ok(Some((pending.woken, pending.live)))
}

/// Notes what is wrong, or ends the process where going on could lose what was promised.
fn trouble(shared: &Shared, error: &StoreError) -> String {
    let why = match error {
        StoreError::Unavailable(why) => why.clone(),
        StoreError::Closed => "closed".into(),
        StoreError::Db(cause) => {
            if matches!(cause.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)) {
                tracing::error!(%cause, "the database is damaged; restore a backup (kafilah restore) or run kafilah doctor");
                std::process::exit(EXIT_STORAGE);
            }
            format!("error: {cause}")
        }
    };
    if why == "sync_failed" {
        // after a failed fsync nobody knows what is on the disk: never retry it (Reliability sheet §5)
        tracing::error!("the disk failed while writing; ending, the store will be checked at the next start");
        std::process::exit(EXIT_STORAGE);
    }
    let mut slot = lock(&shared.trouble);
    if slot.as_ref() != Some(&why) {
        if why == REPLACED {
            tracing::error!("the database file was replaced or removed while it was open; nothing is acknowledged until kafilah is started again");
        } else {
            tracing::error!(reason = %why, "the store cannot be written; trying again every 2 s");
        }
    }
    *slot = Some(why.clone());
    why
}

fn probe(connection: &mut Connection, shared: &Shared) {
    let tried = begin(connection).and_then(|transaction| {
        // rewrites every setting page in place: enough to need real room in the log
        transaction.execute("UPDATE meta SET value = value + 1 WHERE key = 'settings_generation'", []).map_err(StoreError::from)?;
        transaction.commit().map_err(StoreError::from)
    });
    if tried.is_ok() && lock(&shared.trouble).take().is_some() {
        tracing::warn!("the store can be written again");
    }
}
