//! The store: one SQLite file, one thread that writes, a few connections that read.
//!
//! What lives here: opening and checking the file, the writer thread with group commit, the reader pool,
//! migrations, backup, and the three tables every noun uses (settings, live log, audit trail).
//! The one rule: a write is a job for the writer thread, and its caller hears of it only after the commit.

pub mod audit;
pub mod backup;
pub mod draft;
pub mod event;
pub mod migrations;
pub mod readers;
pub mod setting;
pub mod writer;

use crate::kernel::clock::Clock;
use anyhow::Context;
use readers::Readers;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use writer::{Tx, Writer};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, read-only or another process holds the file too long: try again later.
    #[error("the store cannot be written now ({0})")]
    Unavailable(String),
    /// The store is shutting down or its queue is full.
    #[error("the store takes no more work now")]
    Closed,
    /// Anything else SQLite says: a broken rule of the schema, a mistake in our SQL.
    #[error("store: {0}")]
    Db(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    /// Sorts what SQLite says into "try again later" and the rest.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let why = match error.sqlite_error_code() {
            Some(Code::DiskFull) => "disk_full",
            Some(Code::ReadOnly) => "read_only",
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => "busy",
            Some(Code::CannotOpen) => "cannot_open",
            Some(Code::SystemIoFailure) if writer::is_failed_sync(&error) => "sync_failed",
            Some(Code::SystemIoFailure) => "io_error",
            _ => return Self::Db(error),
        };
        writer::note_trouble(why);
        Self::Unavailable(why.into())
    }
}

/// Milliseconds a connection waits for another process (the command line) before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_millis(4_000);

/// The folder a store lives in and the names inside it.
#[derive(Clone, Debug)]
pub struct DataDir(pub PathBuf);

impl DataDir {
    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.0.join("kafilah.db")
    }
    /// Files customers and packages brought, named by their SHA-256.
    pub fn media(&self) -> PathBuf {
        self.0.join("media")
    }
    /// Encryption key of stored secrets: kept apart from the database and from backups.
    pub fn key_file(&self) -> PathBuf {
        self.0.join("secret.key")
    }
    /// Held by the one process that serves this store.
    pub fn lock_file(&self) -> PathBuf {
        self.0.join("kafilah.lock")
    }
    /// Present while a server runs; found at start, it says the last one did not end well.
    pub fn running_mark(&self) -> PathBuf {
        self.0.join("running")
    }

    /// The key of sealed secrets.
    ///
    /// Errors name the file: it is copied by hand when a store moves.
    pub fn key(&self) -> anyhow::Result<setting::SecretKey> {
        let file = self.key_file();
        let text = fs::read_to_string(&file).with_context(|| format!("while reading {}", file.display()))?;
        setting::SecretKey::from_text(&text).with_context(|| format!("{} is no key; put back the copy kept of it", file.display()))
    }

    /// Refuses to let `path` be written where it is part of this store, by whatever name.
    ///
    /// Errors: it is the database, its log, the key, the lock or inside the media folder.
    pub fn spare(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (Ok(folder), Ok(own)) = (folder.canonicalize(), self.0.canonicalize()) else { return Ok(()) };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_ours = |name: &str| name.starts_with("kafilah.db") || ["secret.key", "kafilah.lock", "running", "media"].contains(&name);
        let by_name = folder == own && is_ours(&name) || folder.starts_with(own.join("media"));
        let by_link = path.canonicalize().is_ok_and(|real| real.parent() == Some(own.as_path()) && real.file_name().is_some_and(|name| is_ours(&name.to_string_lossy())));
        let inode = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
        let by_inode = inode(path).is_some_and(|theirs| [self.database(), self.key_file()].iter().any(|ours| inode(ours) == Some(theirs)));
        anyhow::ensure!(!(by_name || by_link || by_inode), "{} is part of the store itself; write to another file", path.display());
        Ok(())
    }

    /// Makes the folder (0700), the media folder and the key file (0600) where they are missing.
    pub fn create(&self) -> anyhow::Result<()> {
        let making = |path: &Path| format!("while making {}", path.display());
        for folder in [self.0.clone(), self.media()] {
            if !folder.exists() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).with_context(|| making(&folder))?;
                draft::to_folder_owner(&folder);
            }
        }
        let key = self.key_file();
        // begun on a full disk, before there was a store: it never was a key
        if fs::metadata(&key).is_ok_and(|meta| meta.len() == 0) && !self.database().exists() {
            fs::remove_file(&key).with_context(|| making(&key))?;
        }
        if !key.exists() {
            match draft::write_new(&key, crate::kernel::ids::token().as_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error).with_context(|| making(&key)),
                _ => draft::to_folder_owner(&key),
            }
        }
        Ok(())
    }

    /// Takes the lock of the one serving process; `Ok(None)` when another holds it. Dropping the file frees it.
    pub fn lock(&self) -> anyhow::Result<Option<File>> {
        let path = self.lock_file();
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("while opening {}: does the folder belong to who runs this, and is its disk writable?", path.display()))?;
        draft::to_folder_owner(&path);
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("while locking {}", path.display())),
        }
    }
}

/// The open store; clones share it.
#[derive(Clone)]
pub struct Store {
    /// Where it lives.
    pub dir: DataDir,
    /// Both clocks.
    pub clock: Clock,
    writer: Arc<Writer>,
    readers: Arc<Readers>,
}

impl Store {
    /// Opens the store in `dir`, making or migrating it first.
    ///
    /// Errors: a database newer than this program, not ours, or unreadable; the sentence says which.
    pub fn open(dir: DataDir, clock: Clock) -> anyhow::Result<Self> {
        dir.create()?;
        let mut connection = connect(&dir.database()).with_context(|| format!("while opening {}", dir.database().display()))?;
        migrations::bring_up_to_date(&mut connection)?;
        let readers = Readers::open(&dir.database(), readers::POOL)?;
        let key = fs::read_to_string(dir.key_file())?;
        let writer = Writer::start(connection, clock.clone(), setting::SecretKey::from_text(&key)?);
        Ok(Self { dir, clock, writer: Arc::new(writer), readers: Arc::new(readers) })
    }

    /// Runs `job` in the next transaction and waits (async) until it is committed.
    ///
    /// Errors: what the job returned (its own changes are undone, its neighbours' are kept), or that the commit failed.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        match self.writer.submit(job, writer::Class::Foreground) {
            Ok(waiting) => waiting.await.unwrap_or_else(|_| Err(StoreError::Closed.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// Like [`Store::write`], for threads outside the async runtime; waits behind the webhooks.
    pub fn write_blocking<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        match self.writer.submit(job, writer::Class::Background) {
            Ok(waiting) => waiting.blocking_recv().unwrap_or_else(|_| Err(StoreError::Closed.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands `job` in without waiting; the receiver gets the answer after the commit.
    pub fn submit_background<T, E, F>(&self, job: F) -> Result<tokio::sync::oneshot::Receiver<Result<T, E>>, StoreError>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        self.writer.submit(job, writer::Class::Background)
    }

    /// Runs `query` on a reader, on the calling thread.
    pub fn read_blocking<T, E: From<StoreError>>(&self, query: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let reader = self.readers.take();
        query(&reader)
    }

    /// Runs `query` on a reader, off the async runtime's own threads.
    pub async fn read<T, E, F>(&self, query: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        let work = tokio::task::spawn_blocking(move || query(&readers.take()));
        work.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// What happens around the writer: its health, and hooks that hear of commits.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Finishes the jobs already taken, checkpoints and closes the writer. Later writes get [`StoreError::Closed`].
    pub fn close(&self) {
        self.writer.close();
    }
}

/// Opens a connection that may write, with the pragmas every connection needs.
pub fn connect(path: &Path) -> rusqlite::Result<Connection> {
    keep_private(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?; // first: the pragmas below may have to wait too
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?; // NORMAL loses acknowledged messages when the power goes
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    stable_plans(&connection)?;
    backwards(&connection)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

/// Plans a statement once instead of at every new value of a bound `LIMIT` (measured: a tenth of the writer's time).
fn stable_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// SQL's `backwards(text)`: the characters in reverse. Given once: each time makes every statement be planned anew.
fn backwards(connection: &Connection) -> rusqlite::Result<()> {
    let flags = rusqlite::functions::FunctionFlags::SQLITE_UTF8 | rusqlite::functions::FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("backwards", 1, flags, |context| {
        let text: Option<String> = context.get(0)?;
        Ok(text.map(|text| text.chars().rev().collect::<String>()))
    })
}

/// Only the owner reads the database; SQLite gives its log files the same mode. Where this fails, opening will say why.
fn keep_private(path: &Path) {
    if let Ok(file) = OpenOptions::new().create(true).append(true).mode(0o600).open(path)
        && file.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
    {
        let _ = file.set_permissions(fs::Permissions::from_mode(0o600)); // another owner's file: not ours to close
    }
    draft::to_folder_owner(path);
}

/// A value out of a JSON object as a column holds it.
pub fn column_value(value: &serde_json::Value) -> rusqlite::types::Value {
    use rusqlite::types::Value as Sql;
    match value {
        serde_json::Value::Null => Sql::Null,
        serde_json::Value::Bool(is) => Sql::Integer(i64::from(*is)),
        serde_json::Value::Number(number) => number.as_i64().map_or_else(|| Sql::Real(number.as_f64().unwrap_or_default()), Sql::Integer),
        serde_json::Value::String(text) => Sql::Text(text.clone()),
        other => Sql::Text(other.to_string()),
    }
}
