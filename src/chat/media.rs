//! Files: customers' photos and documents, and what packages send. Bytes lie in the media folder under their
//! SHA-256; a customer's own file name is only a column.

use super::inbound::{File, FileState};
use crate::db::writer::Tx;
use crate::db::{DataDir, StoreError};
use crate::kernel::ids;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::PathBuf;

/// Largest file taken from a customer or a package, bytes.
pub const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Fetches of one file before it is given up.
pub const MAX_ATTEMPTS: i64 = 8;

/// A file row.
#[derive(Clone, Debug)]
pub struct Media {
    /// Row id.
    pub id: i64,
    /// `wanted`, `ready`, `failed`, `refused`.
    pub state: String,
    /// Name in the media folder.
    pub sha256: Option<String>,
    /// Type.
    pub mime: String,
    /// Size.
    pub bytes: Option<i64>,
    /// As the sender named it.
    pub file_name: Option<String>,
}

/// A file still to be fetched.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Row id.
    pub id: i64,
    /// Where the gateway said it is; none: ask the gateway again.
    pub source_url: Option<String>,
    /// The gateway's whole message id.
    pub message_wa: String,
    /// Which number.
    pub channel_id: i64,
    /// Which chat.
    pub chat_id: String,
    /// Fetches so far.
    pub attempts: i64,
}

/// Types a customer may send us (by content, see [`sniff`]); anything else is kept as a message, without the file.
const ACCEPTED: &[&str] = &["image/", "audio/", "video/", "application/pdf", "application/zip", "application/msword", "text/plain", "application/octet-stream"];

/// The type by the first bytes; `None` when nothing known fits.
pub fn sniff(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let at = |from: usize, magic: &[u8]| bytes.get(from..from + magic.len()) == Some(magic);
    Some(match bytes {
        _ if starts(b"\xff\xd8\xff") => "image/jpeg",
        _ if starts(b"\x89PNG\r\n\x1a\n") => "image/png",
        _ if starts(b"GIF8") => "image/gif",
        _ if starts(b"RIFF") && at(8, b"WEBP") => "image/webp",
        _ if starts(b"%PDF-") => "application/pdf",
        _ if starts(b"OggS") => "audio/ogg",
        _ if starts(b"ID3") || starts(b"\xff\xfb") || starts(b"\xff\xf3") => "audio/mpeg",
        _ if at(4, b"ftypM4A") => "audio/mp4",
        _ if at(4, b"ftyp") => "video/mp4",
        _ if starts(b"PK\x03\x04") => "application/zip", // docx, xlsx
        _ if starts(b"\xd0\xcf\x11\xe0") => "application/msword",
        _ => return None,
    })
}

/// Whether a browser may show this type in the page; the rest is a download.
pub fn shows_inline(mime: &str) -> bool {
    matches!(mime, "image/jpeg" | "image/png" | "image/gif" | "image/webp" | "application/pdf" | "audio/ogg" | "audio/mpeg" | "audio/mp4" | "video/mp4")
}

/// Notes the file of an inbound message; it is fetched at once, outside the transaction.
pub fn want(tx: &Tx<'_>, channel_id: i64, chat_id: &str, full_id: &str, file: &File) -> Result<i64, StoreError> {
    let state = if ACCEPTED.iter().any(|kind| file.mime.starts_with(kind)) || file.mime.starts_with("application/vnd.") { "wanted" } else { "refused" };
    let cause = match (state, &file.state) {
        ("refused", _) => Some("type_not_accepted"),
        (_, FileState::Failed) => Some("gateway_download_failed"),
        (_, FileState::Missing) => Some("not_downloaded_by_gateway"),
        _ => None,
    };
    tx.execute(
        "INSERT INTO media (state, mime, file_name, source_url, message_wa, channel_id, chat_id, due_at, cause, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        (state, &file.mime, &file.name, &file.url, full_id, channel_id, chat_id, tx.process_ms, cause, tx.now_ms),
    )?;
    tx.wake_media();
    Ok(tx.last_insert_rowid())
}

/// The gateway tells once more where a message's file is: fetched from there if we do not have it yet.
pub fn offer(tx: &Tx<'_>, message_id: i64, file: &File) -> Result<(), StoreError> {
    if file.state == FileState::Ready {
        let changed = tx.execute(
            "UPDATE media SET state = 'wanted', source_url = ?2, attempts = 0, cause = NULL, due_at = ?3
             WHERE id = (SELECT media_id FROM message WHERE id = ?1) AND state IN ('wanted', 'failed')",
            (message_id, &file.url, tx.process_ms),
        )?;
        if changed > 0 {
            tx.wake_media();
        }
    }
    Ok(())
}

/// Files due for a fetch.
pub fn due(connection: &Connection, process_ms: i64, limit: usize) -> Result<Vec<Wanted>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT id, source_url, message_wa, channel_id, chat_id, attempts FROM media WHERE state = 'wanted' AND due_at <= ?1 ORDER BY due_at LIMIT ?2")?;
    let rows = query.query_map((process_ms, limit as i64), |row| {
        Ok(Wanted { id: row.get(0)?, source_url: row.get(1)?, message_wa: row.get(2)?, channel_id: row.get(3)?, chat_id: row.get(4)?, attempts: row.get(5)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A fetched file is in the folder.
pub fn arrived(tx: &Tx<'_>, id: i64, sha256: &str, mime: &str, bytes: usize) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE media SET state = 'ready', sha256 = ?2, mime = ?3, bytes = ?4, cause = NULL, due_at = NULL, source_url = NULL WHERE id = ?1",
        (id, sha256, mime, bytes as i64),
    )?;
    tell(tx, id)
}

/// A fetch failed; it is tried again at `due_at`, or given up.
pub fn missed(tx: &Tx<'_>, id: i64, cause: &str, due_at: Option<i64>) -> Result<(), StoreError> {
    let state = if due_at.is_some() { "wanted" } else { "failed" };
    // the address has gone stale: next time the gateway is asked for a fresh one
    tx.execute("UPDATE media SET state = ?2, attempts = attempts + 1, cause = ?3, due_at = ?4, source_url = NULL WHERE id = ?1", (id, state, cause, due_at))?;
    if due_at.is_none() { tell(tx, id) } else { Ok(()) }
}

fn tell(tx: &Tx<'_>, media_id: i64) -> Result<(), StoreError> {
    let message: Option<(i64, i64)> =
        tx.query_row("SELECT id, conversation_id FROM message WHERE media_id = ?1 AND direction = 'in' LIMIT 1", [media_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((id, conversation_id)) = message {
        tx.emit("message.status", Some(conversation_id), serde_json::json!({"message_id": id, "changed": true}))?;
    }
    Ok(())
}

/// One file row.
pub fn find(connection: &Connection, id: i64) -> Result<Option<Media>, StoreError> {
    let mut query = connection.prepare_cached("SELECT id, state, sha256, mime, bytes, file_name FROM media WHERE id = ?1")?;
    let found = query.query_row([id], |row| Ok(Media { id: row.get(0)?, state: row.get(1)?, sha256: row.get(2)?, mime: row.get(3)?, bytes: row.get(4)?, file_name: row.get(5)? }));
    Ok(found.optional()?)
}

/// Whether somebody may see a file: one that no chat holds (a package's, a ready answer's), or one of a chat he sees.
pub fn seen_by(connection: &Connection, id: i64, scope: &super::inbox::Scope) -> Result<bool, StoreError> {
    if *scope == super::inbox::Scope::All {
        return Ok(true);
    }
    let mut query = connection.prepare_cached("SELECT v.held_by FROM message m JOIN conversation v ON v.id = m.conversation_id WHERE m.media_id = ?1")?;
    let holders: Vec<Option<String>> = query.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(holders.is_empty() || holders.iter().any(|holder| scope.sees(holder.as_deref())))
}

/// Whose chat a customer's file came with.
pub fn whose(connection: &Connection, id: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT v.contact_id FROM message m JOIN conversation v ON v.id = m.conversation_id WHERE m.media_id = ?1 AND m.direction = 'in' LIMIT 1";
    Ok(connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?)
}

/// Where the bytes of a hash lie.
pub fn path(dir: &DataDir, sha256: &str) -> PathBuf {
    dir.media().join(sha256)
}

/// Writes bytes into the folder (aside, fsync, rename) and returns their hash. The same bytes are kept once.
pub fn keep_bytes(dir: &DataDir, bytes: &[u8]) -> std::io::Result<String> {
    let sha256 = ids::hex(&Sha256::digest(bytes));
    let target = path(dir, &sha256);
    if target.exists() {
        return Ok(sha256);
    }
    let aside = dir.media().join(format!(".{}.part", ids::hex(&ids::random::<8>())));
    let written = (|| {
        let mut file = std::fs::File::create(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        crate::db::draft::to_folder_owner(&aside);
        std::fs::rename(&aside, &target)?;
        std::fs::File::open(dir.media())?.sync_all()
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&aside); // leftovers of a full disk; the error itself goes to the caller
    }
    written.map(|()| sha256)
}

/// A row for bytes of our own (package pictures, PDFs).
pub fn own(tx: &Tx<'_>, sha256: &str, mime: &str, bytes: usize, file_name: &str) -> Result<i64, StoreError> {
    tx.execute("INSERT INTO media (state, sha256, mime, bytes, file_name, created_at) VALUES ('ready', ?1, ?2, ?3, ?4, ?5)", (sha256, mime, bytes as i64, file_name, tx.now_ms))?;
    Ok(tx.last_insert_rowid())
}
