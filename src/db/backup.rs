//! Backup and restore. A backup is one SQLite file: the store as it was at one moment, with the media inside, so that
//! one file is all there is to move. The key of sealed secrets is not in it.

use super::draft::{self, Draft};
use super::{DataDir, migrations, readers};
use anyhow::{Context, anyhow, bail, ensure};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pages copied between two breaths, so that the server keeps writing.
const STEP: i32 = 512;

/// Steps in a row that find a file locked, 50 ms apart, before the backup is given up.
const MOST_REFUSED: u32 = 600;

/// What a backup holds.
#[derive(Debug)]
pub struct Summary {
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Messages inside.
    pub messages: i64,
    /// Media files inside.
    pub files: i64,
}

/// Writes a backup to `out` (aside, verified, fsync, rename). `progress(done, total)` counts pages, then files.
///
/// Errors: the disk, or a backup that does not verify; the old file at `out` is kept then.
pub fn write(dir: &DataDir, out: &Path, progress: &mut dyn FnMut(&str, u64, u64)) -> anyhow::Result<Summary> {
    dir.spare(out)?;
    let draft = Draft::begin(out)?;
    let (messages, files) = fill(dir, draft.path(), progress)?;
    Ok(Summary { bytes: draft.finish()?, messages, files })
}

/// The store as it is at one moment, and its media, into an empty file. Messages and files inside.
fn fill(dir: &DataDir, aside: &Path, progress: &mut dyn FnMut(&str, u64, u64)) -> anyhow::Result<(i64, i64)> {
    let source = readers::open_reader(&dir.database()).context("while opening the store")?;
    let mut copy = Connection::open(aside).with_context(|| format!("while making {}", aside.display()))?;
    {
        // one read transaction pins the moment; without it a busy store would restart the copy for ever
        source.execute_batch("BEGIN")?;
        let backup = Backup::new(&source, &mut copy)?;
        let mut refused = 0;
        loop {
            let step = backup.step(STEP)?;
            let at = backup.progress();
            progress("pages", u64::try_from(at.pagecount - at.remaining).unwrap_or(0), u64::try_from(at.pagecount).unwrap_or(0));
            match step {
                StepResult::Done => break,
                StepResult::More => refused = 0,
                _ => {
                    refused += 1;
                    ensure!(refused < MOST_REFUSED, "the file cannot be locked for writing; is it on a network disk without locks?");
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }
    source.execute_batch("COMMIT")?;
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    copy.execute_batch("CREATE TABLE backup_media (sha256 TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT")?;
    let wanted: Vec<String> =
        copy.prepare("SELECT DISTINCT sha256 FROM media WHERE sha256 IS NOT NULL AND state = 'ready'")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut files = 0;
    let tx = copy.transaction()?;
    for (at, sha256) in wanted.iter().enumerate() {
        if let Ok(bytes) = fs::read(dir.media().join(sha256)) {
            tx.execute("INSERT INTO backup_media VALUES (?1, ?2)", (sha256, bytes))?;
            files += 1;
        }
        progress("files", at as u64 + 1, wanted.len() as u64);
    }
    tx.commit()?;
    Ok((verify(&copy)?, files))
}

/// Checks a store or backup: ours, not too new, whole, relations intact. Returns its messages.
pub fn verify(connection: &Connection) -> anyhow::Result<i64> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).context("this is not a database")?;
    ensure!(application == migrations::APPLICATION_ID, "this file is not a kafilah store or backup");
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    ensure!(version <= migrations::current(), "this backup has version {version}, made by a newer kafilah; install that one first");
    let health: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    ensure!(health == "ok", "this file is damaged: {health}");
    let orphans: i64 = connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    ensure!(orphans == 0, "this file has {orphans} rows that point nowhere");
    Ok(connection.query_row("SELECT count(*) FROM message", [], |row| row.get(0))?)
}

/// Puts a backup in place of the store in `dir`: verified first, never under a running server, the old store kept aside.
/// Returns where the old one went.
pub fn restore(dir: &DataDir, file: &Path, progress: &mut dyn FnMut(&str, u64, u64)) -> anyhow::Result<Option<PathBuf>> {
    ensure!(file.is_file(), "there is no file {}", file.display());
    // said without its cause, which would speak of a damaged store
    let given = readers::open_reader(file).map_err(anyhow::Error::from).and_then(|given| verify(&given));
    given.map_err(|error| anyhow!("{} cannot be restored: {error:#}. The store was not touched", file.display()))?;
    dir.create()?;
    dir.key()?;
    let Some(_lock) = dir.lock()? else { bail!("a kafilah server is running on {}; stop it first", dir.0.display()) };
    // through a link, to the file that is replaced and to its log beside it
    let database = dir.database().canonicalize().unwrap_or_else(|_| dir.database());
    let mut draft = Draft::begin(&database)?;
    std::io::copy(&mut File::open(file)?, draft.file()).context("while copying the backup into the data folder; the store in place was not touched")?;
    unpack(dir, draft.path(), progress).context("the store in place was not touched")?;
    let kept = dir.database().exists().then(|| free_name(dir));
    if let Some(kept) = &kept {
        move_aside(&database, kept).context("while keeping the old store aside")?;
    }
    draft.finish()?;
    draft::to_folder_owner(&database);
    Ok(kept)
}

/// A name for the store that is kept, which no other kept one has.
fn free_name(dir: &DataDir) -> PathBuf {
    let stamp = chrono::Utc::now().format("%Y%m%d-%H%M%S");
    let names = (1..).map(|n| if n == 1 { format!("kafilah-before-restore-{stamp}.db") } else { format!("kafilah-before-restore-{stamp}-{n}.db") });
    names.map(|name| dir.0.join(name)).find(|path| !path.exists()).expect("numbers do not end")
}

/// Moves the old store aside: as one file when it can still be folded into one, else with its log beside it, as it is. A
/// damaged store is what a restore is for, so its damage is no reason to stop.
fn move_aside(database: &Path, kept: &Path) -> anyhow::Result<()> {
    let folded = super::connect(database).and_then(|old| old.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)));
    let is_whole = folded.is_ok_and(|busy| busy == 0);
    for suffix in ["db-wal", "db-shm"] {
        let log = database.with_extension(suffix);
        if !log.exists() {
            continue;
        }
        if is_whole {
            let _ = fs::remove_file(&log); // already folded into the one file
        } else {
            fs::rename(&log, kept.with_extension(suffix))?;
        }
    }
    // a second name rather than a move: killed here, the old store is still in its place
    fs::hard_link(database, kept).or_else(|_| fs::rename(database, kept))?;
    Ok(())
}

fn unpack(dir: &DataDir, aside: &Path, progress: &mut dyn FnMut(&str, u64, u64)) -> anyhow::Result<()> {
    let connection = Connection::open(aside)?;
    let packed: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'backup_media'", [], |row| row.get(0))?;
    if packed > 0 {
        let total: i64 = connection.query_row("SELECT count(*) FROM backup_media", [], |row| row.get(0))?;
        let mut query = connection.prepare("SELECT body FROM backup_media")?;
        let mut rows = query.query([])?;
        let mut done = 0;
        while let Some(row) = rows.next()? {
            crate::chat::media::keep_bytes(dir, &row.get::<_, Vec<u8>>(0)?).context("while unpacking media")?;
            done += 1;
            progress("files", done, total as u64);
        }
        drop(rows);
        drop(query);
        connection.execute_batch("DROP TABLE backup_media; VACUUM")?;
    }
    verify(&connection).map(drop)
}
