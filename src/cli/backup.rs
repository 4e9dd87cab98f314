//! `backup` and `restore`.

use super::{Desk, progress::Progress, say};
use crate::db::setting::Settings;
use crate::db::{DataDir, StoreError, backup};
use std::path::Path;

/// Writes a backup.
pub fn backup(dir: &DataDir, out: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(out.as_os_str() != "-", "a backup is a database file and cannot go to standard output; name a file");
    let mut desk = Desk::open_existing(dir)?;
    let mut bar = Progress::default();
    let summary = backup::write(dir, out, &mut |what, done, total| bar.tell(what, done, total));
    bar.end();
    let summary = summary?;
    let noted = desk.write(|tx| -> Result<(), StoreError> { tx.audit("cli", "backup.written", "store", &format!("{} bytes", summary.bytes)) });
    if let Err(error) = noted {
        eprintln!("the backup is whole; that it was made could not be written into the audit trail: {error}");
    }
    say(format_args!("{}: {} bytes, {} messages, {} files; verified", out.display(), summary.bytes, summary.messages, summary.files))?;
    eprintln!("secret.key is not in the backup: keep a copy of {} somewhere else", dir.key_file().display());
    Ok(())
}

/// Puts a backup in place.
pub fn restore(dir: &DataDir, file: &Path) -> anyhow::Result<()> {
    let mut bar = Progress::default();
    let kept = backup::restore(dir, file, &mut |what, done, total| bar.tell(what, done, total));
    bar.end();
    match kept? {
        Some(kept) => say(format_args!("restored; the store that was here is kept as {}", kept.display()))?,
        None => say(format_args!("restored into {}", dir.0.display()))?,
    }
    let desk = Desk::open(dir)?;
    let sealed = Settings::load(desk.connection(), &desk.key)?.sealed;
    if !sealed.is_empty() {
        eprintln!("sealed with another secret.key, so they do not open: {}. Put the copy of that key at {}, or set them again", sealed.join(", "), dir.key_file().display());
    }
    Ok(())
}
