//! The live log: one row per thing a page wants to hear of, numbered. Sockets resume by that number.

use super::StoreError;
use rusqlite::Connection;
use serde_json::{Value, json};

/// Days the live log is kept: a page that was away longer loads afresh.
pub const KEEP_DAYS: i64 = 3;

/// A line of the live log.
#[derive(Clone, Debug)]
pub struct Live {
    /// Its number; grows by one, never reused.
    pub seq: i64,
    /// When, unix ms.
    pub at: i64,
    /// `message.created`, `message.status`, `conversation.updated`, `label.changed`, `alert`, …
    pub kind: String,
    /// The conversation it is about.
    pub conversation_id: Option<i64>,
    /// What changed.
    pub data: Value,
}

impl Live {
    /// The frame a socket gets.
    pub fn frame(&self) -> String {
        let mut frame = json!({"seq": self.seq, "at": self.at, "type": self.kind, "data": self.data});
        if let Some(id) = self.conversation_id {
            frame["conversation_id"] = Value::String(format!("conv_{id}"));
        }
        frame.to_string()
    }
}

/// Adds a line.
pub fn append(connection: &Connection, now_ms: i64, kind: &str, conversation_id: Option<i64>, data: Value) -> Result<Live, StoreError> {
    connection.prepare_cached("INSERT INTO event (at, type, conversation_id, data) VALUES (?1, ?2, ?3, ?4)")?.execute((now_ms, kind, conversation_id, data.to_string()))?;
    Ok(Live { seq: connection.last_insert_rowid(), at: now_ms, kind: kind.to_owned(), conversation_id, data })
}

/// Lines after `seq`, oldest first, at most `limit`.
pub fn after(connection: &Connection, seq: i64, limit: usize) -> Result<Vec<Live>, StoreError> {
    let mut query = connection.prepare_cached("SELECT seq, at, type, conversation_id, data FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = query.query_map((seq, limit as i64), |row| {
        let data: String = row.get("data")?;
        Ok(Live {
            seq: row.get("seq")?,
            at: row.get("at")?,
            kind: row.get("type")?,
            conversation_id: row.get("conversation_id")?,
            data: serde_json::from_str(&data).unwrap_or(Value::Null),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest number; 0 in a new store.
pub fn last_seq(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("SELECT ifnull(max(seq), 0) FROM event", [], |row| row.get(0))?)
}

/// Drops up to `limit` lines older than [`KEEP_DAYS`], from the old end, never the newest line.
pub fn prune(connection: &Connection, now_ms: i64, limit: usize) -> Result<usize, StoreError> {
    Ok(connection.execute(
        "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE at < ?1 AND seq < (SELECT max(seq) FROM event) ORDER BY seq LIMIT ?2)",
        (now_ms - KEEP_DAYS * 86_400_000, limit as i64),
    )?)
}
