//! Replays asked for in the dashboard: the draft, how far it is, what came of it.

use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::{Value, json};

/// Turns of one replay.
pub const MOST_TURNS: usize = 5_000;
/// Differing turns kept to look at.
pub const MOST_CASES: usize = 300;

/// One to be made.
#[derive(Debug)]
pub struct Asked {
    /// Row id.
    pub id: i64,
    /// Days back.
    pub days: i64,
    /// The draft as JSON.
    pub draft: String,
    /// The model is asked too.
    pub ask_model: bool,
}

/// One as it stands.
#[derive(Debug, Serialize)]
pub struct Run {
    /// Row id.
    pub id: i64,
    /// Asked for, unix ms.
    pub at: i64,
    /// By whom.
    pub actor: String,
    /// Days back.
    pub days: i64,
    /// The draft.
    pub draft: Value,
    /// queued, running, done, failed.
    pub state: String,
    /// Turns decided.
    pub done: i64,
    /// Of so many.
    pub total: i64,
    /// What came of it.
    pub summary: Value,
    /// Every gate holds.
    pub passed: bool,
    /// Published, unix ms.
    pub published_at: Option<i64>,
}

const SELECT: &str = "SELECT id, at, actor, days, draft, state, done, total, ifnull(summary, 'null'), passed, published_at FROM replay_run";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Run> {
    let (draft, summary): (String, String) = (row.get(4)?, row.get(8)?);
    Ok(Run {
        id: row.get(0)?,
        at: row.get(1)?,
        actor: row.get(2)?,
        days: row.get(3)?,
        draft: serde_json::from_str(&draft).unwrap_or(Value::Null),
        state: row.get(5)?,
        done: row.get(6)?,
        total: row.get(7)?,
        summary: serde_json::from_str(&summary).unwrap_or_else(|_| json!({"error": summary})),
        passed: row.get(9)?,
        published_at: row.get(10)?,
    })
}

/// Asks for one.
pub fn ask(tx: &Tx<'_>, actor: &str, days: i64, draft: &str, ask_model: bool) -> Result<i64, StoreError> {
    tx.execute(
        "INSERT INTO replay_run (at, actor, days, draft, ask_model, state) VALUES (?1, ?2, ?3, ?4, ?5, 'queued')",
        (tx.now_ms, actor, days.clamp(1, 365), draft, ask_model),
    )?;
    let id = tx.last_insert_rowid();
    tx.audit(actor, "replay.asked", &format!("replay:{id}"), &json!({"days": days}).to_string())?;
    Ok(id)
}

/// After a start: what was under way is made anew.
pub fn start_over(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM replay_case WHERE run_id IN (SELECT id FROM replay_run WHERE state = 'running')", [])?;
    tx.execute("UPDATE replay_run SET state = 'queued', done = 0 WHERE state = 'running'", [])?;
    Ok(())
}

/// Takes the next one.
pub fn take(tx: &Tx<'_>) -> Result<Option<Asked>, StoreError> {
    let mut query =
        tx.prepare_cached("UPDATE replay_run SET state = 'running' WHERE id = (SELECT min(id) FROM replay_run WHERE state = 'queued') RETURNING id, days, draft, ask_model")?;
    Ok(query.query_row([], |row| Ok(Asked { id: row.get(0)?, days: row.get(1)?, draft: row.get(2)?, ask_model: row.get(3)? })).optional()?)
}

/// How far it is.
pub fn progress(tx: &Tx<'_>, id: i64, done: u64, total: u64) -> Result<(), StoreError> {
    tx.execute("UPDATE replay_run SET done = ?2, total = ?3 WHERE id = ?1", (id, done as i64, total as i64))?;
    Ok(())
}

/// Keeps a turn on which the two differ.
pub fn keep(tx: &Tx<'_>, id: i64, case: &str) -> Result<(), StoreError> {
    tx.execute("INSERT INTO replay_case (run_id, detail) VALUES (?1, ?2)", (id, case))?;
    Ok(())
}

/// What came of it: the summary and whether every gate holds, or why it failed.
pub fn finish(tx: &Tx<'_>, id: i64, outcome: &Result<(String, bool), String>) -> Result<(), StoreError> {
    let (state, summary, passed) = match outcome {
        Ok((summary, passed)) => ("done", summary, *passed),
        Err(why) => ("failed", why, false),
    };
    tx.execute("UPDATE replay_run SET state = ?2, summary = ?3, passed = ?4, done = total WHERE id = ?1", (id, state, summary, passed))?;
    tx.emit("alert", None, json!({"kind": "replay_done", "run": id, "passed": passed}))
}

/// Marks a draft as published; `false` when it may not be: not done, a gate failed, or published before.
pub fn publish(tx: &Tx<'_>, id: i64) -> Result<bool, StoreError> {
    Ok(tx.execute("UPDATE replay_run SET published_at = ?2 WHERE id = ?1 AND state = 'done' AND passed = 1 AND published_at IS NULL", (id, tx.now_ms))? > 0)
}

/// One.
pub fn find(connection: &Connection, id: i64) -> Result<Option<Run>, StoreError> {
    Ok(connection.prepare_cached(&[SELECT, " WHERE id = ?1"].concat())?.query_row([id], from_row).optional()?)
}

/// The newest.
pub fn list(connection: &Connection, limit: i64) -> Result<Vec<Run>, StoreError> {
    let mut query = connection.prepare_cached(&[SELECT, " ORDER BY id DESC LIMIT ?1"].concat())?;
    let rows = query.query_map([limit], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Differing turns of one, in order.
pub fn cases(connection: &Connection, id: i64, after: i64, limit: i64) -> Result<Vec<(i64, Value)>, StoreError> {
    let mut query = connection.prepare_cached("SELECT id, detail FROM replay_case WHERE run_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3")?;
    let rows = query.query_map((id, after, limit), |row| {
        let detail: String = row.get(1)?;
        Ok((row.get(0)?, serde_json::from_str(&detail).unwrap_or(Value::Null)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
