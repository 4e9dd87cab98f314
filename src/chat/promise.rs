//! The promise ledger: what customers said they would do and by when, as tasks of the team.

use crate::bot::promise::Promise;
use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::json;

/// A promise as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Task {
    /// Row id.
    pub id: i64,
    /// Whose.
    pub conversation_id: i64,
    /// Name on screens.
    pub name: Option<String>,
    /// pay, send, visit, decide.
    pub what: String,
    /// The words.
    pub quote: String,
    /// `YYYY-MM-DD`.
    pub due_on: String,
    /// Said, unix ms.
    pub at: i64,
}

/// Keeps a promise; a later one of the same kind in the same chat takes the place of the earlier.
pub fn hear(tx: &Tx<'_>, conversation_id: i64, message_id: Option<i64>, promise: &Promise) -> Result<(), StoreError> {
    tx.execute("UPDATE promise SET ended_at = ?3, ended_as = 'renewed' WHERE conversation_id = ?1 AND what = ?2 AND ended_at IS NULL", (conversation_id, promise.what, tx.now_ms))?;
    tx.execute(
        "INSERT INTO promise (conversation_id, message_id, what, quote, due_on, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (conversation_id, message_id, promise.what, &promise.quote, promise.due.to_string(), tx.now_ms),
    )?;
    tx.emit("conversation.updated", Some(conversation_id), json!({"promise": promise.what, "due_on": promise.due.to_string()}))
}

/// Takes back what was heard after a message; what it took the place of stands again.
pub fn unhear(tx: &Tx<'_>, conversation_id: i64, after_message_id: i64) -> Result<(), StoreError> {
    let mut query = tx.prepare_cached("SELECT id, what, at FROM promise WHERE conversation_id = ?1 AND message_id > ?2 AND ended_at IS NULL")?;
    let heard: Vec<(i64, String, i64)> = query.query_map((conversation_id, after_message_id), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    for (id, what, at) in heard {
        tx.execute("DELETE FROM promise WHERE id = ?1", [id])?;
        tx.execute(
            "UPDATE promise SET ended_at = NULL, ended_as = NULL WHERE conversation_id = ?1 AND what = ?2 AND ended_as = 'renewed' AND ended_at = ?3",
            (conversation_id, what, at),
        )?;
    }
    Ok(())
}

/// Ends promises: `kept` or `dropped`. `what` none: of every kind.
pub fn end(tx: &Tx<'_>, conversation_id: i64, what: Option<&str>, how: &str) -> Result<usize, StoreError> {
    Ok(tx.execute(
        "UPDATE promise SET ended_at = ?3, ended_as = ?4 WHERE conversation_id = ?1 AND ended_at IS NULL AND (?2 IS NULL OR what = ?2)",
        (conversation_id, what, tx.now_ms, how),
    )?)
}

/// Ends one by hand.
pub fn settle(tx: &Tx<'_>, actor: &str, id: i64, kept: bool) -> Result<bool, StoreError> {
    let how = if kept { "kept" } else { "dropped" };
    let done = tx.execute("UPDATE promise SET ended_at = ?2, ended_as = ?3 WHERE id = ?1 AND ended_at IS NULL", (id, tx.now_ms, how))? > 0;
    if done {
        tx.audit(actor, "promise.settled", &format!("promise:{id}"), how)?;
    }
    Ok(done)
}

/// Who has the chat a promise was made in; `None`: no such promise.
pub fn holder(connection: &Connection, id: i64) -> Result<Option<Option<String>>, StoreError> {
    let sql = "SELECT v.held_by FROM promise p JOIN conversation v ON v.id = p.conversation_id WHERE p.id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?)
}

/// Tells of promises whose day has passed, each once. How many there were.
pub fn tell_missed(tx: &Tx<'_>, today: &str) -> Result<usize, StoreError> {
    let mut query = tx.prepare_cached(
        "UPDATE promise SET missed_at = ?2 WHERE id IN (SELECT id FROM promise WHERE ended_at IS NULL AND missed_at IS NULL AND due_on < ?1 LIMIT 200) RETURNING conversation_id",
    )?;
    let missed: Vec<i64> = query.query_map((today, tx.now_ms), |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in &missed {
        tx.emit("alert", Some(*id), json!({"kind": "promise_missed"}))?;
    }
    Ok(missed.len())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task { id: row.get(0)?, conversation_id: row.get(1)?, name: row.get(2)?, what: row.get(3)?, quote: row.get(4)?, due_on: row.get(5)?, at: row.get(6)? })
}

const SELECT: &str =
    "SELECT p.id, p.conversation_id, ifnull(c.name, (SELECT '+' || value FROM identity i WHERE i.contact_id = c.id AND i.kind = 'phone' LIMIT 1)), p.what, p.quote, p.due_on, p.at
    FROM promise p JOIN conversation v ON v.id = p.conversation_id JOIN contact c ON c.id = v.contact_id";

/// Open promises due on `day` or before, oldest first.
pub fn due(connection: &Connection, day: &str, limit: i64) -> Result<Vec<Task>, StoreError> {
    let mut query = connection.prepare_cached(&[SELECT, " WHERE p.ended_at IS NULL AND p.due_on <= ?1 ORDER BY p.due_on, p.id LIMIT ?2"].concat())?;
    let rows = query.query_map((day, limit), from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Open promises of a conversation.
pub fn open(connection: &Connection, conversation_id: i64) -> Result<Vec<Task>, StoreError> {
    let mut query = connection.prepare_cached(&[SELECT, " WHERE p.ended_at IS NULL AND p.conversation_id = ?1 ORDER BY p.due_on, p.id LIMIT 20"].concat())?;
    let rows = query.query_map([conversation_id], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
