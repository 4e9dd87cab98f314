//! The backup of the night: once a day after `store.backup_at` a verified copy in `store.backup_folder`, the newest
//! `store.backup_keep` kept. What is there is told by the files themselves, so a restart neither skips nor repeats one.

use crate::app::App;
use crate::db::{StoreError, backup};
use crate::kernel::date;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at the clock.
const LOOK: Duration = Duration::from_secs(30);
/// After a backup that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(30 * 60);

/// Runs until the program ends.
pub fn run(app: &Arc<App>) {
    while !app.is_stopping() {
        let pause = match tonight(app) {
            Ok(()) => LOOK,
            Err(error) => {
                tracing::error!("tonight's backup failed: {error:#}");
                let why = format!("{error:#}");
                // told on the dashboard; a store that cannot be written has its own banner
                let _ = app.store.write_blocking(move |tx| -> Result<(), StoreError> {
                    tx.audit("system", "backup.failed", "store", &why)?;
                    tx.emit("alert", None, json!({"kind": "backup_failed"}))
                });
                AFTER_FAILURE
            }
        };
        let until = std::time::Instant::now() + pause;
        while !app.is_stopping() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(250));
        }
    }
}

fn tonight(app: &App) -> anyhow::Result<()> {
    let settings = app.settings();
    let folder = PathBuf::from(settings.text("store.backup_folder"));
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    let now = app.now_ms();
    let clock = date::clock_time(now, settings.zone).replace('.', ":");
    let file = folder.join(format!("kafilah-{}.db", settings.day_of(now)));
    if clock.as_str() < settings.text("store.backup_at") || file.exists() {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    let summary = backup::write(&app.store.dir, &file, &mut |_, _, _| {})?;
    let gone = thin_out(&folder, usize::try_from(settings.int("store.backup_keep")).unwrap_or(7));
    let detail = json!({"bytes": summary.bytes, "messages": summary.messages, "files": summary.files, "removed": gone}).to_string();
    app.store.write_blocking(move |tx| -> Result<(), StoreError> { tx.audit("system", "backup.written", "store", &detail) })?;
    tracing::info!(bytes = summary.bytes, messages = summary.messages, "the backup of the night was written and verified");
    Ok(())
}

/// Backups in a folder, oldest first: our own names only.
pub fn written(folder: &Path) -> Vec<PathBuf> {
    let is_ours = |name: &str| name.strip_prefix("kafilah-").and_then(|rest| rest.strip_suffix(".db")).is_some_and(|day| day.parse::<chrono::NaiveDate>().is_ok());
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_ours))
        .collect();
    files.sort();
    files
}

/// Removes all but the newest `keep`; says how many went.
fn thin_out(folder: &Path, keep: usize) -> usize {
    let files = written(folder);
    let old = files.len().saturating_sub(keep.max(1));
    files[..old].iter().filter(|file| fs::remove_file(file).is_ok()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_old_files_go() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["kafilah-2026-11-01.db", "kafilah-2026-11-02.db", "kafilah-2026-11-03.db", "kafilah-before.db", "notes.txt"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        assert_eq!(thin_out(folder.path(), 2), 1);
        let left: Vec<String> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(left.len() == 4 && !left.contains(&"kafilah-2026-11-01.db".to_owned()), "{left:?}");
    }
}
