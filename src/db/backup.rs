//! Backup and restore. A backup is one SQLite file: the store as it was at one moment, with the media inside, so that
//! one file is all there is to move. The key of sealed secrets is not in it.

use super::{DataDir, migrations, readers};
use anyhow::{Context, bail, ensure};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pages copied between two breaths, so that the server keeps writing.
const STEP: i32 = 512;

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
    let aside = beside(out, "part");
    let _ = fs::remove_file(&aside); // left by an earlier try that was killed
    let done = write_aside(dir, &aside, progress).and_then(|summary| {
        fs::rename(&aside, out).with_context(|| format!("while moving the backup to {}", out.display()))?;
        sync_folder(out)?;
        Ok(summary)
    });
    if done.is_err() {
        let _ = fs::remove_file(&aside); // the error itself is what counts
    }
    done
}

fn write_aside(dir: &DataDir, aside: &Path, progress: &mut dyn FnMut(&str, u64, u64)) -> anyhow::Result<Summary> {
    let source = readers::open_reader(&dir.database()).context("while opening the store")?;
    create_private(aside).with_context(|| format!("while making {}", aside.display()))?;
    let mut copy = Connection::open(aside).with_context(|| format!("while making {}", aside.display()))?;
    {
        // one read transaction pins the moment; without it a busy store would restart the copy for ever
        source.execute_batch("BEGIN")?;
        let backup = Backup::new(&source, &mut copy)?;
        loop {
            let step = backup.step(STEP)?;
            let at = backup.progress();
            progress("pages", u64::try_from(at.pagecount - at.remaining).unwrap_or(0), u64::try_from(at.pagecount).unwrap_or(0));
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => std::thread::sleep(Duration::from_millis(50)),
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
    let messages = verify(&copy)?;
    drop(copy);
    let file = File::open(aside)?;
    file.sync_all()?;
    Ok(Summary { bytes: file.metadata()?.len(), messages, files })
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
    let given = readers::open_reader(file).with_context(|| format!("while opening {}", file.display()))?;
    verify(&given)?;
    drop(given);
    dir.create()?;
    let Some(_lock) = dir.lock()? else { bail!("a kafilah server is running on {}; stop it first", dir.0.display()) };
    let aside = beside(&dir.database(), "restoring");
    create_private(&aside).and_then(|mut to| std::io::copy(&mut File::open(file)?, &mut to)).context("while copying the backup into the data folder")?;
    let placed = unpack(dir, &aside, progress);
    if let Err(error) = placed {
        let _ = fs::remove_file(&aside); // the store in place was not touched
        return Err(error);
    }
    let kept = dir.database().exists().then(|| {
        let stamp = chrono::Utc::now().format("%Y%m%d-%H%M%S");
        dir.0.join(format!("kafilah-before-restore-{stamp}.db"))
    });
    if let Some(kept) = &kept
        && let Err(error) = move_aside(dir, kept)
    {
        let _ = fs::remove_file(&aside); // a whole copy of the data is not left lying about
        return Err(error.context("while keeping the old store aside"));
    }
    fs::rename(&aside, dir.database())?;
    sync_folder(&dir.database())?;
    Ok(kept)
}

/// Moves the old store aside: as one file when it can still be folded into one, else with its log beside it, as it is. A
/// damaged store is what a restore is for, so its damage is no reason to stop.
fn move_aside(dir: &DataDir, kept: &Path) -> anyhow::Result<()> {
    let database = dir.database();
    let folded = super::connect(&database).and_then(|old| old.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)));
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
    fs::hard_link(&database, kept).or_else(|_| fs::rename(&database, kept))?;
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
    drop(connection);
    File::open(aside)?.sync_all()?;
    Ok(())
}

/// A neighbour of `path` with another ending, in the same folder so that a rename is atomic.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().map_or_else(|| "file".into(), |name| name.to_string_lossy().into_owned());
    path.with_file_name(format!(".{name}.{ending}"))
}

/// Makes an empty file only its owner may read; what stood there is emptied.
pub fn create_private(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?; // also when it stood there already
    Ok(file)
}

/// Brings a rename to the disk.
pub fn sync_folder(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all().with_context(|| format!("while syncing {}", folder.display()))
}
