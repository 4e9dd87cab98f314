//! Deliveries that proved to be the gateway's but could not be read: kept whole until a person has them read again
//! (a newer version may know them) or throws them away.

use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

/// One of them.
#[derive(Debug, serde::Serialize)]
pub struct Quarantined {
    /// Row id.
    pub id: i64,
    /// When it came, unix ms.
    pub received_at: i64,
    /// The gateway's event name, where it could be read.
    pub event: Option<String>,
    /// Why it could not be read: `json_syntax`, `wrong_type`, …
    pub reason: String,
    /// The body; bytes that are no UTF-8 are replaced.
    pub body: String,
}

/// Keeps an authentic body nobody could read.
pub fn keep(tx: &Tx<'_>, event: Option<&str>, session: Option<&str>, reason: &str, raw: &[u8]) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO webhook_raw (received_at, session, event, outcome, reason, body) VALUES (?1, ?2, ?3, 'quarantined', ?4, ?5)",
        (tx.now_ms, session, event, reason, raw),
    )?;
    tx.count("quarantined", 1);
    tx.audit("system", "webhook.quarantined", &format!("raw:{}", tx.last_insert_rowid()), reason)?;
    tx.emit("alert", None, json!({"kind": "quarantined", "reason": reason}))
}

/// Keeps a body from the gateway's history, which is read again and again, unless the same one already waits.
pub fn keep_once(tx: &Tx<'_>, event: &str, session: &str, reason: &str, raw: &[u8]) -> Result<(), StoreError> {
    let mut query = tx.prepare_cached("SELECT 1 FROM webhook_raw WHERE outcome = 'quarantined' AND body = ?1 LIMIT 1")?;
    if query.exists([raw])? { Ok(()) } else { keep(tx, Some(event), Some(session), reason, raw) }
}

/// How many wait for a person.
pub fn count(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("SELECT count(*) FROM webhook_raw WHERE outcome = 'quarantined'")?.query_row([], |row| row.get(0))?)
}

/// A page, newest first, below `before`.
pub fn list(connection: &Connection, before: i64, limit: i64) -> Result<Vec<Quarantined>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT id, received_at, event, reason, body FROM webhook_raw WHERE outcome = 'quarantined' AND id < ?1 ORDER BY id DESC LIMIT ?2")?;
    let rows = query.query_map((before, limit), |row| {
        let body: Vec<u8> = row.get(4)?;
        Ok(Quarantined {
            id: row.get(0)?,
            received_at: row.get(1)?,
            event: row.get(2)?,
            reason: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The bytes of one.
pub fn body(connection: &Connection, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut query = connection.prepare_cached("SELECT body FROM webhook_raw WHERE id = ?1 AND outcome = 'quarantined'")?;
    Ok(query.query_row([id], |row| row.get(0)).optional()?)
}

/// Takes one out: it has been read after all, or it is thrown away. `what` says which, for the audit trail.
pub fn remove(tx: &Tx<'_>, actor: &str, id: i64, what: &str) -> Result<bool, StoreError> {
    let gone = tx.execute("DELETE FROM webhook_raw WHERE id = ?1 AND outcome = 'quarantined'", [id])? > 0;
    if gone {
        tx.audit(actor, what, &format!("raw:{id}"), "")?;
    }
    Ok(gone)
}
