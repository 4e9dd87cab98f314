//! The live log: one row per thing a page wants to hear of, numbered. Sockets resume by that number.

use super::StoreError;
use axum::extract::ws::Utf8Bytes;
use rusqlite::Connection;
use std::borrow::Cow;

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
    pub kind: Cow<'static, str>,
    /// The conversation it is about.
    pub conversation_id: Option<i64>,
    /// What changed, as JSON.
    pub data: String,
}

/// A line as every socket gets it: the frame is written once and shared by all.
#[derive(Clone, Debug)]
pub struct Framed {
    /// Its number.
    pub seq: i64,
    /// The conversation it is about.
    pub conversation_id: Option<i64>,
    /// The frame.
    pub frame: Utf8Bytes,
}

impl Live {
    /// For all sockets at once.
    pub fn framed(&self) -> Framed {
        Framed { seq: self.seq, conversation_id: self.conversation_id, frame: self.frame().into() }
    }

    /// The frame a socket gets.
    pub fn frame(&self) -> String {
        let conversation = self.conversation_id.map_or_else(String::new, |id| format!(",\"conversation_id\":\"conv_{id}\""));
        format!("{{\"seq\":{},\"at\":{},\"type\":\"{}\"{conversation},\"data\":{}}}", self.seq, self.at, self.kind, self.data)
    }
}

/// Rows in one statement: a batch of webhooks writes many lines.
const AT_ONCE: usize = 12;
const INSERT_ONE: &str = "INSERT INTO event (seq, at, type, conversation_id, data) VALUES (?, ?, ?, ?, ?)";
const INSERT_MANY: &str = "INSERT INTO event (seq, at, type, conversation_id, data) VALUES (?, ?, ?, ?, ?), (?, ?, ?, ?, ?), (?, ?, ?, ?, ?), (?, ?, ?, ?, ?),
    (?, ?, ?, ?, ?), (?, ?, ?, ?, ?), (?, ?, ?, ?, ?), (?, ?, ?, ?, ?), (?, ?, ?, ?, ?), (?, ?, ?, ?, ?), (?, ?, ?, ?, ?), (?, ?, ?, ?, ?)";

/// Writes lines that have their numbers.
pub fn append(connection: &Connection, lines: &[Live]) -> Result<(), StoreError> {
    let chunks = lines.chunks_exact(AT_ONCE);
    let singles = chunks.remainder().chunks(1);
    for (sql, chunk) in chunks.map(|chunk| (INSERT_MANY, chunk)).chain(singles.map(|chunk| (INSERT_ONE, chunk))) {
        let mut insert = connection.prepare_cached(sql)?;
        for (row, line) in chunk.iter().enumerate() {
            let at = row * 5;
            insert.raw_bind_parameter(at + 1, line.seq)?;
            insert.raw_bind_parameter(at + 2, line.at)?;
            insert.raw_bind_parameter(at + 3, &*line.kind)?;
            insert.raw_bind_parameter(at + 4, line.conversation_id)?;
            insert.raw_bind_parameter(at + 5, &line.data)?;
        }
        insert.raw_execute()?;
    }
    Ok(())
}

/// Lines after `seq`, oldest first, at most `limit`.
pub fn after(connection: &Connection, seq: i64, limit: usize) -> Result<Vec<Live>, StoreError> {
    let mut query = connection.prepare_cached("SELECT seq, at, type, conversation_id, data FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = query
        .query_map((seq, limit as i64), |row| Ok(Live { seq: row.get(0)?, at: row.get(1)?, kind: Cow::Owned(row.get(2)?), conversation_id: row.get(3)?, data: row.get(4)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest number; 0 in a new store.
pub fn last_seq(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("SELECT ifnull(max(seq), 0) FROM event")?.query_row([], |row| row.get(0))?)
}

/// Drops up to `limit` lines older than [`KEEP_DAYS`], from the old end, never the newest line.
pub fn prune(connection: &Connection, now_ms: i64, limit: usize) -> Result<usize, StoreError> {
    Ok(connection.execute(
        "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE at < ?1 AND seq < (SELECT max(seq) FROM event) ORDER BY seq LIMIT ?2)",
        (now_ms - KEEP_DAYS * 86_400_000, limit as i64),
    )?)
}
